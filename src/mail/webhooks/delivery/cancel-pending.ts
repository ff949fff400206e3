/**
 * The job that cancels the pending deliveries of a disabled webhook, and removes a deleted one with all its deliveries,
 * in chunks: a webhook may have a hundred thousand deliveries. None of them is sent in the meantime, because claims
 * check the webhook (webhook-worker.ts).
 *
 * Crash, stop: the job runs again and continues with the rows that it finds. Failure: the job runner retries it.
 */
import type { Limits } from '../../../config/limits.ts'
import type { Store } from '../../../store/store.ts'
import * as webhookDeliveries from '../../../store/tables/webhook-deliveries-table.ts'
import * as webhooks from '../../../store/tables/webhooks-table.ts'
import type { JobHandler } from '../../jobs/jobs.ts'
import { advance } from '../ordering/ordering.ts'

interface CancelPendingNeeds {
  readonly store: Store
  readonly limits: Limits
}

/** Handles jobs CANCEL_PENDING; the key is the webhook's id. */
export function createCancelPending({ store, limits }: CancelPendingNeeds): JobHandler {
  return async function cancelPending({ key: webhookId, signal }) {
    let isDone = false
    while (!isDone) {
      signal.throwIfAborted()
      isDone = await store.transaction(async (tx) => {
        const row = await webhooks.lockEvenIfDeleting(tx, webhookId)
        if (!row) return true
        if (row.deleting_at !== null) {
          const removed = await webhookDeliveries.removeOf(tx, webhookId, limits.webhooks.chunkRows)
          if (removed === 0) await webhooks.remove(tx, webhookId)
          return removed === 0
        }
        // If the webhook is enabled again meanwhile, deliveries of an earlier term are still cancelled.
        const ids = await webhookDeliveries.listBefore(tx, webhookId, row.term, limits.webhooks.chunkRows)
        await advance(tx, row, await webhookDeliveries.cancel(tx, ids))
        return ids.length < limits.webhooks.chunkRows // some of them may have ended already
      })
    }
  }
}
