/**
 * Decodes encoded words in header text (RFC 2047): `=?utf-8?Q?gr=C3=BC=C3=9Fe?=` → `grüße`.
 *
 * The bytes of adjacent words with the same charset are joined before decoding, because mail programs split characters
 * although §5 forbids it, and even the base64 digits of one byte. One pass without regular expressions: a header may
 * contain a megabyte of "=?".
 */
import { decodeCharset } from './charset.ts'
import { decodeBase64, decodeQuotedPrintable } from './transfer-encoding.ts'

/** No label is longer. The limit keeps the search for the next "?" short. */
const CHARSET_CHARS_MAX = 64

interface EncodedWord {
  charset: string
  encoding: 'b' | 'q'
  encoded: string
  /** Index after the closing "?=". */
  end: number
}

/** Adjacent words with the same charset. */
interface Run {
  readonly charset: string
  readonly chunks: Buffer[]
  /** Base64 digits of the last words, which do not end with a whole group of four. */
  digits: string[]
  digitCount: number
}

/**
 * Replaces each encoded word with its text. Malformed words stay unchanged. White space between two encoded words is
 * removed (§6.2). Line breaks inside a word become spaces, so that a header value always stays on one line.
 */
export function decodeEncodedWords(text: string): string {
  if (!text.includes('=?')) return text

  const lastClose = text.lastIndexOf('?=') // no word ends after this, so many "=?" take linear time
  let decoded = ''
  let run: Run | undefined
  let copied = 0 // `text` is decoded up to this index

  const endRun = () => {
    if (run !== undefined) {
      endDigits(run)
      decoded += singleLine(decodeCharset(Buffer.concat(run.chunks), run.charset))
    }
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
    run ??= { charset: word.charset, chunks: [], digits: [], digitCount: 0 }
    addWord(run, word)
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
  return { charset, encoding, encoded, end: close + 2 }
}

function addWord(run: Run, { encoding, encoded }: EncodedWord): void {
  if (encoding === 'q') {
    endDigits(run)
    run.chunks.push(decodeQ(encoded))
    return
  }
  run.digits.push(encoded)
  run.digitCount += encoded.length
  if (run.digitCount % 4 === 0 || encoded.endsWith('=')) endDigits(run)
}

function endDigits(run: Run): void {
  if (run.digits.length > 0) run.chunks.push(decodeBase64(Buffer.from(run.digits.join(''))))
  run.digits = []
  run.digitCount = 0
}

/** The "Q" encoding: quoted-printable with "_" for a space (§4.2). */
function decodeQ(encoded: string): Buffer {
  // A well-formed word contains no space. If there is one at the end, quoted-printable decoding would remove it.
  return decodeQuotedPrintable(Buffer.from(encoded.replace(/[_ ]/g, '=20')))
}

function singleLine(text: string): string {
  return text.replace(/[\r\n]/g, ' ')
}
