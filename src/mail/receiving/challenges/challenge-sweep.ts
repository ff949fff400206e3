/** Removes challenges that nobody has answered, in chunks, when their link has ended. */
import type { Limits } from '../../../config/limits.ts'
import type { Store } from '../../../store/store.ts'
import * as verifiedSenders from '../../../store/tables/verified-senders-table.ts'

interface SweepNeeds {
  readonly store: Store
  readonly clock: () => number
  readonly limits: Limits
}

export async function sweepChallenges({ store, clock, limits }: SweepNeeds, signal: AbortSignal): Promise<void> {
  const { removalChunkRows } = limits.jobs
  let removed: number
  do {
    signal.throwIfAborted()
    removed = await store.transaction((tx) => verifiedSenders.removeExpired(tx, clock(), removalChunkRows))
  } while (removed === removalChunkRows)
}
