/**
 * Tracks since when all requests to a webhook have failed. A webhook that has failed for limits.webhooks.failingMsMax
 * without a success, or whose response says that it is gone, is disabled, and an event is appended. Its pending
 * deliveries are cancelled (cancel-pending.ts). If its profile has a limit of failures in a row, that limit counts
 * instead of the time.
 *
 * Only time with attempts counts: after limits.webhooks.quietMs without an attempt the count starts again, because the
 * state of the receiver during that pause is unknown. All changes are made in the transaction of the attempt.
 */
import type { Limits } from '../../../config/limits.ts'
import type { Tx } from '../../../store/handles.ts'
import type { WebhookRow } from '../../../store/schema/webhook-rows.ts'
import * as webhooks from '../../../store/tables/webhooks-table.ts'
import { webhookDisabled } from '../../events/log/resource-events.ts'
import { CANCEL_PENDING } from '../../jobs/job-kinds.ts'
import { enqueue } from '../../jobs/jobs.ts'

/** The row of the webhook as it was when the attempt began. */
type WebhookAtAttempt = Pick<WebhookRow, 'id' | 'url' | 'failing_since' | 'failed_at'>

/** Precision of the time of the last failure, so that not every failure writes the row. */
const FAILED_AT_STEP_MS = 60 * 60_000

/** @param failuresMax as in its profile: then a failure that was recorded during this attempt counts too */
export async function recordSuccess(
  tx: Tx,
  { id, failing_since }: WebhookAtAttempt,
  failuresMax: number | undefined,
): Promise<void> {
  if (failing_since !== null || failuresMax !== undefined) await webhooks.clearFailures(tx, id)
}

/** @param failuresMax as in its profile */
export async function recordFailing(
  tx: Tx,
  attempted: WebhookAtAttempt,
  limits: Limits,
  failuresMax: number | undefined,
): Promise<void> {
  if (failuresMax !== undefined) return countFailure(tx, attempted, failuresMax)
  const { failing_since, failed_at } = attempted
  const isWorthWriting = failing_since === null || failed_at === null || tx.now - failed_at >= FAILED_AT_STEP_MS
  const isLong = failing_since !== null && tx.now - failing_since >= limits.webhooks.failingMsMax
  if (!isWorthWriting && !isLong) return
  const current = await lockSame(tx, attempted)
  if (!current) return
  const startsAgain = current.failed_at === null || tx.now - current.failed_at > limits.webhooks.quietMs
  const since = startsAgain ? tx.now : (current.failing_since ?? tx.now)
  await webhooks.update(tx, current.id, { failing_since: since, failed_at: tx.now })
  if (tx.now - since >= limits.webhooks.failingMsMax) await disable(tx, { ...current, failing_since: since }, 'failing')
}

async function countFailure(tx: Tx, attempted: WebhookAtAttempt, failuresMax: number): Promise<void> {
  const current = await lockSame(tx, attempted)
  if (!current) return
  const change = {
    failing_since: current.failing_since ?? tx.now,
    failed_at: tx.now,
    failures: current.failures + 1,
  }
  await webhooks.update(tx, current.id, change)
  if (change.failures >= failuresMax) await disable(tx, { ...current, ...change }, 'failing')
}

/** Disables the webhook: the receiver responded that it is gone. */
export async function recordGone(tx: Tx, attempted: WebhookAtAttempt): Promise<void> {
  const current = await lockSame(tx, attempted)
  if (current) await disable(tx, { ...current, failing_since: current.failing_since ?? tx.now }, 'gone')
}

/** Locks the webhook if it still has the URL of the attempt. A result for an old URL says nothing about a new one. */
async function lockSame(tx: Tx, { id, url }: WebhookAtAttempt): Promise<WebhookRow | undefined> {
  const current = await webhooks.lockById(tx, id)
  return current?.url === url && current.is_enabled === 1 ? current : undefined
}

async function disable(tx: Tx, webhook: WebhookRow, reason: 'gone' | 'failing'): Promise<void> {
  const { id, term, failing_since } = webhook
  const change = { is_enabled: 0, term: term + 1, disabled_reason: reason, failing_since, updated_at: tx.now }
  await webhooks.update(tx, id, change)
  await enqueue(tx, { kind: CANCEL_PENDING, key: id })
  tx.append(webhookDisabled({ actor: 'system:webhooks', webhook, reason }))
}
