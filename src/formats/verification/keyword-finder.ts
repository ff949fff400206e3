/**
 * Finds all keywords of a table in a text in one pass.
 *
 * Nearly all keywords begin where a word does, and few words begin as a keyword does. So a search looks at each letter once,
 * and asks a table of 8 KB whether a keyword begins with the four letters that follow. Only then does it compare them with the
 * keywords. (The automaton of Aho and Corasick, which was here before, needs a table of 1.7 MB: most of its time was waiting for
 * memory.)
 *
 * Notation in a table: `code` matches a whole word, `verif*` the beginning of a word, `*code` the end of one, `*kode*`
 * any part of one. In scripts that write words without spaces or attach prefixes to them (Chinese, Thai, Arabic, …), a
 * keyword always matches anywhere.
 */
import type { Range } from './keyword-ranges.ts'
import { fold, isAlphabetic, isAlphabeticUnit, plainText } from './keyword-text.ts'

export interface KeywordMatch<Kind extends string> extends Range {
  readonly kind: Kind
}

/** A keyword, at the state that its last letter leads to. */
interface Keyword<Kind> {
  readonly kind: Kind
  /** Whether a letter may precede a match, and whether one may follow it. */
  readonly mayFollowLetter: boolean
  readonly mayPrecedeLetter: boolean
}

/**
 * A tree of the first letters of keywords. States are numbers in order of their depth, so those that follow one state are
 * beside each other, in order of their units (UTF-16). 0 is the root.
 */
interface Trie<Kind> {
  /** The state after the root, by unit; 0: no keyword begins with it. */
  readonly first: Uint16Array
  /** The unit that leads to each state. */
  readonly units: Uint16Array
  /** The states after `state` are those from `next[state]` to `next[state + 1]`, exclusive. */
  readonly next: Uint16Array
  /** By state. */
  readonly keywords: readonly (readonly Keyword<Kind>[] | undefined)[]
  readonly beginnings: Beginnings
}

interface Tries<Kind> {
  readonly all: Trie<Kind>
  /** Only keywords that may follow a letter: few in the scripts that separate words. */
  readonly insideWords: Trie<Kind>
}

/** States are stored in 16 bits. */
const STATES_MAX = 0xffff
const UNITS = 0x1_0000

export type KeywordFinder<Kind extends string> = (foldedText: string) => KeywordMatch<Kind>[]

/**
 * Builds the tries at the first search, so that the server starts without waiting for them.
 *
 * @returns a function that returns all matches in order of their start, the longest first; the search ends after
 *          MATCHES_MAX of them
 */
export function createKeywordFinder<Kind extends string>(
  table: Readonly<Record<Kind, readonly string[]>>,
): KeywordFinder<Kind> {
  let tries: Tries<Kind> | undefined
  return (text) => {
    tries ??= buildTries(table)
    return findMatches(tries, text)
  }
}

/** Matches in one text. This bounds the memory for a text that consists of keywords. */
const MATCHES_MAX = 20_000

/** Classes of units: ASCII letters have one each, other ASCII characters have one, and all others. */
const CLASS_BITS = 5
const [OTHER_ASCII, NOT_ASCII, CLASSES] = [0, 31, 32] as const
const ASCII_END = 0x80
const ASCII_CLASSES = new Uint8Array(ASCII_END)
for (let letter = 1; letter <= 26; letter += 1) {
  ASCII_CLASSES[0x40 + letter] = letter
  ASCII_CLASSES[0x60 + letter] = letter
}

/** Beyond the end of a text, that of a unit that is not ASCII. */
function classOf(unit: number): number {
  return unit < ASCII_END ? ASCII_CLASSES[unit]! : NOT_ASCII
}

/** How many units a beginning has, and the bits of their classes. */
const BEGINNING_UNITS = 4
const BEGINNING_MASK = (1 << (CLASS_BITS * BEGINNING_UNITS)) - 1

/**
 * The classes of the first four units of keywords, and of what may follow shorter ones: a set that also has some that were not
 * added (a Bloom filter with one hash).
 */
class Beginnings {
  readonly #bits = new Uint8Array(2 ** 13)

  add(letters: string, mayPrecedeLetter: boolean, beginning = 0, index = 0): void {
    if (index === BEGINNING_UNITS) {
      const slot = slotOf(beginning)
      this.#bits[slot >> 3]! |= 1 << (slot & 7)
    } else if (index < letters.length) {
      this.add(letters, mayPrecedeLetter, (beginning << CLASS_BITS) | classOf(letters.charCodeAt(index)), index + 1)
    } else
      for (let following = 0; following < CLASSES; following += 1) {
        const isLetter = following !== OTHER_ASCII && following !== NOT_ASCII
        if (index === letters.length && isLetter && !mayPrecedeLetter) continue
        this.add(letters, mayPrecedeLetter, (beginning << CLASS_BITS) | following, index + 1)
      }
  }

  /** @returns false only if no keyword has these classes */
  mayHave(beginning: number): boolean {
    const slot = slotOf(beginning)
    return ((this.#bits[slot >> 3]! >> (slot & 7)) & 1) === 1
  }
}

/** Fibonacci hashing: only the high bits of the product depend on all bits. */
function slotOf(beginning: number): number {
  return Math.imul(beginning, 0x9e3779b1) >>> 16
}

/** A keyword of the table, and the letters that lead to its state. */
interface Entry<Kind> {
  readonly letters: string
  readonly keyword: Keyword<Kind>
}

function buildTries<Kind extends string>(table: Readonly<Record<Kind, readonly string[]>>): Tries<Kind> {
  const kinds = Object.keys(table) as Kind[]
  const entries = kinds.flatMap((kind) => table[kind].map((keyword) => entryOf(kind, keyword))).sort(byLetters)
  return { all: buildTrie(entries), insideWords: buildTrie(entries.filter(({ keyword }) => keyword.mayFollowLetter)) }
}

function entryOf<Kind>(kind: Kind, text: string): Entry<Kind> {
  const letters = fold(plainText(text.replaceAll('*', '')))
  const matchesAnywhere = !isAlphabetic(letters[0]) && !/^[0-9]/.test(letters)
  const keyword = {
    kind,
    mayFollowLetter: matchesAnywhere || text.startsWith('*'),
    mayPrecedeLetter: matchesAnywhere || text.endsWith('*') || !isAlphabetic(letters.at(-1)),
  }
  return { letters, keyword }
}

/** By UTF-16 units. */
function byLetters(a: Entry<unknown>, b: Entry<unknown>): number {
  return a.letters < b.letters ? -1 : a.letters > b.letters ? 1 : 0
}

/** @param entries in order of their letters: those with a common state are then beside each other */
function buildTrie<Kind>(entries: readonly Entry<Kind>[]): Trie<Kind> {
  const units = [0]
  const keywords: (Keyword<Kind>[] | undefined)[] = [undefined]
  /** How many states follow each state. */
  const counts = [0]
  let open = entries.map(({ letters, keyword }) => ({ letters, keyword, state: 0 }))
  for (let depth = 0; open.length > 0; depth += 1) {
    const longer: typeof open = []
    let [parent, unit] = [-1, -1]
    for (const each of open) {
      const next = each.letters.charCodeAt(depth)
      if (each.state !== parent || next !== unit) {
        parent = each.state
        unit = next
        if (units.length === STATES_MAX) throw new Error('the keywords need more states than 16 bits can number')
        units.push(unit)
        keywords.push(undefined)
        counts.push(0)
        counts[parent]! += 1
      }
      each.state = units.length - 1
      if (each.letters.length > depth + 1) longer.push(each)
      else addKeyword(keywords, each.state, each.keyword)
    }
    open = longer
  }
  const first = new Uint16Array(UNITS)
  for (let state = 1; state <= counts[0]!; state += 1) first[units[state]!] = state
  const next = new Uint16Array(units.length + 1)
  next[0] = 1
  for (const [state, count] of counts.entries()) next[state + 1] = next[state]! + count
  const beginnings = new Beginnings()
  // All texts of other scripts are compared: their units have one class.
  for (const { letters, keyword } of entries)
    if (letters.charCodeAt(0) < ASCII_END) beginnings.add(letters, keyword.mayPrecedeLetter)
  return { first, units: Uint16Array.from(units), next, keywords, beginnings }
}

function addKeyword<Kind>(keywords: (Keyword<Kind>[] | undefined)[], state: number, keyword: Keyword<Kind>): void {
  const known = keywords[state]
  if (known) known.push(keyword)
  else keywords[state] = [keyword]
}

/** Follows the last unit of a text. Begins no keyword, is in none, and is no letter. */
const NO_UNIT = 0xffff

/**
 * The units of the text that is searched, and NO_UNIT after them. Each unit is read several times, and V8 reads an array in
 * less than half of the time of a string, even with the copy. Kept between searches, which are synchronous.
 */
let unitsOfText = new Uint16Array(0)

function unitsOf(text: string): Uint16Array {
  const { length } = text
  if (unitsOfText.length < length + BEGINNING_UNITS) unitsOfText = new Uint16Array(2 * length + BEGINNING_UNITS)
  const units = unitsOfText
  for (let index = 0; index < length; index += 1) units[index] = text.charCodeAt(index)
  return units.fill(NO_UNIT, length, length + BEGINNING_UNITS)
}

function findMatches<Kind extends string>({ all, insideWords }: Tries<Kind>, text: string): KeywordMatch<Kind>[] {
  const matches: KeywordMatch<Kind>[] = []
  const units = unitsOf(text)
  /** The classes of the units from `start` on; at first without the last one. */
  let beginning = 0
  for (let index = 0; index < BEGINNING_UNITS - 1; index += 1)
    beginning = (beginning << CLASS_BITS) | classOf(units[index]!)
  let isInsideWord = false
  for (let start = 0; start < text.length && matches.length < MATCHES_MAX; start += 1) {
    beginning = ((beginning << CLASS_BITS) | classOf(units[start + BEGINNING_UNITS - 1]!)) & BEGINNING_MASK
    const unitClass = beginning >> (CLASS_BITS * (BEGINNING_UNITS - 1))
    const trie = isInsideWord ? insideWords : all
    if (unitClass === NOT_ASCII || trie.beginnings.mayHave(beginning)) addMatches(matches, trie, units, start)
    isInsideWord = unitClass === NOT_ASCII ? isAlphabeticUnit(units[start]!) : unitClass !== OTHER_ASCII
  }
  return matches
}

/** Adds the keywords that begin at `start`, the longest first. */
function addMatches<Kind extends string>(
  matches: KeywordMatch<Kind>[],
  { first, units, next, keywords }: Trie<Kind>,
  textUnits: Uint16Array,
  start: number,
): void {
  const longest = matches.length
  let state = first[textUnits[start]!]!
  if (state === 0) return
  for (let end = start + 1; ; end += 1) {
    const unit = textUnits[end]!
    const found = keywords[state]
    if (found !== undefined) {
      let at = longest
      for (const { kind, mayPrecedeLetter } of found)
        if (mayPrecedeLetter || !isAlphabeticUnit(unit)) {
          if (at === matches.length) matches.push({ kind, start, end })
          else matches.splice(at, 0, { kind, start, end })
          at += 1
        }
    }
    const last = next[state + 1]!
    state = next[state]!
    while (state < last && units[state]! < unit) state += 1
    if (state === last || units[state] !== unit) return
  }
}
