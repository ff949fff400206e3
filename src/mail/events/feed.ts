/**
 * The one source of news: whoever wants to know what happened (WebSockets of every dialect, long polls, IMAP sessions)
 * subscribes here. Webhooks have cursors of their own in the database.
 *
 *   commit → bell → tailer reads the log, once a process → the few who listen there → their buffers → their readers
 *
 * A subscriber goes through three phases. Backfill: it reads the table from its cursor up to where the tailer is, at its
 * own pace. Cutover: having met the tailer it joins those who are told live, in the same instant. Live: it is given
 * what the tailer reads. One without a cursor starts live, at the log's end of then.
 *
 * Crash: nothing is kept here; a subscriber comes back with the cursor of the last event it was told.
 * Stop: what was committed is told to those who listen, then every subscription ends as `stopping`.
 * Must not: know dialects, read messages, or wait for a reader.
 */
import { isMailError, MailError } from '../../errors.ts'
import type { Log } from '../../log.ts'
import type { Metrics } from '../../metrics.ts'
import type { ApiKeyRow, EventLogRow, EventRow } from '../../store/schema.ts'
import type { Store } from '../../store/store.ts'
import * as apiKeys from '../../store/tables/api-keys.ts'
import * as events from '../../store/tables/events.ts'
import type { KeyActor } from '../access/actor.ts'
import { type Permission, parsePermissions } from '../access/permissions.ts'
import { Audience } from './audience.ts'
import { backfill } from './backfill.ts'
import { formatCursor, type Position } from './cursor.ts'
import { type Backlog, type Event, type Feed, FeedEnded, type Listening, memoryOf, toEvent } from './event.ts'
import { permissionsToSee } from './event-types.ts'
import { checkInterest, type Filter, isWanted, maySee, nothingFor } from './interest.ts'
import { endOf, requirePosition } from './position.ts'
import { Subscription, type WaitingEvent } from './subscription.ts'
import { Tailer } from './tailer.ts'

/** A reference in a subscription's list of waiting events. */
const WAITING_BYTES = 8

export interface RunningFeed extends Feed {
  /** Before the first subscriber. Events from before are told to those who bring a cursor. */
  start(): Promise<void>
  /** Resolves when all that was committed is on its way to readers and all subscriptions have ended. */
  stop(): Promise<void>
  /** How old the newest event was when it was last read. */
  readonly lagMs: number
}

interface FeedNeeds {
  readonly store: Store
  readonly clock: () => number
  readonly log: Log
  readonly metrics: Metrics
  readonly limits: {
    readonly eventPollMs: number
    readonly eventBatchMax: number
    readonly backfillBatchMax: number
    readonly socketBufferEventsMax: number
    readonly subscriptionIdsMax: number
    readonly listScanRowsMax: number
  }
}

export function createFeed({ store, clock, log, metrics, limits }: FeedNeeds): RunningFeed {
  const audience = new Audience()
  const tailer = new Tailer({ store, clock, log, metrics, limits, isHeard: () => audience.size > 0, tell })
  const cursorOf = (position: Position) => formatCursor(store.epoch, position)
  /** Of all subscriptions' keys; most have none. */
  let soonestExpiry = Number.POSITIVE_INFINITY
  let isStopped = false

  return {
    start: () => tailer.start(),

    async stop() {
      await tailer.stop()
      isStopped = true
      for (const subscription of audience.everyone()) end(subscription, 'stopping')
    },

    get lagMs() {
      return tailer.lagMs
    },

    async subscribe(actor, interest, signal, backlog) {
      const filter = await checkInterest(actor, interest, { db: store.db, limits })
      return listen(filter, interest.after, signal, backlog)
    },

    async untilRevoked(actor, signal) {
      try {
        const nothing = await listen(nothingFor(actor), undefined, signal)
        for await (const _ of nothing);
      } catch (error) {
        if (error instanceof FeedEnded) return error.reason === 'revoked'
        if (!isMailError(error, 'shutting_down')) throw error
      }
      return false
    },
  }

  async function listen(
    filter: Filter,
    after: string | undefined,
    signal: AbortSignal,
    backlog?: Backlog,
  ): Promise<Listening> {
    const bufferMax = limits.socketBufferEventsMax
    const subscription = new Subscription({ filter, bufferMax, cursorOf, backlog })
    const abort = () => end(subscription, 'aborted')
    const forget = () => signal.removeEventListener('abort', abort)
    // First of all, so that a key that is revoked from here on is noticed, by the key's row or by the event.
    audience.join(subscription)
    metrics.eventSubscriptions.set(audience.size)
    if (signal.aborted) abort()
    else signal.addEventListener('abort', abort, { once: true })
    try {
      const row = await events.requireLog(store.db)
      await place(subscription, after, row)
      subscription.checkedAt = row.last_seq
      await requireLiveKey(subscription)
      if (isStopped) throw new MailError('shutting_down', {})
    } catch (error) {
      abort()
      forget()
      throw error
    }
    const { cursor } = subscription
    const told = iterate(subscription, forget)
    return { cursor, [Symbol.asyncIterator]: () => told }
  }

  /** Ends it when its key is gone, has expired, or may no longer do what the actor may. */
  async function requireLiveKey(subscription: Subscription): Promise<void> {
    const { actor } = subscription.filter
    if (actor.kind === 'system') return
    const row = await apiKeys.getById(store.db, actor.apiKeyId)
    if (!row || !isCurrent(actor, row)) return end(subscription, 'revoked')
    if (row.expires_at === null) return
    subscription.expiresAt = row.expires_at
    soonestExpiry = Math.min(soonestExpiry, row.expires_at)
  }

  /** Fixes from where it is told. @throws cursor_expired, validation_error */
  async function place(subscription: Subscription, after: string | undefined, log: EventLogRow): Promise<void> {
    if (after !== undefined) {
      subscription.startAfter(await requirePosition(store, after, log))
      return
    }
    // The tailer may have told more while we read; its position is committed too, so neither lies in the future.
    // Live at once: what is committed while the key is being looked at waits in the buffer.
    const start = log.last_seq > tailer.position.seq ? endOf(log) : tailer.position
    subscription.startAfter(start)
    subscription.goLive(start.seq)
  }

  async function* iterate(subscription: Subscription, forget: () => void): AsyncGenerator<Event, void> {
    try {
      if (!subscription.isLive) yield* backfill(subscription, { store, limits, position: () => tailer.position.seq })
      yield* subscription.live()
    } finally {
      end(subscription, 'aborted') // also when the reader left the loop
      forget()
    }
  }

  function end(subscription: Subscription, reason: FeedEnded['reason'] | 'aborted'): void {
    subscription.end(reason)
    leave(subscription)
  }

  function leave(subscription: Subscription): void {
    audience.leave(subscription)
    metrics.eventSubscriptions.set(audience.size)
  }

  /** What the tailer has read. Must not wait: `tailer.position` moves with it. */
  function tell(rows: readonly EventRow[]): void {
    if (clock() >= soonestExpiry) endExpired()
    for (const row of rows) {
      try {
        if (row.visibility === 'internal') heed(row)
        else fanOut(row)
      } catch (error) {
        // A row that cannot be read must not silence all that follow it.
        metrics.loopErrors.inc({ loop: 'event feed' })
        log.error({ err: error, seq: row.seq, type: row.type }, 'an event could not be told and was passed over')
      }
    }
  }

  function fanOut(row: EventRow): void {
    let waiting: WaitingEvent | undefined
    let needed: readonly Permission[] = []
    for (const subscription of audience.near(row)) {
      if (!isWanted(subscription.filter, row)) continue
      if (!waiting) {
        const event = toEvent(row, store.epoch) // one object for all of them, and none when nobody wants it
        waiting = { event, bytes: memoryOf(row), bytesEach: WAITING_BYTES, holders: 0 }
        needed = permissionsToSee(event.payload)
      }
      if (!maySee(subscription.filter.actor, needed)) continue
      if (!subscription.offer(waiting)) end(subscription, 'too_slow')
    }
  }

  /** Internal events are told to nobody: they end what was opened in the name of what is gone. */
  function heed(row: EventRow): void {
    for (const subscription of audience.concernedBy(row)) {
      // One that was made from the key as it is now, after the change, has nothing to fear from the news of it.
      if (row.seq > subscription.checkedAt) end(subscription, 'revoked')
    }
  }

  function endExpired(): void {
    const now = clock()
    soonestExpiry = Number.POSITIVE_INFINITY
    for (const subscription of audience.everyone()) {
      if (subscription.expiresAt === undefined) continue
      if (subscription.expiresAt <= now) end(subscription, 'revoked')
      else soonestExpiry = Math.min(soonestExpiry, subscription.expiresAt)
    }
  }

  /** The key may have changed since the socket was opened: it can subscribe again at any time. */
  function isCurrent(actor: KeyActor, row: ApiKeyRow): boolean {
    if (row.expires_at !== null && row.expires_at <= clock()) return false
    if (row.permissions === null || actor.permissions === undefined) {
      return row.permissions === null && actor.permissions === undefined
    }
    const granted = parsePermissions(row.permissions)
    return (
      granted.length === actor.permissions.size && granted.every((permission) => actor.permissions!.has(permission))
    )
  }
}
