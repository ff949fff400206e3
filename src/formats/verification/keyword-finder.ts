/**
 * Finds all keywords of a table in a text in one pass.
 *
 * Nearly all keywords begin where a word does. So a search reads most letters of a text once, to find the next word, and
 * compares only the first letters of each word, in two arrays that are small enough for the cache of a core. (The
 * automaton of Aho and Corasick, which was here before, needs no second look at any letter, but a table of 1.7 MB: most of
 * its time was waiting for memory.)
 *
 * Notation in a table: `code` matches a whole word, `verif*` the beginning of a word, `*code` the end of one, `*kode*`
 * any part of one. In scripts that write words without spaces or attach prefixes to them (Chinese, Thai, Arabic, …), a
 * keyword always matches anywhere.
 */
import { fold, isAlphabetic, isAlphabeticUnit, plainText } from './keyword-text.ts'

/** A half-open range of the text, in UTF-16 units. */
interface Range {
  readonly start: number
  readonly end: number
}

export interface KeywordMatch<Kind extends string> {
  readonly kind: Kind
  readonly start: number
  readonly end: number
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
  return { first, units: Uint16Array.from(units), next, keywords }
}

function addKeyword<Kind>(keywords: (Keyword<Kind>[] | undefined)[], state: number, keyword: Keyword<Kind>): void {
  const known = keywords[state]
  if (known) known.push(keyword)
  else keywords[state] = [keyword]
}

function findMatches<Kind extends string>({ all, insideWords }: Tries<Kind>, text: string): KeywordMatch<Kind>[] {
  const matches: KeywordMatch<Kind>[] = []
  let isInsideWord = false
  for (let start = 0; start < text.length && matches.length < MATCHES_MAX; start += 1) {
    const unit = text.charCodeAt(start)
    const trie = isInsideWord ? insideWords : all
    const state = trie.first[unit]!
    if (state !== 0) addMatches(matches, trie, state, text, start)
    isInsideWord = isAlphabeticUnit(unit)
  }
  return matches.sort((a, b) => a.start - b.start || b.end - a.end)
}

/** Adds the keywords that begin at `start`, whose unit leads to this state. */
function addMatches<Kind extends string>(
  matches: KeywordMatch<Kind>[],
  { units, next, keywords }: Trie<Kind>,
  first: number,
  text: string,
  start: number,
): void {
  let state = first
  for (let end = start + 1; ; end += 1) {
    const unit = text.charCodeAt(end) // NaN at the end of the text: equal to no unit
    const found = keywords[state]
    if (found !== undefined)
      for (const { kind, mayPrecedeLetter } of found)
        if (mayPrecedeLetter || !isAlphabeticUnit(unit)) matches.push({ kind, start, end })
    const last = next[state + 1]!
    state = next[state]!
    while (state < last && units[state]! < unit) state += 1
    if (state === last || units[state] !== unit) return
  }
}

/** Returns the index of the first range that starts at `offset` or later. The ranges are sorted by their start. */
export function firstFrom(ranges: readonly Range[], offset: number): number {
  let low = 0
  let high = ranges.length
  while (low < high) {
    const middle = (low + high) >> 1
    if (ranges[middle]!.start < offset) low = middle + 1
    else high = middle
  }
  return low
}

/** Returns the ranges between two offsets. The ranges are sorted by their start. */
export function within<T extends Range>(ranges: readonly T[], start: number, end: number): T[] {
  const found: T[] = []
  for (let index = firstFrom(ranges, start); index < ranges.length && ranges[index]!.start < end; index++)
    if (ranges[index]!.end <= end) found.push(ranges[index]!)
  return found
}
