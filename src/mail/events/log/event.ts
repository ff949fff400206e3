/** Events as subscribers receive them, and the interface of the feed. */
import type { EventRow } from '../../../store/schema/event-rows.ts'
import type { Actor } from '../../access/actor.ts'
import { formatCursor } from './cursor.ts'

export interface Event {
  readonly seq: number
  /** Opaque position in the log: a subscriber has not received the events after it. */
  readonly cursor: string
  readonly eventId: string
  /** Epoch ms. */
  readonly at: number
  readonly type: string
  readonly organizationId: string
  readonly podId?: string
  readonly inboxId?: string
  readonly messageId?: string
  /** Its shape depends on `type`: message-events.ts and resource-events.ts narrow it. */
  readonly payload: Readonly<Record<string, unknown>>
}

/** Estimates the memory of an event: a parsed payload takes about twice as much as its text. */
export function memoryOf(row: EventRow): number {
  return 2 * row.payload.length + 1_024
}

/** @param epoch the epoch of the log that contains the row */
export function toEvent(row: EventRow, epoch: string): Event {
  return {
    seq: row.seq,
    cursor: formatCursor(epoch, { seq: row.seq, eventId: row.event_id }),
    eventId: row.event_id,
    at: row.at,
    type: row.type,
    organizationId: row.organization_id,
    ...(row.pod_id !== null && { podId: row.pod_id }),
    ...(row.inbox_id !== null && { inboxId: row.inbox_id }),
    ...(row.message_id !== null && { messageId: row.message_id }),
    payload: JSON.parse(row.payload) as Event['payload'],
  }
}

/** A subscriber's request. An empty list means the same as a missing one. */
export interface EventFilter {
  /** undefined: the standard types that the key may receive. */
  readonly eventTypes?: readonly string[] | undefined
  /** Addresses or ids. The union with podIds counts; both undefined: everything in the actor's scope. */
  readonly inboxIds?: readonly string[] | undefined
  readonly podIds?: readonly string[] | undefined
  /** Start after this cursor. "earliest": all retained events first. "latest" or undefined: only new events. */
  readonly after?: string | undefined
}

/** Thrown when a subscription ends although its reader did not end it. */
export class SubscriptionEnded extends Error {
  readonly reason: 'too_slow' | 'revoked' | 'stopping'
  /** The cursor to resume from: that of the last event sent, or of the start if none was sent. */
  readonly cursor: string | undefined

  constructor(reason: SubscriptionEnded['reason'], cursor: string | undefined) {
    super(`the subscription ended: ${reason}`)
    this.name = 'SubscriptionEnded'
    this.reason = reason
    this.cursor = cursor
  }
}

/** Data in memory that has not been sent to all its readers yet. It is in memory once, however many readers it has. */
export interface BacklogItem {
  readonly bytes: number
  /** Memory that each waiting reader adds. */
  readonly bytesEach: number
  /** Number of readers to which it has not been sent. Only a Backlog changes it. */
  holders: number
}

/** Counts the memory of the data that has not been sent to one reader yet. */
export interface Backlog {
  /** Adds an item. May end the reader, or others, before it returns. */
  hold(item: BacklogItem): void
  /** Removes an item that was added before. */
  release(item: BacklogItem): void
}

export interface Feed {
  /**
   * Subscribes to events in order of `seq`, each once, without a gap: backfill → cutover → live. Resolves when the
   * request is checked and the start position is fixed, so that the caller can respond with "subscribed".
   *
   * The iteration throws SubscriptionEnded when the reader is too slow, its key was revoked or has expired, or the
   * server stops (after the buffered events were sent). It throws cursor_expired if retention purges past events before
   * the reader has read them. It ends without an error when `signal` aborts. Iterate once; if you do not iterate, abort
   * the signal.
   *
   * @param backlog counts the data that is buffered for the reader; all of it is released when the subscription ends,
   *   before an abort of `signal` returns
   * @throws validation_error (unknown event type, invalid cursor, too many ids), missing_permission (`message_read`,
   *   or that of a requested type), not_found (inbox, pod), cursor_expired, shutting_down
   */
  subscribe(actor: Actor, eventFilter: EventFilter, signal: AbortSignal, backlog?: Backlog): Promise<Listening>

  /**
   * Watches the key of a connection that has not subscribed to anything.
   *
   * @returns resolves with true when the actor's key is revoked or expires; with false when the server stops or
   *   `signal` aborts
   */
  untilRevoked(actor: Actor, signal: AbortSignal): Promise<boolean>
}

export interface Listening extends AsyncIterable<Event> {
  /** The cursor of the start position, for a reader that must resume before it has received an event. */
  readonly cursor: string
}
