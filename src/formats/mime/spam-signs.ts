/**
 * Reads from a message what the built-in spam check weighs (mail/receiving/spam/built-in-check.ts): signs in its header, and the test
 * string. Pure; it runs in a thread, so its result must survive as JSON.
 */
import { parseAddressList } from '../address/address-list.ts'
import { parseDateHeader } from './date-header.ts'
import { fieldText, fieldValue, findField, type HeaderField } from './header-fields.ts'

export interface SpamSigns {
  readonly hasMessageId: boolean
  readonly hasDate: boolean
  /** Epoch ms; missing if the Date field is, or cannot be read. */
  readonly date?: number
  /** Its beginning. */
  readonly subject: string
  /** The domains of Reply-To, in lower case. */
  readonly replyToDomains: readonly string[]
  /** It contains the string by which spam filters are tested. */
  readonly isTest: boolean
}

const SUBJECT_CHARS_MAX = 300
const REPLY_TO_MAX = 10
/** The test string is at the beginning of a small message. */
const TESTED_BYTES_MAX = 32 * 1024

/** GTUBE, the test message for unsolicited bulk email: in two parts, so that this file is not taken for one. */
const GTUBE = `XJS*C4JDBQADN1.NSBN3*2IDNEN*${'GTUBE-STANDARD-ANTI-UBE-TEST-EMAIL'}*C.34X`

export function readSpamSigns(raw: Buffer, fields: readonly HeaderField[]): SpamSigns {
  const value = (lowerName: string) => {
    const field = findField(fields, lowerName)
    return field === undefined ? undefined : fieldValue(raw, field)
  }
  const dateText = value('date')
  const date = dateText === undefined ? undefined : parseDateHeader(dateText)
  const subject = findField(fields, 'subject')
  return {
    hasMessageId: value('message-id') !== undefined,
    hasDate: dateText !== undefined,
    ...(date !== undefined && { date: date.getTime() }),
    subject: subject ? fieldText(raw, subject).slice(0, SUBJECT_CHARS_MAX) : '',
    replyToDomains: parseAddressList(value('reply-to') ?? '', REPLY_TO_MAX).map(({ address }) =>
      address.slice(address.lastIndexOf('@') + 1).toLowerCase(),
    ),
    isTest: raw.subarray(0, TESTED_BYTES_MAX).includes(GTUBE),
  }
}
