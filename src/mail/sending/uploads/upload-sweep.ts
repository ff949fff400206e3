/** Removes expired uploads, in chunks. Messages and drafts that contain their bytes have a copy. */
import type { Limits } from '../../../config/limits.ts'
import type { Store } from '../../../store/store.ts'
import * as contents from '../../../store/tables/contents-table.ts'
import * as uploads from '../../../store/tables/uploads-table.ts'
import type { DiscardBlobs } from '../../messages/content/discard-blobs.ts'

interface SweepNeeds {
  readonly store: Store
  readonly clock: () => number
  readonly discardBlobs: DiscardBlobs
  readonly limits: Limits
}

export async function sweepUploads(needs: SweepNeeds, signal: AbortSignal): Promise<void> {
  const { store, clock, discardBlobs, limits } = needs
  let removed: number
  do {
    signal.throwIfAborted()
    const { count, blobs } = await store.transaction(async (tx) => {
      const { count, contentIds } = await uploads.removeExpired(tx, clock(), limits.jobs.removalChunkRows)
      return { count, blobs: await contents.removeUnused(tx, contentIds) }
    })
    await discardBlobs(blobs)
    removed = count
  } while (removed === limits.jobs.removalChunkRows)
}
