/**
 * Values with parameters: Content-Type and Content-Disposition (RFC 2045 §5.1, RFC 2183 §2), with the continuations and
 * charsets of RFC 2231. One pass over the value; a flood of parameters is cut at a fixed number.
 */
import { decodeCharset } from './charset.ts'
import { decodeEncodedWords } from './encoded-words.ts'

export interface ParameterisedValue {
  /** What stands before the first ";", lower-case, without comments. */
  value: string
  /** Lower-case name → decoded value. A Map: a sender may call a parameter `__proto__`. */
  parameters: ReadonlyMap<string, string>
}

/** Real mail has up to a dozen; long file names continue over some tens. */
const PARAMETERS_MAX = 128

/** Reads an unfolded header value. Malformed parameters are left out; nothing throws. */
export function parseParameterised(text: string): ParameterisedValue {
  const [value, ...rest] = splitOutsideQuotes(text)
  return { value: (value ?? '').trim().toLowerCase(), parameters: parseParameters(rest) }
}

/** Cuts at ";", except in quoted strings; comments are dropped (RFC 2045 §5.1 allows them between tokens). */
function splitOutsideQuotes(text: string): string[] {
  const pieces: string[] = []
  let piece = ''
  let from = 0
  let quoted = false
  let comments = 0

  for (let i = 0; i < text.length && pieces.length <= PARAMETERS_MAX; i++) {
    const char = text[i]
    if (char === '\\' && (quoted || comments > 0)) {
      i++
    } else if (char === '"' && comments === 0) {
      quoted = !quoted
    } else if (quoted) {
      // everything else is text
    } else if (char === '(' && canBeginComment(text, i)) {
      if (comments++ === 0) piece += text.slice(from, i)
    } else if (char === ')' && comments > 0) {
      if (--comments === 0) from = i + 1
    } else if (char === ';' && comments === 0) {
      pieces.push(piece + text.slice(from, i))
      piece = ''
      from = i + 1
    }
  }
  // A quote or comment that never ends leaves the last piece as it is.
  pieces.push(comments > 0 ? piece : piece + text.slice(from))
  return pieces
}

/** `name=report(1).pdf` is written without quotes by many mailers: there a parenthesis is a letter of the name. */
function canBeginComment(text: string, at: number): boolean {
  const before = text[at - 1]
  return before === undefined || before === ' ' || before === '\t' || before === ';' || before === ')'
}

/** A piece of a value: `name*2*=…` has index 2 and is extended. */
interface Segment {
  index: number
  extended: boolean
  text: string
}

function parseParameters(pieces: readonly string[]): Map<string, string> {
  const plain = new Map<string, string>()
  const segmented = new Map<string, Segment[]>()

  for (const piece of pieces) {
    const equals = piece.indexOf('=')
    if (equals <= 0) continue
    const fullName = piece.slice(0, equals).trim().toLowerCase()
    const text = unquote(piece.slice(equals + 1).trim())
    const star = fullName.indexOf('*')
    if (star < 0) {
      if (!plain.has(fullName)) plain.set(fullName, decodeEncodedWords(text)) // RFC 2047 §5 forbids it, mailers do it
      continue
    }
    const name = fullName.slice(0, star)
    const segment = { ...parseSuffix(fullName.slice(star)), text }
    const segments = segmented.get(name)
    if (segments === undefined) segmented.set(name, [segment])
    else segments.push(segment)
  }

  // The extended form is the exact one; senders add a plain one for old readers.
  for (const [name, segments] of segmented) plain.set(name, joinSegments(segments))
  return plain
}

/** `*` → one extended piece; `*3` → plain piece 3; `*3*` → extended piece 3 (RFC 2231 §3 and §4.1). */
function parseSuffix(suffix: string): Pick<Segment, 'index' | 'extended'> {
  const index = Number.parseInt(suffix.slice(1), 10)
  return { index: Number.isNaN(index) ? 0 : index, extended: suffix.endsWith('*') }
}

function joinSegments(segments: Segment[]): string {
  segments.sort((a, b) => a.index - b.index)
  let charset = ''
  const chunks = segments.map((segment, position) => {
    if (!segment.extended) return Buffer.from(segment.text)
    // RFC 2231 §4: charset'language'text, on the first piece only
    const [label, language, ...text] = position === 0 ? segment.text.split("'") : []
    if (label === undefined || language === undefined || text.length === 0) return percentDecode(segment.text)
    charset = label
    return percentDecode(text.join("'"))
  })
  return decodeCharset(Buffer.concat(chunks), charset)
}

function percentDecode(text: string): Buffer {
  const bytes = Buffer.from(text)
  let length = 0
  for (let i = 0; i < bytes.length; i++) {
    const pair = bytes[i] === 0x25 ? bytes.toString('latin1', i + 1, i + 3) : ''
    if (/^[0-9a-f]{2}$/i.test(pair)) {
      bytes[length++] = Number.parseInt(pair, 16)
      i += 2
    } else {
      bytes[length++] = bytes[i]!
    }
  }
  return bytes.subarray(0, length)
}

/** A quoted string's content, or the text itself. What follows a closing quote is dropped. */
function unquote(text: string): string {
  if (!text.startsWith('"')) return text
  let content = ''
  let from = 1
  for (let i = 1; i < text.length; i++) {
    const char = text[i]
    if (char === '"') return content + text.slice(from, i)
    if (char !== '\\') continue
    content += text.slice(from, i)
    from = ++i // the next character stands for itself (RFC 5322 §3.2.1)
  }
  return content + text.slice(from)
}
