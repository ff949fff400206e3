/**
 * Records an attempt in one transaction: the delivery's state, a row of its history, the next delivery of its ordering
 * key, and the webhook's health. Nothing is written unless the lease is still valid (docs/adr/0010): a delivery that
 * was cancelled, or claimed by another node, is not changed.
 */
import type { Limits } from '../../../config/limits.ts'
import type { Tx } from '../../../store/handles.ts'
import type { WebhookDeliveryRow, WebhookRow } from '../../../store/schema/webhook-rows.ts'
import type { Store } from '../../../store/store.ts'
import * as webhookDeliveries from '../../../store/tables/webhook-deliveries-table.ts'
import * as webhooks from '../../../store/tables/webhooks-table.ts'
import { advance } from '../ordering/ordering.ts'
import { isProbe } from '../ordering/probes.ts'
import { recordFailing, recordGone, recordSuccess } from './webhook-health.ts'
import type { AttemptOutcome } from './webhook-retry.ts'

/** One attempt that has ended. */
export interface EndedAttempt {
  readonly delivery: Pick<WebhookDeliveryRow, 'id' | 'attempts' | 'ordering_key' | 'scheduled_at' | 'probes'>
  readonly webhook: Pick<WebhookRow, 'id' | 'url' | 'failing_since' | 'failed_at'>
  /** Owner of its lease. */
  readonly owner: string
  readonly outcome: AttemptOutcome
  /** Wait before the next probe, if this delivery gets one. */
  readonly probeAfterMs?: number
  /** The wait that the receiver asks for. */
  readonly askedMs?: number
  /** The response status; undefined without a response. */
  readonly code: number | undefined
  /** The beginning of the response body. */
  readonly response: string | undefined
  /** Why there was no response. */
  readonly error: string | undefined
  /** Epoch ms. */
  readonly startedAt: number
  readonly endedAt: number
  /** As in the profile of the webhook. */
  readonly failuresMax?: number
  /** Nothing was sent: the outcome says nothing about the receiver. */
  readonly isSetAside?: boolean
}

const STATES = { delivered: 'delivered', retry: 'pending', failed: 'failed', gone: 'failed' } as const

/**
 * @returns whether another delivery to this webhook was blocked by this one and may now be sent, and when this one is
 *   sent again
 */
export async function recordAttempt(
  { store, limits }: { readonly store: Store; readonly limits: Limits },
  ended: EndedAttempt,
): Promise<{ hasNextDelivery: boolean; retryAt: number | undefined }> {
  const { delivery, webhook, outcome } = ended
  return store.transaction(async (tx) => {
    const locked = delivery.ordering_key === null ? undefined : await webhooks.lockById(tx, webhook.id)
    const next = nextState(ended)
    const retryAt = next.state === 'pending' ? next.next_attempt_at : undefined
    if (!(await write(tx, ended, next))) return { hasNextDelivery: false, retryAt }
    const followers =
      retryAt === undefined && locked && delivery.ordering_key !== null
        ? await advance(tx, locked, [delivery.ordering_key])
        : []
    if (outcome.kind === 'gone') await recordGone(tx, webhook)
    else if (outcome.kind === 'delivered') await recordSuccess(tx, webhook, ended.failuresMax)
    else if (!ended.isSetAside) await recordFailing(tx, webhook, limits, ended.failuresMax)
    return { hasNextDelivery: followers.length > 0, retryAt }
  })
}

/** The state of the delivery after the attempt. A probe that fails counts as no attempt: the schedule continues. */
function nextState({ delivery, outcome, startedAt, endedAt, probeAfterMs = 0, askedMs = 0 }: EndedAttempt) {
  const state = STATES[outcome.kind]
  const attempts = delivery.attempts + 1
  if (outcome.kind !== 'retry') return { state, attempts, next_attempt_at: 0, scheduled_at: null, probes: 0 }
  const retryAt = endedAt + outcome.afterMs
  if (delivery.ordering_key === null) {
    return { state, attempts, next_attempt_at: retryAt, scheduled_at: null, probes: 0 }
  }
  const isUncounted = isProbe(delivery, startedAt)
  const scheduledAt = isUncounted ? Math.max(delivery.scheduled_at!, endedAt + askedMs) : retryAt
  return {
    state,
    attempts: isUncounted ? delivery.attempts : attempts,
    next_attempt_at: Math.min(scheduledAt, endedAt + Math.max(probeAfterMs, askedMs)),
    scheduled_at: scheduledAt,
    probes: delivery.probes + 1,
  }
}

/** @returns whether the lease was still valid */
function write(
  tx: Tx,
  { delivery, owner, outcome, startedAt, endedAt, ...result }: EndedAttempt,
  next: ReturnType<typeof nextState>,
): Promise<boolean> {
  const answer = { code: result.code ?? null, error: result.error ?? null }
  const attempt = {
    ...answer,
    attempt: next.attempts,
    outcome: outcome.kind,
    response: result.response ?? null,
    started_at: startedAt,
    ended_at: endedAt,
  }
  return webhookDeliveries.recordOutcome(
    tx,
    { id: delivery.id, owner },
    { ...next, last_code: answer.code, last_error: answer.error },
    next.attempts > delivery.attempts ? attempt : undefined,
  )
}
