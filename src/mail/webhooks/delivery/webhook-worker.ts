/**
 * Sends deliveries to webhooks.
 *
 *   signal of dispatch or poll interval → find webhooks with due rows → claim as many as the limits allow, under a lease
 *   (webhook-claims.ts) → POST → outcome, in one transaction (webhook-attempt.ts)
 *
 * Limits: per webhook, pod and organization (webhook-limits.ts). Due rows are found and claimed per webhook, so a dead
 *   receiver with a hundred thousand rows costs the other webhooks one index seek.
 * Crash: the lease expires, or is cleared at the next start (SQLite), and the same bytes are sent again under the same
 *   id. A receiver that had already accepted them gets them twice, and can detect this by the id.
 * Failure: the profile's schedule applies (webhook-retry.ts), and the history records the attempt. An internal failure
 *   (the store, a bug) is logged and counted, and the delivery is retried when its lease expires. A delivery whose
 *   attempts end without an outcome is retried while no other such work runs, and fails after
 *   limits.jobs.interruptionsMax of them (docs/adr/0022). One that stops a claim concerns only its webhook, which pauses for
 *   limits.webhooks.errorPauseMs.
 * Lease: it is longer than an attempt can last, so it is not renewed. Each claim has a new owner: an attempt that lost
 *   its lease changes nothing.
 * Stop: no new claims. Running requests get the grace period, then are aborted, and their leases are released without
 *   counting an attempt.
 * Must not: decide which webhook gets which event, or render bodies.
 */
import assert from 'node:assert/strict'
import { setMaxListeners } from 'node:events'
import { concernsAllWork } from '../../../errors.ts'
import { contain } from '../../../fault-boundary.ts'
import { createPollLoop } from '../../../store/commit/poll-loop.ts'
import { type InterruptionBounds, UNINTERRUPTED } from '../../../store/leases.ts'
import type { WebhookDeliveryRow, WebhookRow } from '../../../store/schema/webhook-rows.ts'
import * as webhookDeliveries from '../../../store/tables/webhook-deliveries-table.ts'
import { createGuarded } from '../../jobs/guarded.ts'
import { createWebhookAttempt, type WebhookAttemptNeeds } from './webhook-attempt.ts'
import {
  type ClaimedDeliveries,
  createWebhookClaims,
  type Reservation,
  type WebhookClaimsNeeds,
} from './webhook-claims.ts'
import { type LimitedWebhook, WebhookLimits } from './webhook-limits.ts'

export interface WebhookWorker {
  start(): void
  /** Resolves when no request is running any more. */
  stop(graceMs: number): Promise<void>
  /** Requests that are running. */
  runningCount(): number
  /** Signals that committed deliveries of these webhooks wait in the table without a lease. */
  signalPending(webhookIds: Iterable<string>): void
  /** Signals that a pause has ended. */
  resume(): void
}

interface WorkerNeeds extends WebhookAttemptNeeds, WebhookClaimsNeeds {
  /** Whether no request may begin (jobs/outbound-pause.ts). Default: never. */
  readonly isPaused?: () => Promise<boolean>
  /** Identifies this process; unique across nodes and restarts. */
  readonly owner: string
}

export function createWebhookWorker(needs: WorkerNeeds): WebhookWorker {
  const { store, profiles, interrupted, clock, log, metrics, limits } = needs
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

  const claimDeliveries = createWebhookClaims(needs, pollLoop.pollSoon)
  const attemptDelivery = createWebhookAttempt(needs, abort.signal)

  return {
    start: () => pollLoop.pollSoon(),
    resume: () => pollLoop.pollSoon(),
    runningCount: () => running.size,

    async stop(graceMs) {
      const grace = setTimeout(() => abort.abort(), graceMs)
      await pollLoop.stop()
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
    const due = await webhookDeliveries.listDueWebhooks(store.db, store.leaseNow())
    webhookLimits.forgetExcept(new Set(due.map(({ webhookId }) => webhookId)))
    blockedWebhooks.clear()
    shortOfShared = []
    if (due.some(({ dueAt }) => dueAt <= now) && (await needs.isPaused?.())) return limits.webhooks.pollMs
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
  function fromLastServed(due: readonly webhookDeliveries.DueWebhook[]): readonly webhookDeliveries.DueWebhook[] {
    const start = due.findIndex(({ webhookId }) => webhookId > servedLast)
    return start <= 0 ? due : [...due.slice(start), ...due.slice(0, start)]
  }

  async function claimAndBegin(wanted: readonly Reservation[]): Promise<void> {
    const unused = new Map(wanted.map(({ webhook, capacity }) => [webhook.webhookId, capacity]))
    try {
      const claimed = await interrupted.claimWith(
        (reserved) => claimTogether(wanted, reserved),
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

  /**
   * Claims in one transaction. If it fails, each half is claimed by itself, and so on: an error of one webhook, as a bug or a
   * damaged value causes it, concerns only this webhook.
   *
   * @throws errors that concern all work; if the outcome of the commit is unknown, what it claimed is left to its leases
   */
  async function claimTogether(
    wanted: readonly Reservation[],
    reserved: InterruptionBounds,
  ): Promise<ClaimedDeliveries[]> {
    try {
      return await claimDeliveries(wanted, reserved)
    } catch (error) {
      if (concernsAllWork(error)) throw error
      if (wanted.length > 1) return claimHalves(wanted, reserved)
      const { webhookId } = wanted[0]!.webhook
      webhookLimits.pauseAfterError(webhookId, clock())
      await guarded('claiming the deliveries of a webhook', () => Promise.reject(error), { webhook: webhookId })
      return []
    }
  }

  /** Never rejects: what the first half has claimed must begin. */
  async function claimHalves(
    wanted: readonly Reservation[],
    reserved: InterruptionBounds,
  ): Promise<ClaimedDeliveries[]> {
    const middle = Math.ceil(wanted.length / 2)
    const claimed: ClaimedDeliveries[] = []
    for (const half of [wanted.slice(0, middle), wanted.slice(middle)]) {
      const hasInterrupted = claimed.some(({ rows }) => rows.some(interrupted.isInterrupted))
      const bounds = hasInterrupted ? { ...reserved, interruptionsBelow: UNINTERRUPTED } : reserved
      const found = await guarded('claiming webhook deliveries', () => claimTogether(half, bounds))
      claimed.push(...(found ?? []))
    }
    return claimed
  }

  function begin(owner: string, delivery: WebhookDeliveryRow, webhook: WebhookRow): void {
    const webhookId = webhook.id
    const work = guarded(
      'sending to a webhook',
      () => contain('webhook delivery', () => attemptDelivery(owner, delivery, webhook)),
      { webhook: webhookId, delivery: delivery.id },
    ).then((ended) => {
      if (ended?.request) webhookLimits.leaveAfter(webhookId, { ...ended.request, now: clock() })
      else webhookLimits.leave(webhookId)
      running.delete(work)
      // Poll only when this end frees capacity for a waiting delivery: a poll per request would cost too much.
      const isSoonDue = ended?.retryAt !== undefined && ended.retryAt < clock() + limits.webhooks.pollMs
      if (blockedWebhooks.has(webhookId) || ended?.hasNextDelivery || isSoonDue || hasCapacityForShort()) {
        pollLoop.pollSoon()
      }
      if (interrupted.isInterrupted(delivery)) interrupted.ended()
    })
    running.add(work)
  }
}
