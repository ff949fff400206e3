/** Removes leftovers: blobs that no row refers to (their transaction never committed). */
import type { Limits } from '../../../config/limits.ts'
import type { Store } from '../../../store/store.ts'
import * as contents from '../../../store/tables/contents-table.ts'

interface SweepNeeds {
  readonly store: Store
  readonly clock: () => number
  readonly limits: Limits
}

/** A blob is written before the transaction that refers to it, so only a blob of some age is known to be unused. */
export async function sweepBlobs({ store, clock, limits }: SweepNeeds, signal: AbortSignal): Promise<void> {
  for await (const key of store.blobs.listOlderThan(clock() - limits.store.blobSweepAgeMs)) {
    signal.throwIfAborted()
    if (!(await contents.isBlobUsed(store.db, key))) await store.blobs.delete(key)
  }
}
