/** Looks up keywords and labels between two offsets of a text, by binary search. */

/** A half-open range of the text, in UTF-16 units. */
export interface Range {
  readonly start: number
  readonly end: number
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

/** The keywords of a text by their kind. Of most kinds, a text has few or none, so that a search for them is short. */
export class KeywordIndex<Kind extends string> {
  readonly #byKind = new Map<Kind, Range[]>()

  /** @param matches  in order of their start */
  constructor(matches: readonly (Range & { readonly kind: Kind })[]) {
    for (const match of matches) {
      const known = this.#byKind.get(match.kind)
      if (known === undefined) this.#byKind.set(match.kind, [match])
      else known.push(match)
    }
  }

  /** Returns all keywords of a kind, in order of their start. */
  all(kind: Kind): readonly Range[] {
    return this.#byKind.get(kind) ?? []
  }

  /** Returns those between two offsets. */
  within(kind: Kind, start: number, end: number): Range[] {
    const all = this.#byKind.get(kind)
    return all === undefined ? [] : within(all, start, end)
  }

  /** Whether there is one between two offsets. */
  has(kind: Kind, start: number, end: number): boolean {
    const all = this.#byKind.get(kind)
    if (all === undefined) return false
    for (let index = firstFrom(all, start); index < all.length && all[index]!.start < end; index++)
      if (all[index]!.end <= end) return true
    return false
  }
}
