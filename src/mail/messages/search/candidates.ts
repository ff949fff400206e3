/**
 * Reads from blocks of the text index which of their messages may match a query: those with all bits of one of its clauses.
 *
 * A slice takes about a sixth of the time of a comparison, so more bits are read as long as they may save more comparisons
 * than they cost: a few for a word that no message has, many for a phrase of common syllables.
 */
import { decodeNumbers, positionsInAll, sliceBytesOf } from '../../../formats/search/search-block.ts'
import type { Db } from '../../../store/handles.ts'
import * as index from '../../../store/tables/search-index-table.ts'

/** Bits that one statement reads. */
const [BITS_AT_FIRST, BITS_AT_ONCE] = [4, 8] as const
const SLICES_PER_COMPARISON = 6

/**
 * @param clauses the bits of each, those that exclude most first
 * @returns the numbers that may match, newest first and each once, by the id of the block; a block of which a part is missing is missing
 */
export async function findCandidates(
  db: Db,
  blocks: readonly index.StoredBlock[],
  clauses: readonly (readonly number[])[],
): Promise<Map<number, number[]>> {
  const positions = new Map<number, Set<number>>(blocks.map(({ id }) => [id, new Set<number>()]))
  const numbersOf = new Map(blocks.map(({ id, numbers }) => [id, decodeNumbers(numbers)]))
  // Clauses for several columns have the same text.
  for (const bits of new Map(clauses.map((each) => [each.join(), each])).values()) await addClause(bits)
  return new Map(
    [...positions].map(([id, mine]) => {
      const found = numbersOf.get(id)!.filter((_, position) => mine.has(position))
      return [id, [...new Set(found)].reverse()] as const
    }),
  )

  async function addClause(bits: readonly number[]): Promise<void> {
    /** What all slices read until now contain, by the id of the block. */
    let open = new Map<number, Uint8Array[]>([...positions.keys()].map((id) => [id, []]))
    for (let at = 0, count: number = BITS_AT_FIRST; at < bits.length && open.size > 0; ) {
      const some = bits.slice(at, at + count)
      at += count
      count = BITS_AT_ONCE
      const read = await index.slicesOf(db, [...open.keys()], some)
      for (const [id, slices] of open) {
        const more = read.get(id)!
        const sliceBytes = sliceBytesOf(numbersOf.get(id)!.length)
        if (more.length === some.length && more.every(({ length }) => length === sliceBytes)) slices.push(...more)
        else {
          positions.delete(id)
          open.delete(id)
        }
      }
      open = new Map([...open].filter(([, slices]) => positionsInAll(slices).length > 0))
      const left = [...open.values()].reduce((sum, slices) => sum + positionsInAll(slices).length, 0)
      if (left * SLICES_PER_COMPARISON <= count * open.size) break
    }
    for (const [id, slices] of open) for (const position of positionsInAll(slices)) positions.get(id)!.add(position)
  }
}
