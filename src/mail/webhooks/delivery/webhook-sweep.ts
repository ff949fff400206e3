/** Removes expired deliveries in chunks, with their attempts. */
import type { Limits } from '../../../config/limits.ts'
import type { Store } from '../../../store/store.ts'
import * as deliveries from '../../../store/tables/webhook-deliveries-table.ts'
import * as webhooks from '../../../store/tables/webhooks-table.ts'
import { moveUp } from '../ordering/ordering.ts'

interface SweepNeeds {
  readonly store: Store
  readonly clock: () => number
  readonly limits: Pick<Limits, 'webhookRetentionMs' | 'webhookChunkRows'>
}

/** Removes old deliveries whatever their state: a pending one has been retried for days, and is given up. */
export async function sweepWebhookDeliveries({ store, clock, limits }: SweepNeeds, signal: AbortSignal): Promise<void> {
  const before = clock() - limits.webhookRetentionMs
  let removed: number
  do {
    signal.throwIfAborted()
    removed = await store.transaction(async (tx) => {
      const old = await deliveries.listOlderThan(tx, before, limits.webhookChunkRows)
      // Lock the webhooks before any row is removed: removing a first delivery makes the next one pending.
      const held = await webhooks.holdByIds(tx, [...new Set(old.filter(isFirst).map(({ webhook_id }) => webhook_id))])
      const ids = old.map(({ id }) => id)
      const left = (await deliveries.removeOlderThan(tx, before, ids)).filter(isFirst)
      for (const webhook of held) {
        const own = left.filter(({ webhook_id }) => webhook_id === webhook.id)
        await moveUp(
          tx,
          webhook,
          own.map(({ line }) => line!),
        )
      }
      return old.length
    })
  } while (removed === limits.webhookChunkRows)
}

function isFirst({ state, line }: deliveries.OldDelivery): boolean {
  return state === 'pending' && line !== null
}
