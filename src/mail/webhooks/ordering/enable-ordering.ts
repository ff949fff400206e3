/**
 * The job that enables ordering for a webhook that has pending deliveries. It gives them an ordering key before the
 * next one is sent, in chunks: there may be a hundred thousand. The deliveries of a webhook that is no longer ordered
 * lose their ordering key in the same way.
 *
 * No delivery is claimed in the meantime (`enabling`). The job waits for running requests: each ends, or its lease
 * expires, and its delivery then gets a position like the others.
 * Crash, stop: the job runs again and continues with the rows that it finds. Failure: the job runner retries it.
 */
import type { Limits } from '../../../config/limits.ts'
import type { Tx } from '../../../store/handles.ts'
import type { Store } from '../../../store/store.ts'
import * as orderingKeys from '../../../store/tables/webhook-ordering-table.ts'
import * as webhooks from '../../../store/tables/webhooks-table.ts'
import { ENABLE_ORDERING } from '../../jobs/job-kinds.ts'
import { enqueue, type JobHandler } from '../../jobs/jobs.ts'
import { advance, assignOrderingKeys } from './ordering.ts'

interface EnableOrderingNeeds {
  readonly store: Store
  /** Called when deliveries may be due again. */
  readonly signalPending: (webhookIds: readonly string[]) => void
  readonly limits: Limits
}

/** Handles jobs ENABLE_ORDERING; the key is the webhook's id. */
export function createEnableOrdering({ store, signalPending, limits }: EnableOrderingNeeds): JobHandler {
  return async function enableOrdering({ key: webhookId, signal }) {
    let next: Next = {}
    while (next !== 'done') {
      signal.throwIfAborted()
      const after: string | undefined = next.after
      next = await store.transaction((tx) => step(tx, webhookId, after))
    }
    signalPending([webhookId])
  }

  /** Processes one chunk. State of the previous chunk is an argument, because a transaction may run more than once. */
  async function step(tx: Tx, webhookId: string, after: string | undefined): Promise<Next> {
    const limit = limits.webhooks.chunkRows
    const webhook = await webhooks.lockById(tx, webhookId)
    if (!webhook) return 'done'
    if (webhook.order_state === 'none')
      return (await orderingKeys.makeAllPending(tx, webhookId, limit)) < limit ? 'done' : {}
    if (webhook.order_state === 'ordered') {
      const some = await orderingKeys.listKeysWithWaiting(tx, webhookId, after, limit)
      await advance(tx, webhook, some)
      return some.length < limit ? 'done' : { after: some.at(-1) }
    }
    const free = await orderingKeys.listWithoutKey(tx, webhookId, tx.leaseNow, limit)
    await assignOrderingKeys(tx, free)
    if (free.length > 0) return {}
    if (await orderingKeys.isAnyWithoutKey(tx, webhookId)) {
      await enqueue(tx, { kind: ENABLE_ORDERING, key: webhookId, runAt: tx.now + limits.webhooks.pollMs })
      return 'done'
    }
    // now each ordering key gets its first delivery, one by one
    await webhooks.update(tx, webhookId, { order_state: 'ordered' })
    return {}
  }
}

/** `after`: the last ordering key that has its first delivery. */
type Next = 'done' | { readonly after?: string | undefined }
