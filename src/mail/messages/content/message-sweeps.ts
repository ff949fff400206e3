/** Removes leftovers: blobs that no row refers to (their transaction never committed). */
import type { Limits } from '../../../config/limits.ts'
import type { Store } from '../../../store/store.ts'
import * as contents from '../../../store/tables/contents-table.ts'

interface SweepNeeds {
  readonly store: Store
  /**
   * The clock of the machine, by which the file system dates files. The server's own clock may be days ahead, and messages that are
   * just arriving would count as old.
   */
  readonly wallClock: () => number
  readonly limits: Limits
}

/** A blob is written before the transaction that refers to it, so only a blob of some age is known to be unused. */
export async function sweepBlobs({ store, wallClock, limits }: SweepNeeds, signal: AbortSignal): Promise<void> {
  for await (const key of store.blobs.listOlderThan(wallClock() - limits.store.blobSweepAgeMs)) {
    signal.throwIfAborted()
    if (!(await contents.isBlobUsed(store.db, key))) await store.blobs.delete(key)
  }
}
