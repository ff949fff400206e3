/**
 * Makes the text index of all inboxes again, for `martlet search rebuild`: an operator suspects that a search misses
 * messages. Until a block is made again, a search compares its messages.
 */
import { MailError } from '../../../errors.ts'
import type { Store } from '../../../store/store.ts'
import * as apiKeys from '../../../store/tables/api-keys-table.ts'
import * as index from '../../../store/tables/search-index-table.ts'
import { assertKeyUnchanged, keyOf } from '../../access/access.ts'
import type { Actor } from '../../access/actor.ts'
import { checkIndexes } from './index-messages.ts'

/** Blocks per transaction. */
const BLOCKS_AT_ONCE = 200

/**
 * The root key only: it concerns all organizations.
 *
 * @returns the number of blocks that are made again; jobs do the work
 * @throws forbidden
 */
export type RebuildIndex = (actor: Actor) => Promise<number>

export function createRebuildIndex(needs: Parameters<typeof checkIndexes>[0]): RebuildIndex {
  const { store } = needs
  return async function rebuildIndex(actor) {
    await requireRootKey(store, actor)
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

async function requireRootKey(store: Store, actor: Actor): Promise<void> {
  const { organizationId, apiKeyId } = keyOf(actor)
  await store.transaction(async (tx) => {
    await assertKeyUnchanged(tx, actor)
    const root = await apiKeys.getRoot(tx, organizationId)
    if (root?.id !== apiKeyId) throw new MailError('forbidden', { detail: 'Only the root key may do this' })
  })
}
