/**
 * Reads the reports in which mailbox providers say that a recipient has marked a message as spam: the Abuse Reporting Format
 * (RFC 5965). Pure. Anyone can write such a report; who has written it, and whether it is true, is not decided here.
 */
import { normaliseAddress } from '../address/address.ts'
import { parseAddressList } from '../address/address-list.ts'
import { parseMessageIds } from '../ids.ts'
import { fieldValue, findField, type HeaderField, readHeaderBlock } from './header-fields.ts'
import type { MimePart, StructureLimits } from './mime-structure.ts'
import { decodeBytes } from './transfer-encoding.ts'

export interface FeedbackReport {
  /** In lower case: abuse, fraud, virus, not-spam (RFC 5965 §7.3, RFC 6430). */
  readonly feedbackType: string
  /** The Message-ID of the reported message, with angle brackets. */
  readonly messageId?: string
  /** Addresses that may have sent it: Original-Mail-From, and Return-Path, Sender and From of the reported message. Normalised. */
  readonly senders: readonly string[]
  /** Original-Rcpt-To: who has reported it. Normalised; empty if the provider does not say it. */
  readonly recipients: readonly string[]
  /** The signatures in DKIM fields of the reported message: only those who have the message know them. */
  readonly signatures: readonly string[]
}

/** Encoded bytes of each part that are read. */
const PART_BYTES_MAX = 128 * 1024
const SENDERS_MAX = 5
const RECIPIENTS_MAX = 100
const SIGNATURES_MAX = 10
/** Where the signatures of a message are looked for: signing adds them at the top. */
export const SIGNED_HEADER_BYTES_MAX = 64 * 1024
const SIGNED_FIELDS_MAX = 1_000
/** More than enough for a key of 4096 bits. */
const SIGNATURE_CHARS_MAX = 2_000

/** @param root the structure of the whole message @returns undefined if it is no such report */
export function readFeedbackReport(raw: Buffer, root: MimePart, limits: StructureLimits): FeedbackReport | undefined {
  // RFC 5965 §2: a multipart/report of this type, whose second part is the report, and whose third part is the message or its header.
  const isReport =
    root.contentType === 'multipart/report' &&
    root.parameters.get('report-type')?.toLowerCase() === 'feedback-report' &&
    root.children.length >= 3
  const [, machine, original] = root.children
  if (!isReport || machine?.contentType !== 'message/feedback-report' || !original) return undefined
  const report = fieldsOf(machine)
  const feedbackType = report.values('feedback-type')[0]?.trim().toLowerCase() ?? ''
  const isHeader = original.contentType === 'message/rfc822' || original.contentType === 'text/rfc822-headers'
  const header = isHeader ? fieldsOf(original) : undefined
  const [messageId] = parseMessageIds(header?.values('message-id')[0] ?? '', 1)
  const names = ['return-path', 'sender', 'from'] as const
  const senders = [
    ...report.values('original-mail-from'),
    ...names.flatMap((name) => header?.values(name).slice(0, 1) ?? []),
  ]
  return {
    feedbackType,
    ...(messageId !== undefined && { messageId }),
    senders: addressesIn(senders, SENDERS_MAX),
    recipients: addressesIn(report.values('original-rcpt-to'), RECIPIENTS_MAX),
    signatures: signaturesIn(header?.values('dkim-signature') ?? []),
  }

  function fieldsOf({ bodyStart, bodyEnd, encoding }: MimePart) {
    const encoded = raw.subarray(bodyStart, Math.min(bodyEnd, bodyStart + PART_BYTES_MAX))
    const decoded = decodeBytes(encoded, encoding)
    const { fields } = readHeaderBlock(decoded, 0, limits.headerBytesMax, undefined, limits.headerFieldsMax)
    const named = (lowerName: string): HeaderField[] => {
      const first = findField(fields, lowerName)
      return first ? fields.filter(({ name }) => name.toLowerCase() === lowerName) : []
    }
    return { values: (lowerName: string) => named(lowerName).map((field) => fieldValue(decoded, field)) }
  }
}

/** Some providers write `rfc822;address`, as in RFC 3464. */
function addressesIn(values: readonly string[], countMax: number): string[] {
  const found = values.slice(0, countMax).flatMap((value) => {
    const [address] = parseAddressList(value.replace(/^\s*rfc822\s*;/i, ''), 1)
    const normal = address && normaliseAddress(address.address)
    return normal === undefined ? [] : [normal]
  })
  return [...new Set(found)]
}

/** Returns the signatures (tag `b`, RFC 6376 §3.5) in the header at the start of these bytes. */
export function readSignatures(raw: Buffer): string[] {
  const { fields } = readHeaderBlock(raw, 0, SIGNED_HEADER_BYTES_MAX, undefined, SIGNED_FIELDS_MAX)
  const signed = fields.filter(({ name }) => name.toLowerCase() === 'dkim-signature')
  return signaturesIn(signed.map((field) => fieldValue(raw, field)))
}

function signaturesIn(values: readonly string[]): string[] {
  return values.slice(0, SIGNATURES_MAX).flatMap((value) => {
    const tags = value.replace(/\s/g, '').split(';', 100)
    const signature = tags.find((tag) => tag.startsWith('b='))?.slice(2) ?? ''
    return signature === '' || signature.length > SIGNATURE_CHARS_MAX ? [] : [signature]
  })
}
