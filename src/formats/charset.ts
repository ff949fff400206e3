/**
 * Bytes and a charset label → text, for headers and bodies alike.
 *
 * Labels in mail are often missing, misspelt or wrong, so decoding never fails: it reads what the label says where that
 * is possible, and otherwise UTF-8 if the bytes are valid UTF-8, else windows-1252, which gives every byte a letter.
 */
import { isUtf8 } from 'node:buffer'
import iconv from 'iconv-lite'

/** Labels that are read as a larger or more likely charset than the one they name. */
const READ_AS: ReadonlyMap<string, string> = new Map(
  Object.entries({
    // Mail that says ISO-8859-1 holds windows-1252's curly quotes more often than C1 controls (WHATWG Encoding §4.2).
    'iso-8859-1': 'windows-1252',
    'iso8859-1': 'windows-1252',
    'iso_8859-1': 'windows-1252',
    latin1: 'windows-1252',
    // Each is a subset of the next; writers use the larger set under the smaller one's name.
    gb2312: 'gb18030',
    'x-gbk': 'gb18030',
    gbk: 'gb18030',
    'ks_c_5601-1987': 'cp949',
    csiso2022jp: 'iso-2022-jp',
    'iso-2022-jp-1': 'iso-2022-jp',
    'iso-2022-jp-2': 'iso-2022-jp',
    'unicode-1-1-utf-7': 'utf-7',
    // Names of one charset in different order of writing, or names that iconv-lite does not know.
    'iso-8859-8-i': 'iso-8859-8',
    'iso-8859-8-e': 'iso-8859-8',
    'x-mac-cyrillic': 'maccyrillic',
  }),
)

/** Labels that promise nothing about bytes above 127. */
const SAYS_NOTHING = new Set([
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

/** Codecs of iconv-lite that are transfer encodings, not charsets; it reads "base-64" as base64. */
const NOT_CHARSETS = new Set(['base64', 'hex', 'binary'])

/** Charsets whose decoders can produce half a surrogate pair, which no database takes. */
const UTF_16_BASED = /^(utf-?(7|16|32)|ucs-?[24])/

/**
 * Decodes text of a mail. Never throws; NULs are left out, since PostgreSQL refuses them and no reader wants them.
 *
 * @param bytes    after the transfer encoding was undone
 * @param charset  the label as found, any case; RFC 2231 §5's language suffix (`utf-8*en`) is ignored
 */
export function decodeCharset(bytes: Buffer, charset = ''): string {
  const text = decode(bytes, label(charset))
  return text.includes('\0') ? text.replaceAll('\0', '') : text
}

function label(charset: string): string {
  const name = (charset.split('*', 1)[0] ?? '').trim().toLowerCase()
  return READ_AS.get(name) ?? name
}

function decode(bytes: Buffer, name: string): string {
  if (SAYS_NOTHING.has(name)) return guess(bytes)
  if (name === 'iso-2022-jp') return new TextDecoder(name).decode(bytes) // the one that iconv-lite lacks

  // iconv-lite and not TextDecoder for the rest: 2.5 times as fast for single bytes, no exception for a made-up label,
  // and the same on every Node (some releases of 22 and 23 read windows-1252 as ISO-8859-1).
  if (NOT_CHARSETS.has(name.replace(/[^a-z0-9]/g, '')) || !iconv.encodingExists(name)) return guess(bytes)
  const text = iconv.decode(bytes, name)
  return UTF_16_BASED.test(name) ? Buffer.from(text).toString() : text
}

function guess(bytes: Buffer): string {
  return isUtf8(bytes) ? bytes.toString('utf8') : iconv.decode(bytes, 'windows-1252')
}
