/**
 * The live feed: all live subscribers (WebSockets and event streams of every dialect, long polls) subscribe here.
 * Webhooks do not: their dispatch reads the log from a cursor in the database.
 *
 *   commit → commit signal → the tailer reads the log, once per process → the matching subscriptions → their buffers →
 *   their readers
 *
 * A subscription has three phases. Backfill: it reads the table from its cursor up to the tailer's position, at its own
 * pace. Cutover: when it has reached the tailer, it becomes live in the same synchronous step. Live: it is offered the
 * events that the tailer reads. A subscription without a cursor starts live, at the current end of the log.
 *
 * Crash: this module keeps no state; a subscriber resumes with the cursor of the last event it received.
 * Stop: committed events are sent to the subscribers, then every subscription ends with `stopping`.
 * Must not: know dialects, read messages, or wait for a reader.
 */
import type { Limits } from '../../../config/limits.ts'
import { isMailError, MailError } from '../../../errors.ts'
import type { Log } from '../../../log.ts'
import type { Metrics } from '../../../metrics.ts'
import type { EventLogRow, EventRow } from '../../../store/schema/event-rows.ts'
import type { Store } from '../../../store/store.ts'
import * as events from '../../../store/tables/events-table.ts'
import type { Actor } from '../../access/actor.ts'
import type { Permission } from '../../access/permissions.ts'
import { formatCursor, type LogPosition } from '../log/cursor.ts'
import { type Event, memoryOf, toEvent } from '../log/event.ts'
import { permissionsToSee } from '../log/event-types.ts'
import { endOf, parsePosition } from '../log/log-position.ts'
import { backfill } from './backfill.ts'
import type { Backlog } from './backlog.ts'
import { InboxFollowers } from './inbox-followers.ts'
import { createRevocation } from './revocation.ts'
import { type BufferedEvent, Subscription, SubscriptionEnded } from './subscription.ts'
import {
  type CheckedFilter,
  checkEventFilter,
  type EventFilter,
  emptyFilter,
  filterOfParts,
  matchesTypeAndScope,
  maySee,
} from './subscription-filter.ts'
import { SubscriptionIndex } from './subscription-index.ts'
import { Tailer } from './tailer.ts'

export interface Feed {
  /**
   * Subscribes to events in order of `seq`, each once, without a gap: backfill → cutover → live. Resolves when the
   * request is checked and the start position is fixed, so that the caller can respond with "subscribed".
   *
   * The iteration throws SubscriptionEnded when the reader is too slow, its key was revoked or has expired, the log was set
   * back (read-after.ts), or the server stops (after the buffered events were sent). It throws cursor_expired if retention purges past events before
   * the reader has read them. It ends without an error when `signal` aborts. Iterate once; if you do not iterate, abort
   * the signal.
   *
   * @param earlier a subscription of the same actor that this one continues: its events that the reader does not have yet
   *   are sent too, and the two requests add up. The reader ends the earlier one when this call has resolved
   * @param backlog counts the data that is buffered for the reader; all of it is released when the subscription ends,
   *   before an abort of `signal` returns
   * @throws validation_error (unknown event type, invalid cursor, too many ids), missing_permission (`message_read`,
   *   or that of a requested type), not_found (inbox, pod), cursor_expired, shutting_down
   */
  subscribe(
    actor: Actor,
    eventFilter: EventFilter,
    signal: AbortSignal,
    backlog?: Backlog,
    earlier?: EarlierSubscription,
  ): Promise<SubscribedEvents>

  /**
   * Watches the key of a connection that has not subscribed to anything.
   *
   * @returns resolves with true when the actor's key is revoked or expires; with false when the server stops or
   *   `signal` aborts
   */
  untilRevoked(actor: Actor, signal: AbortSignal): Promise<boolean>

  /**
   * Calls `listener` after each event of an inbox, internal ones included, without data: it must read the tables. For the
   * program itself, not for clients: nothing is checked.
   *
   * @param listener must not throw or wait
   * @returns stops it
   */
  followInbox(inboxId: string, listener: () => void): () => void
}

export interface SubscribedEvents extends AsyncIterable<Event> {
  /** The cursor of the start position, for a reader that must resume before it has received an event. */
  readonly cursor: string
  /** For a later subscription that continues this one. */
  readonly filter: CheckedFilter
}

/** A subscription that another one continues. */
export interface EarlierSubscription {
  readonly events: SubscribedEvents
  /** Returns the cursor of the last event that the reader got, or of the start. Called when the new filter is checked. */
  readonly sentCursor: () => string
}

/** Bytes that one more subscriber of a buffered event costs. */
const REFERENCE_BYTES = 8

export interface RunningFeed extends Feed {
  /** Call this before the first subscription. Earlier events are sent only to subscribers with a cursor. */
  start(): Promise<void>
  /** Resolves when all committed events have been passed to readers and all subscriptions have ended. */
  stop(): Promise<void>
}

interface FeedNeeds {
  readonly store: Store
  readonly clock: () => number
  readonly log: Log
  readonly metrics: Metrics
  readonly limits: Limits
}

export function createFeed({ store, clock, log, metrics, limits }: FeedNeeds): RunningFeed {
  const subscriptions = new SubscriptionIndex()
  const followers = new InboxFollowers()
  const tailer = new Tailer({
    store,
    log,
    metrics,
    limits,
    countSubscribers: () => subscriptions.size + followers.size,
    distribute,
    onSetBack,
  })
  const cursorOf = (position: LogPosition) => formatCursor(store.epoch, position)
  /** The subscription behind each result of `subscribe`. */
  const subscriptionOf = new WeakMap<SubscribedEvents, Subscription>()
  const revocation = createRevocation({ store, clock, subscriptions, end })
  let isStopped = false

  return {
    start: () => tailer.start(),

    async stop() {
      await tailer.stop()
      isStopped = true
      for (const subscription of subscriptions.all()) end(subscription, 'stopping')
    },

    async subscribe(actor, eventFilter, signal, backlog, earlier) {
      const owner = { owner: 'subscription', idsMax: limits.events.subscriptionIdsMax } as const
      const filter = await checkEventFilter(actor, eventFilter, { db: store.db, ...owner })
      if (!earlier) return openSubscription(filter, eventFilter.after, signal, backlog)
      const { combined, start } = await continueEarlier(actor, filter, eventFilter.after, earlier)
      return openSubscription(combined, start, signal, backlog)
    },

    async untilRevoked(actor, signal) {
      for (;;) {
        try {
          const nothing = await openSubscription(emptyFilter(actor), undefined, signal)
          for await (const _ of nothing);
          return false
        } catch (error) {
          if (isMailError(error, 'shutting_down')) return false
          if (!(error instanceof SubscriptionEnded)) throw error
          if (error.reason !== 'set_back') return error.reason === 'revoked'
        }
      }
    },

    followInbox: (inboxId, listener) => followers.add(inboxId, listener),
  }

  /**
   * Combines a new request with an earlier subscription. Events that the reader has are not sent again for the earlier
   * one, and those before the new request are sent for it only if it names a position.
   */
  async function continueEarlier(
    actor: Actor,
    filter: CheckedFilter,
    after: string | undefined,
    earlier: EarlierSubscription,
  ): Promise<{ combined: CheckedFilter; start: LogPosition }> {
    const { filter: known } = earlier.events
    const logRow = await events.requireLog(store.db)
    const sent = await sentPosition(earlier, logRow)
    const added = after === undefined ? endOf(logRow) : await parsePosition(store, after, logRow)
    const rest = (known.parts ?? [{ ...known, afterSeq: 0 }]).map((part) => ({
      ...part,
      afterSeq: Math.max(part.afterSeq, sent.seq),
    }))
    const partsMax = limits.events.subscriptionPartsMax
    if (rest.length >= partsMax)
      throw new MailError('limit_exceeded', { what: 'requests in a subscription', max: partsMax })
    const combined = filterOfParts(actor, [...rest, { ...filter, afterSeq: added.seq }])
    return { combined, start: added.seq < sent.seq ? added : sent }
  }

  /** Returns the position up to which the reader of a subscription has all of its events. @throws cursor_expired */
  async function sentPosition(
    { events: subscribed, sentCursor }: EarlierSubscription,
    logRow: EventLogRow,
  ): Promise<LogPosition> {
    const cursor = sentCursor()
    const subscription = subscriptionOf.get(subscribed)
    const hasAll = subscription?.hasNoneWaiting && subscription.cursor === cursor
    if (!hasAll) return parsePosition(store, cursor, logRow)
    // Its last event may be so old that it was purged, although it has missed none.
    return tailer.position.seq > subscription.sent.seq ? tailer.position : subscription.sent
  }

  async function openSubscription(
    filter: CheckedFilter,
    after: string | LogPosition | undefined,
    signal: AbortSignal,
    backlog?: Backlog,
  ): Promise<SubscribedEvents> {
    const bufferMax = limits.sockets.bufferEventsMax
    const subscription = new Subscription({ filter, bufferMax, cursorOf, backlog })
    const abort = () => end(subscription, 'aborted')
    const forget = () => signal.removeEventListener('abort', abort)
    // Join first: a key that is revoked from now on is noticed, either in the key's row or by the event.
    subscriptions.add(subscription)
    metrics.eventSubscriptions.set(subscriptions.size)
    if (signal.aborted) abort()
    else signal.addEventListener('abort', abort, { once: true })
    try {
      const row = await events.requireLog(store.db)
      await fixStart(subscription, after, row)
      subscription.checkedSeq = row.last_seq
      await revocation.endIfRevoked(subscription)
      if (isStopped) throw new MailError('shutting_down', {})
    } catch (error) {
      abort()
      forget()
      throw error
    }
    const { cursor } = subscription
    const iterator = iterate(subscription, forget)
    const subscribed = { cursor, filter, [Symbol.asyncIterator]: () => iterator }
    subscriptionOf.set(subscribed, subscription)
    return subscribed
  }

  /** Sets the position after which the subscription starts. @throws cursor_expired, validation_error */
  async function fixStart(
    subscription: Subscription,
    after: string | LogPosition | undefined,
    logRow: EventLogRow,
  ): Promise<void> {
    if (after !== undefined) {
      subscription.startAfter(typeof after === 'string' ? await parsePosition(store, after, logRow) : after)
      return
    }
    // Both positions are committed; take the later one, because the tailer may have read more meanwhile.
    // Live at once: events that are committed while the key is checked wait in the buffer.
    const start = logRow.last_seq > tailer.position.seq ? endOf(logRow) : tailer.position
    subscription.startAfter(start)
    subscription.goLive(start.seq)
  }

  async function* iterate(subscription: Subscription, forget: () => void): AsyncGenerator<Event, void> {
    try {
      if (!subscription.isLive) yield* backfill(subscription, { store, limits, position: () => tailer.position.seq })
      yield* subscription.live()
    } finally {
      end(subscription, 'aborted') // also when the reader leaves its loop
      forget()
    }
  }

  function end(subscription: Subscription, reason: SubscriptionEnded['reason'] | 'aborted'): void {
    subscription.end(reason)
    leave(subscription)
  }

  function leave(subscription: Subscription): void {
    subscriptions.remove(subscription)
    metrics.eventSubscriptions.set(subscriptions.size)
  }

  /** Distributes the rows that the tailer has read. Must not wait: `tailer.position` moves in the same step. */
  function distribute(rows: readonly EventRow[]): void {
    revocation.endExpired()
    followers.signal(rows)
    for (const row of rows) {
      try {
        if (row.visibility === 'internal') revocation.applyInternalEvent(row)
        else fanOut(row)
      } catch (error) {
        // A row that cannot be parsed must not block all later ones.
        metrics.backgroundErrors.inc({ loop: 'event tailer' })
        log.error({ err: error, seq: row.seq, type: row.type }, 'distributing an event failed; event skipped')
      }
    }
  }

  /** Readers may have events that the log lacks now, and it has others after theirs: they resume with their cursors, or learn it. */
  function onSetBack(): void {
    for (const subscription of subscriptions.all()) end(subscription, 'set_back')
    followers.signalAll()
  }

  function fanOut(row: EventRow): void {
    let buffered: BufferedEvent | undefined
    let needed: readonly Permission[] = []
    for (const subscription of subscriptions.candidatesFor(row)) {
      // Before an event is made of the row: the first subscriber after a while has all rows of this time.
      if (!subscription.accepts(row.seq) || !matchesTypeAndScope(subscription.filter, row)) continue
      if (!buffered) {
        const event = toEvent(row, store.epoch) // one object for all subscriptions, and none if no one wants it
        buffered = { event, bytes: memoryOf(row), bytesPerReader: REFERENCE_BYTES, readerCount: 0 }
        needed = permissionsToSee(event.payload)
      }
      if (!maySee(subscription.filter.actor, needed)) continue
      if (!subscription.offer(buffered)) end(subscription, 'too_slow')
    }
  }
}
