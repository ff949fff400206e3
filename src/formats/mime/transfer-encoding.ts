/**
 * Decodes Content-Transfer-Encoding (RFC 2045 §6): whole parts in memory, or large ones as a stream.
 *
 * Attachments are not stored a second time: a row has the offsets of the encoded part, and each download decodes the
 * part with these functions. From broken input, the readable bytes are returned. Never throws.
 */

/** The position of an encoded part in the raw message. */
export interface PartLocation {
  /** First byte of the part's body in the raw message. */
  offset: number
  /** Encoded bytes. */
  length: number
  /** Content-Transfer-Encoding in lower case. Only base64 and quoted-printable are decoded. */
  encoding: string
}

const LF = 0x0a
const CR = 0x0d
const SPACE = 0x20
const TAB = 0x09
const EQUALS = 0x3d

/**
 * A quoted-printable stream buffers at most this much of an incomplete line. RFC 2045 §6.7 allows 76 bytes per line.
 */
const LINE_BYTES_MAX = 64 * 1024

/** Returns the decoded bytes of one part. If its location exceeds `raw`, the bytes inside are decoded. */
export function decodePart(raw: Buffer, part: PartLocation): Buffer {
  return decodeBytes(raw.subarray(part.offset, part.offset + part.length), part.encoding)
}

/**
 * Returns the decoded bytes. With an identity encoding, the result is the same memory, not a copy.
 *
 * @param isEnd false: more follows, so that white space at the end is not at the end of a line
 */
export function decodeBytes(encoded: Buffer, encoding: string, isEnd = true): Buffer {
  if (encoding === 'base64') return decodeBase64(encoded)
  if (encoding === 'quoted-printable') return decodeQuotedPrintable(encoded, isEnd)
  return encoded
}

/**
 * Decodes a part chunk by chunk, using memory for about one chunk.
 *
 * @param source    the encoded bytes of the part, split anywhere
 * @param encoding  Content-Transfer-Encoding in lower case
 */
export async function* decodePartStream(source: AsyncIterable<Buffer>, encoding: string): AsyncGenerator<Buffer> {
  const splitter = SPLITTERS[encoding]
  let buffered = Buffer.alloc(0)

  for await (const chunk of source) {
    if (splitter === undefined) {
      yield chunk
      continue
    }
    const bytes = buffered.length === 0 ? chunk : Buffer.concat([buffered, chunk])
    const { ready, rest } = splitter(bytes)
    buffered = Buffer.from(rest) // a copy, because the source may reuse its buffer
    if (ready.length > 0) yield decodeBytes(ready, encoding, false)
  }
  if (buffered.length > 0) yield decodeBytes(buffered, encoding)
}

/** Splits bytes so that both pieces can be decoded separately. */
type Splitter = (bytes: Buffer) => { ready: Buffer; rest: Buffer }

const SPLITTERS: Readonly<Record<string, Splitter>> = {
  base64: (bytes) => {
    // Four digits encode three bytes; line breaks and padding can be anywhere between them.
    const digits = Buffer.allocUnsafe(bytes.length)
    let length = 0
    let incomplete = 0
    for (const byte of bytes) {
      if (!isBase64Byte(byte)) continue
      digits[length++] = byte
      incomplete = byte === EQUALS ? 0 : (incomplete + 1) % 4
    }
    return { ready: digits.subarray(0, length - incomplete), rest: digits.subarray(length - incomplete, length) }
  },
  'quoted-printable': (bytes) => {
    const lineEnd = bytes.lastIndexOf(LF) + 1
    const end = bytes.length - lineEnd > LINE_BYTES_MAX ? endInLine(bytes) : lineEnd
    return { ready: bytes.subarray(0, end), rest: bytes.subarray(end) }
  },
}

/**
 * Returns where a line that is too long can be cut: before white space, which is removed if the line ends with it, and before an escape
 * such as "=3D" or a soft line break that may go on.
 */
function endInLine(bytes: Buffer): number {
  let end = bytes.length
  while (end > 0 && isPadding(bytes[end - 1]!)) end--
  if (bytes[end - 1] === EQUALS) end -= 1
  else if (bytes[end - 2] === EQUALS) end -= 2
  // No sender pads a line with so much: then white space is text, instead of filling the memory.
  return bytes.length - end > LINE_BYTES_MAX ? bytes.length : end
}

/** What can precede the LF of a line end without being text. */
function isPadding(byte: number): boolean {
  return byte === SPACE || byte === TAB || byte === CR
}

/** The entry in BASE64_DIGITS of a byte that is not a base64 digit. */
const NOT_A_DIGIT = 0xff

/** The value of each byte as a base64 digit (RFC 2045 §6.8, table 1), or NOT_A_DIGIT, also for padding. */
export const BASE64_DIGITS = new Uint8Array(256).fill(NOT_A_DIGIT)
for (const [value, digit] of [...'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/'].entries())
  BASE64_DIGITS[digit.charCodeAt(0)] = value

/**
 * Decodes base64 as found in mail: line breaks and invalid bytes are skipped (RFC 2045 §6.8), padding may be missing,
 * and text after padding is decoded too, because some senders concatenate encoded pieces.
 *
 * Writes into one buffer. Decoding the pieces between paddings separately took 1.8 GB for 45 MB of "YQ==" lines.
 *
 * @returns at most three bytes per four bytes of `encoded`
 */
export function decodeBase64(encoded: Buffer): Buffer {
  const decoded = Buffer.allocUnsafe(Math.ceil((encoded.length * 3) / 4))
  let length = 0
  let bits = 0
  let bitCount = 0
  for (let i = 0; i < encoded.length; i++) {
    const byte = encoded[i]!
    const digit = BASE64_DIGITS[byte]!
    if (digit !== NOT_A_DIGIT) {
      bits = ((bits << 6) | digit) & 0xffff // at most six bits remain from the digits before
      bitCount += 6
      if (bitCount < 8) continue
      bitCount -= 8
      decoded[length++] = bits >> bitCount
    } else if (byte === EQUALS) {
      bitCount = 0 // another encoded piece may follow
    }
  }
  return decoded.subarray(0, length)
}

/**
 * Finds plain text that a mailing list or gateway has added below a base64 body: it begins after padding or an empty
 * line, with a line that is not base64. Such text is not part of the encoded data, and decoding it gives garbage.
 *
 * @returns the offset of the text; the length of the input if there is none; 0 if the first line already is text in
 *          words, so that nothing is encoded
 */
export function base64End(encoded: Buffer): number {
  let isFirst = true
  let isPieceOver = false // after padding or an empty line, another encoded piece may follow, or text
  for (let start = 0; start < encoded.length; ) {
    const lineFeed = encoded.indexOf(LF, start)
    const next = lineFeed < 0 ? encoded.length : lineFeed + 1
    const line = trimLine(encoded.subarray(start, next))
    if (isFirst && isProse(line)) return 0
    if (line.length > 0) isFirst = false
    if (line.length > 0 && isPieceOver && !isBase64Line(line)) return start
    isPieceOver = line.length === 0 ? start > 0 : line.at(-1) === EQUALS
    start = next
  }
  return encoded.length
}

function trimLine(line: Buffer): Buffer {
  let end = line.length
  while (end > 0 && line[end - 1]! <= SPACE) end--
  return line.subarray(0, end)
}

/**
 * RFC 2045 §6.8: most encoders write whole groups of four digits per line. A line of another length can be a word of a
 * footer, unless it has capitals in the middle, as base64 has.
 */
function isBase64Line(line: Buffer): boolean {
  if (!line.every(isBase64Byte)) return false
  return line.length % 4 === 0 || /[a-z0-9+/][A-Z]/.test(line.toString('latin1', 0, LINE_CHARS_TESTED))
}

const LINE_CHARS_TESTED = 100

/** Whether there are words between white space that are not base64. */
function isProse(line: Buffer): boolean {
  const words = line.toString('latin1', 0, LINE_CHARS_TESTED).trim().split(/\s+/)
  return words.length > 1 && words.some((word) => !isBase64Line(Buffer.from(word, 'latin1')))
}

function isBase64Byte(byte: number): boolean {
  return BASE64_DIGITS[byte] !== NOT_A_DIGIT || byte === EQUALS
}

/**
 * Decodes quoted-printable (RFC 2045 §6.7): removes soft line breaks and white space at line ends (rule 3). A "=" that
 * begins no escape is kept.
 *
 * @param isEnd false: more of the same line follows, or `encoded` ends with a line break
 */
export function decodeQuotedPrintable(encoded: Buffer, isEnd = true): Buffer {
  const decoded = Buffer.allocUnsafe(encoded.length)
  let length = 0
  let trimmedLength = 0 // length up to the last byte that is not unescaped white space

  for (let i = 0; i < encoded.length; i++) {
    const byte = encoded[i]!
    if (byte === EQUALS) {
      const escaped = hexPair(encoded, i + 1)
      if (escaped >= 0) {
        decoded[length++] = escaped
        trimmedLength = length
        i += 2
        continue
      }
      const lineEnd = softBreakEnd(encoded, i + 1, isEnd)
      if (lineEnd > i) {
        trimmedLength = length // white space before a soft line break is part of the text
        i = lineEnd
        continue
      }
    } else if (byte === LF || (byte === CR && encoded[i + 1] === LF)) {
      length = trimmedLength
    }
    decoded[length++] = byte
    if (byte !== SPACE && byte !== TAB) trimmedLength = length
  }
  return decoded.subarray(0, isEnd ? trimmedLength : length)
}

/** Returns the byte that two hexadecimal digits encode, or -1. */
function hexPair(bytes: Buffer, start: number): number {
  const high = hexDigit(bytes[start])
  const low = hexDigit(bytes[start + 1])
  return high < 0 || low < 0 ? -1 : high * 16 + low
}

function hexDigit(byte = 0): number {
  if (byte >= 0x30 && byte <= 0x39) return byte - 0x30
  const upper = byte & 0xdf // lower-case digits are forbidden, but common
  return upper >= 0x41 && upper <= 0x46 ? upper - 0x37 : -1
}

/** Returns the index of the LF that ends a soft line break, or -1. The end of the whole input counts as a line end. */
function softBreakEnd(bytes: Buffer, afterEquals: number, isEnd: boolean): number {
  let i = afterEquals
  while (bytes[i] === SPACE || bytes[i] === TAB) i++ // RFC 2045 §6.7 rule 3: transport may have padded the line
  if (bytes[i] === CR && bytes[i + 1] === LF) return i + 1
  return bytes[i] === LF || (isEnd && i >= bytes.length) ? i : -1
}
