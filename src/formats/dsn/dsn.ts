/**
 * Composes delivery status notifications (RFC 3464): messages that report to a sender that a message failed or is
 * delayed. They have a part for people, a part for programs, and the header of the original message (RFC 6522).
 *
 * Pure and synchronous, so that a notice can be composed inside the transaction that records what it reports. It
 * contains replies of remote servers: such text is put on one line, limited and folded, so that it cannot end a field
 * or a part.
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
  /** The text of the server's reply, or our own description of the error. */
  readonly reply?: string | undefined
  /** The server: "mx1.example.com [192.0.2.1]:25". */
  readonly remote?: string | undefined
  readonly lastAttemptAt: Date
  readonly attempts: number
  /** Present if a temporary error lasted until the retries ended. */
  readonly triedForMs?: number
  /** Present if the message is only delayed. */
  readonly willRetryUntil?: Date
}

export interface NoticeInput {
  readonly action: 'failed' | 'delayed'
  /** With angle brackets. */
  readonly messageId: string
  readonly date: Date
  /** Random enough to occur in no message, for example a UUID. */
  readonly boundary: string
  /** Host name of this server. */
  readonly reportingMta: string
  /** Domain of MAILER-DAEMON. */
  readonly fromDomain: string
  /** The original's sender. */
  readonly to: string
  readonly recipients: readonly NoticeRecipient[]
  readonly original: {
    /** When we accepted it. */
    readonly arrivedAt: Date
    /** With angle brackets. If absent, it is read from `head`. */
    readonly messageId?: string | undefined
    /** The beginning of the message, with as much of its header as the notice returns. May be empty. */
    readonly head: Buffer
  }
}

/**
 * An SMTP reply has up to 512 octets per line (RFC 5321 §4.5.3.1.5) and any number of lines. The first ones are enough.
 */
const REMOTE_CHARS_MAX = 500
const SUBJECT_CHARS_MAX = 200
/** RFC 5322 §2.1.1: lines should have at most 78 characters, and must have at most 998. */
const LINE_CHARS = 76
const LINE_BYTES_MAX = 998
/** Longer words are split, because lines can be folded only at spaces. No address is longer. */
const WORD_CHARS_MAX = 255

/** @returns the whole notice with CRLF line ends, to be sent with the null sender (RFC 3464 §2) */
export function composeNotice(input: NoticeInput): Buffer {
  const { action, original, boundary } = input
  const { fields } = readHeaderBlock(original.head, 0, original.head.length)
  const subjectField = findField(fields, 'subject')
  const subject = subjectField && safeLine(fieldText(original.head, subjectField)).slice(0, SUBJECT_CHARS_MAX)
  const idField = findField(fields, 'message-id')
  const originalId = original.messageId ?? (idField && parseMessageIds(fieldText(original.head, idField), 1)[0])

  const verdict = action === 'failed' ? 'Not delivered' : 'Delayed'
  const header = [
    field('From', `Mail delivery <MAILER-DAEMON@${input.fromDomain}>`),
    field('To', formatAddress({ address: input.to })),
    field('Subject', encodeWords(subject ? `${verdict}: ${subject}` : verdict, 'Q', LINE_CHARS - 20)),
    field('Date', rfc5322Date(input.date)),
    field('Message-ID', singleLine(input.messageId)),
    ...(originalId === undefined ? [] : [field('In-Reply-To', originalId), field('References', originalId)]),
    field('Auto-Submitted', 'auto-replied'), // RFC 3834 §5
    field('MIME-Version', '1.0'),
    field('Content-Type', `multipart/report; report-type=delivery-status; boundary="${boundary}"`),
  ]
  const parts = [humanPart(input, subject), statusPart(input), ...headersPart(original.head, fields)]
  const isEightBit = [...header, ...parts].some((text) => !isAscii(text))
  if (isEightBit) header.push(field('Content-Transfer-Encoding', '8bit')) // RFC 2045 §6.4: like its parts
  const body = parts.map((part) => `--${boundary}\r\n${part}\r\n`).join('')
  return Buffer.from(`${header.join('')}\r\n${body}--${boundary}--\r\n`)
}

/**
 * Returns the status code of a notice (RFC 3464 §2.3.4): that of the server if its class agrees with the notice.
 *
 * A message whose retries have ended keeps class 4, which says that sending it again later may work (RFC 3463 §2). For
 * such a message, RFC 3463 §3.5 defines X.4.7, but prefers the code of the actual problem if there is one.
 *
 * @param outcome  `permanent` failure; `expired`: the retries have ended; `delayed`
 */
export function noticeStatus(outcome: 'permanent' | 'expired' | 'delayed', enhancedCode: string | undefined): string {
  const pattern = outcome === 'permanent' ? /^5\.\d{1,3}\.\d{1,3}$/ : /^4\.\d{1,3}\.\d{1,3}$/
  if (enhancedCode !== undefined && pattern.test(enhancedCode)) return enhancedCode
  return { permanent: '5.0.0', expired: '4.4.7', delayed: '4.0.0' }[outcome]
}

/** The part for the agent and its owner: which message, to which recipients, why, and what to do. */
function humanPart({ action, reportingMta, recipients, original }: NoticeInput, subject: string | undefined): string {
  const lines = [
    action === 'failed' ? 'This mail could not be delivered:' : 'This mail has not been delivered yet:',
    '',
    `  Subject: ${subject || '(none)'}`,
    `  Sent: ${rfc5322Date(original.arrivedAt)}`,
    ...recipients.flatMap((recipient) => ['', `To ${recipient.address}:`, ...reasonLines(recipient)]),
    '',
    `This notice was sent by ${reportingMta}. Replies to it are not read.`,
    '',
  ]
  const text = wrap(quotedPrintable(lines.join('\r\n')), LINE_CHARS)
  return `Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n${text}`
}

function reasonLines({ code, reply, remote, attempts, triedForMs, willRetryUntil }: NoticeRecipient): string[] {
  const server = remote === undefined ? '' : safeLine(remote)
  const text = replyText(code, reply) || 'no reason was given'
  const reason =
    code !== undefined && server ? `  ${server} answered: ${text}` : `  Reason: ${text}${server && ` (${server})`}`
  const times = attempts === 1 ? 'once' : `${attempts} times`
  if (willRetryUntil) {
    return [
      reason,
      `  It was tried ${times} and will be tried until ${rfc5322Date(willRetryUntil)}.`,
      '  You do not need to do anything. If delivery fails in the end, another notice is sent.',
    ]
  }
  if (triedForMs !== undefined) {
    return [
      `  It was tried ${times} in ${duration(triedForMs)} and is given up. The last time:`,
      reason,
      '  The address may be correct. Send the mail again when the problem is solved.',
    ]
  }
  return [
    reason,
    '  It will not be tried again. Check the address or correct the problem above, and send the mail again.',
  ]
}

/** RFC 3464 §2: fields about the message, then one group of fields per recipient. */
function statusPart({ action, reportingMta, recipients, original }: NoticeInput): string {
  // No Original-Envelope-Id: it may only repeat an ENVID (§2.2.1), and our clients send none.
  const groups = [
    [
      field('Reporting-MTA', `dns; ${singleLine(reportingMta)}`),
      field('Arrival-Date', rfc5322Date(original.arrivedAt)),
    ],
    ...recipients.map((recipient) => recipientFields(action, recipient)),
  ]
  const text = groups.map((group) => group.join('')).join('\r\n')
  // RFC 6533 §4: a separate type for the same fields in UTF-8.
  const type = isAscii(text) ? 'message/delivery-status' : 'message/global-delivery-status'
  return `Content-Type: ${type}\r\nContent-Transfer-Encoding: ${isAscii(text) ? '7bit' : '8bit'}\r\n\r\n${text}`
}

function recipientFields(action: NoticeInput['action'], recipient: NoticeRecipient): string[] {
  const { address, status, code, reply, remote, lastAttemptAt, willRetryUntil } = recipient
  const typedAddress = `${isAscii(address) ? 'rfc822' : 'utf-8'}; ${singleLine(address)}` // RFC 6533 §3
  const text = replyText(code, reply)
  const host = remote === undefined ? undefined : safeLine(remote).split(' ')[0]
  return [
    field('Original-Recipient', typedAddress), // we rewrite no address, so it is the one from the sender
    field('Final-Recipient', typedAddress),
    field('Action', action),
    field('Status', status),
    ...(host ? [field('Remote-MTA', `dns; ${host}`)] : []),
    // RFC 3464 §2.3.6: "smtp" is for the reply of a server. Without a reply, the text is our own.
    ...(text === '' ? [] : [field('Diagnostic-Code', `${code === undefined ? 'x-martlet' : 'smtp'}; ${text}`)]),
    field('Last-Attempt-Date', rfc5322Date(lastAttemptAt)),
    ...(willRetryUntil ? [field('Will-Retry-Until', rfc5322Date(willRetryUntil))] : []),
  ]
}

/**
 * RFC 6522 §4: only the header. A field with a line that is too long is left out, so that the part needs no encoding.
 */
function headersPart(head: Buffer, fields: readonly HeaderField[]): string[] {
  const text = fields
    .map(({ start, end }) => head.toString('utf8', start, end).replaceAll('\0', ''))
    .map((each) => each.replace(/\r(?!\n)/g, ' ').replace(/\r?\n/g, '\r\n')) // a lone CR must not start a line
    .filter((each) => each.endsWith('\r\n')) // the last field may be incomplete
    .filter((each) => each.split('\r\n').every((line) => Buffer.byteLength(line) <= LINE_BYTES_MAX))
    .join('')
  if (text === '') return []
  const type = isAscii(text) ? 'text/rfc822-headers' : 'message/global-headers' // RFC 6533 §6
  return [`Content-Type: ${type}\r\nContent-Transfer-Encoding: ${isAscii(text) ? '7bit' : '8bit'}\r\n\r\n${text}`]
}

/** Returns "550 5.1.1 No such user". Some servers repeat the code in the text; then it is not added again. */
function replyText(code: number | undefined, reply = ''): string {
  const text = safeLine(reply)
  return (code === undefined || text.startsWith(String(code)) ? text : `${code} ${text}`).trim()
}

/**
 * Returns text of others on one line, without control characters and bidi controls, which could reverse what follows.
 */
function safeLine(text: string): string {
  const visible = text.replace(/[\u0080-\u009f\u200e\u200f\u202a-\u202e\u2066-\u2069\ufeff]+/g, ' ')
  return singleLine(visible.slice(0, 2 * REMOTE_CHARS_MAX))
    .replace(/ {2,}/g, ' ')
    .slice(0, REMOTE_CHARS_MAX)
}

/** Writes a header field, folded before spaces (RFC 5322 §2.2.3). */
function field(name: string, value: string): string {
  const [first = '', ...words] = value.split(' ').flatMap(splitLongWord)
  const lines = [`${name}: ${first}`]
  for (const word of words) {
    const line = `${lines.at(-1)} ${word}`
    if (line.length <= LINE_CHARS || word === '') lines[lines.length - 1] = line
    else lines.push(` ${word}`)
  }
  return `${lines.join('\r\n')}\r\n`
}

function splitLongWord(word: string): string[] {
  if (word.length <= WORD_CHARS_MAX) return [word]
  return [word.slice(0, WORD_CHARS_MAX), ...splitLongWord(word.slice(WORD_CHARS_MAX))]
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
