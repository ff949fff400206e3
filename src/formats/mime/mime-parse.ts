/**
 * Parses the raw bytes of a message into what Martlet stores of it: its fields, its text and HTML, and the offsets of
 * each attachment.
 *
 * Runs once, when a message arrives; later reads parse nothing. Anyone can send the input: of a broken message
 * everything readable is returned, a hostile one takes time linear in its size, and nothing throws.
 */
import type { Address } from '../address/address.ts'
import { parseAddressList } from '../address/address-list.ts'
import { escapeHtml } from '../html/escape-html.ts'
import { parseMessageIds } from '../ids.ts'
import { envelopeOf } from '../imap/envelope.ts'
import { addressFieldValue, shownFieldText } from './address-fields.ts'
import { selectParts } from './body-selection.ts'
import { cutToJsonBytes } from './body-size.ts'
import { decodeCharset } from './charset.ts'
import { parseDateHeader } from './date-header.ts'
import { decodeEncodedWords } from './encoded-words.ts'
import { type FeedbackReport, readFeedbackReport } from './feedback-report.ts'
import { unflow } from './flowed-text.ts'
import { fieldText, fieldValue, findField, findFields } from './header-fields.ts'
import { type MimePart, type StructureLimits, scanStructure } from './mime-structure.ts'
import { decodeText } from './part-text.ts'
import { replaceEach } from './text-builder.ts'
import { base64End, decodeBytes, decodePart, type PartLocation } from './transfer-encoding.ts'

/** The bytes of an attachment are in the raw message: `decodePart(raw, attachment)`. */
export interface ParsedAttachment extends PartLocation {
  filename?: string
  /** Lower-case `type/subtype`. */
  contentType: string
  disposition: 'inline' | 'attachment'
  /** Without angle brackets, as in `cid:` URLs of the HTML (RFC 2392). */
  contentId?: string
  /** Decoded bytes. */
  size: number
  /** Only of text: the label of its charset. */
  charset?: string
}

/** No label of a charset is longer. */
const CHARSET_CHARS_MAX = 40

/** The fields of the header, for every reader. */
export interface MailFields {
  /** In order. Names are as written; values are decoded and on one line. */
  headers: [name: string, value: string][]
  /** With angle brackets. Undefined if it is missing or malformed. */
  messageId?: string
  inReplyTo: string[]
  references: string[]
  subject?: string
  date?: Date
  from: Address[]
  sender?: Address
  replyTo: Address[]
  to: Address[]
  cc: Address[]
  bcc: Address[]
  /** Received fields: one per server that the message went through. */
  receivedCount: number
}

export interface MimeMessage extends MailFields {
  /** The type of the whole message, for example `multipart/report`. */
  contentType: string
  /** ENVELOPE of IMAP (formats/imap/envelope.ts), unless the header is large. */
  envelope?: string
  /** What a report about spam says (RFC 5965). */
  feedbackReport?: FeedbackReport
  /** The text/plain parts, with LF line ends, without line breaks at the end. Absent if the message has only HTML. */
  text?: string
  html?: string
  attachments: ParsedAttachment[]
  /** First byte of the body in the raw message. */
  bodyOffset: number
  /** A limit was exceeded, and only a part of the message was read. */
  truncated: boolean
}

export interface ParseLimits extends StructureLimits {
  /** Encoded bytes of the text parts that are decoded, and of the HTML parts. */
  bodyBytesMax: number
  /** Size in JSON of the text, and of the HTML. */
  bodyJsonBytesMax: number
}

/** Fields that are kept for clients. A message with more is an attack. */
const HEADERS_MAX = 1000
/** Addresses that are kept of all fields together. Each becomes two rows in every inbox that gets the message. */
const ADDRESSES_MAX = 1000
/** The last ones are kept: the nearest ancestors decide the thread. */
const REFERENCES_MAX = 100

/**
 * Parses a whole message.
 *
 * @param raw     as received; offsets in the result are relative to its start
 * @param limits  limits of depth, parts, header and bodies, from the configuration
 */
export function parseMessage(raw: Buffer, limits: ParseLimits): MimeMessage {
  const { root, charset, truncated } = scanStructure(raw, limits)
  const parts = selectParts(root)
  const text = joinBodies(raw, parts.text, limits)
  const html = joinBodies(raw, parts.html, limits, asHtml)
  // Some programs add an empty text to each HTML. It does not stand for the message.
  const hasText = text !== undefined && (html === undefined || !BLANK.test(text.body))
  const feedbackReport = readFeedbackReport(raw, root, limits)
  const envelope = root.bodyStart <= ENVELOPE_HEADER_BYTES_MAX ? envelopeOf(raw, root.fields, charset) : undefined
  const message: MimeMessage = readFields(raw, root, charset)
  if (envelope !== undefined && envelope.length <= ENVELOPE_CHARS_MAX) message.envelope = envelope
  if (feedbackReport) message.feedbackReport = feedbackReport
  if (hasText) message.text = text.body
  if (html) message.html = html.body
  message.attachments = parts.attachments.map((part) => describeAttachment(raw, part))
  message.truncated = truncated || text?.isCut === true || html?.isCut === true || root.fields.length > HEADERS_MAX
  return message
}

/** An ENVELOPE is stored with each message. Of larger headers, which are rare, it is computed when a client asks for it. */
const ENVELOPE_HEADER_BYTES_MAX = 16 * 1024
/** FETCH reads those of 200 messages at once. An address of one letter is written as 16, and for From three times. */
const ENVELOPE_CHARS_MAX = 64 * 1024

/** White space and characters without width. */
const BLANK = /^(?:[\s\u00ad\u200b-\u200d\u2060]|&nbsp;)*$/

/**
 * Returns a message of which only the header is read. Member by member: V8 gives objects that are made of spreads new hidden
 * classes again and again.
 *
 * @param charset label of the body, for bytes above 127
 */
function readFields(raw: Buffer, { fields, contentType, bodyStart }: MimePart, charset: string): MimeMessage {
  const value = (lowerName: string): string => {
    const found = findField(fields, lowerName)
    return found === undefined ? '' : fieldValue(raw, found, charset)
  }
  let addressesLeft = ADDRESSES_MAX
  const addresses = (lowerName: string, countMax = addressesLeft): Address[] => {
    const field = findField(fields, lowerName)
    const found =
      field === undefined
        ? []
        : parseAddressList(addressFieldValue(raw, field, charset), Math.min(countMax, addressesLeft))
    addressesLeft -= found.length
    return found
  }

  const subject = findField(fields, 'subject')
  // RFC 2047 §5 forbids encoded words there, but some libraries fold long ids with them.
  const ids = (lowerName: string, countMax: number) => parseMessageIds(decodeEncodedWords(value(lowerName)), countMax)
  const [messageId] = ids('message-id', Number.POSITIVE_INFINITY)
  const from = addresses('from')
  const [sender] = addresses('sender', 1)
  const date = parseDateHeader(value('date'))
  const message: MimeMessage = {
    headers: fields.slice(0, HEADERS_MAX).map((each) => [each.name, shownFieldText(raw, each, charset)]),
    inReplyTo: ids('in-reply-to', REFERENCES_MAX),
    references: ids('references', REFERENCES_MAX),
    from,
    replyTo: addresses('reply-to'),
    to: addresses('to'),
    cc: addresses('cc'),
    bcc: addresses('bcc'),
    receivedCount: findFields(fields, 'received').length,
    contentType,
    attachments: [],
    bodyOffset: bodyStart,
    truncated: false,
  }
  if (messageId !== undefined) message.messageId = messageId
  if (subject !== undefined) message.subject = fieldText(raw, subject, charset)
  if (date !== undefined) message.date = date
  if (sender !== undefined) message.sender = sender
  return message
}

function encodedBytes(parts: readonly MimePart[]): number {
  return parts.reduce((bytes, part) => bytes + location(part).length, 0)
}

interface JoinedBody {
  readonly body: string
  /** A limit was exceeded, and the body is only the beginning. */
  readonly isCut: boolean
}

/**
 * @param convert changes the text of a part
 * @returns undefined if there are no parts
 */
function joinBodies(
  raw: Buffer,
  parts: readonly MimePart[],
  { bodyBytesMax, bodyJsonBytesMax }: ParseLimits,
  convert = (_part: MimePart, text: string) => text,
): JoinedBody | undefined {
  if (parts.length === 0) return undefined
  const texts: string[] = []
  let bytesLeft = bodyBytesMax
  for (const part of parts) {
    texts.push(convert(part, decodeBodyText(raw, part, bytesLeft)))
    bytesLeft -= location(part).length
    if (bytesLeft <= 0) break
  }
  const joined = texts.join('\n')
  const body = cutToJsonBytes(joined, bodyJsonBytesMax)
  return { body, isCut: encodedBytes(parts) > bodyBytesMax || body.length < joined.length }
}

/** Plain text below HTML becomes HTML, which is otherwise kept as it arrived. */
function asHtml({ contentType }: MimePart, text: string): string {
  return contentType === 'text/html' ? text : `<pre>${escapeHtml(text)}</pre>`
}

/** Decodes one text part, with LF line ends. Line breaks at its end belong to the transport (RFC 5321 §4.1.1.4). */
function decodeBodyText(raw: Buffer, part: MimePart, bytesMax: number): string {
  const encoded = location(part)
  const { bytes, added } = decodeBody(raw, { ...encoded, length: Math.min(encoded.length, bytesMax) })
  const type = { contentType: part.contentType, charset: part.parameters.get('charset') }
  const text = decodeText(bytes, type, encoded.length > bytesMax)
  const separator = added.length > 0 && !text.endsWith('\n') ? '\n' : ''
  const decoded = replaceEach(`${text}${separator}${decodeCharset(added)}`, '\r\n', '\n')
  const isFlowed = part.contentType === 'text/plain' && part.parameters.get('format')?.toLowerCase() === 'flowed'
  const lines = isFlowed ? unflow(decoded, part.parameters.get('delsp')?.toLowerCase() === 'yes') : decoded

  let end = lines.length
  while (lines[end - 1] === '\n') end--
  return lines.slice(0, end)
}

/** @returns the decoded body, and the plain text that was added below its base64 */
function decodeBody(raw: Buffer, encoded: PartLocation): { bytes: Buffer; added: Buffer } {
  const body = raw.subarray(encoded.offset, encoded.offset + encoded.length)
  const end = encoded.encoding === 'base64' ? base64End(body) : body.length
  if (end === 0) return { bytes: body, added: body.subarray(0, 0) } // the declaration is wrong
  return { bytes: decodeBytes(body.subarray(0, end), encoded.encoding), added: body.subarray(end) }
}

function describeAttachment(raw: Buffer, part: MimePart): ParsedAttachment {
  const encoded = location(part)
  // RFC 2183 §2.8: an unknown disposition means attachment. Images that the HTML shows often have no disposition.
  const label = part.parameters.get('charset')?.slice(0, CHARSET_CHARS_MAX)
  const isInline = part.disposition === 'inline' || (part.disposition === undefined && part.contentId !== undefined)
  return {
    contentType: part.contentType,
    disposition: isInline ? 'inline' : 'attachment',
    ...encoded,
    ...(part.filename !== undefined && { filename: part.filename }),
    ...(part.contentId !== undefined && { contentId: part.contentId }),
    size: decodePart(raw, encoded).length,
    ...(part.contentType.startsWith('text/') && label !== undefined && { charset: label }),
  }
}

function location(part: MimePart): PartLocation {
  return { offset: part.bodyStart, length: part.bodyEnd - part.bodyStart, encoding: part.encoding }
}
