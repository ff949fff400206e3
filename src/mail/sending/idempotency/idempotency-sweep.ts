/** Removes expired idempotency keys, in chunks. */
import type { Limits } from '../../../config/limits.ts'
import type { Store } from '../../../store/store.ts'
import * as idempotency from '../../../store/tables/idempotency-table.ts'

interface SweepNeeds {
  readonly store: Store
  readonly clock: () => number
  readonly limits: Limits
}

export async function sweepIdempotencyKeys({ store, clock, limits }: SweepNeeds, signal: AbortSignal): Promise<void> {
  // Expiry counts from completion, which is at most one lease after the row was inserted.
  const before = clock() - limits.sending.idempotencyMs - limits.sending.idempotencyLeaseMs
  let removed: number
  do {
    signal.throwIfAborted()
    removed = await store.transaction((tx) => idempotency.removeOlderThan(tx, before, limits.jobs.removalChunkRows))
  } while (removed === limits.jobs.removalChunkRows)
}
