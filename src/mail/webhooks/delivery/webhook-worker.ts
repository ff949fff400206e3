/**
 * Sends deliveries to webhooks.
 *
 *   signal of dispatch or poll interval → find webhooks with due rows → claim as many as the limits allow (lease) → POST
 *   → outcome, in one transaction
 *
 * Limits: per webhook, pod and organization (webhook-limits.ts). Due rows are found and claimed per webhook, so a dead
 *   receiver with a hundred thousand rows costs the other webhooks one index seek.
 * Crash: the lease expires, or is cleared at the next start (SQLite), and the same bytes are sent again under the same
 *   id. A receiver that had already accepted them gets them twice, and can detect this by the id.
 * Failure: the profile's schedule applies (webhook-retry.ts), and the history records the attempt. An internal failure
 *   (the store, a bug) is logged and counted, and the delivery is retried when its lease expires. A delivery whose
 *   attempts end without an outcome is retried while no other such work runs, and fails after
 *   limits.jobs.interruptionsMax of them (docs/adr/0022).
 * Lease: it is longer than an attempt can last, so it is not renewed. Each claim has a new owner: an attempt that lost
 *   its lease changes nothing.
 * Stop: no new claims. Running requests get the grace period, then are aborted, and their leases are released without
 *   counting an attempt.
 * Must not: decide which webhook gets which event, or render bodies.
 */
import assert from 'node:assert/strict'
import { setMaxListeners } from 'node:events'
import type { Limits } from '../../../config/limits.ts'
import { contain } from '../../../fault-boundary.ts'
import type { Log } from '../../../log.ts'
import type { Metrics } from '../../../metrics.ts'
import type { SafeFetch } from '../../../net/fetch/safe-fetch.ts'
import { createPollLoop } from '../../../store/commit/poll-loop.ts'
import type { Tx } from '../../../store/handles.ts'
import { claimWebhookDeliveries, type InterruptionBounds, releaseLeases, UNINTERRUPTED } from '../../../store/leases.ts'
import type { WebhookDeliveryRow, WebhookRow } from '../../../store/schema/webhook-rows.ts'
import type { Store } from '../../../store/store.ts'
import * as table from '../../../store/tables/webhook-deliveries-table.ts'
import * as webhookTable from '../../../store/tables/webhooks-table.ts'
import { createGuarded } from '../../jobs/guarded.ts'
import type { InterruptedWork } from '../../jobs/interrupted-work.ts'
import { recheckAccess } from '../dispatch/recheck-access.ts'
import { advance, assignOrderingKeys, isOrdered } from '../ordering/ordering.ts'
import { recordAttempt } from './attempt-outcome.ts'
import { type LimitedWebhook, WebhookLimits } from './webhook-limits.ts'
import { requireProfile, type WebhookProfile } from './webhook-profile.ts'
import { postToWebhook, storedResult } from './webhook-request.ts'
import { outcomeOf } from './webhook-retry.ts'

/** Capacity for requests to one webhook, reserved before its rows are claimed. */
interface Reservation {
  readonly webhook: LimitedWebhook
  /** The owner of the leases. */
  readonly owner: string
  readonly capacity: number
}

export interface WebhookWorker {
  start(): void
  /** Resolves when no request is running any more. */
  stop(graceMs: number): Promise<void>
  /** Signals that committed deliveries of these webhooks wait in the table without a lease. */
  signalPending(webhookIds: Iterable<string>): void
}

interface WorkerNeeds {
  readonly store: Store
  readonly profiles: readonly WebhookProfile[]
  readonly fetch: SafeFetch['fetch']
  readonly interrupted: InterruptedWork
  /** Identifies this process; unique across nodes and restarts. */
  readonly owner: string
  readonly clock: () => number
  /** Random, 0 to 1. */
  readonly spread: () => number
  readonly log: Log
  readonly metrics: Metrics
  readonly limits: Limits
}

export function createWebhookWorker(needs: WorkerNeeds): WebhookWorker {
  const { store, profiles, interrupted, clock, spread, log, metrics, limits } = needs
  for (const { timeoutMs } of profiles) assert(timeoutMs < limits.webhooks.leaseMs, 'a lease must outlast its attempt')
  const webhookLimits = new WebhookLimits(limits)
  const running = new Set<Promise<void>>()
  /** Webhooks known to have due rows that must wait until one of their requests ends, or their pause is over. */
  const blockedWebhooks = new Set<string>()
  /** Those of them that got less capacity than their own limit, because others use the rest. */
  let shortOfShared: LimitedWebhook[] = []
  const abort = new AbortController()
  setMaxListeners(limits.webhooks.concurrencyMax, abort.signal) // each request adds a listener
  let claimCount = 0
  let servedLast = ''
  const guarded = createGuarded('webhooks', { log, metrics })
  const pollLoop = createPollLoop({
    name: 'webhooks',
    poll: claim,
    pollMs: limits.webhooks.pollMs,
    limits,
    log,
    metrics,
  })

  return {
    start: () => pollLoop.pollSoon(),

    async stop(graceMs) {
      await pollLoop.stop()
      const grace = setTimeout(() => abort.abort(), graceMs)
      await Promise.all(running) // an aborted request ends at once
      clearTimeout(grace)
    },

    signalPending(webhookIds) {
      // A poll that is running may have read the table before these rows were committed.
      for (const id of webhookIds) if (pollLoop.isPolling || !blockedWebhooks.has(id)) return pollLoop.pollSoon()
    },
  }

  function newOwner(): string {
    claimCount += 1
    return `${needs.owner}/${claimCount}`
  }

  /** @returns ms until something may be due; a signal may arrive earlier */
  async function claim(): Promise<number> {
    const now = clock()
    const due = await table.listDueWebhooks(store.db, now)
    webhookLimits.forgetExcept(new Set(due.map(({ webhookId }) => webhookId)))
    blockedWebhooks.clear()
    shortOfShared = []
    let nextAt = now + limits.webhooks.pollMs
    const wanted: Reservation[] = []
    for (const webhook of fromLastServed(due)) {
      const { webhookId, dueAt } = webhook
      const pausedUntil = webhookLimits.pausedUntil(webhookId)
      const at = Math.max(dueAt, pausedUntil)
      if (dueAt <= now) blockedWebhooks.add(webhookId)
      if (at > now) {
        nextAt = Math.min(nextAt, at)
        continue
      }
      const capacity = webhookLimits.capacity(webhook, now)
      if (webhookLimits.isShortOfShared(webhook, now)) shortOfShared.push(webhook)
      for (let count = 0; count < capacity; count += 1) webhookLimits.enter(webhook)
      if (capacity > 0) wanted.push({ webhook, owner: newOwner(), capacity })
    }
    if (wanted.length > 0) await claimAndBegin(wanted)
    if (hasCapacityForShort()) pollLoop.pollSoon() // other webhooks had fewer rows than their reserved capacity
    return nextAt - now
  }

  /** Whether a webhook that others had left without capacity can have some now. */
  function hasCapacityForShort(): boolean {
    const now = clock()
    return shortOfShared.some(
      (webhook) => blockedWebhooks.has(webhook.webhookId) && webhookLimits.capacity(webhook, now) > 0,
    )
  }

  /** Rotates the webhooks, so that each gets its share when there is not enough capacity for all. */
  function fromLastServed(due: readonly table.DueWebhook[]): readonly table.DueWebhook[] {
    const start = due.findIndex(({ webhookId }) => webhookId > servedLast)
    return start <= 0 ? due : [...due.slice(start), ...due.slice(0, start)]
  }

  async function claimAndBegin(wanted: readonly Reservation[]): Promise<void> {
    const unused = new Map(wanted.map(({ webhook, capacity }) => [webhook.webhookId, capacity]))
    try {
      const claimed = await interrupted.claimWith(
        (reserved) => store.transaction((tx) => claimEach(tx, wanted, reserved)),
        (found) => found.flatMap(({ rows }) => rows),
        pollLoop.pollSoon,
      )
      // Disabled, or becoming ordered, since it was found: it may have no request whose end would cause a poll.
      const served = new Set(claimed.map(({ webhook }) => webhook.id))
      for (const { webhook } of wanted) if (!served.has(webhook.webhookId)) blockedWebhooks.delete(webhook.webhookId)
      for (const { webhook, rows, owner, capacity } of claimed) {
        servedLast = webhook.id
        if (rows.length < capacity) blockedWebhooks.delete(webhook.id)
        unused.set(webhook.id, capacity - rows.length)
        for (const row of rows) begin(owner, row, webhook)
      }
    } finally {
      for (const [webhookId, capacity] of unused)
        for (let count = 0; count < capacity; count += 1) webhookLimits.leave(webhookId)
    }
  }

  async function claimEach(tx: Tx, wanted: readonly Reservation[], interruptedClaim: InterruptionBounds) {
    let { interruptionsBelow } = interruptedClaim
    const webhooks = await webhookTable.listEnabledByIds(
      tx,
      wanted.map(({ webhook }) => webhook.webhookId),
    )
    const found: { webhook: WebhookRow; rows: WebhookDeliveryRow[]; owner: string; capacity: number }[] = []
    for (const { webhook: reserved, owner, capacity } of wanted) {
      const { webhookId } = reserved
      const webhook = webhooks.find(({ id }) => id === webhookId)
      if (!webhook || webhook.order_state === 'enabling') continue
      const lease = { owner, untilMs: tx.now + limits.webhooks.leaseMs, limit: capacity }
      const only = { webhookId, term: webhook.term, interrupted: { ...interruptedClaim, interruptionsBelow } }
      const rows = await claimWebhookDeliveries(tx, store.adapter, { ...lease, ...only })
      const sendable = await recheckAccess(tx, webhook, await separateUnordered(tx, webhook, owner, rows))
      if (sendable.length < rows.length) pollLoop.pollSoon() // the capacity of the cancelled rows is free for others
      if (sendable.some(interrupted.isInterrupted)) interruptionsBelow = UNINTERRUPTED
      found.push({ webhook, rows: sendable, owner, capacity })
    }
    return found
  }

  /**
   * Finds rows that were written while the webhook became ordered, so they have no ordering key yet. Gives them their
   * position in the order and releases their leases; they are sent when they are next.
   */
  async function separateUnordered(tx: Tx, webhook: WebhookRow, owner: string, rows: WebhookDeliveryRow[]) {
    const withoutKey = isOrdered(webhook) ? rows.filter(({ ordering_key }) => ordering_key === null) : []
    if (withoutKey.length === 0) return rows
    await webhookTable.lockById(tx, webhook.id)
    await releaseLeases(tx, 'webhook_deliveries', { owner, ids: withoutKey.map(({ id }) => id) })
    await advance(tx, webhook, await assignOrderingKeys(tx, withoutKey))
    pollLoop.pollSoon()
    return rows.filter(({ ordering_key }) => ordering_key !== null)
  }

  function begin(owner: string, delivery: WebhookDeliveryRow, webhook: WebhookRow): void {
    const webhookId = webhook.id
    const work = guarded('sending to a webhook', () =>
      contain('webhook delivery', () => sendOrSetAside(owner, delivery, webhook)),
    ).then((ended) => {
      if (ended) webhookLimits.leaveAfter(webhookId, { ...ended, now: clock() })
      else webhookLimits.leave(webhookId)
      running.delete(work)
      // Poll only when this end frees capacity for a waiting delivery: a poll per request would cost too much.
      if (blockedWebhooks.has(webhookId) || ended?.hasNextDelivery || hasCapacityForShort()) pollLoop.pollSoon()
      if (interrupted.isInterrupted(delivery)) interrupted.ended()
    })
    running.add(work)
  }

  async function sendOrSetAside(owner: string, delivery: WebhookDeliveryRow, webhook: WebhookRow) {
    if (delivery.interruptions < limits.jobs.interruptionsMax) return send(owner, delivery, webhook)
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
    if (hasNextDelivery) pollLoop.pollSoon()
    return undefined
  }

  /** @returns undefined when the attempt says nothing about the receiver */
  async function send(
    owner: string,
    delivery: WebhookDeliveryRow,
    webhook: WebhookRow,
  ): Promise<{ hasSucceeded: boolean; startedAt: number; hasNextDelivery: boolean } | undefined> {
    const profile = requireProfile(profiles, webhook.profile)
    const startedAt = clock()
    const { event_id: eventId, body } = delivery
    assert(body !== null, 'a body is fixed before the first attempt')
    const payload = { eventId, body, at: startedAt }
    const answered = await postToWebhook(webhook, payload, { profile, fetch: needs.fetch, signal: abort.signal })
    const { response, failure } = answered
    if (failure?.reason === 'aborted') {
      await store.transaction((tx) => releaseLeases(tx, 'webhook_deliveries', { owner, ids: [delivery.id] }))
      return undefined
    }
    const endedAt = clock()
    const { retryAfterMs } = profile
    const attempts = delivery.attempts + 1
    const tries = attempts - delivery.attempts_before
    const outcome = outcomeOf({ response, attempts: tries, retryAfterMs, spread: spread(), now: endedAt }, limits)
    metrics.webhookAttempts.inc({ outcome: outcome.kind })
    const about = { webhook: webhook.id, event: delivery.event_id, attempt: attempts, code: response?.status }
    log.info({ ...about, outcome: outcome.kind, reason: failure?.reason }, 'webhook delivery attempted')
    const { hasNextDelivery } = await recordAttempt(needs, {
      delivery,
      webhook,
      owner,
      outcome,
      startedAt,
      endedAt,
      ...storedResult(answered, limits),
    })
    return { hasSucceeded: outcome.kind === 'delivered', startedAt, hasNextDelivery }
  }
}
