/**
 * Undoes Content-Transfer-Encoding (RFC 2045 §6): whole parts from memory, or a stream for large ones.
 *
 * Attachments are not stored twice: a row says where the encoded part lies, and a download decodes from there, so these
 * functions run on each download. Broken input gives the bytes that can be read; nothing here throws.
 */

/** Where an encoded part lies in the raw message. */
export interface PartLocation {
  /** First byte of the part's body in the raw message. */
  offset: number
  /** Encoded bytes. */
  length: number
  /** Content-Transfer-Encoding, lower-case. What is not base64 or quoted-printable passes unchanged. */
  encoding: string
}

const LF = 0x0a
const CR = 0x0d
const SPACE = 0x20
const TAB = 0x09
const EQUALS = 0x3d

/** A quoted-printable stream holds back at most this much of an unfinished line; RFC 2045 §6.7 allows 76 bytes. */
const LINE_BYTES_MAX = 64 * 1024

/** The decoded bytes of one part. A location outside of `raw` gives what lies inside. */
export function decodePart(raw: Buffer, part: PartLocation): Buffer {
  return decodeBytes(raw.subarray(part.offset, part.offset + part.length), part.encoding)
}

/** The bytes that `encoded` stands for. Identity encodings return the same memory, not a copy. */
export function decodeBytes(encoded: Buffer, encoding: string): Buffer {
  if (encoding === 'base64') return decodeBase64(encoded)
  if (encoding === 'quoted-printable') return decodeQuotedPrintable(encoded)
  return encoded
}

/**
 * Decodes a part chunk by chunk, in memory of about one chunk.
 *
 * @param source    the encoded bytes of the part only, cut anywhere
 * @param encoding  Content-Transfer-Encoding, lower-case
 */
export async function* decodePartStream(source: AsyncIterable<Buffer>, encoding: string): AsyncGenerator<Buffer> {
  const splitter = SPLITTERS[encoding]
  let held = Buffer.alloc(0)

  for await (const chunk of source) {
    if (splitter === undefined) {
      yield chunk
      continue
    }
    const bytes = held.length === 0 ? chunk : Buffer.concat([held, chunk])
    const { ready, rest } = splitter(bytes)
    held = Buffer.from(rest) // a copy: the reader may use its buffer again
    if (ready.length > 0) yield decodeBytes(ready, encoding)
  }
  if (held.length > 0) yield decodeBytes(held, encoding)
}

/** Splits bytes where a decoder may stop and begin anew. */
type Splitter = (bytes: Buffer) => { ready: Buffer; rest: Buffer }

const SPLITTERS: Readonly<Record<string, Splitter>> = {
  base64: (bytes) => {
    // Four letters make three bytes; line breaks and padding lie anywhere between them.
    const letters = Buffer.allocUnsafe(bytes.length)
    let length = 0
    let unfinished = 0
    for (const byte of bytes) {
      if (!isBase64Byte(byte)) continue
      letters[length++] = byte
      unfinished = byte === EQUALS ? 0 : (unfinished + 1) % 4
    }
    return { ready: letters.subarray(0, length - unfinished), rest: letters.subarray(length - unfinished, length) }
  },
  'quoted-printable': (bytes) => {
    const lineEnd = bytes.lastIndexOf(LF) + 1
    // An endless line is cut rather than collected; the last bytes stay, for they may begin a "=3D".
    const cut = bytes.length - lineEnd > LINE_BYTES_MAX ? cutOutsideEscape(bytes) : lineEnd
    return { ready: bytes.subarray(0, cut), rest: bytes.subarray(cut) }
  },
}

function cutOutsideEscape(bytes: Buffer): number {
  const equals = bytes.lastIndexOf(EQUALS)
  return equals >= bytes.length - 3 ? equals : bytes.length
}

/** In BASE64_DIGITS: a byte that is no digit of base64. */
const FOREIGN = 0xff

/** The value of each byte as a digit of base64 (RFC 2045 §6.8, table 1), or FOREIGN; padding is FOREIGN too. */
export const BASE64_DIGITS = new Uint8Array(256).fill(FOREIGN)
for (const [value, digit] of [...'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/'].entries())
  BASE64_DIGITS[digit.charCodeAt(0)] = value

/**
 * Base64 as found in mail: line breaks and foreign bytes are skipped (RFC 2045 §6.8), missing padding is no error, and
 * what follows padding is decoded as well, because some senders join encoded pieces.
 *
 * Writes into one buffer. Decoding the pieces between paddings one by one took 1.8 GB for 45 MB of "YQ==" lines.
 *
 * @returns at most three bytes for each four of `encoded`
 */
export function decodeBase64(encoded: Buffer): Buffer {
  const decoded = Buffer.allocUnsafe(Math.ceil((encoded.length * 3) / 4))
  let length = 0
  let bits = 0
  let bitCount = 0
  for (let i = 0; i < encoded.length; i++) {
    const byte = encoded[i]!
    const digit = BASE64_DIGITS[byte]!
    if (digit !== FOREIGN) {
      bits = ((bits << 6) | digit) & 0xffff // at most six bits are left over from before
      bitCount += 6
      if (bitCount < 8) continue
      bitCount -= 8
      decoded[length++] = bits >> bitCount
    } else if (byte === EQUALS) {
      bitCount = 0 // the next piece begins at a whole byte
    }
  }
  return decoded.subarray(0, length)
}

function isBase64Byte(byte: number): boolean {
  return BASE64_DIGITS[byte] !== FOREIGN || byte === EQUALS
}

/**
 * Quoted-printable (RFC 2045 §6.7): soft line breaks go, trailing white space of a line goes (rule 3), and a "=" that
 * begins no escape stays as it is.
 */
export function decodeQuotedPrintable(encoded: Buffer): Buffer {
  const decoded = Buffer.allocUnsafe(encoded.length)
  let length = 0
  let kept = 0 // length up to the last byte that is not unescaped white space

  for (let i = 0; i < encoded.length; i++) {
    const byte = encoded[i]!
    if (byte === EQUALS) {
      const escaped = hexPair(encoded, i + 1)
      if (escaped >= 0) {
        decoded[length++] = escaped
        kept = length
        i += 2
        continue
      }
      const lineEnd = softBreakEnd(encoded, i + 1)
      if (lineEnd > i) {
        kept = length // white space before a soft break is data
        i = lineEnd
        continue
      }
    } else if (byte === LF || (byte === CR && encoded[i + 1] === LF)) {
      length = kept
    }
    decoded[length++] = byte
    if (byte !== SPACE && byte !== TAB) kept = length
  }
  return decoded.subarray(0, kept)
}

function hexPair(bytes: Buffer, at: number): number {
  const high = hexDigit(bytes[at])
  const low = hexDigit(bytes[at + 1])
  return high < 0 || low < 0 ? -1 : high * 16 + low
}

function hexDigit(byte = 0): number {
  if (byte >= 0x30 && byte <= 0x39) return byte - 0x30
  const upper = byte & 0xdf // lower-case digits are against the rules and common
  return upper >= 0x41 && upper <= 0x46 ? upper - 0x37 : -1
}

/** The index of the LF that ends a soft break whose "=" lies before `at`, or -1. The end of input counts as a line end. */
function softBreakEnd(bytes: Buffer, at: number): number {
  let i = at
  while (bytes[i] === SPACE || bytes[i] === TAB) i++ // RFC 2045 §6.7 rule 3: transport may have padded the line
  if (bytes[i] === CR && bytes[i + 1] === LF) return i + 1
  return bytes[i] === LF || i >= bytes.length ? i : -1
}
