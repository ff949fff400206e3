/**
 * The header block of a message or part, as byte ranges: names are read, values only when somebody asks for them.
 *
 * Mail on the wire is worse than RFC 5322 §2.2: lines end in LF alone, the blank line is missing, bytes above 127 stand
 * unencoded, one field is a megabyte long. The block is read in one pass, whatever it holds.
 */
import { decodeCharset } from './charset.ts'
import { decodeEncodedWords } from './encoded-words.ts'

/** One field; offsets count from the beginning of the raw message. */
export interface HeaderField {
  /** As written; compare in lower case. */
  name: string
  start: number
  /** Behind the colon. */
  valueStart: number
  /** Behind the field's last line break, or where the size limit cut it. */
  end: number
}

export interface HeaderBlock {
  fields: HeaderField[]
  /** Behind the last field, before the blank line. */
  end: number
  /** Behind the blank line: the first byte of the body. */
  bodyStart: number
  /** Fields beyond `bytesMax` or `fieldsMax` were left out, or the last one was cut. */
  truncated: boolean
}

/** Says that a line belongs to the enclosing multipart: the part ends there, with or without a blank line. */
export type DelimiterTest = (lineStart: number, lineEnd: number) => boolean

const LF = 0x0a
const CR = 0x0d
const SPACE = 0x20
const TAB = 0x09
const COLON = 0x3a
const HYPHEN = 0x2d

const MBOX_FROM = Buffer.from('From ')

/**
 * Reads fields from `start` to the blank line, to a delimiter, or to the first line that can be neither a field nor the
 * continuation of one: there a blank line is missing, and the body begins (what Postfix does).
 */
export function readHeaderBlock(
  raw: Buffer,
  start: number,
  bytesMax: number,
  isDelimiter: DelimiterTest = () => false,
  fieldsMax = Number.POSITIVE_INFINITY,
): HeaderBlock {
  const fields: HeaderField[] = []
  const bytesEnd = start + bytesMax
  let truncated = false
  let isFirst = true
  let current: HeaderField | undefined // the field that a continuation line belongs to, if it is kept
  let pos = start

  while (pos < raw.length) {
    const lineFeed = raw.indexOf(LF, pos)
    const next = lineFeed < 0 ? raw.length : lineFeed + 1
    const first = raw[pos]

    if (first === LF || (first === CR && raw[pos + 1] === LF)) return { fields, end: pos, bodyStart: next, truncated }
    if (first === HYPHEN && raw[pos + 1] === HYPHEN && isDelimiter(pos, next)) break

    if (pos >= bytesEnd || next > bytesEnd) truncated = true

    if (first === SPACE || first === TAB) {
      if (isFirst) break
      if (current && pos < bytesEnd) current.end = Math.min(next, bytesEnd) // RFC 5322 §2.2.3: the line continues the field
    } else {
      const colon = colonOfField(raw, pos, next)
      if (colon >= 0) {
        isFirst = false
        const isKept = colon < bytesEnd && fields.length < fieldsMax
        current = isKept ? field(raw, pos, colon, Math.min(next, bytesEnd)) : undefined
        if (current) fields.push(current)
        else truncated = true
      } else if (pos !== start || !isMboxLine(raw, pos)) {
        break
      }
    }
    pos = next
  }
  return { fields, end: pos, bodyStart: pos, truncated }
}

function field(raw: Buffer, start: number, colon: number, end: number): HeaderField {
  return { name: raw.toString('latin1', start, colon).trimEnd(), start, valueStart: Math.min(colon + 1, end), end }
}

/** Where the name ends, or -1. Names are printable ASCII (RFC 5322 §3.6.8); white space before the colon is §4.5.8's. */
function colonOfField(raw: Buffer, start: number, end: number): number {
  let pos = start
  while (pos < end && raw[pos]! > SPACE && raw[pos]! < 0x7f && raw[pos] !== COLON) pos++
  if (pos === start) return -1
  while (raw[pos] === SPACE || raw[pos] === TAB) pos++
  return pos < end && raw[pos] === COLON ? pos : -1
}

/** A mailbox file's separator that was left at the top. */
function isMboxLine(raw: Buffer, pos: number): boolean {
  return raw.subarray(pos, pos + MBOX_FROM.length).equals(MBOX_FROM)
}

/** The first field of that name; where a field that may occur once occurs twice, the first is what filters looked at. */
export function findField(fields: readonly HeaderField[], lowerName: string): HeaderField | undefined {
  return fields.find((each) => each.name.length === lowerName.length && each.name.toLowerCase() === lowerName)
}

/** The value on one line, trimmed; encoded words stand as they are, for parsers of structured fields (RFC 2047 §5). */
export function fieldValue(raw: Buffer, each: HeaderField): string {
  // RFC 6532 §3.2: raw bytes are UTF-8; older mail holds windows-1252, which decodeCharset falls back to.
  return unfold(decodeCharset(raw.subarray(each.valueStart, each.end)))
}

/** The value as a person reads it: on one line and with encoded words decoded. */
export function fieldText(raw: Buffer, each: HeaderField): string {
  return decodeEncodedWords(fieldValue(raw, each))
}

/** RFC 5322 §2.2.3: a line break before white space goes, the white space stays. A lone CR may not survive either. */
function unfold(value: string): string {
  return value.replace(/[\r\n]/g, '').trim()
}
