/**
 * The state of one subscription in the feed: its buffered events, its position, and the reason why it ended.
 *
 * The feed offers events as it reads the log; the reader takes them at its own pace. Between them is a bounded buffer:
 * a reader that falls further behind is ended as too slow, and can resume with its cursor. All subscriptions share the
 * event objects, so a buffered event costs one reference.
 */
import type { Position } from './cursor.ts'
import { type Event, FeedEnded } from './event.ts'
import type { Filter } from './interest.ts'

export class Subscription {
  readonly filter: Filter
  /** When its key expires, epoch ms. */
  expiresAt: number | undefined
  /** The key was checked after this event: only later events can report a change since then. */
  checkedAt = Number.POSITIVE_INFINITY
  readonly #bufferMax: number
  readonly #cursorOf: (position: Position) => string
  /** The last event that the reader got, or the start position; undefined until the start is fixed. */
  #told: Position | undefined
  /** The seq of the last offered event. While it is undefined, the reader reads the table and is offered nothing. */
  #offered: number | undefined
  #waiting: Event[] = []
  #end: FeedEnded['reason'] | 'aborted' | undefined
  #wake: (() => void) | undefined

  constructor(filter: Filter, bufferMax: number, cursorOf: (position: Position) => string) {
    this.filter = filter
    this.#bufferMax = bufferMax
    this.#cursorOf = cursorOf
  }

  get told(): Position {
    if (this.#told === undefined) throw new Error('the subscription has no start yet')
    return this.#told
  }

  get isLive(): boolean {
    return this.#offered !== undefined
  }

  get isEnded(): boolean {
    return this.#end !== undefined
  }

  /** Fixes the start position. */
  startAfter(position: Position): void {
    this.#told = position
  }

  /** The cursor of the last event that the reader got, or of the start. */
  get cursor(): string {
    return this.#cursorOf(this.told)
  }

  /** Makes the subscription live: from now on it accepts offered events after `seq`. */
  goLive(seq: number): void {
    this.#offered = seq
  }

  /** Advances the position to this event, which the reader gets next. */
  tell(event: Event): Event {
    this.#told = event
    return event
  }

  /** Buffers an event for the reader; skips an event that it already has. Returns false when the buffer is full. */
  offer(event: Event): boolean {
    if (this.#offered === undefined || event.seq <= this.#offered || this.isEnded) return true
    if (this.#waiting.length >= this.#bufferMax) return false
    this.#offered = event.seq
    this.#waiting.push(event)
    this.#wakeReader()
    return true
  }

  /**
   * Ends the subscription. The first reason counts, except that an abort always wins: its reader gets no reason. When
   * the server stops, buffered events are still sent; when the key was revoked, or the reader is too slow or has
   * aborted, they are dropped.
   */
  end(reason: FeedEnded['reason'] | 'aborted'): void {
    if (reason === 'aborted') this.#end = reason
    this.#end ??= reason
    if (reason !== 'stopping') this.#waiting = []
    this.#wakeReader()
  }

  /** Yields the events offered since `goLive`. Returns when the reader aborts. @throws FeedEnded */
  async *live(): AsyncGenerator<Event, void> {
    for (;;) {
      const event = this.#waiting.shift()
      if (event) yield this.tell(event)
      else if (this.#end === 'aborted') return
      else if (this.#end) throw new FeedEnded(this.#end, this.cursor)
      else await this.#somethingNew()
    }
  }

  async #somethingNew(): Promise<void> {
    await new Promise<void>((resolve) => {
      this.#wake = resolve
    })
  }

  #wakeReader(): void {
    this.#wake?.()
    this.#wake = undefined
  }
}
