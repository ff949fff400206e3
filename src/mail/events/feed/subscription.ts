/**
 * The state of one subscription in the feed: its buffered events, its position, and the reason why it ended.
 *
 * The feed offers events as it reads the log; the reader takes them at its own pace. Between them is a bounded buffer:
 * a reader that falls further behind is ended as too slow, and can resume with its cursor. All subscriptions share the
 * event objects, so a buffered event costs one reference.
 */
import type { LogPosition } from '../log/cursor.ts'
import type { Event } from '../log/event.ts'
import type { Backlog, BacklogItem } from './backlog.ts'
import type { CheckedFilter } from './subscription-filter.ts'

/** Thrown when a subscription ends although its reader did not end it. */
export class SubscriptionEnded extends Error {
  readonly reason: 'too_slow' | 'revoked' | 'set_back' | 'stopping'
  /** The cursor to resume from: that of the last event sent, or of the start if none was sent. */
  readonly cursor: string | undefined

  constructor(reason: SubscriptionEnded['reason'], cursor: string | undefined) {
    super(`the subscription ended: ${reason}`)
    this.name = 'SubscriptionEnded'
    this.reason = reason
    this.cursor = cursor
  }
}

/** A buffered event, shared by all its subscribers. */
export interface BufferedEvent extends BacklogItem {
  readonly event: Event
}

interface SubscriptionNeeds {
  readonly filter: CheckedFilter
  /** Maximum number of buffered events. */
  readonly bufferMax: number
  readonly cursorOf: (position: LogPosition) => string
  /** Counts the memory of buffered events; undefined if little can be buffered. */
  readonly backlog: Backlog | undefined
}

export class Subscription {
  readonly filter: CheckedFilter
  /** When its key expires, epoch ms. */
  expiresAt: number | undefined
  /** The key was checked after this event: only later events can report a change since then. */
  checkedSeq = Number.POSITIVE_INFINITY
  readonly #bufferMax: number
  readonly #cursorOf: (position: LogPosition) => string
  readonly #backlog: Backlog | undefined
  /** The last event that the reader got, or the start position; undefined until the start is fixed. */
  #sent: LogPosition | undefined
  /** The seq of the last offered event. While it is undefined, the reader reads the table and is offered nothing. */
  #offered: number | undefined
  #buffer: BufferedEvent[] = []
  /** Past events that were read from the log and not yet passed to the reader. */
  #page: BacklogItem | undefined
  #end: SubscriptionEnded['reason'] | 'aborted' | undefined
  #wake: (() => void) | undefined

  constructor({ filter, bufferMax, cursorOf, backlog }: SubscriptionNeeds) {
    this.filter = filter
    this.#bufferMax = bufferMax
    this.#cursorOf = cursorOf
    this.#backlog = backlog
  }

  get sent(): LogPosition {
    if (this.#sent === undefined) throw new Error('the subscription has no start yet')
    return this.#sent
  }

  get isLive(): boolean {
    return this.#offered !== undefined
  }

  /** Whether it is live, and its reader has been passed all events that were offered. */
  get hasNoneWaiting(): boolean {
    return this.isLive && !this.isEnded && this.#buffer.length === 0
  }

  get isEnded(): boolean {
    return this.#end !== undefined
  }

  /** Fixes the start position. */
  startAfter(position: LogPosition): void {
    this.#sent = position
  }

  /** The cursor of the last event that the reader got, or of the start. */
  get cursor(): string {
    return this.#cursorOf(this.sent)
  }

  /** Makes the subscription live: from now on it accepts offered events after `seq`. */
  goLive(seq: number): void {
    this.#offered = seq
  }

  /** Advances the position to this event, which the reader gets next. */
  markSent(event: Event): Event {
    this.#sent = event
    return event
  }

  /** Whether this event is offered to the reader: not if it already has it. */
  accepts(seq: number): boolean {
    return this.#offered !== undefined && seq > this.#offered && !this.isEnded
  }

  /** Buffers an event for the reader, unless it does not accept it. Returns false when the buffer is full. */
  offer(waiting: BufferedEvent): boolean {
    const { seq } = waiting.event
    if (!this.accepts(seq)) return true
    if (this.#buffer.length >= this.#bufferMax) return false
    this.#offered = seq
    this.#buffer.push(waiting)
    this.#wakeReader()
    this.#backlog?.add(waiting) // last: it may end this subscription
    return true
  }

  /** Counts a page of past events instead of the previous one; undefined when the reader has received all of it. */
  countPage(page: BacklogItem | undefined): void {
    const before = this.#page
    this.#page = page
    if (before) this.#backlog?.remove(before)
    if (page) this.#backlog?.add(page)
  }

  /**
   * Ends the subscription. The first reason counts, but an abort always takes precedence: the reader then gets no
   * reason. When the server stops, buffered events are still sent; otherwise they are dropped.
   */
  end(reason: SubscriptionEnded['reason'] | 'aborted'): void {
    if (reason === 'aborted') this.#end = reason
    this.#end ??= reason
    if (reason !== 'stopping') this.#dropBuffer()
    this.#wakeReader()
  }

  /** Yields the events offered since `goLive`. Returns when the reader aborts. @throws SubscriptionEnded */
  async *live(): AsyncGenerator<Event, void> {
    for (;;) {
      const waiting = this.#buffer.shift()
      if (waiting) {
        this.#backlog?.remove(waiting)
        yield this.markSent(waiting.event)
      } else if (this.#end === 'aborted') return
      else if (this.#end) throw new SubscriptionEnded(this.#end, this.cursor)
      else await this.#nextChange()
    }
  }

  #dropBuffer(): void {
    const dropped = this.#buffer
    this.#buffer = []
    for (const waiting of dropped) this.#backlog?.remove(waiting)
    this.countPage(undefined)
  }

  async #nextChange(): Promise<void> {
    await new Promise<void>((resolve) => {
      this.#wake = resolve
    })
  }

  #wakeReader(): void {
    this.#wake?.()
    this.#wake = undefined
  }
}
