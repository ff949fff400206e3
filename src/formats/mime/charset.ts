/**
 * Decodes bytes to text by a charset label, for headers and bodies.
 *
 * Labels in mail are often missing, misspelt or wrong, so decoding never fails. It uses the charset of the label if
 * possible; otherwise UTF-8 if the bytes are valid UTF-8, and else windows-1252, which has a character for every byte.
 * The text has at most as many UTF-16 units as the input has bytes.
 */
import { isUtf8 } from 'node:buffer'
import iconv from 'iconv-lite'
import { replaceEach } from './text-builder.ts'
import { BASE64_DIGITS } from './transfer-encoding.ts'

/** Labels for which another charset is used: a superset, or the one that senders probably mean. */
const REPLACED_LABELS: ReadonlyMap<string, string> = new Map(
  Object.entries({
    // Mail labelled ISO-8859-1 contains curly quotes of windows-1252 more often than C1 controls (WHATWG Encoding §4.2).
    'iso-8859-1': 'windows-1252',
    'iso8859-1': 'windows-1252',
    'iso_8859-1': 'windows-1252',
    latin1: 'windows-1252',
    // Senders use the larger charset with the label of the smaller one.
    gb2312: 'gb18030',
    'x-gbk': 'gb18030',
    gbk: 'gb18030',
    'ks_c_5601-1987': 'cp949',
    csiso2022jp: 'iso-2022-jp',
    'iso-2022-jp-1': 'iso-2022-jp',
    'iso-2022-jp-2': 'iso-2022-jp',
    'unicode-1-1-utf-7': 'utf-7',
    utf7: 'utf-7',
    // The same charset with its text in another order (visual or logical), and labels that iconv-lite does not know.
    'iso-8859-8-i': 'iso-8859-8',
    'iso-8859-8-e': 'iso-8859-8',
    'x-mac-cyrillic': 'maccyrillic',
  }),
)

/** Labels that say nothing reliable about bytes above 127. */
const UNRELIABLE_LABELS = new Set([
  '',
  'us-ascii',
  'ascii',
  'ansi_x3.4-1968',
  'utf-8',
  'utf8',
  'unknown-8bit',
  'x-unknown',
  '8bit',
])

/**
 * Codecs of iconv-lite that are not used: transfer encodings (it accepts "base-64" for base64), and two that create a
 * string for every few bytes, so that a message would need thirty times its size in memory.
 */
const EXCLUDED_CODECS = new Set(['base64', 'hex', 'binary', 'utf7imap', 'cesu8'])

/** Charsets whose decoders can return lone surrogates, which no database accepts. Names without hyphens. */
const UTF_16_BASED = /^(utf(16|32)|ucs[24])/

/**
 * Decodes text of a message. Never throws. NULs are removed: PostgreSQL refuses them, and they are of no use.
 *
 * @param bytes    with the transfer encoding decoded
 * @param charset  the label as found, in any case; a language suffix (RFC 2231 §5, `utf-8*en`) is ignored
 */
export function decodeCharset(bytes: Buffer, charset = ''): string {
  return bytes.length === 0 ? '' : replaceEach(decode(bytes, normaliseLabel(charset)), '\0', '')
}

function normaliseLabel(charset: string): string {
  const label = (charset.split('*', 1)[0] ?? '').trim().toLowerCase()
  return REPLACED_LABELS.get(label) ?? label
}

function decode(bytes: Buffer, label: string): string {
  if (UNRELIABLE_LABELS.has(label)) return decodeDetected(bytes)
  if (label === 'iso-2022-jp') return new TextDecoder(label).decode(bytes) // not in iconv-lite
  if (label === 'utf-7') return Buffer.from(decodeUtf7(bytes)).toString() // removes lone surrogates

  // For all others iconv-lite and not TextDecoder: 2.5 times as fast for single-byte charsets, no exception for an
  // unknown label, and the same on every Node (some releases of 22 and 23 decode windows-1252 as ISO-8859-1).
  const codec = label.replace(/:\d{4}$|[^a-z0-9]/g, '') // as iconv-lite normalises names
  if (EXCLUDED_CODECS.has(codec) || !isKnown(codec)) return decodeDetected(bytes)
  const text = iconv.decode(bytes, label)
  return UTF_16_BASED.test(codec) ? Buffer.from(text).toString() : text
}

/** Replaces `encodingExists`, which creates and catches an error for each unknown name: a header can contain 40,000. */
function isKnown(codec: string): boolean {
  if (!iconv.encodings) iconv.encodingExists('utf8') // loads the table
  return codec in iconv.encodings!
}

function decodeDetected(bytes: Buffer): string {
  return isUtf8(bytes) ? bytes.toString('utf8') : iconv.decode(bytes, 'windows-1252')
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
