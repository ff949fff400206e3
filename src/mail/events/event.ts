/** Events as subscribers are told of them, and the feed's calls. */
import type { EventRow } from '../../store/schema.ts'
import type { Actor } from '../access/actor.ts'
import { formatCursor } from './cursor.ts'

export interface Event {
  readonly seq: number
  /** Opaque place in the log: what follows it is what a subscriber has not heard. */
  readonly cursor: string
  readonly eventId: string
  /** Epoch ms. */
  readonly at: number
  readonly type: string
  readonly organizationId: string
  readonly podId?: string
  readonly inboxId?: string
  readonly messageId?: string
  /** Told apart by `type`: message-events.ts and resource-events.ts narrow it. */
  readonly payload: Readonly<Record<string, unknown>>
}

/** Estimates the memory of an event: a parsed payload takes about twice as much as its text. */
export function memoryOf(row: EventRow): number {
  return 2 * row.payload.length + 1_024
}

/** @param epoch of the log that the row is from */
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

/** What a subscriber asks for. An empty list says as little as none. */
export interface Interest {
  /** undefined: the standard types that the key may see. */
  readonly eventTypes?: readonly string[] | undefined
  /** Addresses or ids; together with podIds a union; both undefined: everything in the actor's scope. */
  readonly inboxIds?: readonly string[] | undefined
  readonly podIds?: readonly string[] | undefined
  /** Tell what came after this cursor first; "earliest": everything that is kept. "latest", or undefined: what comes from now on. */
  readonly after?: string | undefined
}

/** Why a feed ended although nobody asked it to. */
export class FeedEnded extends Error {
  readonly reason: 'too_slow' | 'revoked' | 'stopping'
  /** The place to come back with: of the last event that was told, or where it started when none was. */
  readonly cursor: string | undefined

  constructor(reason: FeedEnded['reason'], cursor: string | undefined) {
    super(`the feed ended: ${reason}`)
    this.name = 'FeedEnded'
    this.reason = reason
    this.cursor = cursor
  }
}

/** Something in memory that readers wait for. It is in memory once, however many readers wait for it. */
export interface BacklogItem {
  readonly bytes: number
  /** Memory that each waiting reader adds. */
  readonly bytesEach: number
  /** Number of readers that hold it. Only a Backlog changes it. */
  holders: number
}

/** Counts the memory that one reader holds because something has not been sent to it yet. */
export interface Backlog {
  /** May end the reader, or others, before it returns. */
  hold(item: BacklogItem): void
  /** Each item that is held is released once. */
  release(item: BacklogItem): void
}

export interface Feed {
  /**
   * Events in order of `seq`, each once, without a gap: backfill → cutover → live. Resolves when the interest was
   * checked and from where it will be told is fixed, so that "subscribed" can be answered.
   *
   * The iteration throws FeedEnded when the reader is too slow, its key was revoked or has expired, or the server
   * stops (then after what waits was told); cursor_expired when it reads the past so slowly that retention overtakes
   * it. It ends quietly when `signal` aborts. Iterate once, and abort the signal when you never will.
   *
   * @param backlog counts what waits here for the reader; all of it is released when the subscription ends, before an
   *   abort of `signal` returns
   * @throws validation_error (unknown event type, damaged cursor, too many ids), missing_permission (`message_read`,
   *   that of a named type), not_found (inbox, pod), cursor_expired, shutting_down
   */
  subscribe(actor: Actor, interest: Interest, signal: AbortSignal, backlog?: Backlog): Promise<Listening>

  /**
   * For a connection that has not subscribed to anything.
   *
   * @returns resolves with true when the actor's key is revoked or expires, with false when the server stops or `signal` aborts
   */
  untilRevoked(actor: Actor, signal: AbortSignal): Promise<boolean>
}

export interface Listening extends AsyncIterable<Event> {
  /** Of the place after which it is told: for a reader that has to come back before its first event. */
  readonly cursor: string
}
