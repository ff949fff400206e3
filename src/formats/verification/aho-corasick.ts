/**
 * Finds all words of a table in a text at once (Aho and Corasick, 1975): one step a character, however large the table.
 *
 * How a word is written in a table: `code` is a whole word, `verif*` begins one, `*code` ends one, `*kode*` is anywhere.
 * Scripts without spaces or with prefixes (Chinese, Thai, Arabic, …) are always looked for anywhere.
 */
import { fold, isAlphabetic, plainText } from './keyword-text.ts'

/** Half-open. */
interface Range {
  readonly start: number
  readonly end: number
}

export interface CueHit<Kind extends string> {
  readonly kind: Kind
  readonly start: number
  readonly end: number
}

interface Entry<Kind> {
  readonly kind: Kind
  readonly length: number
  /** Whether a letter may stand before, and after. */
  readonly mayFollow: boolean
  readonly mayContinue: boolean
}

interface State<Kind> {
  readonly next: Map<number, State<Kind>>
  /** Where an ASCII unit leads, fallbacks followed; filled as texts need it, near the root, where most time is spent. */
  readonly known: (State<Kind> | undefined)[] | undefined
  readonly entries: Entry<Kind>[]
  /** The state of the longest proper suffix; of the root, itself. */
  fallback: State<Kind>
  /** The nearest state among the fallbacks that ends a word. */
  shorter: State<Kind> | undefined
}

export type CueFinder<Kind extends string> = (foldedText: string) => CueHit<Kind>[]

/**
 * Builds the automaton at the first search, so that a start of the server does not wait for it.
 *
 * @returns a function that gives all hits in order of their start, the longest first; at most `hitsMax` are looked for
 */
export function cueFinder<Kind extends string>(
  table: Readonly<Record<Kind, readonly string[]>>,
  hitsMax = 20_000,
): CueFinder<Kind> {
  let root: State<Kind> | undefined
  return (text) => {
    root ??= rootOf(table)
    return find(root, text, hitsMax)
  }
}

function rootOf<Kind extends string>(table: Readonly<Record<Kind, readonly string[]>>): State<Kind> {
  const root = newState<Kind>(0)
  for (const kind of Object.keys(table) as Kind[]) for (const word of table[kind]) addWord(root, kind, word)
  linkFallbacks(root)
  return root
}

/** Of states whose transitions are kept; two letters deep there are some hundreds. */
const KNOWN_DEPTH_MAX = 2

function newState<Kind>(depth: number): State<Kind> {
  const known = depth <= KNOWN_DEPTH_MAX ? [] : undefined
  const state = { next: new Map(), known, entries: [], shorter: undefined } as unknown as State<Kind>
  state.fallback = state
  return state
}

function addWord<Kind>(root: State<Kind>, kind: Kind, word: string): void {
  const letters = fold(plainText(word.replaceAll('*', '')))
  const isAnywhere = !isAlphabetic(letters[0]) && !/^[0-9]/.test(letters)
  let state = root
  for (let at = 0; at < letters.length; at++) {
    const unit = letters.charCodeAt(at)
    let next = state.next.get(unit)
    if (next === undefined) {
      next = newState(at + 1)
      state.next.set(unit, next)
    }
    state = next
  }
  state.entries.push({
    kind,
    length: letters.length,
    mayFollow: isAnywhere || word.startsWith('*'),
    mayContinue: isAnywhere || word.endsWith('*') || !isAlphabetic(letters.at(-1)),
  })
}

function linkFallbacks<Kind>(root: State<Kind>): void {
  const queue: State<Kind>[] = []
  for (const state of root.next.values()) {
    state.fallback = root
    queue.push(state)
  }
  for (const state of queue) {
    for (const [unit, next] of state.next) {
      let fallback = state.fallback
      while (fallback !== root && !fallback.next.has(unit)) fallback = fallback.fallback
      next.fallback = fallback.next.get(unit) ?? root
      next.shorter = next.fallback.entries.length > 0 ? next.fallback : next.fallback.shorter
      queue.push(next)
    }
  }
}

function follow<Kind>(root: State<Kind>, from: State<Kind>, unit: number): State<Kind> {
  const known = unit < 0x80 ? from.known : undefined
  const kept = known?.[unit]
  if (kept !== undefined) return kept
  let state = from
  let next = state.next.get(unit)
  while (next === undefined && state !== root) {
    state = state.fallback
    next = state.next.get(unit)
  }
  next ??= root
  if (known !== undefined) known[unit] = next
  return next
}

function find<Kind extends string>(root: State<Kind>, text: string, hitsMax: number): CueHit<Kind>[] {
  const hits: CueHit<Kind>[] = []
  let state = root
  for (let at = 0; at < text.length && hits.length < hitsMax; at++) {
    state = follow(root, state, text.charCodeAt(at))
    for (let ending: State<Kind> | undefined = state; ending !== undefined; ending = ending.shorter) {
      for (const { kind, length, mayFollow, mayContinue } of ending.entries) {
        const start = at + 1 - length
        if (!mayFollow && isAlphabetic(text[start - 1])) continue
        if (!mayContinue && isAlphabetic(text[at + 1])) continue
        hits.push({ kind, start, end: at + 1 })
      }
    }
  }
  return hits.sort((a, b) => a.start - b.start || b.end - a.end)
}

/** Index of the first range that starts at `position` or later. */
export function firstFrom(ranges: readonly Range[], position: number): number {
  let low = 0
  let high = ranges.length
  while (low < high) {
    const middle = (low + high) >> 1
    if (ranges[middle]!.start < position) low = middle + 1
    else high = middle
  }
  return low
}

/** Those of sorted ranges that lie between two positions. */
export function within<T extends Range>(ranges: readonly T[], start: number, end: number): T[] {
  const found: T[] = []
  for (let at = firstFrom(ranges, start); at < ranges.length && ranges[at]!.start < end; at++)
    if (ranges[at]!.end <= end) found.push(ranges[at]!)
  return found
}
