/**
 * Sends deliveries to webhooks.
 *
 *   dispatch passes the rows it has just committed, or: find webhooks with due rows → claim as many as the limits allow
 *   (lease) → POST → verdict → outcome, in one transaction
 *
 * Lanes: one lane per webhook (webhook-limits.ts). Due rows are found and claimed per webhook, so a dead receiver with a hundred
 *   thousand rows costs the other webhooks one index seek.
 * Crash: the lease expires, or is cleared when a single node starts, and the same bytes are sent again under the same
 *   id. A receiver that had already accepted them gets them twice, and can detect this by the id.
 * Failure: the profile's schedule applies (webhook-retry.ts), and the history records the attempt. An internal failure (the
 *   store, a bug) is logged and counted, and the delivery is retried when its lease expires. A delivery whose attempts
 *   end without an outcome is retried while no other such work runs, and fails after limits.workInterruptionsMax of
 *   them (docs/adr/0022).
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
import type { Tx } from '../../../store/handles.ts'
import { claimWebhookDeliveries, giveBackLeases, type InterruptedClaim } from '../../../store/leases.ts'
import type { WebhookDeliveryRow, WebhookRow } from '../../../store/schema/webhook-rows.ts'
import type { Store } from '../../../store/store.ts'
import * as table from '../../../store/tables/webhook-deliveries-table.ts'
import * as webhookTable from '../../../store/tables/webhooks-table.ts'
import type { InterruptedWork } from '../../jobs/interrupted-work.ts'
import { createLooks } from '../../jobs/poll-loop.ts'
import { keepTold } from '../dispatch/recheck-access.ts'
import { isOrdered, moveUp, putInLine } from '../ordering/ordering.ts'
import { recordAttempt } from './attempt-outcome.ts'
import { Lanes } from './webhook-limits.ts'
import { requireProfile, type WebhookProfile } from './webhook-profile.ts'
import { postTo, wordsOf } from './webhook-request.ts'
import { judge } from './webhook-retry.ts'

/** Capacity reserved for one request. The caller must then call `begin` or `release`. */
export interface Reservation {
  readonly webhookId: string
  /** The owner to write into the row's lease. */
  readonly owner: string
}

export interface WebhookWorker {
  start(): void
  /** Resolves when no request is running any more. */
  stop(graceMs: number): Promise<void>
  /** Reserves capacity for a new delivery. Returns undefined when it must wait behind others of its webhook. */
  reserve(webhookId: string): Reservation | undefined
  release(reservation: Reservation): void
  /** Sends a delivery that was committed under the reservation's lease. */
  begin(reservation: Reservation, delivery: WebhookDeliveryRow, webhook: WebhookRow): void
  /** Signals that committed deliveries of these webhooks wait in the table without a lease. */
  noticeWaiting(webhookIds: Iterable<string>): void
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
  readonly limits: Pick<
    Limits,
    | 'webhookLeaseMs'
    | 'webhookConcurrencyMax'
    | 'webhookEndpointConcurrencyMax'
    | 'webhookRestMaxMs'
    | 'webhookPollMs'
    | 'webhookRetryAfterMaxMs'
    | 'webhookResponseKeptCharsMax'
    | 'webhookFailingMaxMs'
    | 'webhookQuietMs'
    | 'workInterruptionsMax'
  >
}

export function createWebhookWorker(needs: WorkerNeeds): WebhookWorker {
  const { store, profiles, interrupted, clock, spread, log, metrics, limits } = needs
  for (const { timeoutMs } of profiles) assert(timeoutMs < limits.webhookLeaseMs, 'a lease must outlast its attempt')
  const lanes = new Lanes(limits)
  const running = new Set<Promise<void>>()
  /** Webhooks known to have due rows that must wait until one of their requests ends, or their pause is over. */
  const backlog = new Set<string>()
  const abort = new AbortController()
  setMaxListeners(limits.webhookConcurrencyMax, abort.signal) // each request adds a listener
  let claims = 0
  let servedLast = ''
  let isStopping = false
  const looks = createLooks({
    look: () => guarded('claiming deliveries to webhooks', claim),
    pollMs: limits.webhookPollMs,
  })

  return {
    start: () => looks.soon(),

    async stop(graceMs) {
      isStopping = true
      await looks.stop()
      const grace = setTimeout(() => abort.abort(), graceMs)
      await Promise.all(running) // an aborted request ends at once
      clearTimeout(grace)
    },

    reserve(webhookId) {
      if (isStopping || backlog.has(webhookId) || lanes.room(webhookId, clock()) === 0) return undefined
      lanes.enter(webhookId)
      return { webhookId, owner: newOwner() }
    },

    release({ webhookId }) {
      lanes.leave(webhookId)
    },

    begin,

    noticeWaiting(webhookIds) {
      // A poll that is running may have read the table before these rows were committed.
      for (const id of webhookIds) if (looks.isUnderWay || !backlog.has(id)) return looks.soon()
    },
  }

  function newOwner(): string {
    claims += 1
    return `${needs.owner}/${claims}`
  }

  /** @returns ms until something may be due; a signal may arrive earlier */
  async function claim(): Promise<number> {
    const now = clock()
    const due = await table.listLanes(store.db, now)
    lanes.keepOnly(new Set(due.map(({ webhookId }) => webhookId)))
    backlog.clear()
    let nextAt = now + limits.webhookPollMs
    const wanted: Reservation[][] = []
    let isAnyLeftOut = false
    for (const { webhookId, dueAt } of fromLastServed(due)) {
      const restsUntil = lanes.restsUntil(webhookId)
      const at = Math.max(dueAt, restsUntil)
      if (dueAt <= now) backlog.add(webhookId)
      if (at > now) {
        nextAt = Math.min(nextAt, at)
        continue
      }
      const owner = newOwner()
      const room = lanes.room(webhookId, now)
      if (room === 0 && lanes.isCrowded) isAnyLeftOut = true
      for (let count = 0; count < room; count += 1) lanes.enter(webhookId)
      if (room > 0) wanted.push(Array.from({ length: room }, () => ({ webhookId, owner })))
    }
    if (wanted.length > 0) await claimInto(wanted)
    if (isAnyLeftOut && !lanes.isCrowded) looks.soon() // other webhooks had fewer rows than their reserved capacity
    return nextAt - now
  }

  /** Rotates the webhooks, so that each gets its share when there is not enough capacity for all. */
  function fromLastServed(due: readonly table.DueLane[]): readonly table.DueLane[] {
    const start = due.findIndex(({ webhookId }) => webhookId > servedLast)
    return start <= 0 ? due : [...due.slice(start), ...due.slice(0, start)]
  }

  async function claimInto(wanted: readonly Reservation[][]): Promise<void> {
    const unused = wanted.map((reservations) => [...reservations])
    try {
      const claimed = await interrupted.claim(
        (reserved) => store.transaction((tx) => claimEach(tx, unused, reserved)),
        (found) => found.flatMap(({ rows }) => rows),
        looks.soon,
      )
      for (const { webhook, rows, reservations } of claimed) {
        servedLast = webhook.id
        if (rows.length < reservations.length) backlog.delete(webhook.id)
        for (const row of rows) begin(reservations.shift()!, row, webhook)
      }
    } finally {
      for (const { webhookId } of unused.flat()) lanes.leave(webhookId)
    }
  }

  async function claimEach(tx: Tx, wanted: readonly Reservation[][], reserved: InterruptedClaim) {
    let { mayClaim } = reserved
    const ids = wanted.map(([first]) => first!.webhookId)
    const webhooks = await webhookTable.listEnabledByIds(tx, ids)
    const found: { webhook: WebhookRow; rows: WebhookDeliveryRow[]; reservations: Reservation[] }[] = []
    for (const reservations of wanted) {
      const { webhookId, owner } = reservations[0]!
      const webhook = webhooks.find(({ id }) => id === webhookId)
      if (!webhook || webhook.order_state === 'lining_up') continue
      const lease = { owner, untilMs: tx.now + limits.webhookLeaseMs, limit: reservations.length }
      const only = { webhookId, term: webhook.term, interrupted: { ...reserved, mayClaim } }
      const rows = await claimWebhookDeliveries(tx, store.dialect, { ...lease, ...only })
      const sendable = await keepTold(tx, webhook, await keepOrder(tx, webhook, owner, rows))
      if (sendable.length < rows.length) looks.soon() // the capacity of the cancelled rows is free for others
      if (sendable.some(interrupted.isInterrupted)) mayClaim = false
      found.push({ webhook, rows: sendable, reservations })
    }
    return found
  }

  /**
   * Finds rows that were written while the webhook became ordered, so they have no ordering key yet. Gives them their
   * position in the order and releases their leases; they are sent when they are next.
   */
  async function keepOrder(tx: Tx, webhook: WebhookRow, owner: string, rows: WebhookDeliveryRow[]) {
    const strays = isOrdered(webhook) ? rows.filter(({ line }) => line === null) : []
    if (strays.length === 0) return rows
    await webhookTable.holdById(tx, webhook.id)
    await giveBackLeases(tx, 'webhook_deliveries', { owner, ids: strays.map(({ id }) => id) })
    await moveUp(tx, webhook, await putInLine(tx, strays))
    looks.soon()
    return rows.filter(({ line }) => line !== null)
  }

  function begin({ webhookId, owner }: Reservation, delivery: WebhookDeliveryRow, webhook: WebhookRow): void {
    const work = guarded('sending to a webhook', () =>
      contain('webhook delivery', () => sendOrSetAside(owner, delivery, webhook)),
    ).then((ended) => {
      // Poll only when this end frees capacity for a waiting delivery: a poll per request would cost too much.
      const isAwaited = backlog.has(webhookId) || (lanes.isCrowded && backlog.size > 0) || ended?.hasFollower
      if (ended) lanes.leaveAfter(webhookId, { ...ended, now: clock() })
      else lanes.leave(webhookId)
      running.delete(work)
      if (isAwaited) looks.soon()
      if (interrupted.isInterrupted(delivery)) interrupted.leave()
    })
    running.add(work)
  }

  async function sendOrSetAside(owner: string, delivery: WebhookDeliveryRow, webhook: WebhookRow) {
    if (delivery.interruptions < limits.workInterruptionsMax) return send(owner, delivery, webhook)
    metrics.workSetAside.inc({ work: 'webhook delivery' })
    const about = { webhook: webhook.id, delivery: delivery.id, event: delivery.event_id }
    log.error(about, 'a webhook delivery was set aside: each attempt ended without an outcome')
    const now = clock()
    const { hasFollower } = await recordAttempt(needs, {
      ...{ delivery, webhook, owner, startedAt: now, endedAt: now, code: undefined, response: undefined },
      verdict: { kind: 'failed' },
      isSetAside: true,
      error: 'Set aside: the last attempts ended without an outcome',
    })
    if (hasFollower) looks.soon()
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
      await store.transaction((tx) => giveBackLeases(tx, 'webhook_deliveries', { owner, ids: [delivery.id] }))
      return undefined
    }
    const endedAt = clock()
    const { retryAfterMs } = profile
    const attempts = delivery.attempts + 1
    const tries = attempts - delivery.attempts_before
    const verdict = judge({ response, attempts: tries, retryAfterMs, spread: spread(), now: endedAt }, limits)
    metrics.webhookAttempts.inc({ outcome: verdict.kind })
    const told = { webhook: webhook.id, event: delivery.event_id, attempt: attempts, code: response?.status }
    log.info({ ...told, outcome: verdict.kind, reason: failure?.reason }, 'webhook called')
    const { hasFollower } = await recordAttempt(needs, {
      ...{ delivery, webhook, owner, verdict, startedAt, endedAt },
      ...wordsOf(answered, limits.webhookResponseKeptCharsMax),
    })
    return { hasSucceeded: verdict.kind === 'delivered', startedAt, hasFollower }
  }

  /** Background work logs and counts its failures, and continues. */
  async function guarded<T>(what: string, act: () => Promise<T>): Promise<T | undefined> {
    try {
      return await act()
    } catch (error) {
      metrics.loopErrors.inc({ loop: 'webhooks' })
      log.error({ err: error }, `${what} failed`)
      return undefined
    }
  }
}
