/**
 * One subscriber's side of the feed: what waits for it, how far it was told, and why it ended.
 *
 * The feed offers events as the log is read; the reader takes them at its own pace. Between the two is a buffer with a
 * bound: a reader that falls behind further ends as too slow, keeps its place, and can come back with it. Events are
 * shared by all subscribers, so a waiting one costs a reference.
 */
import type { Position } from './cursor.ts'
import { type Backlog, type BacklogItem, type Event, FeedEnded } from './event.ts'
import type { Filter } from './interest.ts'

/** An event on its way to its subscribers. */
export interface WaitingEvent extends BacklogItem {
  readonly event: Event
}

interface SubscriptionNeeds {
  readonly filter: Filter
  /** Events that may wait. */
  readonly bufferMax: number
  readonly cursorOf: (position: Position) => string
  /** Counts what waits; left out where little can wait. */
  readonly backlog: Backlog | undefined
}

export class Subscription {
  readonly filter: Filter
  /** When its key expires, epoch ms. */
  expiresAt: number | undefined
  /** Its key is looked at after this event: only later ones can have changed it since. */
  checkedAt = Number.POSITIVE_INFINITY
  readonly #bufferMax: number
  readonly #cursorOf: (position: Position) => string
  readonly #backlog: Backlog | undefined
  /** The last event that the reader was given, or where it starts; undefined until that is fixed. */
  #told: Position | undefined
  /** Of the last event offered. While undefined it reads the table and is offered nothing. */
  #offered: number | undefined
  #waiting: WaitingEvent[] = []
  /** Events of the past that were read and not yet given to the reader. */
  #page: BacklogItem | undefined
  #end: FeedEnded['reason'] | 'aborted' | undefined
  #wake: (() => void) | undefined

  constructor({ filter, bufferMax, cursorOf, backlog }: SubscriptionNeeds) {
    this.filter = filter
    this.#bufferMax = bufferMax
    this.#cursorOf = cursorOf
    this.#backlog = backlog
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

  /** Fixes from where it is told. */
  startAfter(position: Position): void {
    this.#told = position
  }

  /** Of the place that it has reached. */
  get cursor(): string {
    return this.#cursorOf(this.told)
  }

  /** From now on it is offered events, and takes those after `seq`. */
  goLive(seq: number): void {
    this.#offered = seq
  }

  /** The reader is about to be given this event. */
  tell(event: Event): Event {
    this.#told = event
    return event
  }

  /** Keeps an event for the reader; one that it has had is passed over. Returns false when there is no room for it. */
  offer(waiting: WaitingEvent): boolean {
    const { seq } = waiting.event
    if (this.#offered === undefined || seq <= this.#offered || this.isEnded) return true
    if (this.#waiting.length >= this.#bufferMax) return false
    this.#offered = seq
    this.#waiting.push(waiting)
    this.#wakeReader()
    this.#backlog?.hold(waiting) // last: it may end this subscription
    return true
  }

  /** Counts a page of the past in place of the previous one; undefined when the reader was given all of it. */
  keepPage(page: BacklogItem | undefined): void {
    const before = this.#page
    this.#page = page
    if (before) this.#backlog?.release(before)
    if (page) this.#backlog?.hold(page)
  }

  /**
   * The first reason counts, but who aborted is told none. What waits is still told when the server stops; a key that was
   * revoked is told no more, and who is too slow or gone is not waited for.
   */
  end(reason: FeedEnded['reason'] | 'aborted'): void {
    if (reason === 'aborted') this.#end = reason
    this.#end ??= reason
    if (reason !== 'stopping') this.#dropWaiting()
    this.#wakeReader()
  }

  /** What is offered from `goLive` on. Returns when the reader itself aborted. @throws FeedEnded */
  async *live(): AsyncGenerator<Event, void> {
    for (;;) {
      const waiting = this.#waiting.shift()
      if (waiting) {
        this.#backlog?.release(waiting)
        yield this.tell(waiting.event)
      } else if (this.#end === 'aborted') return
      else if (this.#end) throw new FeedEnded(this.#end, this.cursor)
      else await this.#somethingNew()
    }
  }

  #dropWaiting(): void {
    const dropped = this.#waiting
    this.#waiting = []
    for (const waiting of dropped) this.#backlog?.release(waiting)
    this.keepPage(undefined)
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
