/**
 * Reads the header block of a message or part as byte ranges. Names are decoded at once, values only on request.
 *
 * Real messages violate RFC 5322 §2.2: lines end in LF alone, the blank line is missing, bytes above 127 are not
 * encoded, a field is a megabyte long. The block is read in one pass, whatever it contains.
 */
import { isAscii } from 'node:buffer'
import { decodeHeaderText } from './charset.ts'
import { decodeEncodedWords } from './encoded-words.ts'

/** One header field. All offsets are relative to the start of the raw message. */
export interface HeaderField {
  /** As written. Compare in lower case. */
  name: string
  start: number
  /** After the colon. */
  valueStart: number
  /** After the last line break of the field, or where the size limit cut it. */
  end: number
  /** Its value, from the first call of `fieldValue` on, if it is ASCII: then no charset changes it. */
  asciiValue?: string
}

export interface HeaderBlock {
  fields: HeaderField[]
  /** After the last field, before the blank line. */
  end: number
  /** After the blank line: the first byte of the body. */
  bodyStart: number
  /** Fields beyond `bytesMax` or `fieldsMax` were left out, or the last field was cut. */
  truncated: boolean
}

/** Returns true for a delimiter line of the enclosing multipart: the part ends there, with or without a blank line. */
export type DelimiterTest = (lineStart: number, lineEnd: number) => boolean

const LF = 0x0a
const CR = 0x0d
const SPACE = 0x20
const TAB = 0x09
const COLON = 0x3a
const HYPHEN = 0x2d

const MBOX_FROM = Buffer.from('From ')

/**
 * Reads fields from `start` to the blank line, to a delimiter, or to the first line that is neither a field nor the
 * continuation of one. Such a line begins the body: its blank line is missing. Postfix does the same.
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
  let current: HeaderField | undefined // the field that a continuation line extends; undefined if it was left out
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
      if (current && pos < bytesEnd) current.end = Math.min(next, bytesEnd) // continued field (RFC 5322 §2.2.3)
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

/**
 * Returns the offset of the colon after a field name, or -1. Names are printable ASCII (RFC 5322 §3.6.8); white space
 * before the colon is obsolete syntax (§4.5.8).
 */
function colonOfField(raw: Buffer, start: number, end: number): number {
  let pos = start
  while (pos < end && raw[pos]! > SPACE && raw[pos]! < 0x7f && raw[pos] !== COLON) pos++
  if (pos === start) return -1
  while (raw[pos] === SPACE || raw[pos] === TAB) pos++
  return pos < end && raw[pos] === COLON ? pos : -1
}

/** Returns the position after the lines at the top of a message that are no fields: `SenderEvidence.headerStart`. */
export function findHeaderStart(raw: Buffer, bytesMax: number): number {
  let pos = 0
  while (pos < bytesMax) {
    const lineFeed = raw.indexOf(LF, pos)
    if (lineFeed < 0) break
    const isContinuation = raw[pos] === SPACE || raw[pos] === TAB
    const isMbox = isMboxLine(raw, pos) && colonOfField(raw, pos, lineFeed) < 0 // "From : ann@host" is a field
    if (!isContinuation && !isMbox) break
    pos = lineFeed + 1
  }
  return pos
}

/** Whether this is the separator line of an mbox file, which some programs leave at the top of a message. */
function isMboxLine(raw: Buffer, pos: number): boolean {
  return raw.subarray(pos, pos + MBOX_FROM.length).equals(MBOX_FROM)
}

/**
 * Returns the first field with this name. If a field occurs twice that must occur once, filters use the first one too.
 */
export function findField(fields: readonly HeaderField[], lowerName: string): HeaderField | undefined {
  return fields.find((each) => hasName(each, lowerName))
}

/** Returns all fields with this name. */
export function findFields(fields: readonly HeaderField[], lowerName: string): HeaderField[] {
  return fields.filter((each) => hasName(each, lowerName))
}

function hasName({ name }: HeaderField, lowerName: string): boolean {
  return name.length === lowerName.length && name.toLowerCase() === lowerName
}

/**
 * Returns the value on one line, trimmed, with encoded words undecoded, for parsers of structured fields (RFC 2047 §5).
 *
 * @param charset the label of the body, for bytes above 127
 */
export function fieldValue(raw: Buffer, headerField: HeaderField, charset = ''): string {
  if (headerField.asciiValue !== undefined) return headerField.asciiValue
  const latin1 = raw.toString('latin1', headerField.valueStart, headerField.end)
  if (PRINTABLE.test(latin1)) {
    headerField.asciiValue = unfold(latin1)
    return headerField.asciiValue
  }
  const bytes = raw.subarray(headerField.valueStart, headerField.end)
  const value = unfold(decodeHeaderText(bytes, charset))
  if (isAscii(bytes)) headerField.asciiValue = value
  return value
}

/** ASCII that is the same in every charset, as most values are: without the escapes of 7-bit charsets. */
const PRINTABLE = /^[\t\r\n -~]*$/

/** Returns the value as a person reads it: on one line, with encoded words decoded. */
export function fieldText(raw: Buffer, headerField: HeaderField, charset = ''): string {
  return decodeEncodedWords(fieldValue(raw, headerField, charset))
}

/** RFC 5322 §2.2.3: removes line breaks and keeps the white space after them. Lone CRs are removed too. */
function unfold(value: string): string {
  const trimmed = value.trim()
  return /[\r\n]/.test(trimmed) ? trimmed.replace(/[\r\n]/g, '') : trimmed
}

/** Returns the fields by their names in lower case, each list in the order of the header. */
export function fieldsByName(fields: readonly HeaderField[]): Map<string, HeaderField[]> {
  const byName = new Map<string, HeaderField[]>()
  for (const field of fields) {
    const name = field.name.toLowerCase()
    const known = byName.get(name)
    if (known) known.push(field)
    else byName.set(name, [field])
  }
  return byName
}
