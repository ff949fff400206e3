/**
 * Parses values with parameters: Content-Type and Content-Disposition (RFC 2045 §5.1, RFC 2183 §2), with the
 * continuations and charsets of RFC 2231. One pass over the value; the number of parameters is limited.
 */
import { decodeCharset } from './charset.ts'
import { decodeEncodedWords } from './encoded-words.ts'

export interface ParameterisedValue {
  /** The part before the first ";", in lower case, without comments. */
  value: string
  /** Decoded values by lower-case names. A Map, because a sender may name a parameter `__proto__`. */
  parameters: ReadonlyMap<string, string>
}

/** Real messages have up to a dozen. A long file name can be divided into some tens. */
const PARAMETERS_MAX = 128

const EMPTY: ParameterisedValue = { value: '', parameters: new Map() }

/** Parses an unfolded header value. Malformed parameters are left out. Never throws. */
export function parseParameterised(text: string): ParameterisedValue {
  if (text === '') return EMPTY
  const [value, ...rest] = splitOutsideQuotes(text)
  return { value: (value?.text ?? '').trim().toLowerCase(), parameters: parseParameters(rest) }
}

/** One parameter, or the value before the first. */
interface Piece {
  /** Without comments, which RFC 2045 §5.1 allows between tokens. */
  readonly text: string
  /** As written: in a file name without quotes, "report (1).pdf", the parentheses belong to the name. */
  readonly raw: string
}

/** Splits at ";", except in quoted strings and comments. */
function splitOutsideQuotes(text: string): Piece[] {
  const pieces: Piece[] = []
  let piece = ''
  let start = 0
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
      // any other character is text
    } else if (char === '(' && canBeginComment(text, i)) {
      if (comments++ === 0) piece += text.slice(from, i)
    } else if (char === ')' && comments > 0) {
      if (--comments === 0) from = i + 1
    } else if (char === ';' && comments === 0) {
      pieces.push({ text: piece + text.slice(from, i), raw: text.slice(start, i) })
      piece = ''
      start = from = i + 1
    }
  }
  // The last piece, also if it has an unclosed quote. An unclosed comment is left out.
  pieces.push({ text: comments > 0 ? piece : piece + text.slice(from), raw: text.slice(start) })
  return pieces
}

/** Many mail programs write `name=report(1).pdf` without quotes. There the parenthesis is part of the name. */
function canBeginComment(text: string, index: number): boolean {
  const before = text[index - 1]
  return before === undefined || before === ' ' || before === '\t' || before === ';' || before === ')'
}

/** A section of a value (RFC 2231 §3): `name*2*=…` has index 2 and is extended. */
interface Section {
  index: number
  extended: boolean
  text: string
}

/** Names of parameters whose value is a file name. */
const FILE_NAMES: ReadonlySet<string> = new Set(['filename', 'name'])

function parseParameters(pieces: readonly Piece[]): Map<string, string> {
  const plain = new Map<string, string>()
  const sectionsByName = new Map<string, Section[]>()

  for (const piece of pieces) {
    const equals = piece.text.indexOf('=')
    if (equals <= 0) continue
    const fullName = piece.text.slice(0, equals).trim().toLowerCase()
    const star = fullName.indexOf('*')
    const name = star < 0 ? fullName : fullName.slice(0, star)
    const text = FILE_NAMES.has(name)
      ? unquoteFileName(piece.raw.slice(piece.raw.indexOf('=') + 1).trim())
      : unquote(piece.text.slice(equals + 1).trim())
    if (star < 0) {
      if (!plain.has(name)) plain.set(name, decodeEncodedWords(text)) // forbidden by RFC 2047 §5, but common
      continue
    }
    const section = { ...parseSuffix(fullName.slice(star)), text }
    const sections = sectionsByName.get(name)
    if (sections === undefined) sectionsByName.set(name, [section])
    else sections.push(section)
  }

  // The extended form has precedence: senders add a plain one for old programs.
  for (const [name, sections] of sectionsByName) plain.set(name, joinSections(oneSpelling(sections)))
  return plain
}

/**
 * `*` → the only section, extended; `*3` → section 3, plain; `*3*` → section 3, extended (RFC 2231 §3 and §4.1). A
 * suffix without a number that is malformed counts as the only section too.
 */
function parseSuffix(suffix: string): Pick<Section, 'index' | 'extended'> {
  const index = Number.parseInt(suffix.slice(1), 10)
  return { index: Number.isNaN(index) ? WHOLE : index, extended: suffix.endsWith('*') }
}

const WHOLE = -1

/**
 * A value may be written whole and in sections, and sections may occur twice: these are spellings of one value. Returns
 * the first whole one, else the first spelling of each section, in order.
 */
function oneSpelling(sections: readonly Section[]): Section[] {
  const whole = sections.find(({ index }) => index === WHOLE)
  if (whole) return [whole]
  const byIndex = new Map<number, Section>()
  for (const section of sections) if (!byIndex.has(section.index)) byIndex.set(section.index, section)
  return [...byIndex.values()].sort((a, b) => a.index - b.index)
}

function joinSections(sections: readonly Section[]): string {
  // RFC 2231 §3 forbids encoded words, but some libraries divide a long one into sections.
  if (sections.every(({ extended }) => !extended)) return decodeEncodedWords(sections.map(({ text }) => text).join(''))
  let charset = ''
  const chunks = sections.map((section, index) => {
    if (!section.extended) return Buffer.from(section.text)
    // RFC 2231 §4: charset'language'text, in the first section only
    const [label, language, ...text] = index === 0 ? section.text.split("'") : []
    if (label === undefined || language === undefined || text.length === 0) return percentDecode(section.text)
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

/** Reads what many senders write: the backslashes of a path, and quotes inside, without a backslash before them. */
function unquoteFileName(text: string): string {
  const isPath = /^"(?:[a-z]:)?\\/i.test(text)
  const hasInnerQuotes = text.length > 1 && text.startsWith('"') && text.endsWith('"') && !text.includes('\\')
  return isPath || hasInnerQuotes ? text.slice(1).replace(/"$/, '') : unquote(text)
}

/** Returns the content of a quoted string, or else the text itself. Text after the closing quote is dropped. */
function unquote(text: string): string {
  if (!text.startsWith('"')) return text
  let content = ''
  let from = 1
  for (let i = 1; i < text.length; i++) {
    const char = text[i]
    if (char === '"') return content + text.slice(from, i)
    if (char !== '\\') continue
    content += text.slice(from, i)
    from = ++i // quoted pair: the next character is literal (RFC 5322 §3.2.1)
  }
  return content + text.slice(from)
}
