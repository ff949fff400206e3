/** Removes expired idempotency keys of sent and received messages, in chunks. */
import type { Limits } from '../../../config/limits.ts'
import type { Tx } from '../../../store/handles.ts'
import type { Store } from '../../../store/store.ts'
import * as idempotency from '../../../store/tables/idempotency-table.ts'
import * as receivedKeys from '../../../store/tables/received-keys-table.ts'

interface SweepNeeds {
  readonly store: Store
  readonly clock: () => number
  readonly limits: Limits
}

export async function sweepIdempotencyKeys({ store, clock, limits }: SweepNeeds, signal: AbortSignal): Promise<void> {
  const { removalChunkRows } = limits.jobs
  // Expiry counts from completion, which is at most one lease after the row was inserted.
  const before = clock() - limits.sending.idempotencyMs - limits.sending.idempotencyLeaseMs
  await removeAll((tx) => idempotency.removeOlderThan(tx, before, removalChunkRows))
  const receivedBefore = clock() - limits.receiving.repeatedKeyMs
  await removeAll((tx) => receivedKeys.removeOlderThan(tx, receivedBefore, removalChunkRows))

  async function removeAll(removeSome: (tx: Tx) => Promise<number>): Promise<void> {
    let removed: number
    do {
      signal.throwIfAborted()
      removed = await store.transaction(removeSome)
    } while (removed === removalChunkRows)
  }
}
