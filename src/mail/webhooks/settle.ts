/**
 * What a webhook leaves in the queue when it is switched off or deleted, a chunk at a time: there may be a hundred
 * thousand rows of one that was dead. None of them is sent meanwhile, since claims look at the webhook (deliver.ts).
 *
 * Crash, stop: the job runs again and goes by what it finds. Failure: tried again by the job runner.
 */
import type { Limits } from '../../limits.ts'
import type { Store } from '../../store/store.ts'
import * as deliveries from '../../store/tables/webhook-deliveries.ts'
import * as webhooks from '../../store/tables/webhooks.ts'
import type { JobHandler } from '../jobs/jobs.ts'

interface SettleNeeds {
  readonly store: Store
  readonly limits: Pick<Limits, 'webhookChunkRows'>
}

/** The handler of jobs SETTLE_WEBHOOK; the key is the webhook's id. */
export function createSettleWebhook({ store, limits }: SettleNeeds): JobHandler {
  return async function settleWebhook({ key: webhookId, signal }) {
    let isDone = false
    while (!isDone) {
      signal.throwIfAborted()
      isDone = await store.transaction(async (tx) => {
        const row = await webhooks.getAny(tx, webhookId)
        if (!row) return true
        if (row.deleting_at !== null) {
          const removed = await deliveries.removeOf(tx, webhookId, limits.webhookChunkRows)
          if (removed === 0) await webhooks.remove(tx, webhookId)
          return removed === 0
        }
        // Switched on again meanwhile: what is older than that stays unsent.
        const throughSeq = row.is_enabled === 1 ? row.cursor_seq : Number.MAX_SAFE_INTEGER
        const cancelled = await deliveries.cancelThrough(tx, webhookId, throughSeq, limits.webhookChunkRows)
        return cancelled < limits.webhookChunkRows
      })
    }
  }
}
