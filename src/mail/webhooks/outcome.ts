/**
 * What an attempt leaves behind, in one transaction: the delivery's state, a row of its history, and what it says of the
 * webhook. Nothing is written unless the lease still holds (docs/adr/0010): a delivery that was cancelled, or taken over by
 * another node, stays as it is.
 */
import type { WebhookRow } from '../../store/schema.ts'
import type { Store } from '../../store/store.ts'
import * as deliveries from '../../store/tables/webhook-deliveries.ts'
import * as webhooks from '../../store/tables/webhooks.ts'
import { enqueue } from '../jobs/jobs.ts'
import { SETTLE_WEBHOOK } from '../jobs/kinds.ts'
import type { Verdict } from './retry.ts'

/** One attempt that has ended. */
export interface EndedAttempt {
  readonly delivery: { readonly id: string; readonly attempts: number }
  readonly webhook: Pick<WebhookRow, 'id' | 'url' | 'failing_since'>
  /** Of its lease. */
  readonly owner: string
  readonly verdict: Verdict
  /** The answer's status; undefined when none came. */
  readonly code: number | undefined
  /** The answer's beginning. */
  readonly response: string | undefined
  /** Why there was none. */
  readonly error: string | undefined
  /** Epoch ms. */
  readonly startedAt: number
  readonly endedAt: number
}

const STATES = { delivered: 'delivered', retry: 'pending', failed: 'failed', gone: 'failed' } as const

export async function recordAttempt(store: Store, ended: EndedAttempt): Promise<void> {
  const { delivery, webhook, owner, verdict, startedAt, endedAt } = ended
  const attempts = delivery.attempts + 1
  const said = { code: ended.code ?? null, error: ended.error ?? null }
  await store.transaction(async (tx) => {
    const isKept = await deliveries.recordOutcome(
      tx,
      { id: delivery.id, owner },
      {
        state: STATES[verdict.kind],
        attempts,
        next_attempt_at: verdict.kind === 'retry' ? endedAt + verdict.afterMs : 0,
        last_code: said.code,
        last_error: said.error,
      },
      {
        ...said,
        attempt: attempts,
        outcome: verdict.kind,
        response: ended.response ?? null,
        started_at: startedAt,
        ended_at: endedAt,
      },
    )
    if (!isKept) return
    if (verdict.kind === 'gone') {
      // What was said of a URL that it no longer has says nothing of the one it has.
      const current = await webhooks.holdById(tx, webhook.id)
      if (current?.url !== webhook.url) return
      const change = { is_enabled: 0, disabled_reason: 'gone', failing_since: current.failing_since ?? tx.now }
      await webhooks.update(tx, webhook.id, { ...change, updated_at: tx.now })
      await enqueue(tx, { kind: SETTLE_WEBHOOK, key: webhook.id })
    } else if ((verdict.kind === 'delivered') !== (webhook.failing_since === null)) {
      await webhooks.update(tx, webhook.id, { failing_since: verdict.kind === 'delivered' ? null : tx.now })
    }
  })
}
