/**
 * The job that turns ordering on for a webhook while some of its deliveries wait. It gives them an ordering key before
 * the next one is sent, in chunks: there may be a hundred thousand. The deliveries of a webhook that is no longer
 * ordered lose their ordering key in the same way.
 *
 * No delivery is claimed meanwhile (`lining_up`). The job waits for running requests: each ends, or its lease expires,
 * and its delivery then gets its position like the others.
 * Crash, stop: the job runs again and continues from the rows it finds. Failure: the job runner retries it.
 */
import type { Limits } from '../../../config/limits.ts'
import type { Tx } from '../../../store/handles.ts'
import type { Store } from '../../../store/store.ts'
import * as lines from '../../../store/tables/webhook-lines-table.ts'
import * as webhooks from '../../../store/tables/webhooks-table.ts'
import { LINE_UP_WEBHOOK } from '../../jobs/job-kinds.ts'
import { enqueue, type JobHandler } from '../../jobs/jobs.ts'
import { moveUp, putInLine } from './ordering.ts'

interface LineUpNeeds {
  readonly store: Store
  /** Called when deliveries may be due again. */
  readonly noticeWaiting: (webhookIds: readonly string[]) => void
  readonly limits: Pick<Limits, 'webhookChunkRows' | 'webhookPollMs'>
}

/** Handles jobs LINE_UP_WEBHOOK; the key is the webhook's id. */
export function createLineUpWebhook({ store, noticeWaiting, limits }: LineUpNeeds): JobHandler {
  return async function lineUpWebhook({ key: webhookId, signal }) {
    let next: Next = {}
    while (next !== 'done') {
      signal.throwIfAborted()
      const after: string | undefined = next.after
      next = await store.transaction((tx) => step(tx, webhookId, after))
    }
    noticeWaiting([webhookId])
  }

  /** Processes one chunk. State of the previous chunk is an argument, because a transaction may run more than once. */
  async function step(tx: Tx, webhookId: string, after: string | undefined): Promise<Next> {
    const limit = limits.webhookChunkRows
    const webhook = await webhooks.holdById(tx, webhookId)
    if (!webhook) return 'done'
    if (webhook.order_state === 'none') return (await lines.leaveLines(tx, webhookId, limit)) < limit ? 'done' : {}
    if (webhook.order_state === 'ordered') {
      const some = await lines.listLines(tx, webhookId, after, limit)
      await moveUp(tx, webhook, some)
      return some.length < limit ? 'done' : { after: some.at(-1) }
    }
    const free = await lines.listOutOfLine(tx, webhookId, tx.now, limit)
    await putInLine(tx, free)
    if (free.length > 0) return {}
    if (await lines.isAnyOutOfLine(tx, webhookId)) {
      await enqueue(tx, { kind: LINE_UP_WEBHOOK, key: webhookId, runAt: tx.now + limits.webhookPollMs })
      return 'done'
    }
    // now each ordering key gets its first delivery, one by one
    await webhooks.update(tx, webhookId, { order_state: 'ordered' })
    return {}
  }
}

/** `after`: the last ordering key that has its first delivery. */
type Next = 'done' | { readonly after?: string | undefined }
