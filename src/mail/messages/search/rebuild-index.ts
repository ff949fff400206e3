/**
 * Makes the text index of all inboxes again, for `martlet search rebuild`: an operator suspects that a search misses
 * messages. Until a block is made again, a search compares its messages.
 */
import * as index from '../../../store/tables/search-index-table.ts'
import { requireRootKey } from '../../access/access.ts'
import type { Actor } from '../../access/actor.ts'
import { checkIndexes } from './index-messages.ts'

/** Blocks per transaction. */
const BLOCKS_AT_ONCE = 200

/**
 * The root key only: it concerns all organizations.
 *
 * @returns the number of blocks that are made again; jobs do the work
 * @throws narrow_key
 */
export type RebuildIndex = (actor: Actor) => Promise<number>

export function createRebuildIndex(needs: Parameters<typeof checkIndexes>[0]): RebuildIndex {
  const { store } = needs
  return async function rebuildIndex(actor) {
    await store.transaction((tx) => requireRootKey(tx, actor))
    let blocks = 0
    for (;;) {
      const count = await store.transaction((tx) => index.invalidateSome(tx, BLOCKS_AT_ONCE))
      if (count === 0) break
      blocks += count
    }
    await checkIndexes(needs, new AbortController().signal)
    return blocks
  }
}
