/**
 * Decodes encoded words in header text (RFC 2047): `=?utf-8?Q?gr=C3=BC=C3=9Fe?=` → `grüße`.
 *
 * The bytes of adjacent words with the same charset are joined before decoding, because mail programs split characters
 * although §5 forbids it. One pass without regular expressions: a header may contain a megabyte of "=?".
 */
import { decodeCharset } from './charset.ts'
import { decodeBase64, decodeQuotedPrintable } from './transfer-encoding.ts'

/** No label is longer. The limit keeps the search for the next "?" short. */
const CHARSET_CHARS_MAX = 64

interface EncodedWord {
  charset: string
  bytes: Buffer
  /** Index after the closing "?=". */
  end: number
}

/**
 * Replaces each encoded word with its text. Malformed words stay unchanged. White space between two encoded words is
 * removed (§6.2). Line breaks inside a word become spaces, so that a header value always stays on one line.
 */
export function decodeEncodedWords(text: string): string {
  if (!text.includes('=?')) return text

  const lastClose = text.lastIndexOf('?=') // no word ends after this, so many "=?" take linear time
  let decoded = ''
  let run: { charset: string; chunks: Buffer[] } | undefined // adjacent words with the same charset
  let copied = 0 // `text` is decoded up to this index

  const endRun = () => {
    if (run !== undefined) decoded += singleLine(decodeCharset(Buffer.concat(run.chunks), run.charset))
    run = undefined
  }

  for (let index = text.indexOf('=?'); index >= 0 && index < lastClose; index = text.indexOf('=?', index)) {
    const word = readWord(text, index)
    if (word === undefined) {
      index += 2
      continue
    }
    const between = text.slice(copied, index)
    if (run === undefined || between.trim() !== '') {
      endRun()
      decoded += between
    } else if (run.charset !== word.charset) {
      endRun()
    }
    run ??= { charset: word.charset, chunks: [] }
    run.chunks.push(word.bytes)
    index = copied = word.end
  }

  endRun()
  return decoded + text.slice(copied)
}

function readWord(text: string, start: number): EncodedWord | undefined {
  const charsetStart = start + 2
  const charsetEnd = text.slice(charsetStart, charsetStart + 1 + CHARSET_CHARS_MAX).indexOf('?') + charsetStart
  if (charsetEnd <= charsetStart || text[charsetEnd + 2] !== '?') return undefined

  const charset = text.slice(charsetStart, charsetEnd).toLowerCase()
  const encoding = text[charsetEnd + 1]?.toLowerCase()
  if (charset.includes(' ') || (encoding !== 'b' && encoding !== 'q')) return undefined

  // Last, because the end can be far away: only words that reach this point search for it, and they are not read again.
  const close = text.indexOf('?=', charsetEnd + 3)
  if (close < 0) return undefined
  const encoded = text.slice(charsetEnd + 3, close)
  const bytes = encoding === 'b' ? decodeBase64(Buffer.from(encoded)) : decodeQ(encoded)
  return { charset, bytes, end: close + 2 }
}

/** The "Q" encoding: quoted-printable with "_" for a space (§4.2). */
function decodeQ(encoded: string): Buffer {
  // A well-formed word contains no space. If there is one at the end, quoted-printable decoding would remove it.
  return decodeQuotedPrintable(Buffer.from(encoded.replace(/[_ ]/g, '=20')))
}

function singleLine(text: string): string {
  return text.replace(/[\r\n]/g, ' ')
}
