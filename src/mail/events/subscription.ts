/**
 * One subscriber's side of the feed: what waits for it, how far it was told, and why it ended.
 *
 * The feed offers events as the log is read; the reader takes them at its own pace. Between the two is a buffer with a
 * bound: a reader that falls behind further ends as too slow, keeps its place, and can come back with it. Events are
 * shared by all subscribers, so a waiting one costs a reference.
 */
import type { Position } from './cursor.ts'
import { type Event, FeedEnded } from './event.ts'
import type { Filter } from './interest.ts'

export class Subscription {
  readonly filter: Filter
  /** When its key expires, epoch ms. */
  expiresAt: number | undefined
  /** Its key is looked at after this event: only later ones can have changed it since. */
  checkedAt = Number.POSITIVE_INFINITY
  readonly #bufferMax: number
  readonly #cursorOf: (position: Position) => string
  /** The last event that the reader was given, or where it starts; undefined until that is fixed. */
  #told: Position | undefined
  /** Of the last event offered. While undefined it reads the table and is offered nothing. */
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
  offer(event: Event): boolean {
    if (this.#offered === undefined || event.seq <= this.#offered || this.isEnded) return true
    if (this.#waiting.length >= this.#bufferMax) return false
    this.#offered = event.seq
    this.#waiting.push(event)
    this.#wakeReader()
    return true
  }

  /**
   * The first reason counts, but who aborted is told none. What waits is still told when the server stops; a key that was
   * revoked is told no more, and who is too slow or gone is not waited for.
   */
  end(reason: FeedEnded['reason'] | 'aborted'): void {
    if (reason === 'aborted') this.#end = reason
    this.#end ??= reason
    if (reason !== 'stopping') this.#waiting = []
    this.#wakeReader()
  }

  /** What is offered from `goLive` on. Returns when the reader itself aborted. @throws FeedEnded */
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
