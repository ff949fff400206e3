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

interface State<Kind> {
  readonly next: Map<number, State<Kind>>
  /**
   * Next state by ASCII character, failure links included. Filled on demand; only near the root, where most steps are.
   */
  readonly cached: (State<Kind> | undefined)[] | undefined
  readonly keywords: Keyword<Kind>[]
  /** Failure link: the state of the longest proper suffix; the root links to itself. */
  failure: State<Kind>
  /** Output link: the nearest state on the path of failure links at which a keyword ends. */
  output: State<Kind> | undefined
}

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
  let root: State<Kind> | undefined
  return (text) => {
    root ??= buildAutomaton(table)
    return findMatches(root, text)
  }
}

function buildAutomaton<Kind extends string>(table: Readonly<Record<Kind, readonly string[]>>): State<Kind> {
  const root = createState<Kind>(0)
  for (const kind of Object.keys(table) as Kind[]) for (const keyword of table[kind]) addKeyword(root, kind, keyword)
  addLinks(root)
  return root
}

/** Matches in one text. This bounds the work for a text that consists of keywords. */
const MATCHES_MAX = 20_000

/** Greatest depth of states with a cache: some hundreds of states are at most two letters deep. */
const CACHED_DEPTH_MAX = 2

function createState<Kind>(depth: number): State<Kind> {
  const cached = depth <= CACHED_DEPTH_MAX ? [] : undefined
  const state = { next: new Map(), cached, keywords: [], output: undefined } as unknown as State<Kind>
  state.failure = state
  return state
}

function addKeyword<Kind>(root: State<Kind>, kind: Kind, keyword: string): void {
  const letters = fold(plainText(keyword.replaceAll('*', '')))
  const matchesAnywhere = !isAlphabetic(letters[0]) && !/^[0-9]/.test(letters)
  let state = root
  for (let index = 0; index < letters.length; index++) {
    const unit = letters.charCodeAt(index)
    let next = state.next.get(unit)
    if (next === undefined) {
      next = createState(index + 1)
      state.next.set(unit, next)
    }
    state = next
  }
  state.keywords.push({
    kind,
    length: letters.length,
    mayFollowLetter: matchesAnywhere || keyword.startsWith('*'),
    mayPrecedeLetter: matchesAnywhere || keyword.endsWith('*') || !isAlphabetic(letters.at(-1)),
  })
}

/** Sets the failure and output links, breadth first: a state's links need those of shorter prefixes. */
function addLinks<Kind>(root: State<Kind>): void {
  const queue: State<Kind>[] = []
  for (const state of root.next.values()) {
    state.failure = root
    queue.push(state)
  }
  for (const state of queue) {
    for (const [unit, next] of state.next) {
      let failure = state.failure
      while (failure !== root && !failure.next.has(unit)) failure = failure.failure
      next.failure = failure.next.get(unit) ?? root
      next.output = next.failure.keywords.length > 0 ? next.failure : next.failure.output
      queue.push(next)
    }
  }
}

function nextState<Kind>(root: State<Kind>, from: State<Kind>, unit: number): State<Kind> {
  const cache = unit < 0x80 ? from.cached : undefined
  const hit = cache?.[unit]
  if (hit !== undefined) return hit
  let state = from
  let next = state.next.get(unit)
  while (next === undefined && state !== root) {
    state = state.failure
    next = state.next.get(unit)
  }
  next ??= root
  if (cache !== undefined) cache[unit] = next
  return next
}

function findMatches<Kind extends string>(root: State<Kind>, text: string): KeywordMatch<Kind>[] {
  const matches: KeywordMatch<Kind>[] = []
  let state = root
  for (let index = 0; index < text.length && matches.length < MATCHES_MAX; index++) {
    state = nextState(root, state, text.charCodeAt(index))
    for (let ending: State<Kind> | undefined = state; ending !== undefined; ending = ending.output) {
      for (const { kind, length, mayFollowLetter, mayPrecedeLetter } of ending.keywords) {
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
