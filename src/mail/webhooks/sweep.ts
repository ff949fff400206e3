/** Deliveries whose time is over, removed in chunks with their attempts. */
import type { Limits } from '../../limits.ts'
import type { Store } from '../../store/store.ts'
import * as deliveries from '../../store/tables/webhook-deliveries.ts'
import { takeTurn } from '../../store/tables/webhook-lines.ts'
import { holdWebhooks } from './order.ts'

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
    removed = await store.transaction(async (tx) => {
      const old = await deliveries.listOlderThan(tx, before, limits.webhookChunkRows)
      const left = old.flatMap(({ webhook_id, state, line }) =>
        state === 'pending' && line !== null ? [{ webhookId: webhook_id, line }] : [],
      )
      await holdWebhooks(tx, new Set(left.map(({ webhookId }) => webhookId)))
      await deliveries.remove(
        tx,
        old.map(({ id }) => id),
      )
      for (const line of left) await takeTurn(tx, line)
      return old.length
    })
  } while (removed === limits.webhookChunkRows)
}
