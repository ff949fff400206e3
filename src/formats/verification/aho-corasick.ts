/**
 * Finds all keywords of a table in a text in one pass (Aho and Corasick, 1975): one step per character, however large
 * the table is.
 *
 * Notation in a table: `code` matches a whole word, `verif*` the beginning of a word, `*code` the end of one, `*kode*`
 * any part of one. In scripts that write words without spaces or attach prefixes to them (Chinese, Thai, Arabic, …), a
 * keyword always matches anywhere.
 */
import { fold, isAlphabetic, plainText } from './keyword-text.ts'

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

/** A keyword, at the state that its last character leads to. */
interface Keyword<Kind> {
  readonly kind: Kind
  readonly length: number
  /** Whether a letter may precede a match, and whether one may follow it. */
  readonly mayFollowLetter: boolean
  readonly mayPrecedeLetter: boolean
}

/**
 * States are numbers; 0 is the root. The tables are flat: an object and a map for each of 20,000 states took 10 MB, and
 * longer to build and to search.
 */
interface Automaton<Kind> {
  /** Column by ASCII character; 0: in no keyword. */
  readonly columns: Uint8Array
  readonly columnCount: number
  /** Next state by state and column, failure links included. */
  readonly ascii: Uint16Array
  /** Next state by state and other unit (UTF-16), without failure links. */
  readonly others: Edges
  /** The state of the longest proper suffix. */
  readonly failures: Uint16Array
  /** The state itself if a keyword ends there, else the nearest such state on the path of failure links; 0: none. */
  readonly outputs: Uint16Array
  /** By state. */
  readonly keywords: readonly (readonly Keyword<Kind>[] | undefined)[]
}

/** States are stored in 16 bits. */
const STATES_MAX = 0x1_0000
const ASCII_END = 0x80

export type KeywordFinder<Kind extends string> = (foldedText: string) => KeywordMatch<Kind>[]

/**
 * Builds the automaton at the first search, so that the server starts without waiting for it.
 *
 * @returns a function that returns all matches in order of their start, the longest first; the search ends after
 *          MATCHES_MAX of them
 */
export function createKeywordFinder<Kind extends string>(
  table: Readonly<Record<Kind, readonly string[]>>,
): KeywordFinder<Kind> {
  let automaton: Automaton<Kind> | undefined
  return (text) => {
    automaton ??= buildAutomaton(table)
    return findMatches(automaton, text)
  }
}

/** Matches in one text. This bounds the work for a text that consists of keywords. */
const MATCHES_MAX = 20_000

/** A keyword of the table, and the letters that lead to its state. */
interface Entry<Kind> {
  readonly letters: string
  readonly keyword: Keyword<Kind>
}

/**
 * The states before they are linked, in order of their depth: the first states of all keywords, where a search mostly is,
 * are beside each other in memory.
 */
interface Trie<Kind> {
  /** The unit that leads to each state, and the state before it. */
  readonly units: readonly number[]
  readonly parents: readonly number[]
  /** Of each depth, the first state. */
  readonly starts: readonly number[]
  readonly keywords: readonly (readonly Keyword<Kind>[] | undefined)[]
}

function buildAutomaton<Kind extends string>(table: Readonly<Record<Kind, readonly string[]>>): Automaton<Kind> {
  const kinds = Object.keys(table) as Kind[]
  const entries = kinds.flatMap((kind) => table[kind].map((keyword) => entryOf(kind, keyword)))
  const { units, parents, starts, keywords } = buildTrie(entries)
  const stateCount = units.length
  const ascii = [...new Set(units)].filter((unit) => unit !== 0 && unit < ASCII_END)
  const columnCount = ascii.length + 1
  const automaton: Automaton<Kind> = {
    ...{ columns: new Uint8Array(ASCII_END), columnCount, keywords },
    ascii: new Uint16Array(stateCount * columnCount),
    others: new Edges(units.filter((unit) => unit >= ASCII_END).length),
    failures: new Uint16Array(stateCount),
    outputs: new Uint16Array(stateCount),
  }
  for (const [index, unit] of ascii.entries()) automaton.columns[unit] = index + 1
  for (const [depth, start] of starts.entries())
    addLinks(automaton, { start, end: starts[depth + 1] ?? stateCount }, units, parents)
  return automaton
}

/** @param states all of one depth. Those of smaller depth have their links: a link leads to a shorter state. */
function addLinks(
  automaton: Automaton<unknown>,
  states: Range,
  units: readonly number[],
  parents: readonly number[],
): void {
  const { columns, columnCount, ascii, others, failures, outputs, keywords } = automaton
  for (let state = states.start; state < states.end; state += 1) {
    const parent = parents[state]!
    failures[state] = parent === 0 ? 0 : nextState(automaton, failures[parent]!, units[state]!)
  }
  for (let state = states.start; state < states.end; state += 1) {
    const unit = units[state]!
    if (unit < ASCII_END) ascii[parents[state]! * columnCount + columns[unit]!] = state
    else others.set(parents[state]!, unit, state)
  }
  for (let state = states.start; state < states.end; state += 1) {
    const failure = failures[state]!
    outputs[state] = keywords[state] === undefined ? outputs[failure]! : state
    ascii.copyWithin(state * columnCount, failure * columnCount, (failure + 1) * columnCount)
  }
}

function entryOf<Kind>(kind: Kind, text: string): Entry<Kind> {
  const letters = fold(plainText(text.replaceAll('*', '')))
  const matchesAnywhere = !isAlphabetic(letters[0]) && !/^[0-9]/.test(letters)
  const keyword = {
    kind,
    length: letters.length,
    mayFollowLetter: matchesAnywhere || text.startsWith('*'),
    mayPrecedeLetter: matchesAnywhere || text.endsWith('*') || !isAlphabetic(letters.at(-1)),
  }
  return { letters, keyword }
}

/** Entries in order of their letters have their common states beside each other, so no table of edges is needed. */
function buildTrie<Kind>(entries: readonly Entry<Kind>[]): Trie<Kind> {
  const units = [0]
  const parents = [0]
  const starts: number[] = []
  const keywords: (Keyword<Kind>[] | undefined)[] = [undefined]
  let open = entries.toSorted(byLetters).map(({ letters, keyword }) => ({ letters, keyword, state: 0 }))
  for (let depth = 0; open.length > 0; depth += 1) {
    starts.push(units.length)
    const longer: typeof open = []
    let [parent, unit] = [-1, -1]
    for (const each of open) {
      const next = each.letters.charCodeAt(depth)
      if (each.state !== parent || next !== unit) {
        parent = each.state
        unit = next
        if (units.length === STATES_MAX) throw new Error('the keywords need more states than 16 bits can number')
        units.push(unit)
        parents.push(parent)
        keywords.push(undefined)
      }
      each.state = units.length - 1
      if (each.letters.length > depth + 1) longer.push(each)
      else addKeyword(keywords, each.state, each.keyword)
    }
    open = longer
  }
  return { units, parents, starts, keywords }
}

/** By UTF-16 units. */
function byLetters(a: Entry<unknown>, b: Entry<unknown>): number {
  return a.letters < b.letters ? -1 : a.letters > b.letters ? 1 : 0
}

function addKeyword<Kind>(keywords: (Keyword<Kind>[] | undefined)[], state: number, keyword: Keyword<Kind>): void {
  const known = keywords[state]
  if (known) known.push(keyword)
  else keywords[state] = [keyword]
}

/** A hash table with open addressing: state and unit to the next state, which is never 0. */
class Edges {
  readonly #keys: Uint32Array
  readonly #values: Uint16Array
  readonly #sizeBits: number

  constructor(countMax: number) {
    this.#sizeBits = Math.ceil(Math.log2(countMax * 2 + 2))
    this.#keys = new Uint32Array(2 ** this.#sizeBits)
    this.#values = new Uint16Array(2 ** this.#sizeBits)
  }

  set(state: number, unit: number, next: number): void {
    const slot = this.#slot(state, unit)
    this.#keys[slot] = keyOf(state, unit)
    this.#values[slot] = next
  }

  /** Returns 0 if there is none. */
  get(state: number, unit: number): number {
    return this.#values[this.#slot(state, unit)]!
  }

  /** Returns the slot of this edge, or the empty one for it. */
  #slot(state: number, unit: number): number {
    const key = keyOf(state, unit)
    // Fibonacci hashing: only the high bits of the product depend on all bits of the key.
    let slot = Math.imul(key, 0x9e3779b1) >>> (32 - this.#sizeBits)
    while (this.#values[slot] !== 0 && this.#keys[slot] !== key) slot = (slot + 1) % this.#keys.length
    return slot
  }
}

function keyOf(state: number, unit: number): number {
  return ((state << 16) | unit) >>> 0
}

function nextState({ columns, columnCount, ascii, others, failures }: Automaton<unknown>, from: number, unit: number) {
  if (unit < ASCII_END) return ascii[from * columnCount + columns[unit]!]!
  let state = from
  let next = others.get(state, unit)
  while (next === 0 && state !== 0) {
    state = failures[state]!
    next = others.get(state, unit)
  }
  return next
}

function findMatches<Kind extends string>(automaton: Automaton<Kind>, text: string): KeywordMatch<Kind>[] {
  const { keywords, outputs, failures, columns, columnCount, ascii } = automaton
  const matches: KeywordMatch<Kind>[] = []
  let state = 0
  for (let index = 0; index < text.length && matches.length < MATCHES_MAX; index++) {
    const unit = text.charCodeAt(index)
    state = unit < ASCII_END ? ascii[state * columnCount + columns[unit]!]! : nextState(automaton, state, unit)
    for (let ending = outputs[state]!; ending !== 0; ending = outputs[failures[ending]!]!) {
      for (const { kind, length, mayFollowLetter, mayPrecedeLetter } of keywords[ending]!) {
        const start = index + 1 - length
        if (!mayFollowLetter && isAlphabetic(text[start - 1])) continue
        if (!mayPrecedeLetter && isAlphabetic(text[index + 1])) continue
        matches.push({ kind, start, end: index + 1 })
      }
    }
  }
  return matches.sort((a, b) => a.start - b.start || b.end - a.end)
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
