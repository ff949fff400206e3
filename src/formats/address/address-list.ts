/**
 * Parses the address lists in header fields: From, To, Cc, Bcc, Reply-To (RFC 5322 §3.4, with the obsolete forms of
 * §4.4).
 *
 * It accepts what arrives, not only what is valid: if one address of a list is broken, the others are still returned.
 * One pass. An unclosed quote or comment is read as plain text, and searched for its end only once, so that time is
 * linear.
 */

import { decodeEncodedWords } from '../mime/encoded-words.ts'
import type { Address } from './address.ts'
import { singleLine } from './address.ts'

/** No address is longer (RFC 5321 §4.5.3.1 allows 254). */
const ADDRESS_CHARS_MAX = 998
const NAME_CHARS_MAX = 998
/** Commas in a name without quotes: "Doe, John, Jr. <john@host>". */
const NAME_COMMAS_MAX = 2

/**
 * An encoded word is one token: some senders do not encode "," and ":" in it, although RFC 2047 §5 rule 3 requires it.
 */
const ENCODED_WORD = /=\?[^?\s]{1,64}\?[bq]\?[^?\s]*\?=/iy

/** The mailbox that is being read. */
interface Entry {
  /** The text before the address, unquoted. */
  phrase: string
  /** The same text as an addr-spec: with its quotes, which are part of an addr-spec. */
  spec: string
  /** Whether `spec` contains an "@". Searching it at each ":" would take quadratic time. */
  hasAt: boolean
  /** The text between angle brackets; of several, the last one. */
  angle?: string
  comment: string
  /** What RFC 5322 §3.4 allows in no mailbox: text between earlier brackets, text after brackets, words beside a bare address. */
  surplus: string
}

/**
 * Parses the value of one field.
 *
 * @param value     unfolded, with encoded words undecoded: a comma inside one is not a separator (RFC 2047 §5)
 * @param countMax  maximum number of addresses returned
 * @returns the addresses in order, as written, not normalised. The members of a group are included, its name is not
 *          (§3.4). A name without an address gives `address: ''`.
 */
export function parseAddressList(value: string, countMax = 1000): Address[] {
  const addresses: Address[] = []
  readAddressList(value, countMax, decodeEncodedWords, {
    address: (address) => addresses.push(address),
    groupBegins: ignore,
    groupEnds: ignore,
  })
  return addresses
}

const ignore = () => undefined

/** What a list consists of, in order. Names are given to `decode`. Only a group that has begun ends. */
export interface AddressListVisitor {
  address(address: Address): void
  groupBegins(name: string): void
  groupEnds(): void
  /** Called after the address of a mailbox that contains more than one mailbox may. @param text undecoded, quotes removed */
  surplus?(text: string): void
}

/** Reads a list as `parseAddressList` does, with its groups (RFC 5322 §3.4). */
export function readAddressList(
  value: string,
  countMax: number,
  decode: (text: string) => string,
  visitor: AddressListVisitor,
): void {
  let count = 0
  let isInGroup = false
  let entry = emptyEntry()
  /** Entries before a comma that may be the beginning of the next name. */
  let nameParts: Entry[] = []
  let quotesEnd = true // false after an unclosed quote was found
  let commentsEnd = true
  let pos = 0

  const endEntry = (separator?: string) => {
    const isFull = count + nameParts.length + 1 >= countMax
    if (separator === ',' && isBareName(entry) && nameParts.length < NAME_COMMAS_MAX && !isFull) nameParts.push(entry)
    else {
      const name = nameParts.map(({ phrase }) => phrase.trim())
      // RFC 5322 §3.4 requires quotes around a name with a comma; many senders omit them.
      if (entry.angle !== undefined && entry.phrase.trim() !== '')
        addEntry({ ...entry, phrase: [...name, entry.phrase.trim()].join(', ') })
      else for (const each of [...nameParts, entry]) addEntry(each)
      nameParts = []
    }
    entry = emptyEntry()
  }

  const addEntry = (each: Entry) => {
    const address = readEntry(each, decode)
    if (address === undefined) return
    count++
    visitor.address(address)
    if (each.surplus !== '') visitor.surplus?.(each.surplus)
  }

  const endGroup = () => {
    if (isInGroup) visitor.groupEnds()
    isInGroup = false
  }

  while (pos < value.length && count < countMax) {
    const char = value[pos]!
    if (char === '"' && quotesEnd) {
      const end = endOfQuoted(value, pos)
      quotesEnd = end > 0
      if (quotesEnd) {
        entry.phrase += unescaped(value.slice(pos + 1, end - 1))
        addToSpec(entry, value.slice(pos, end))
        pos = end
        continue
      }
    } else if (char === '(' && commentsEnd) {
      const end = endOfComment(value, pos)
      commentsEnd = end > 0
      if (commentsEnd) {
        entry.comment = unescaped(value.slice(pos + 1, end - 1))
        pos = end
        continue
      }
    } else if (char === '<') {
      const { end, next } = readAngle(value, pos + 1)
      if (entry.angle !== undefined) entry.surplus += ` ${entry.angle} `
      entry.angle = value.slice(pos + 1, end).trim()
      pos = next
      continue
    } else if (char === ',' || char === ';') {
      endEntry(char) // ";" ends a group, and separates addresses in Outlook
      if (char === ';') endGroup()
      pos++
      continue
    } else if (char === ':' && entry.angle === undefined && !entry.hasAt) {
      const name = decode(entry.phrase.trim())
      entry = emptyEntry()
      endEntry()
      endGroup()
      visitor.groupBegins(name)
      isInGroup = true
      pos++
      continue
    }
    const end = endOfPlain(value, pos)
    const text = value.slice(pos, end)
    entry.phrase += text
    addToSpec(entry, text)
    if (entry.angle !== undefined) entry.surplus += text
    pos = end
  }
  if (count < countMax) endEntry()
  endGroup()
}

/** Whether the text before a comma is neither an address nor quoted. */
function isBareName({ angle, hasAt, comment, phrase, spec }: Entry): boolean {
  return angle === undefined && !hasAt && comment === '' && phrase.trim() !== '' && !spec.includes('"')
}

function emptyEntry(): Entry {
  return { phrase: '', spec: '', hasAt: false, comment: '', surplus: '' }
}

function addToSpec(entry: Entry, text: string): void {
  entry.spec += text
  entry.hasAt ||= text.includes('@')
}

function readEntry(entry: Entry, decode: (text: string) => string): Address | undefined {
  if (entry.angle !== undefined) {
    // RFC 5322 §4.4: the address may follow a route, "@relay,@relay:ann@host"
    const spec = entry.angle.startsWith('@') ? entry.angle.slice(entry.angle.indexOf(':') + 1) : entry.angle
    return toAddress(decode(entry.phrase.trim() === '' ? entry.comment : entry.phrase), spec)
  }
  if (!entry.hasAt) return readName(entry, decode)
  const spec = entry.spec.trim().replace(/>$/, '') // Invalid: "Ann ann@host>"
  const name = decode(entry.comment) // ann@host (Ann), as in RFC 822
  if (spec.startsWith('"') || !/\s/.test(spec)) return toAddress(name, spec)
  // Invalid: "Ann Example ann@host" without angle brackets
  const words = joinAroundDots(spec.split(/\s+/))
  const at = words.findLastIndex((word) => word.includes('@'))
  if (isBroken(words[at]!, words[at + 1])) return toAddress(name, spec)
  entry.surplus = words.filter((_, index) => index !== at).join(' ')
  return toAddress(decode(entry.surplus), words[at]!)
}

/** RFC 2047 §5 forbids encoded words in an address, but some senders encode a whole mailbox. */
const ENCODED_MAILBOX = /^(?:([^<>]*)<)?([^\s<>@]+@[^\s<>@]+)>?$/

function readName({ phrase, comment }: Entry, decode: (text: string) => string): Address | undefined {
  const text = phrase.trim() === '' ? comment : phrase
  const name = decodeEncodedWords(text).trim()
  const [, nameOfMailbox = '', spec] = (phrase.includes('=?') && ENCODED_MAILBOX.exec(name)) || []
  return spec === undefined
    ? toAddress(decode(text).trim(), '')
    : toAddress(nameOfMailbox.replace(/^"|" *$/g, ''), spec)
}

/** Whether white space divides a domain: "ann@exa mple.com" must not become ann@exa. */
function isBroken(address: string, nextWord: string | undefined): boolean {
  return nextWord !== undefined && (nextWord.includes('.') || !address.slice(address.lastIndexOf('@')).includes('.'))
}

/** @param name decoded */
function toAddress(name: string, spec: string): Address | undefined {
  const label = singleLine(name).slice(0, NAME_CHARS_MAX)
  if (spec.length > ADDRESS_CHARS_MAX) return undefined // before the expensive steps
  const address = cleanSpec(singleLine(spec))
  if (address === '' && label === '') return undefined
  return label === '' ? { address } : { name: label, address }
}

/**
 * Removes what some senders put around an address, and what no address can have there: "mailto:", single quotes, the
 * dot of an absolute domain name, and the white space around dots that RFC 5322 §4.4 allows.
 */
function cleanSpec(spec: string): string {
  if (spec.startsWith('"')) return spec
  const text = spec.replace(/\s*([.@])\s*/g, '$1').replace(/^mailto:/i, '')
  const bare = text.length > 1 && text.startsWith("'") && text.endsWith("'") ? text.slice(1, -1) : text
  return /@.*[^.]\.$/.test(bare) ? bare.slice(0, -1) : bare
}

/** Joins the words of `ann . smith @ host`: RFC 5322 §4.4 allows white space around "." and "@". */
export function joinAroundDots(words: readonly string[]): string[] {
  const groups: string[][] = []
  let previous: string | undefined
  for (const word of words) {
    if (previous !== undefined && (/^[.@]/.test(word) || /[.@]/.test(previous.slice(-1)))) groups.at(-1)!.push(word)
    else groups.push([word])
    previous = word
  }
  return groups.map((group) => group.join(''))
}

/** Returns the index after the closing quote, or 0 if there is none. */
function endOfQuoted(text: string, open: number): number {
  for (let i = open + 1; i < text.length; i++) {
    if (text[i] === '\\') i++
    else if (text[i] === '"') return i + 1
  }
  return 0
}

/** Returns the index after the closing parenthesis, or 0 if there is none. Comments can be nested (RFC 5322 §3.2.2). */
function endOfComment(text: string, open: number): number {
  let depth = 0
  for (let i = open; i < text.length; i++) {
    if (text[i] === '\\') i++
    else if (text[i] === '(') depth++
    else if (text[i] === ')' && --depth === 0) return i + 1
  }
  return 0
}

/**
 * Returns where an address in angle brackets ends, and where the text after it begins. If ">" is missing, the address
 * ends before the next character that cannot be part of it.
 */
function readAngle(text: string, from: number): { end: number; next: number } {
  const isRoute = text[from] === '@' // RFC 5322 §4.4: only a route may contain commas
  let quotesEnd = true
  for (let i = from; i < text.length; i++) {
    const char = text[i]
    if (char === '>') return { end: i, next: i + 1 }
    if (char === '<' || (char === ',' && !isRoute)) return { end: i, next: i }
    if (char === '"' && quotesEnd) {
      const end = endOfQuoted(text.slice(i, i + ADDRESS_CHARS_MAX), 0)
      quotesEnd = end > 0
      if (quotesEnd) i += end - 1
    }
  }
  return { end: text.length, next: text.length }
}

/**
 * Returns the end of the plain text at `from`: of an encoded word, or before the next character with a special meaning.
 */
function endOfPlain(text: string, from: number): number {
  ENCODED_WORD.lastIndex = from
  if (text[from] === '=' && ENCODED_WORD.test(text)) return ENCODED_WORD.lastIndex

  let end = from + 1
  while (end < text.length && !'"(<,;:='.includes(text[end]!)) end++
  return end
}

function unescaped(text: string): string {
  return text.includes('\\') ? text.replace(/\\(.)/gu, '$1') : text
}
