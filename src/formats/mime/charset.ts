/**
 * Decodes bytes to text by a charset label, for headers and bodies.
 *
 * Labels in mail are often missing, misspelt or wrong, so decoding never fails. It uses the charset of the label if
 * possible; otherwise UTF-8 if the bytes are UTF-8, and else windows-1252, which has a character for every byte.
 * The text has at most as many UTF-16 units as the input has bytes.
 */
import { isAscii, isUtf8 } from 'node:buffer'
import iconv from 'iconv-lite'
import {
  type CharsetName,
  charsetOfLabel,
  HZ,
  ISO_2022_JP,
  ISO_2022_KR,
  UNRELIABLE,
  UTF_7,
  UTF_8,
} from './charset-labels.ts'
import { decodeEscaped, isIso2022Jp, isIso2022Kr } from './escaped-charsets.ts'
import { replaceEach } from './text-builder.ts'
import { BASE64_DIGITS } from './transfer-encoding.ts'

/**
 * Codecs of iconv-lite that are not used: transfer encodings (it accepts "base-64" for base64), and two that create a
 * string for every few bytes, so that a message would need thirty times its size in memory.
 */
const EXCLUDED_CODECS = new Set(['base64', 'hex', 'binary', 'utf7imap', 'cesu8'])

/** What senders use with the label of a 7-bit charset. */
const EIGHT_BIT = { [ISO_2022_JP]: 'shiftjis', [ISO_2022_KR]: 'cp949', [HZ]: 'gb18030' } as const

/** Charsets whose decoders can return lone surrogates, which no database accepts. */
const UTF_16_BASED = /^(utf(16|32)|ucs[24])/

const UTF_8_MARK = Buffer.from([0xef, 0xbb, 0xbf])
const UTF_16_MARKS: readonly (readonly [mark: Buffer, charset: CharsetName])[] = [
  [Buffer.from([0xfe, 0xff]), 'utf16be'],
  [Buffer.from([0xff, 0xfe]), 'utf16le'],
]

/**
 * Decodes text of a message. Never throws. NULs are removed: PostgreSQL refuses them, and they are of no use.
 *
 * @param bytes    with the transfer encoding decoded
 * @param label    as found (charset-labels.ts); a byte order mark has precedence
 */
export function decodeCharset(bytes: Buffer, label = ''): string {
  if (bytes.length === 0) return ''
  const { charset, start } = effectiveCharset(bytes, charsetOfLabel(label))
  const text = decode(bytes.subarray(start), charset)
  return replaceEach(text, '\0', '')
}

/** How all pieces of a long text are decoded. The beginning of the text decides. */
export interface TextCharset {
  /** With its byte order, if it has one. */
  readonly charset: CharsetName
  /** Where the text begins: after a byte order mark. */
  readonly start: number
  /** Characters have several bytes each, also those of ASCII: such a text is not divided at a byte. */
  readonly isWide: boolean
}

/** Returns how `decodeCharset` decodes these bytes, for a text that is decoded in parts. */
export function charsetOfText(bytes: Buffer, label = ''): TextCharset {
  const { charset, start } = effectiveCharset(bytes, charsetOfLabel(label))
  return { charset: withByteOrder(bytes, charset), start, isWide: UTF_16_BASED.test(charset) }
}

/** Decodes a piece of a text, of whole characters, as `decodeCharset` decodes the whole. @param isFirst whether it may begin with a byte order mark */
export function decodeTextPiece(bytes: Buffer, { charset }: TextCharset, isFirst: boolean): string {
  return replaceEach(decode(bytes, charset, isFirst), '\0', '')
}

/** The codecs without a byte order guess it, from at most 100 characters. A part in the middle of a text can look like another one. */
const GUESSED_BYTES = 400
const BYTE_ORDERS: ReadonlyMap<CharsetName, readonly [little: CharsetName, big: CharsetName]> = new Map([
  ['utf16', ['utf16le', 'utf16be']],
  ['utf32', ['utf32le', 'utf32be']],
  ['ucs4', ['utf32le', 'utf32be']],
])

function withByteOrder(bytes: Buffer, charset: CharsetName): CharsetName {
  const [little, big] = BYTE_ORDERS.get(charset) ?? []
  if (little === undefined || big === undefined) return charset
  const beginning = bytes.subarray(0, GUESSED_BYTES)
  return iconv.decode(beginning, charset) === iconv.decode(beginning, little) ? little : big
}

/**
 * Decodes bytes above 127 in a header, where no label says what they are. RFC 6532 §3.2 says UTF-8; older programs write
 * the charset of the body.
 *
 * @param guess the label of the first text part
 */
export function decodeHeaderText(bytes: Buffer, guess = ''): string {
  const isGuessUsed = guess !== '' && !isUtf8(bytes) && !UTF_16_BASED.test(charsetOfLabel(guess))
  return decodeCharset(bytes, isGuessUsed ? guess : '')
}

/** A byte order mark decides. In single-byte charsets, the marks of UTF-16 are ordinary letters. */
function effectiveCharset(bytes: Buffer, charset: CharsetName): { charset: CharsetName; start: number } {
  if (bytes[0]! < 0x80) return { charset, start: 0 } // no mark begins so
  if (bytes.subarray(0, 3).equals(UTF_8_MARK)) return { charset: UTF_8, start: 3 }
  const canBeUtf16 = charset === UNRELIABLE || charset === UTF_8 || charset.startsWith('utf16')
  const [, marked] = (canBeUtf16 && UTF_16_MARKS.find(([mark]) => bytes.subarray(0, 2).equals(mark))) || []
  return marked === undefined ? { charset, start: 0 } : { charset: marked, start: 2 }
}

/** Whether `decodeCharset` decodes by this label, and not by a guess. */
export function isKnownCharset(label: string): boolean {
  const charset = charsetOfLabel(label)
  if (charset === UNRELIABLE) return /^(us-)?ascii$/i.test(label)
  const isOwn = [UTF_8, UTF_7, ISO_2022_JP, ISO_2022_KR, HZ].some((own) => own === charset)
  return isOwn || (!EXCLUDED_CODECS.has(charset) && isKnown(charset))
}

/** Whether a label leaves the charset open: there is none, or it says nothing about bytes above 127. */
export function isUnreliable(label = ''): boolean {
  return charsetOfLabel(label) === UNRELIABLE
}

function decode(bytes: Buffer, charset: CharsetName, stripBOM = true): string {
  if (charset === UNRELIABLE) return decodeUnlabelled(bytes)
  if (charset === UTF_8) return decodeDetected(bytes, 1)
  if (charset === UTF_7) return Buffer.from(decodeUtf7(bytes)).toString() // removes lone surrogates
  if (charset === ISO_2022_JP || charset === ISO_2022_KR || charset === HZ) {
    // Text of a 7-bit charset has no such bytes: the label is wrong, and the text has the 8-bit charset of the language.
    if (isAscii(bytes)) return decodeEscaped(bytes, charset)
    return isUtf8(bytes) ? bytes.toString('utf8') : iconv.decode(bytes, EIGHT_BIT[charset])
  }

  // For all others iconv-lite and not TextDecoder: 2.5 times as fast for single-byte charsets, no exception for an
  // unknown label, and the same on every Node (some releases of 22 and 23 decode windows-1252 as ISO-8859-1).
  if (EXCLUDED_CODECS.has(charset) || !isKnown(charset)) return decodeUnlabelled(bytes)
  const text = iconv.decode(bytes, charset, { stripBOM })
  return UTF_16_BASED.test(charset) ? Buffer.from(text).toString() : text
}

function decodeUnlabelled(bytes: Buffer): string {
  if (isIso2022Jp(bytes)) return decodeEscaped(bytes, ISO_2022_JP)
  if (isIso2022Kr(bytes)) return decodeEscaped(bytes, ISO_2022_KR)
  return decodeDetected(bytes, 2)
}

/** Replaces `encodingExists`, which creates and catches an error for each unknown name: a header can contain 40,000. */
function isKnown(codec: string): boolean {
  if (!iconv.encodings) iconv.encodingExists('utf8') // loads the table
  return codec in iconv.encodings!
}

/**
 * Decodes as UTF-8 if the bytes are UTF-8, except for a few: a gateway that adds a line in its own charset must not
 * spoil every other letter. Each bad byte becomes U+FFFD. Otherwise decodes as windows-1252.
 *
 * @param goodPerBad characters above 127 that must be valid UTF-8 for each bad byte
 */
function decodeDetected(bytes: Buffer, goodPerBad: number): string {
  if (isAscii(bytes)) return bytes.toString('latin1') // the same, in half the time
  const text = bytes.toString('utf8')
  if (isUtf8(bytes)) return text
  let good = 0
  let bad = 0
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i)
    if (unit === REPLACEMENT) bad++
    else if (unit > 0x7f) good++
  }
  return good >= bad * goodPerBad ? text : iconv.decode(bytes, 'windows-1252')
}

const PLUS = 0x2b
const MINUS = 0x2d
const REPLACEMENT = 0xfffd
const BYTE_ORDER_MARK = 0xfeff

/**
 * Decodes UTF-7 (RFC 2152) into one buffer. iconv-lite creates four strings for each "+…-", which may be four bytes
 * long.
 */
function decodeUtf7(bytes: Buffer): string {
  const units = new Uint16Array(bytes.length) // every unit is encoded in at least one byte
  let length = 0
  for (let i = 0; i < bytes.length; ) {
    const byte = bytes[i++]!
    if (byte !== PLUS) {
      units[length++] = byte < 0x80 ? byte : REPLACEMENT
      continue
    }
    if (bytes[i] === MINUS) units[length++] = PLUS // "+-" is a plus sign
    let bits = 0
    let bitCount = 0
    for (; i < bytes.length; i++) {
      const digit = BASE64_DIGITS[bytes[i]!]!
      if (digit > 63) break
      bits = ((bits << 6) | digit) & 0x1fffff // up to 15 bits remain from the digits before
      bitCount += 6
      if (bitCount < 16) continue
      bitCount -= 16
      units[length++] = bits >> bitCount
    }
    if (bytes[i] === MINUS) i++
  }
  const start = units[0] === BYTE_ORDER_MARK ? 2 : 0
  return Buffer.from(units.buffer).toString('utf16le', start, length * 2)
}
