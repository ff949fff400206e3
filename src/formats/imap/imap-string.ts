/** Strings of IMAP responses (RFC 9051 §4.3), in ASCII: clients without UTF8=ACCEPT (RFC 6855) read no other. */
import { decodeEncodedWords } from '../mime/encoded-words.ts'

/** RFC 9051 has no limit. Some clients read a quoted string into a buffer of this size. */
const QUOTED_CHARS_MAX = 1_000

/** @param text ASCII; undefined gives NIL. A control character, which no quoted string can contain, becomes a space */
export function imapString(text: string | undefined): string {
  if (text === undefined) return 'NIL'
  // biome-ignore lint/suspicious/noControlCharactersInRegex: it removes control characters
  const clean = text.replace(/[\x00-\x1f\x7f]/g, ' ')
  if (clean.length > QUOTED_CHARS_MAX) return `{${clean.length}}\r\n${clean}`
  return `"${clean.replace(/["\\]/g, '\\$&')}"`
}

/**
 * The value of a header field, as it is if it is ASCII. Others, which RFC 6532 allows and older senders never cared about, are
 * written as encoded words (RFC 2047).
 */
export function headerString(value: string | undefined): string {
  return imapString(value === undefined || isAsciiText(value) ? value : encodeWords(decodeEncodedWords(value)))
}

export function isAsciiText(text: string): boolean {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: ASCII has control characters
  return /^[\x00-\x7f]*$/.test(text)
}

/** RFC 2047 §2 allows 75 characters: 63 are left for base64, which is 45 bytes. */
const WORD_BYTES_MAX = 45

/** White space between two encoded words is not shown (RFC 2047 §6.2), so that a character must not be divided. */
function encodeWords(text: string): string {
  const words: string[] = []
  let word: string[] = []
  let bytes = 0
  const end = () => words.push(`=?utf-8?B?${Buffer.from(word.join('')).toString('base64')}?=`)
  for (const char of text) {
    const size = Buffer.byteLength(char)
    if (bytes + size > WORD_BYTES_MAX) {
      end()
      word = []
      bytes = 0
    }
    word.push(char)
    bytes += size
  }
  if (word.length > 0) end()
  return words.join(' ')
}
