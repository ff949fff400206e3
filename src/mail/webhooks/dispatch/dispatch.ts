/**
 * Turns events into deliveries: a durable reader of the log (docs/adr/0015).
 *
 *   commit signal or poll interval → next events → matching webhooks → render bodies, outside any transaction → one
 *   transaction moves the reader's cursor and inserts the deliveries, with a lease where there is capacity → send those
 *   at once
 *
 * Crash: the cursor and the deliveries are one transaction, so an event is either read again or fully processed. Rows
 *   that were under a lease are sent after the restart (webhook-worker.ts).
 * Several nodes: the cursor moves only from the position that this node has read. The losing node discards its batch
 *   and resumes at the winner's cursor.
 * Failure: logged, counted, and retried from the same position. An event whose body still cannot be rendered after some
 *   tries is skipped, so that it does not block all later events.
 * Without webhooks, a commit costs nothing: once per poll interval the reader only checks whether a webhook exists.
 * Stop: finishes the batch that is being written; the rest is read after the next start.
 * Must not: send requests (webhook-worker.ts), or know what a body looks like (a profile does).
 */
import { setImmediate } from 'node:timers/promises'
import type { Limits } from '../../../config/limits.ts'
import { MailError } from '../../../errors.ts'
import type { Log } from '../../../log.ts'
import type { Metrics } from '../../../metrics.ts'
import { createCommitWait } from '../../../store/commit/commit-signal.ts'
import type { EventRow } from '../../../store/schema/event-rows.ts'
import type { WebhookDeliveryRow, WebhookRow } from '../../../store/schema/webhook-rows.ts'
import type { Store } from '../../../store/store.ts'
import * as consumers from '../../../store/tables/event-consumers-table.ts'
import * as events from '../../../store/tables/events-table.ts'
import * as deliveries from '../../../store/tables/webhook-deliveries-table.ts'
import * as webhooks from '../../../store/tables/webhooks-table.ts'
import { forbiddenMask } from '../../access/access.ts'
import { type Event, toEvent } from '../../events/log/event.ts'
import { mayReadEvent, presentClasses } from '../../messages/readable.ts'
import { requireProfile, type WebhookProfile } from '../delivery/webhook-profile.ts'
import type { Reservation, WebhookWorker } from '../delivery/webhook-worker.ts'
import { isOrdered, moveUp } from '../ordering/ordering.ts'
import { isFor, type Target, targetOf } from './matching.ts'
import { newDelivery } from './new-delivery.ts'

const NAME = 'webhooks'
/** Small, because the end of an outage sends no commit signal. */
const PAUSE_FACTOR_MAX = 2
/** Failed tries after which an event is skipped because its body cannot be rendered. */
const RENDER_TRIES = 5
/** Bounds one transaction, so that the first delivery of a burst does not wait for the bodies of the last. */
const DELIVERIES_PER_COMMIT = 50

export interface Dispatch {
  /** Resolve this before events that match webhooks can be committed. */
  start(): Promise<void>
  stop(): Promise<void>
  /** Signals that a webhook was enabled on this node. */
  nudge(): void
  /** Events up to this one are processed and may be removed. Undefined: no webhook waits for any event. */
  readThrough(): number | undefined
}

interface DispatchNeeds {
  readonly store: Store
  readonly profiles: readonly WebhookProfile[]
  readonly worker: Pick<WebhookWorker, 'reserve' | 'release' | 'begin' | 'noticeWaiting'>
  readonly log: Log
  readonly metrics: Metrics
  readonly limits: Pick<Limits, 'eventPollMs' | 'eventBatchMax' | 'webhookBatchBytesMax' | 'webhookLeaseMs'>
}

/** A delivery to be written. */
interface Prepared {
  readonly event: EventRow
  readonly payload: Event['payload']
  readonly webhook: WebhookRow
  readonly body: string
}

export function createDispatch({ store, profiles, worker, log, metrics, limits }: DispatchNeeds): Dispatch {
  const commits = createCommitWait(store)
  const switchedOn = new Set<() => void>()
  const nudges = createCommitWait({
    onCommit(listener) {
      switchedOn.add(listener)
      return () => void switchedOn.delete(listener)
    },
  })
  /** `committed`: the cursor in the database; `position`: how far this node has read. No event in between matched. */
  let committed = 0
  let position = 0
  let isIdle = true
  let isStopping = false
  let running: Promise<void> | undefined
  const failed = { seq: 0, times: 0 }

  return {
    async start() {
      committed = await store.transaction((tx) => consumers.openCursor(tx, NAME))
      position = committed
      running = run()
    },

    async stop() {
      isStopping = true
      commits.close()
      nudges.close()
      await running
    },

    nudge() {
      for (const hear of switchedOn) hear()
    },

    readThrough: () => (isIdle ? undefined : position),
  }

  async function run(): Promise<void> {
    let failures = 0
    while (!isStopping) {
      try {
        const isMore = await step()
        failures = 0
        if (isMore) await setImmediate()
        else if (isIdle) await nudges.next(limits.eventPollMs)
        else await commits.next(limits.eventPollMs)
      } catch (error) {
        metrics.loopErrors.inc({ loop: 'webhook dispatch' })
        log.error({ err: error, failures: ++failures, position }, 'events could not be handed to webhooks')
        await commits.pause(limits.eventPollMs * Math.min(2 ** failures, PAUSE_FACTOR_MAX))
      }
    }
  }

  /** Processes one batch. Returns whether there may be more. */
  async function step(): Promise<boolean> {
    if (isIdle && !(await awake())) return false
    // Read events before webhooks: a webhook created in between starts after all of these events.
    const rows = await events.listAfter(store.db, position, limits.eventBatchMax)
    if (rows.length === 0) return false
    const organizations = new Set(rows.map((row) => row.organization_id))
    const targets = (await webhooks.listEnabled(store.db, [...organizations])).map(targetOf)
    if (targets.length === 0) isIdle = (await webhooks.earliestCursor(store.db)) === undefined

    const { prepared, throughSeq } = await prepare(rows, targets)
    if (prepared.length > 0 || throughSeq - committed >= limits.eventBatchMax) await write(prepared, throughSeq)
    else position = throughSeq
    return throughSeq < rows.at(-1)!.seq || rows.length === limits.eventBatchMax
  }

  /** Webhooks exist again: skip the events before the earliest of their cursors. */
  async function awake(): Promise<boolean> {
    const earliest = await webhooks.earliestCursor(store.db)
    if (earliest === undefined) return false
    committed = await consumers.requireCursor(store.db, NAME)
    position = Math.max(committed, earliest)
    isIdle = false
    return true
  }

  /** Renders bodies for the matching webhooks, up to a bound of number and size. */
  async function prepare(
    rows: readonly EventRow[],
    targets: readonly Target[],
  ): Promise<{ prepared: Prepared[]; throughSeq: number }> {
    const prepared: Prepared[] = []
    let bytes = 0
    for (const row of rows) {
      if (targets.length > 0 && row.visibility !== 'internal') {
        for (const each of await prepareOne(row, targets)) {
          prepared.push(each)
          bytes += Buffer.byteLength(each.body)
        }
      }
      const isFull = prepared.length >= DELIVERIES_PER_COMMIT || bytes >= limits.webhookBatchBytesMax
      if (isFull) return { prepared, throughSeq: row.seq }
    }
    return { prepared, throughSeq: rows.at(-1)!.seq }
  }

  async function prepareOne(row: EventRow, targets: readonly Target[]): Promise<Prepared[]> {
    try {
      const event = toEvent(row, store.epoch)
      const told = targets.filter((target) => isFor(target, { row, payload: event.payload }))
      const bodies = new Map<string, string | undefined>()
      const prepared: Prepared[] = []
      for (const { row: webhook, actor } of told) {
        const form = `${webhook.profile} ${forbiddenMask(actor)}` // webhooks that may see the same share one body
        if (!bodies.has(form)) bodies.set(form, await requireProfile(profiles, webhook.profile).render(event, actor))
        const body = bodies.get(form)
        if (body !== undefined) prepared.push({ event: row, payload: event.payload, webhook, body })
      }
      return prepared
    } catch (error) {
      // The store or the disk failed, not this event: the event waits until they work again.
      if (error instanceof MailError && error.kind === 'temporary') throw error
      failed.times = failed.seq === row.seq ? failed.times + 1 : 1
      failed.seq = row.seq
      if (failed.times < RENDER_TRIES) throw error
      metrics.loopErrors.inc({ loop: 'webhook dispatch' })
      log.error({ err: error, seq: row.seq, type: row.type }, 'rendering an event for webhooks failed; event skipped')
      return []
    }
  }

  async function write(prepared: readonly Prepared[], throughSeq: number): Promise<void> {
    const reservations = prepared.map(({ webhook }) => worker.reserve(webhook.id))
    const begun = new Set<Reservation>()
    try {
      const written = await store.transaction(async (tx): Promise<Written[]> => {
        if (!(await consumers.moveCursor(tx, NAME, committed, throughSeq))) throw new Overtaken()
        const ids = [...new Set(prepared.map(({ webhook }) => webhook.id))]
        // Read the webhooks again: one may have been disabled, disabled and enabled, or given another URL while bodies
        // were rendered. Lock them until the commit, or a delivery could be inserted after the job that should cancel
        // or order it.
        const current = (await webhooks.holdByIds(tx, ids)).filter(({ is_enabled }) => is_enabled === 1)
        const targets = new Map(current.map((row) => [row.id, targetOf(row)]))
        const leaseFor = (reservation: Reservation | undefined) =>
          reservation && { lease_owner: reservation.owner, lease_until: tx.now + limits.webhookLeaseMs }
        const wanted = prepared.flatMap((each, index) => {
          const target = targets.get(each.webhook.id)
          if (!target || !isFor(target, { row: each.event, payload: each.payload })) return []
          return [{ ...each, reader: target.actor, webhook: target.row, reservation: reservations[index] }]
        })
        const present = await presentClasses(tx, wanted) // a message may have been hidden while bodies were rendered
        const rows = wanted.flatMap(({ reader, webhook, event, body, ...each }) => {
          if (!mayReadEvent(reader, event, present)) return []
          const reservation = isOrdered(webhook) ? undefined : each.reservation
          return [{ delivery: newDelivery(tx, { event, webhook, body }, leaseFor(reservation)), webhook, reservation }]
        })
        const inserted = await deliveries.insert(
          tx,
          rows.map(({ delivery }) => delivery),
        )
        const unordered = rows.filter(({ delivery, webhook }) => !isOrdered(webhook) && inserted.has(delivery.id))
        const first: Written[] = []
        for (const webhook of current.filter(isOrdered)) {
          const lines = rows.flatMap(({ delivery }) => (delivery.webhook_id === webhook.id ? [delivery.line!] : []))
          const free = reservations.filter((reservation) => reservation?.webhookId === webhook.id)
          const moved = await moveUp(tx, webhook, lines, (turn) => leaseFor(free[turn]))
          for (const [turn, delivery] of moved.entries()) {
            const reservation = delivery.lease_owner === null ? undefined : free[turn]
            first.push({ delivery, webhook, reservation })
          }
        }
        return [...unordered, ...first]
      })
      committed = throughSeq
      position = throughSeq
      for (const { delivery, webhook, reservation } of written) {
        if (!reservation) continue
        begun.add(reservation)
        worker.begin(reservation, delivery, webhook)
      }
      worker.noticeWaiting(written.flatMap(({ webhook, reservation }) => (reservation ? [] : [webhook.id])))
    } catch (error) {
      if (!(error instanceof Overtaken)) throw error
      committed = await consumers.requireCursor(store.db, NAME)
      position = committed
    } finally {
      for (const reservation of reservations) if (reservation && !begun.has(reservation)) worker.release(reservation)
    }
  }
}

/** A committed delivery, and the reservation under which it is sent at once. */
interface Written {
  readonly delivery: WebhookDeliveryRow
  readonly webhook: WebhookRow
  readonly reservation: Reservation | undefined
}

/** Thrown when another node has already processed these events. */
class Overtaken extends Error {}
