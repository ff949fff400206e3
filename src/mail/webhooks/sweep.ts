/** Deliveries whose time is over, removed in chunks with their attempts. */
import type { Limits } from '../../limits.ts'
import type { Store } from '../../store/store.ts'
import * as deliveries from '../../store/tables/webhook-deliveries.ts'

interface SweepNeeds {
  readonly store: Store
  readonly clock: () => number
  readonly limits: Pick<Limits, 'webhookRetentionMs' | 'webhookChunkRows'>
}

/** What is older than that has been retried for days: it is given up, whatever its state. */
export async function sweepWebhookDeliveries({ store, clock, limits }: SweepNeeds, signal: AbortSignal): Promise<void> {
  const before = clock() - limits.webhookRetentionMs
  let removed: number
  do {
    signal.throwIfAborted()
    removed = await store.transaction((tx) => deliveries.removeOlderThan(tx, before, limits.webhookChunkRows))
  } while (removed === limits.webhookChunkRows)
}
