/** Removes expired deliveries in chunks, with their attempts. */
import type { Limits } from '../../../config/limits.ts'
import type { Store } from '../../../store/store.ts'
import * as webhookDeliveries from '../../../store/tables/webhook-deliveries-table.ts'
import * as webhooks from '../../../store/tables/webhooks-table.ts'
import { advance } from '../ordering/ordering.ts'

interface SweepNeeds {
  readonly store: Store
  readonly clock: () => number
  readonly limits: Limits
}

/** Removes old deliveries in any state: a pending one has been retried for days, and is given up. */
export async function sweepWebhookDeliveries({ store, clock, limits }: SweepNeeds, signal: AbortSignal): Promise<void> {
  const before = clock() - limits.webhooks.retentionMs
  let removed: number
  do {
    signal.throwIfAborted()
    removed = await store.transaction(async (tx) => {
      const old = await webhookDeliveries.listOlderThan(tx, before, limits.webhooks.chunkRows)
      // Lock the webhooks before any row is removed: removing a first delivery makes the next one pending.
      const locked = await webhooks.lockByIds(tx, [...new Set(old.filter(isFirst).map(({ webhook_id }) => webhook_id))])
      const ids = old.map(({ id }) => id)
      const left = (await webhookDeliveries.removeOlderThan(tx, before, ids)).filter(isFirst)
      for (const webhook of locked) {
        const own = left.filter(({ webhook_id }) => webhook_id === webhook.id)
        await advance(
          tx,
          webhook,
          own.map(({ ordering_key }) => ordering_key!),
        )
      }
      return old.length
    })
  } while (removed === limits.webhooks.chunkRows)
}

function isFirst({ state, ordering_key }: webhookDeliveries.OldDelivery): boolean {
  return state === 'pending' && ordering_key !== null
}
