/**
 * Turns events into deliveries: a durable reader of the log (docs/adr/0015).
 *
 *   commit signal or poll interval → next events → matching webhooks → render bodies, outside any transaction
 *   (prepare-deliveries.ts) → one transaction moves the reader's cursor and inserts the deliveries
 *   (insert-deliveries.ts) → signal to the worker, which claims and sends them
 *
 * Crash: the cursor and the deliveries are one transaction, so an event is either read again or fully processed. Events that no
 *   webhook wanted do not move the stored cursor at once, and may be read again. It is stored after each change of a webhook and
 *   at a stop: otherwise a webhook would get such events after a restart, although they are older than its change.
 * Restored database: if the last event that this node has read is no longer in the log, it resumes at the cursor, which was
 *   restored with the log (events/log/read-after.ts).
 * Several nodes: the cursor moves only from where this node knows it. The losing node discards its batch, and resumes at the
 *   winner's cursor, or at its own position if that is further: no event up to there matched, and a webhook may have changed since.
 * Failure: logged, counted, and retried from the same position. An event whose body still cannot be rendered after some
 *   tries is skipped for the webhooks with such a body, so that it does not block all later events. A webhook whose row is
 *   damaged gets no events until it is repaired; a replay can send it those (docs/adr/0093).
 * Without webhooks, a commit costs nothing: once per poll interval the reader only checks whether a webhook exists.
 * Stop: finishes the batch that is being written; the rest is read after the next start.
 * Must not: send requests (webhook-worker.ts), or know what a body looks like (a profile does).
 */
import { createPollLoop } from '../../../store/commit/poll-loop.ts'
import type { WebhookRow } from '../../../store/schema/webhook-rows.ts'
import * as consumers from '../../../store/tables/event-consumers-table.ts'
import * as webhooks from '../../../store/tables/webhooks-table.ts'
import { readAfter } from '../../events/log/read-after.ts'
import { createGuarded } from '../../jobs/guarded.ts'
import type { WebhookWorker } from '../delivery/webhook-worker.ts'
import { insertDeliveries } from './insert-deliveries.ts'
import { matcherOf, type WebhookMatcher } from './matching.ts'
import { createPrepareDeliveries, type PrepareDeliveriesNeeds, type PreparedDelivery } from './prepare-deliveries.ts'

/** The name of its cursor in the table `event_consumers`. */
const NAME = 'webhooks'

export interface Dispatch {
  /** Resolve this before events that match webhooks can be committed. */
  start(): Promise<void>
  stop(): Promise<void>
  /** Signals that a webhook was enabled or changed on this node. */
  signalEnabled(): void
  /** Events up to this one are processed and may be removed. Undefined: no webhook waits for any event. */
  readThrough(): number | undefined
}

interface DispatchNeeds extends PrepareDeliveriesNeeds {
  readonly worker: Pick<WebhookWorker, 'signalPending'>
}

export function createDispatch({ worker, ...needs }: DispatchNeeds): Dispatch {
  const { store, log, metrics, limits } = needs
  const prepareDeliveries = createPrepareDeliveries(needs)
  const guarded = createGuarded('webhook dispatch', { log, metrics })
  const loop = createPollLoop({
    name: 'webhook dispatch',
    poll,
    pollMs: limits.events.pollMs,
    logFields: () => ({ position }),
    limits,
    log,
    metrics,
  })
  let stopListening: (() => void) | undefined
  /** `committed`: the cursor in the database; `position`: how far this node has read. No event in between matched. */
  let committed = 0
  let position = 0
  /** The event at `position`, if this node has read it. */
  let lastEventId: string | null = null
  let isIdle = true
  /** Whether `position` must be stored, although no event may have matched. */
  let mustStore = false
  /** When damaged rows are logged again, in ms of a monotonic clock. */
  let quietUntilMs = 0

  return {
    async start() {
      committed = await store.transaction((tx) => consumers.openCursor(tx, NAME))
      position = committed
      stopListening = store.onCommit(() => {
        if (!isIdle) loop.pollSoon()
      })
      loop.pollSoon()
    },

    async stop() {
      stopListening?.()
      await loop.stop()
      await guarded('storing the cursor of webhooks', storePosition)
    },

    signalEnabled() {
      mustStore = true
      loop.pollSoon()
    },

    readThrough: () => (isIdle ? undefined : position),
  }

  async function poll(): Promise<number | undefined> {
    const isMore = await step()
    return isMore ? 0 : undefined
  }

  /** Processes one batch. Returns whether there may be more. */
  async function step(): Promise<boolean> {
    if (isIdle && !(await wake())) return false
    // Read events before webhooks: a webhook created in between starts after all of these events.
    const rows = await readAfter(store.db, { seq: position, eventId: lastEventId }, limits.events.batchMax)
    if (!rows) {
      log.warn({ position }, 'the event log was set back, to a backup or to a standby without its last events')
      await resume()
      return true
    }
    if (rows.length === 0) {
      if (mustStore) await storePosition()
      return false
    }
    const organizations = new Set(rows.map((row) => row.organization_id))
    const matchers = matchersOf(await webhooks.listEnabled(store.db, [...organizations]))
    if (matchers.length === 0) isIdle = (await webhooks.earliestStart(store.db)) === undefined

    const { prepared, throughSeq } = await prepareDeliveries(rows, matchers)
    const isFar = throughSeq - committed >= limits.events.batchMax
    const isRead = prepared.length > 0 || isFar || mustStore ? await write(prepared, throughSeq) : true
    if (isRead) {
      position = throughSeq
      lastEventId = rows.find(({ seq }) => seq === throughSeq)!.event_id
    }
    return !isRead || throughSeq < rows.at(-1)!.seq || rows.length === limits.events.batchMax
  }

  /** Returns the matchers of those webhooks whose rows are not damaged. */
  function matchersOf(rows: readonly WebhookRow[]): WebhookMatcher[] {
    const damaged: { webhook: string; error: unknown }[] = []
    const matchers: WebhookMatcher[] = []
    for (const row of rows) {
      try {
        matchers.push(matcherOf(row))
      } catch (error) {
        damaged.push({ webhook: row.id, error })
      }
    }
    if (damaged.length > 0 && performance.now() >= quietUntilMs) {
      quietUntilMs = performance.now() + limits.webhooks.errorPauseMs
      metrics.backgroundErrors.inc({ loop: 'webhook dispatch' })
      const ids = damaged.map(({ webhook }) => webhook)
      log.error({ err: damaged[0]!.error, webhooks: ids }, 'the rows of webhooks are damaged; they get no events')
    }
    return matchers
  }

  /** Webhooks exist again: skip the events before the earliest of their cursors. */
  async function wake(): Promise<boolean> {
    const earliest = await webhooks.earliestStart(store.db)
    if (earliest === undefined) return false
    committed = await consumers.requireCursor(store.db, NAME)
    position = Math.max(committed, earliest)
    lastEventId = null
    isIdle = false
    return true
  }

  /** Stores the position. All events up to it were compared with the webhooks as they were then. */
  async function storePosition(): Promise<void> {
    while (!isIdle && position > committed) await write([], position) // again after another node, which may not have read as far
    mustStore = false
  }

  /** Continues at the stored cursor. */
  async function resume(): Promise<void> {
    committed = await consumers.requireCursor(store.db, NAME)
    position = committed
    lastEventId = null
  }

  /** Continues after another node has moved the cursor. */
  async function follow(): Promise<void> {
    const cursor = await consumers.requireCursor(store.db, NAME)
    // A lower cursor was restored from a backup. Without the id, the next read would not notice that.
    const isAhead = position > cursor && cursor >= committed && lastEventId !== null
    committed = cursor
    if (isAhead) return
    position = cursor
    lastEventId = null
  }

  /** @returns false if another node has moved the cursor: then these events are read again, unless it has processed them */
  async function write(prepared: readonly PreparedDelivery[], throughSeq: number): Promise<boolean> {
    const mustStoreAgain = mustStore // if it fails
    mustStore = false
    try {
      const webhookIds = await store.transaction(async (tx) => {
        if (!(await consumers.moveCursor(tx, NAME, committed, throughSeq))) throw new Overtaken()
        return insertDeliveries(tx, prepared)
      })
      committed = throughSeq
      worker.signalPending(webhookIds)
      return true
    } catch (error) {
      mustStore ||= mustStoreAgain
      if (!(error instanceof Overtaken)) throw error
      await follow()
      return false
    }
  }
}

/** Thrown when another node has already processed these events. */
class Overtaken extends Error {}
