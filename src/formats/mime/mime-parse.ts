/**
 * Raw bytes → what Martlet stores of a message: its fields, its text and HTML, and where each attachment lies.
 *
 * Runs once, when a message arrives; reading it later parses nothing. Everything here was written by a stranger: a
 * broken mail yields what can be read, a hostile one costs time linear in its size, and nothing throws.
 */
import type { Address } from '../address/address.ts'
import { parseAddressList } from '../address/address-list.ts'
import { parseMessageIds } from '../ids.ts'
import { selectParts } from './body-selection.ts'
import { decodeCharset } from './charset.ts'
import { parseDateHeader } from './date-header.ts'
import { unflow } from './flowed-text.ts'
import { fieldText, fieldValue, findField, type HeaderField } from './header-fields.ts'
import { type MimePart, type StructureLimits, scanStructure } from './mime-structure.ts'
import { replaceEach } from './text-builder.ts'
import { decodePart, type PartLocation } from './transfer-encoding.ts'

/** An attachment's bytes are in the raw message: `decodePart(raw, attachment)`. */
export interface ParsedAttachment extends PartLocation {
  filename?: string
  /** Lower-case `type/subtype`. */
  contentType: string
  disposition: 'inline' | 'attachment'
  /** Without angle brackets, as `cid:` URLs in the HTML name it (RFC 2392). */
  contentId?: string
  /** Decoded bytes. */
  size: number
}

export interface ParsedMessage {
  /** In order, names as written, values decoded and on one line. */
  headers: [name: string, value: string][]
  /** With angle brackets; undefined when there is none or it is malformed. */
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
  /** Of the whole message, for example `multipart/report`. */
  contentType: string
  /** From text/plain parts only, LF line ends, without line breaks at the end; absent for HTML-only mail. */
  text?: string
  html?: string
  attachments: ParsedAttachment[]
  /** First byte of the body in the raw message. */
  bodyOffset: number
  /** A limit cut something off: what could be read is here. */
  truncated: boolean
}

export interface ParseLimits extends StructureLimits {
  /** Bytes of the text parts that are decoded, as the mail encodes them; and of the HTML parts. */
  bodyBytesMax: number
}

/** Fields kept for clients; a mail with more is an attack. */
const HEADERS_MAX = 1000
/** Addresses kept of all fields together. Each becomes two rows in every inbox that the mail is filed in. */
const ADDRESSES_MAX = 1000
/** The nearest ancestors decide the thread. */
const REFERENCES_MAX = 100

/**
 * Parses a whole message.
 *
 * @param raw     as received; offsets in the result count from its beginning
 * @param limits  on depth, parts, header and bodies, from the configuration
 */
export function parseMessage(raw: Buffer, limits: ParseLimits): ParsedMessage {
  const { root, truncated } = scanStructure(raw, limits)
  const { text, html, attachments } = selectParts(root)
  const isLong = [text, html].some((parts) => encodedBytes(parts) > limits.bodyBytesMax)
  return {
    ...readFields(raw, root.fields),
    contentType: root.contentType,
    ...(text.length > 0 && { text: joinBodies(raw, text, limits.bodyBytesMax) }),
    ...(html.length > 0 && { html: joinBodies(raw, html, limits.bodyBytesMax) }),
    attachments: attachments.map((part) => describeAttachment(raw, part)),
    bodyOffset: root.bodyStart,
    truncated: truncated || isLong || root.fields.length > HEADERS_MAX,
  }
}

type MessageFields = Omit<ParsedMessage, 'contentType' | 'text' | 'html' | 'attachments' | 'bodyOffset' | 'truncated'>

function readFields(raw: Buffer, fields: readonly HeaderField[]): MessageFields {
  const value = (lowerName: string): string => {
    const found = findField(fields, lowerName)
    return found === undefined ? '' : fieldValue(raw, found)
  }
  let addressesLeft = ADDRESSES_MAX
  const addresses = (lowerName: string, countMax = addressesLeft): Address[] => {
    const found = parseAddressList(value(lowerName), Math.min(countMax, addressesLeft))
    addressesLeft -= found.length
    return found
  }

  const subject = findField(fields, 'subject')
  const [messageId] = parseMessageIds(value('message-id'), Number.POSITIVE_INFINITY)
  const from = addresses('from')
  const [sender] = addresses('sender', 1)
  const date = parseDateHeader(value('date'))
  return {
    headers: fields.slice(0, HEADERS_MAX).map((each) => [each.name, fieldText(raw, each)]),
    ...(messageId !== undefined && { messageId }),
    inReplyTo: parseMessageIds(value('in-reply-to'), REFERENCES_MAX),
    references: parseMessageIds(value('references'), REFERENCES_MAX),
    ...(subject !== undefined && { subject: fieldText(raw, subject) }),
    ...(date !== undefined && { date }),
    from,
    ...(sender !== undefined && { sender }),
    replyTo: addresses('reply-to'),
    to: addresses('to'),
    cc: addresses('cc'),
    bcc: addresses('bcc'),
  }
}

function encodedBytes(parts: readonly MimePart[]): number {
  return parts.reduce((bytes, part) => bytes + location(part).length, 0)
}

/** @param bytesMax encoded bytes that are read, from the first part on */
function joinBodies(raw: Buffer, parts: readonly MimePart[], bytesMax: number): string {
  const texts: string[] = []
  let bytesLeft = bytesMax
  for (const part of parts) {
    texts.push(decodeText(raw, part, bytesLeft))
    bytesLeft -= location(part).length
    if (bytesLeft <= 0) break
  }
  return texts.join('\n')
}

/** One text part with LF line ends. The line breaks at its end are the transport's (RFC 5321 §4.1.1.4), not the text's. */
function decodeText(raw: Buffer, part: MimePart, bytesMax: number): string {
  const place = location(part)
  const bytes = decodePart(raw, { ...place, length: Math.min(place.length, bytesMax) })
  const whole = place.length > bytesMax ? withoutPartialCharacter(bytes) : bytes
  const decoded = replaceEach(decodeCharset(whole, part.parameters.get('charset')), '\r\n', '\n')
  const isFlowed = part.contentType === 'text/plain' && part.parameters.get('format')?.toLowerCase() === 'flowed'
  const text = isFlowed ? unflow(decoded, part.parameters.get('delsp')?.toLowerCase() === 'yes') : decoded

  let end = text.length
  while (text[end - 1] === '\n') end--
  return text.slice(0, end)
}

/** UTF-8 that ends within a character would be taken for another charset. */
function withoutPartialCharacter(bytes: Buffer): Buffer {
  let lead = bytes.length - 1
  while (lead > bytes.length - 4 && isContinuation(bytes[lead])) lead--
  const byte = bytes[lead] ?? 0
  const size = byte >= 0xf0 ? 4 : byte >= 0xe0 ? 3 : byte >= 0xc0 ? 2 : 1
  return lead + size > bytes.length ? bytes.subarray(0, lead) : bytes
}

/** Whether a byte of UTF-8 belongs to the character that began before it: 10xxxxxx. */
function isContinuation(byte = 0): boolean {
  return (byte & 0xc0) === 0x80
}

function describeAttachment(raw: Buffer, part: MimePart): ParsedAttachment {
  const place = location(part)
  // RFC 2183 §2.8: an unknown disposition is an attachment. An image that the HTML shows often names none at all.
  const isInline = part.disposition === 'inline' || (part.disposition === undefined && part.contentId !== undefined)
  return {
    ...place,
    ...(part.filename !== undefined && { filename: part.filename }),
    contentType: part.contentType,
    disposition: isInline ? 'inline' : 'attachment',
    ...(part.contentId !== undefined && { contentId: part.contentId }),
    size: decodePart(raw, place).length,
  }
}

function location(part: MimePart): PartLocation {
  return { offset: part.bodyStart, length: part.bodyEnd - part.bodyStart, encoding: part.encoding }
}
