/**
 * Runs one attempt of a webhook delivery: the request, and its outcome in one transaction. Part of webhook-worker.ts,
 * whose header says what happens on crash, failure and stop.
 */
import assert from 'node:assert/strict'
import type { Limits } from '../../../config/limits.ts'
import type { Log } from '../../../log.ts'
import type { Metrics } from '../../../metrics.ts'
import type { SafeFetch } from '../../../net/fetch/safe-fetch.ts'
import { releaseLeases } from '../../../store/leases.ts'
import type { WebhookDeliveryRow, WebhookRow } from '../../../store/schema/webhook-rows.ts'
import type { Store } from '../../../store/store.ts'
import { isProbe, probeWaitMs } from '../ordering/probes.ts'
import { recordAttempt } from './attempt-outcome.ts'
import { decompressBody } from './webhook-body.ts'
import { requireProfile, retriesOf, type WebhookProfile } from './webhook-profile.ts'
import { postToWebhook, storedResult } from './webhook-request.ts'
import { askedWaitMs, outcomeOf } from './webhook-retry.ts'

export interface WebhookAttemptNeeds {
  readonly store: Store
  readonly profiles: readonly WebhookProfile[]
  readonly fetch: SafeFetch['fetch']
  readonly clock: () => number
  /** The clock of the machine, epoch ms: receivers compare the time of a signature with theirs. Default: `clock`. */
  readonly wallClock?: () => number
  /** Random, 0 to 1. */
  readonly spread: () => number
  readonly log: Log
  readonly metrics: Metrics
  readonly limits: Limits
}

export interface AttemptEnd {
  /** Whether the next delivery with the same ordering key can be sent now. */
  readonly hasNextDelivery: boolean
  /** When this delivery is sent again, epoch ms; undefined: it has ended. */
  readonly retryAt: number | undefined
  /** What the request says about the receiver; undefined if none was made. */
  readonly request: { readonly hasSucceeded: boolean; readonly startedAt: number } | undefined
}

/** @param signal aborts requests: their leases are released, and the attempt does not count */
export function createWebhookAttempt(
  needs: WebhookAttemptNeeds,
  signal: AbortSignal,
): (owner: string, delivery: WebhookDeliveryRow, webhook: WebhookRow) => Promise<AttemptEnd | undefined> {
  const { store, profiles, fetch, clock, wallClock = clock, spread, log, metrics, limits } = needs
  return attemptDelivery

  async function attemptDelivery(
    owner: string,
    delivery: WebhookDeliveryRow,
    webhook: WebhookRow,
  ): Promise<AttemptEnd | undefined> {
    const isSetAside = delivery.interruptions >= limits.jobs.interruptionsMax
    return isSetAside ? setAside(owner, delivery, webhook) : send(owner, delivery, webhook)
  }

  async function setAside(owner: string, delivery: WebhookDeliveryRow, webhook: WebhookRow): Promise<AttemptEnd> {
    metrics.workSetAside.inc({ work: 'webhook delivery' })
    const about = { webhook: webhook.id, delivery: delivery.id, event: delivery.event_id }
    log.error(about, 'webhook delivery set aside: each attempt ended without an outcome')
    const now = clock()
    const { hasNextDelivery } = await recordAttempt(needs, {
      delivery,
      webhook,
      owner,
      startedAt: now,
      endedAt: now,
      code: undefined,
      response: undefined,
      outcome: { kind: 'failed' },
      isSetAside: true,
      error: 'Set aside: the last attempts ended without an outcome',
    })
    return { hasNextDelivery, retryAt: undefined, request: undefined }
  }

  /** @returns undefined if the request was aborted */
  async function send(
    owner: string,
    delivery: WebhookDeliveryRow,
    webhook: WebhookRow,
  ): Promise<AttemptEnd | undefined> {
    const profile = requireProfile(profiles, webhook.profile)
    const startedAt = clock()
    const { event_id: eventId } = delivery
    assert(delivery.body !== null, 'a body is fixed before the first attempt')
    const body = decompressBody(delivery.body)
    const payload = { eventId, body, at: wallClock() }
    const answered = await postToWebhook(webhook, payload, { profile, fetch, signal })
    const { response, failure } = answered
    if (failure?.reason === 'aborted') {
      await store.transaction((tx) => releaseLeases(tx, 'webhook_deliveries', { owner, ids: [delivery.id] }))
      return undefined
    }
    const endedAt = clock()
    const retryAfterMs = retriesOf(profile, webhook)
    const result = { response, spread: spread(), now: wallClock() }
    const attempts = delivery.attempts + (isProbe(delivery, startedAt) ? 0 : 1)
    const outcome = outcomeOf({ ...result, attempts: attempts - delivery.attempts_before, retryAfterMs }, limits)
    metrics.webhookAttempts.inc({ outcome: outcome.kind })
    const about = { webhook: webhook.id, event: delivery.event_id, attempt: attempts, code: response?.status }
    log.info({ ...about, outcome: outcome.kind, reason: failure?.reason }, 'webhook delivery attempted')
    const { hasNextDelivery, retryAt } = await recordAttempt(needs, {
      delivery,
      webhook,
      owner,
      outcome,
      probeAfterMs: probeWaitMs(delivery, spread(), limits),
      askedMs: askedWaitMs(response, result.now, limits),
      ...(profile.failuresMax !== undefined && { failuresMax: profile.failuresMax }),
      startedAt,
      endedAt,
      ...storedResult(answered, limits),
    })
    return { hasNextDelivery, retryAt, request: { hasSucceeded: outcome.kind === 'delivered', startedAt } }
  }
}
