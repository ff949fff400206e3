/** Sets of positions in a snapshot, for SEARCH: what needs no row of a message. Pure. */
import type { SetRange } from '../../../formats/imap/search-keys.ts'

/** 1 for those that match. */
export type Positions = Uint8Array<ArrayBuffer>

export function filter(among: Positions, keeps: (index: number) => boolean): Positions {
  const kept = new Uint8Array(among.length)
  for (let index = 0; index < among.length; index += 1) kept[index] = Number(among[index] === 1 && keeps(index))
  return kept
}

/**
 * Time is proportional to the messages and the ranges, not to their product: both may be many.
 *
 * @param numbers `last`: what "*" means (RFC 9051 §9, seq-range: the ends of a range have no order); `positionFrom`: the first
 *   position whose number is not below this one
 */
export function inSet(
  among: Positions,
  set: readonly SetRange[],
  { last, positionFrom }: { readonly last: number; readonly positionFrom: (number: number) => number },
): Positions {
  const kept = new Uint8Array(among.length)
  const ranges = set
    .map(({ start, end }) => {
      const ends = [start, end].map((each) => (each === '*' ? last : each))
      return { from: positionFrom(Math.min(...ends)), to: positionFrom(Math.max(...ends) + 1) }
    })
    .sort((a, b) => a.from - b.from)
  let next = 0
  for (const { from, to } of ranges) {
    const end = Math.min(to, among.length)
    for (next = Math.max(next, from, 0); next < end; next += 1) kept[next] = among[next]!
  }
  return kept
}

/** Returns the position of the first UID that is not below this one. */
export function firstPosition(uids: ArrayLike<number>, uid: number): number {
  let [low, high] = [0, uids.length]
  while (low < high) {
    const middle = (low + high) >>> 1
    if (uids[middle]! < uid) low = middle + 1
    else high = middle
  }
  return low
}
