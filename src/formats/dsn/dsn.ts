/**
 * Delivery status notifications (RFC 3464): the mail that tells a sender that its mail failed or is late. A part for
 * people, one for programs, and the header of the original (RFC 6522).
 *
 * Pure and synchronous, so that it can be made inside the transaction that decides what it reports. What a remote said
 * stands in it: such words are put on one line, bounded and folded, and can end no field and no part.
 */
import { encodeWords } from 'nodemailer/lib/mime-funcs'
import { encode as quotedPrintable, wrap } from 'nodemailer/lib/qp'
import { formatAddress, singleLine } from '../address/address.ts'
import { parseMessageIds } from '../ids.ts'
import { fieldText, findField, type HeaderField, readHeaderBlock } from '../mime/header-fields.ts'
import { rfc5322Date } from '../mime/trace-headers.ts'

/** The report on one recipient. */
export interface NoticeRecipient {
  /** Normalised. */
  readonly address: string
  /** Enhanced status code (`noticeStatus`). */
  readonly status: string
  /** SMTP reply code, when a server answered. */
  readonly code?: number | undefined
  /** The remote's words, or ours where it said none. */
  readonly reply?: string | undefined
  /** Who answered: "mx1.example.com [192.0.2.1]:25". */
  readonly remote?: string | undefined
  readonly lastAttemptAt: Date
  readonly attempts: number
  /** Present when it is given up although it might work later. */
  readonly triedForMs?: number
  /** Present when it is only late. */
  readonly willRetryUntil?: Date
}

export interface NoticeInput {
  readonly action: 'failed' | 'delayed'
  /** With angle brackets. */
  readonly messageId: string
  readonly date: Date
  /** Random enough to occur in no mail: a UUID does. */
  readonly boundary: string
  /** Host name of this server. */
  readonly reportingMta: string
  /** Domain of MAILER-DAEMON. */
  readonly fromDomain: string
  /** The original's sender. */
  readonly to: string
  readonly recipients: readonly NoticeRecipient[]
  readonly original: {
    /** When we took it. */
    readonly arrivedAt: Date
    /** With angle brackets; taken from its header where it is left out. */
    readonly messageId?: string | undefined
    /** Its beginning, as much as is to be sent back of its header; may be empty. */
    readonly head: Buffer
  }
}

/** SMTP replies have 512 octets a line (RFC 5321 §4.5.3.1.5) and any number of lines; who reads this needs the first ones. */
const WORDS_CHARS_MAX = 500
const SUBJECT_CHARS_MAX = 200
/** RFC 5322 §2.1.1: lines should have 78 characters at most and must have 998 at most. */
const LINE_CHARS = 76
const LINE_BYTES_MAX = 998
/** A word longer than any address is cut, since a line must end somewhere. */
const WORD_CHARS_MAX = 255

/** @returns the whole notice, CRLF; for an envelope with the null sender (RFC 3464 §2) */
export function composeNotice(input: NoticeInput): Buffer {
  const { action, original, boundary } = input
  const { fields } = readHeaderBlock(original.head, 0, original.head.length)
  const subjectField = findField(fields, 'subject')
  const subject = subjectField && plainWords(fieldText(original.head, subjectField)).slice(0, SUBJECT_CHARS_MAX)
  const idField = findField(fields, 'message-id')
  const originalId = original.messageId ?? (idField && parseMessageIds(fieldText(original.head, idField), 1)[0])

  const said = action === 'failed' ? 'Not delivered' : 'Delayed'
  const header = [
    field('From', `Mail delivery <MAILER-DAEMON@${input.fromDomain}>`),
    field('To', formatAddress({ address: input.to })),
    field('Subject', encodeWords(subject ? `${said}: ${subject}` : said, 'Q', LINE_CHARS - 20)),
    field('Date', rfc5322Date(input.date)),
    field('Message-ID', singleLine(input.messageId)),
    ...(originalId === undefined ? [] : [field('In-Reply-To', originalId), field('References', originalId)]),
    field('Auto-Submitted', 'auto-replied'), // RFC 3834 §5; an answer to it reaches no one
    field('MIME-Version', '1.0'),
    field('Content-Type', `multipart/report; report-type=delivery-status; boundary="${boundary}"`),
  ]
  const parts = [humanPart(input, subject), statusPart(input), ...headersPart(original.head, fields)]
  const isEightBit = [...header, ...parts].some((text) => !isAscii(text))
  if (isEightBit) header.push(field('Content-Transfer-Encoding', '8bit')) // RFC 2045 §6.4: as its parts
  const body = parts.map((part) => `--${boundary}\r\n${part}\r\n`).join('')
  return Buffer.from(`${header.join('')}\r\n${body}--${boundary}--\r\n`)
}

/**
 * The status code that a notice gives (RFC 3464 §2.3.4): the remote's where its class agrees with what we tell.
 *
 * A mail that is given up keeps class 4: it says that sending it later may work (RFC 3463 §2). RFC 3463 §3.5 has X.4.7
 * for a mail that grew too old, and wants the code of the problem itself instead where there is one.
 *
 * @param what  `permanent` failure; `expired`: given up for its age; `delayed`
 */
export function noticeStatus(what: 'permanent' | 'expired' | 'delayed', enhancedCode: string | undefined): string {
  const pattern = what === 'permanent' ? /^5\.\d{1,3}\.\d{1,3}$/ : /^4\.\d{1,3}\.\d{1,3}$/
  if (enhancedCode !== undefined && pattern.test(enhancedCode)) return enhancedCode
  return { permanent: '5.0.0', expired: '4.4.7', delayed: '4.0.0' }[what]
}

/** For the owner of an agent, and for the agent: what, to whom, why, and what to do. */
function humanPart({ action, reportingMta, recipients, original }: NoticeInput, subject: string | undefined): string {
  const lines = [
    action === 'failed' ? 'This mail could not be delivered:' : 'This mail has not been delivered yet:',
    '',
    `  Subject: ${subject || '(none)'}`,
    `  Sent: ${rfc5322Date(original.arrivedAt)}`,
    ...recipients.flatMap((recipient) => ['', `To ${recipient.address}:`, ...reasonLines(recipient)]),
    '',
    `This notice was made by ${reportingMta}. Nobody reads answers to it.`,
    '',
  ]
  const text = wrap(quotedPrintable(lines.join('\r\n')), LINE_CHARS)
  return `Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n${text}`
}

function reasonLines({ code, reply, remote, attempts, triedForMs, willRetryUntil }: NoticeRecipient): string[] {
  const who = remote === undefined ? '' : plainWords(remote)
  const words = replyWords(code, reply) || 'no reason was given'
  const reason = code !== undefined && who ? `  ${who} answered: ${words}` : `  Reason: ${words}${who && ` (${who})`}`
  const times = attempts === 1 ? 'once' : `${attempts} times`
  if (willRetryUntil) {
    return [
      reason,
      `  It was tried ${times} and will be tried until ${rfc5322Date(willRetryUntil)}.`,
      '  You need not do anything; another notice comes if it fails in the end.',
    ]
  }
  if (triedForMs !== undefined) {
    return [
      `  It was tried ${times} in ${duration(triedForMs)} and is given up. The last time:`,
      reason,
      '  The address may be right. Send the mail again when the other side can take it.',
    ]
  }
  return [
    reason,
    '  It will not be tried again. Check the address, or change what the reason names, and send the mail again.',
  ]
}

/** RFC 3464 §2: fields of the mail, then a group of fields for each recipient. */
function statusPart({ action, reportingMta, recipients, original }: NoticeInput): string {
  // No Original-Envelope-Id: our clients give no ENVID, and only what was given may stand there (§2.2.1).
  const groups = [
    [
      field('Reporting-MTA', `dns; ${singleLine(reportingMta)}`),
      field('Arrival-Date', rfc5322Date(original.arrivedAt)),
    ],
    ...recipients.map((recipient) => recipientFields(action, recipient)),
  ]
  const text = groups.map((group) => group.join('')).join('\r\n')
  // RFC 6533 §4: the same fields in UTF-8 have a type of their own.
  const type = isAscii(text) ? 'message/delivery-status' : 'message/global-delivery-status'
  return `Content-Type: ${type}\r\nContent-Transfer-Encoding: ${isAscii(text) ? '7bit' : '8bit'}\r\n\r\n${text}`
}

function recipientFields(action: NoticeInput['action'], recipient: NoticeRecipient): string[] {
  const { address, status, code, reply, remote, lastAttemptAt, willRetryUntil } = recipient
  const typed = `${isAscii(address) ? 'rfc822' : 'utf-8'}; ${singleLine(address)}` // RFC 6533 §3
  const words = replyWords(code, reply)
  const host = remote === undefined ? undefined : plainWords(remote).split(' ')[0]
  return [
    field('Original-Recipient', typed), // we rewrite no address: it is the one that the sender gave
    field('Final-Recipient', typed),
    field('Action', action),
    field('Status', status),
    ...(host ? [field('Remote-MTA', `dns; ${host}`)] : []),
    // RFC 3464 §2.3.6: "smtp" is for what a server said; where none was reached the words are ours.
    ...(words === '' ? [] : [field('Diagnostic-Code', `${code === undefined ? 'x-martlet' : 'smtp'}; ${words}`)]),
    field('Last-Attempt-Date', rfc5322Date(lastAttemptAt)),
    ...(willRetryUntil ? [field('Will-Retry-Until', rfc5322Date(willRetryUntil))] : []),
  ]
}

/** RFC 6522 §4: the header alone. Fields that no line can hold are left out, so that the part is readable as it is. */
function headersPart(head: Buffer, fields: readonly HeaderField[]): string[] {
  const text = fields
    .map(({ start, end }) => head.toString('utf8', start, end).replaceAll('\0', ''))
    .map((each) => each.replace(/\r(?!\n)/g, ' ').replace(/\r?\n/g, '\r\n')) // a lone CR may begin no line
    .filter((each) => each.endsWith('\r\n')) // the last one may be cut
    .filter((each) => each.split('\r\n').every((line) => Buffer.byteLength(line) <= LINE_BYTES_MAX))
    .join('')
  if (text === '') return []
  const type = isAscii(text) ? 'text/rfc822-headers' : 'message/global-headers' // RFC 6533 §6
  return [`Content-Type: ${type}\r\nContent-Transfer-Encoding: ${isAscii(text) ? '7bit' : '8bit'}\r\n\r\n${text}`]
}

/** "550 5.1.1 No such user": with its code, which some say twice. */
function replyWords(code: number | undefined, reply = ''): string {
  const words = plainWords(reply)
  return (code === undefined || words.startsWith(String(code)) ? words : `${code} ${words}`).trim()
}

/** Somebody else's words on one line: without controls and without marks that turn what is read around. */
function plainWords(text: string): string {
  const visible = text.replace(/[\u0080-\u009f\u200e\u200f\u202a-\u202e\u2066-\u2069\ufeff]+/g, ' ')
  return singleLine(visible.slice(0, 2 * WORDS_CHARS_MAX))
    .replace(/ {2,}/g, ' ')
    .slice(0, WORDS_CHARS_MAX)
}

/** RFC 5322 §2.2.3: folded before white space. */
function field(name: string, value: string): string {
  const [first = '', ...words] = value.split(' ').flatMap(cutLongWord)
  const lines = [`${name}: ${first}`]
  for (const word of words) {
    const line = `${lines.at(-1)} ${word}`
    if (line.length <= LINE_CHARS || word === '') lines[lines.length - 1] = line
    else lines.push(` ${word}`)
  }
  return `${lines.join('\r\n')}\r\n`
}

function cutLongWord(word: string): string[] {
  if (word.length <= WORD_CHARS_MAX) return [word]
  return [word.slice(0, WORD_CHARS_MAX), ...cutLongWord(word.slice(WORD_CHARS_MAX))]
}

function duration(ms: number): string {
  const minutes = Math.round(ms / 60_000)
  if (minutes < 2) return 'a minute'
  const [count, unit] =
    minutes < 120 ? [minutes, 'minutes'] : minutes < 2_880 ? [minutes / 60, 'hours'] : [minutes / 1_440, 'days']
  return `${Math.round(count)} ${unit}`
}

function isAscii(text: string): boolean {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: the range is ASCII
  return /^[\x00-\x7f]*$/.test(text)
}
