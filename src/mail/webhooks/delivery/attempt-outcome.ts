/**
 * Records an attempt in one transaction: the delivery's state, a row of its history, the next delivery of its ordering
 * key, and the webhook's health. Nothing is written unless the lease is still valid (docs/adr/0010): a delivery that
 * was cancelled, or claimed by another node, is not changed.
 */
import type { Limits } from '../../../config/limits.ts'
import type { Tx } from '../../../store/handles.ts'
import type { WebhookRow } from '../../../store/schema/webhook-rows.ts'
import type { Store } from '../../../store/store.ts'
import * as webhookDeliveries from '../../../store/tables/webhook-deliveries-table.ts'
import * as webhooks from '../../../store/tables/webhooks-table.ts'
import { advance } from '../ordering/ordering.ts'
import { recordFailing, recordGone, recordSuccess } from './webhook-health.ts'
import type { AttemptOutcome } from './webhook-retry.ts'

/** One attempt that has ended. */
export interface EndedAttempt {
  readonly delivery: { readonly id: string; readonly attempts: number; readonly ordering_key: string | null }
  readonly webhook: Pick<WebhookRow, 'id' | 'url' | 'failing_since' | 'failed_at'>
  /** Owner of its lease. */
  readonly owner: string
  readonly outcome: AttemptOutcome
  /** The response status; undefined without a response. */
  readonly code: number | undefined
  /** The beginning of the response body. */
  readonly response: string | undefined
  /** Why there was no response. */
  readonly error: string | undefined
  /** Epoch ms. */
  readonly startedAt: number
  readonly endedAt: number
  /** Nothing was sent: the outcome says nothing about the receiver. */
  readonly isSetAside?: boolean
}

const STATES = { delivered: 'delivered', retry: 'pending', failed: 'failed', gone: 'failed' } as const

/** @returns whether another delivery to this webhook was blocked by this one and may now be sent */
export async function recordAttempt(
  { store, limits }: { readonly store: Store; readonly limits: Limits },
  ended: EndedAttempt,
): Promise<{ hasNextDelivery: boolean }> {
  const { delivery, webhook, outcome } = ended
  return store.transaction(async (tx) => {
    const locked = delivery.ordering_key === null ? undefined : await webhooks.lockById(tx, webhook.id)
    if (!(await write(tx, ended))) return { hasNextDelivery: false }
    const hasNextDelivery = STATES[outcome.kind] !== 'pending'
    const followers =
      hasNextDelivery && locked && delivery.ordering_key !== null
        ? await advance(tx, locked, [delivery.ordering_key])
        : []
    if (outcome.kind === 'gone') await recordGone(tx, webhook)
    else if (outcome.kind === 'delivered') await recordSuccess(tx, webhook)
    else if (!ended.isSetAside) await recordFailing(tx, webhook, limits)
    return { hasNextDelivery: followers.length > 0 }
  })
}

/** @returns whether the lease was still valid */
function write(tx: Tx, { delivery, owner, outcome, startedAt, endedAt, ...result }: EndedAttempt): Promise<boolean> {
  const attempts = delivery.attempts + 1
  const answer = { code: result.code ?? null, error: result.error ?? null }
  return webhookDeliveries.recordOutcome(
    tx,
    { id: delivery.id, owner },
    {
      state: STATES[outcome.kind],
      attempts,
      next_attempt_at: outcome.kind === 'retry' ? endedAt + outcome.afterMs : 0,
      last_code: answer.code,
      last_error: answer.error,
    },
    {
      ...answer,
      attempt: attempts,
      outcome: outcome.kind,
      response: result.response ?? null,
      started_at: startedAt,
      ended_at: endedAt,
    },
  )
}
