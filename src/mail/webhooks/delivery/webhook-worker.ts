/**
 * Sends deliveries to webhooks.
 *
 *   signal of dispatch or poll interval → find webhooks with due rows → claim as many as the limits allow (lease) → POST
 *   → verdict → outcome, in one transaction
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
import { claimWebhookDeliveries, type InterruptedClaim, releaseLeases, UNINTERRUPTED } from '../../../store/leases.ts'
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
import { postTo, wordsOf } from './webhook-request.ts'
import { judge } from './webhook-retry.ts'

/** Capacity for requests to one webhook, reserved before its rows are claimed. */
interface Reservation {
  readonly webhook: LimitedWebhook
  /** The owner of the leases. */
  readonly owner: string
  readonly room: number
}

export interface WebhookWorker {
  start(): void
  /** Resolves when no request is running any more. */
  stop(graceMs: number): Promise<void>
  /** Signals that committed deliveries of these webhooks wait in the table without a lease. */
  signalPending(webhookIds: Iterable<string>): void
  /** Signals that a pause has ended. */
  resume(): void
}

interface WorkerNeeds {
  readonly store: Store
  readonly profiles: readonly WebhookProfile[]
  readonly fetch: SafeFetch['fetch']
  readonly interrupted: InterruptedWork
  /** Whether no request may begin (jobs/outbound-pause.ts). Default: never. */
  readonly isPaused?: () => Promise<boolean>
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
  const backlog = new Set<string>()
  /** Those of them that got less room than their own limit, because others use the rest. */
  let shortOfShared: LimitedWebhook[] = []
  const abort = new AbortController()
  setMaxListeners(limits.webhooks.concurrencyMax, abort.signal) // each request adds a listener
  let claims = 0
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
    start: () => pollLoop.soon(),
    resume: () => pollLoop.soon(),

    async stop(graceMs) {
      await pollLoop.stop()
      const grace = setTimeout(() => abort.abort(), graceMs)
      await Promise.all(running) // an aborted request ends at once
      clearTimeout(grace)
    },

    signalPending(webhookIds) {
      // A poll that is running may have read the table before these rows were committed.
      for (const id of webhookIds) if (pollLoop.isPolling || !backlog.has(id)) return pollLoop.soon()
    },
  }

  function newOwner(): string {
    claims += 1
    return `${needs.owner}/${claims}`
  }

  /** @returns ms until something may be due; a signal may arrive earlier */
  async function claim(): Promise<number> {
    const now = clock()
    const due = await table.listDueWebhooks(store.db, now)
    webhookLimits.forgetExcept(new Set(due.map(({ webhookId }) => webhookId)))
    backlog.clear()
    shortOfShared = []
    if (due.some(({ dueAt }) => dueAt <= now) && (await needs.isPaused?.())) return limits.webhooks.pollMs
    let nextAt = now + limits.webhooks.pollMs
    const wanted: Reservation[] = []
    for (const webhook of fromLastServed(due)) {
      const { webhookId, dueAt } = webhook
      const pausedUntil = webhookLimits.pausedUntil(webhookId)
      const at = Math.max(dueAt, pausedUntil)
      if (dueAt <= now) backlog.add(webhookId)
      if (at > now) {
        nextAt = Math.min(nextAt, at)
        continue
      }
      const room = webhookLimits.room(webhook, now)
      if (webhookLimits.isShortOfShared(webhook, now)) shortOfShared.push(webhook)
      for (let count = 0; count < room; count += 1) webhookLimits.enter(webhook)
      if (room > 0) wanted.push({ webhook, owner: newOwner(), room })
    }
    if (wanted.length > 0) await claimAndBegin(wanted)
    if (hasRoomForShort()) pollLoop.soon() // other webhooks had fewer rows than their reserved capacity
    return nextAt - now
  }

  /** Whether a webhook that others had left without capacity can have some now. */
  function hasRoomForShort(): boolean {
    const now = clock()
    return shortOfShared.some((webhook) => backlog.has(webhook.webhookId) && webhookLimits.room(webhook, now) > 0)
  }

  /** Rotates the webhooks, so that each gets its share when there is not enough capacity for all. */
  function fromLastServed(due: readonly table.DueWebhook[]): readonly table.DueWebhook[] {
    const start = due.findIndex(({ webhookId }) => webhookId > servedLast)
    return start <= 0 ? due : [...due.slice(start), ...due.slice(0, start)]
  }

  async function claimAndBegin(wanted: readonly Reservation[]): Promise<void> {
    const unused = new Map(wanted.map(({ webhook, room }) => [webhook.webhookId, room]))
    try {
      const claimed = await interrupted.claim(
        (reserved) => store.transaction((tx) => claimEach(tx, wanted, reserved)),
        (found) => found.flatMap(({ rows }) => rows),
        pollLoop.soon,
      )
      // Disabled, or becoming ordered, since it was found: it may have no request whose end would cause a poll.
      const served = new Set(claimed.map(({ webhook }) => webhook.id))
      for (const { webhook } of wanted) if (!served.has(webhook.webhookId)) backlog.delete(webhook.webhookId)
      for (const { webhook, rows, owner, room } of claimed) {
        servedLast = webhook.id
        if (rows.length < room) backlog.delete(webhook.id)
        unused.set(webhook.id, room - rows.length)
        for (const row of rows) begin(owner, row, webhook)
      }
    } finally {
      for (const [webhookId, room] of unused)
        for (let count = 0; count < room; count += 1) webhookLimits.leave(webhookId)
    }
  }

  async function claimEach(tx: Tx, wanted: readonly Reservation[], interruptedClaim: InterruptedClaim) {
    let { claimBelow } = interruptedClaim
    const webhooks = await webhookTable.listEnabledByIds(
      tx,
      wanted.map(({ webhook }) => webhook.webhookId),
    )
    const found: { webhook: WebhookRow; rows: WebhookDeliveryRow[]; owner: string; room: number }[] = []
    for (const { webhook: reserved, owner, room } of wanted) {
      const { webhookId } = reserved
      const webhook = webhooks.find(({ id }) => id === webhookId)
      if (!webhook || webhook.order_state === 'enabling') continue
      const lease = { owner, untilMs: tx.now + limits.webhooks.leaseMs, limit: room }
      const only = { webhookId, term: webhook.term, interrupted: { ...interruptedClaim, claimBelow } }
      const rows = await claimWebhookDeliveries(tx, store.adapter, { ...lease, ...only })
      const sendable = await recheckAccess(tx, webhook, await separateUnordered(tx, webhook, owner, rows))
      if (sendable.length < rows.length) pollLoop.soon() // the capacity of the cancelled rows is free for others
      if (sendable.some(interrupted.isInterrupted)) claimBelow = UNINTERRUPTED
      found.push({ webhook, rows: sendable, owner, room })
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
    pollLoop.soon()
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
      if (backlog.has(webhookId) || ended?.hasFollower || hasRoomForShort()) pollLoop.soon()
      if (interrupted.isInterrupted(delivery)) interrupted.leave()
    })
    running.add(work)
  }

  async function sendOrSetAside(owner: string, delivery: WebhookDeliveryRow, webhook: WebhookRow) {
    if (delivery.interruptions < limits.jobs.interruptionsMax) return send(owner, delivery, webhook)
    metrics.workSetAside.inc({ work: 'webhook delivery' })
    const about = { webhook: webhook.id, delivery: delivery.id, event: delivery.event_id }
    log.error(about, 'webhook delivery set aside: each attempt ended without an outcome')
    const now = clock()
    const { hasFollower } = await recordAttempt(needs, {
      delivery,
      webhook,
      owner,
      startedAt: now,
      endedAt: now,
      code: undefined,
      response: undefined,
      verdict: { kind: 'failed' },
      isSetAside: true,
      error: 'Set aside: the last attempts ended without an outcome',
    })
    if (hasFollower) pollLoop.soon()
    return undefined
  }

  /** @returns undefined when the attempt says nothing about the receiver */
  async function send(
    owner: string,
    delivery: WebhookDeliveryRow,
    webhook: WebhookRow,
  ): Promise<{ hasSucceeded: boolean; startedAt: number; hasFollower: boolean } | undefined> {
    const profile = requireProfile(profiles, webhook.profile)
    const startedAt = clock()
    const { event_id: eventId, body } = delivery
    assert(body !== null, 'a body is fixed before the first attempt')
    const content = { eventId, body, at: startedAt }
    const answered = await postTo(webhook, content, { profile, fetch: needs.fetch, signal: abort.signal })
    const { response, failure } = answered
    if (failure?.reason === 'aborted') {
      await store.transaction((tx) => releaseLeases(tx, 'webhook_deliveries', { owner, ids: [delivery.id] }))
      return undefined
    }
    const endedAt = clock()
    const { retryAfterMs } = profile
    const attempts = delivery.attempts + 1
    const tries = attempts - delivery.attempts_before
    const verdict = judge({ response, attempts: tries, retryAfterMs, spread: spread(), now: endedAt }, limits)
    metrics.webhookAttempts.inc({ outcome: verdict.kind })
    const about = { webhook: webhook.id, event: delivery.event_id, attempt: attempts, code: response?.status }
    log.info({ ...about, outcome: verdict.kind, reason: failure?.reason }, 'webhook delivery attempted')
    const { hasFollower } = await recordAttempt(needs, {
      delivery,
      webhook,
      owner,
      verdict,
      startedAt,
      endedAt,
      ...wordsOf(answered, limits),
    })
    return { hasSucceeded: verdict.kind === 'delivered', startedAt, hasFollower }
  }
}
