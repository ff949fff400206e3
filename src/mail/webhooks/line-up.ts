/**
 * A webhook that becomes ordered while some of its deliveries wait: they are put in line before the next one is sent. One
 * that is ordered no longer lets them go. A chunk at a time: there may be a hundred thousand.
 *
 * Nothing is claimed meanwhile (`lining_up`). Requests that were under way are waited for: each ends, or its lease does, and
 * then takes its place like the others.
 * Crash, stop: the job runs again and goes by what it finds. Failure: tried again by the job runner.
 */
import type { Limits } from '../../limits.ts'
import type { Tx } from '../../store/schema.ts'
import type { Store } from '../../store/store.ts'
import * as lines from '../../store/tables/webhook-lines.ts'
import * as webhooks from '../../store/tables/webhooks.ts'
import { enqueue, type JobHandler } from '../jobs/jobs.ts'
import { LINE_UP_WEBHOOK } from '../jobs/kinds.ts'
import { moveUp, putInLine } from './order.ts'

interface LineUpNeeds {
  readonly store: Store
  /** Called when there may be something to send again. */
  readonly noticeWaiting: (webhookIds: readonly string[]) => void
  readonly limits: Pick<Limits, 'webhookChunkRows' | 'webhookPollMs'>
}

/** The handler of jobs LINE_UP_WEBHOOK; the key is the webhook's id. */
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

  /** A chunk. What it knows of the one before is handed in: a transaction may run more than once. */
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
    await webhooks.update(tx, webhookId, { order_state: 'ordered' }) // from here on each line has its first, one by one
    return {}
  }
}

/** `after`: the last line that has its first. */
type Next = 'done' | { readonly after?: string | undefined }
