/**
 * Encoded words in header text (RFC 2047): `=?utf-8?Q?gr=C3=BC=C3=9Fe?=` → `grüße`.
 *
 * The bytes of neighbouring words of one charset are joined before decoding, because mailers cut in the middle of a
 * character although §5 forbids it. One pass, no regular expression: a header may hold a megabyte of "=?".
 */
import { decodeCharset } from './charset.ts'
import { decodeBase64, decodeQuotedPrintable } from './transfer-encoding.ts'

/** Longer labels do not exist; the limit keeps a search for the next "?" short. */
const CHARSET_CHARS_MAX = 64

interface EncodedWord {
  charset: string
  bytes: Buffer
  /** Index behind the closing "?=". */
  end: number
}

/**
 * Replaces each encoded word by its text. What is not well-formed stays as it is; white space between two encoded words
 * goes (§6.2). Line breaks that a word may hide become spaces, so that a header value is always one line.
 */
export function decodeEncodedWords(text: string): string {
  if (!text.includes('=?')) return text

  const lastClose = text.lastIndexOf('?=') // no word can end behind it: keeps a flood of openings linear
  let decoded = ''
  let run: { charset: string; chunks: Buffer[] } | undefined
  let copied = 0 // text up to here has been taken over

  const endRun = () => {
    if (run !== undefined) decoded += singleLine(decodeCharset(Buffer.concat(run.chunks), run.charset))
    run = undefined
  }

  for (let at = text.indexOf('=?'); at >= 0 && at < lastClose; at = text.indexOf('=?', at)) {
    const word = readWord(text, at)
    if (word === undefined) {
      at += 2
      continue
    }
    const between = text.slice(copied, at)
    if (run === undefined || between.trim() !== '') {
      endRun()
      decoded += between
    } else if (run.charset !== word.charset) {
      endRun()
    }
    run ??= { charset: word.charset, chunks: [] }
    run.chunks.push(word.bytes)
    at = copied = word.end
  }

  endRun()
  return decoded + text.slice(copied)
}

function readWord(text: string, at: number): EncodedWord | undefined {
  const charsetEnd = text.slice(at + 2, at + 3 + CHARSET_CHARS_MAX).indexOf('?') + at + 2
  if (charsetEnd <= at + 2 || text[charsetEnd + 2] !== '?') return undefined

  const charset = text.slice(at + 2, charsetEnd).toLowerCase()
  const encoding = text[charsetEnd + 1]?.toLowerCase()
  if (charset.includes(' ') || (encoding !== 'b' && encoding !== 'q')) return undefined

  // Searched last: it may be far away, and a search whose result is used is not repeated by the next "=?".
  const close = text.indexOf('?=', charsetEnd + 3)
  if (close < 0) return undefined
  const encoded = text.slice(charsetEnd + 3, close)
  const bytes = encoding === 'b' ? decodeBase64(Buffer.from(encoded)) : decodeQ(encoded)
  return { charset, bytes, end: close + 2 }
}

/** The "Q" encoding: quoted-printable with "_" for a space (§4.2). */
function decodeQ(encoded: string): Buffer {
  // A space cannot be in a well-formed word; where it is, quoted-printable would trim it at the end.
  return decodeQuotedPrintable(Buffer.from(encoded.replace(/[_ ]/g, '=20')))
}

function singleLine(text: string): string {
  return text.replace(/[\r\n]/g, ' ')
}
