/** A feed whose events come from the test, for tests of how the HTTP edge handles them. */
import type { Actor } from '../../../src/mail/access/actor.ts'
import { type Event, type Feed, FeedEnded, type Interest, type Listening } from '../../../src/mail/events/log/event.ts'

export class FakeFeed implements Feed {
  /** Subscriptions in the order of their creation. */
  readonly subscriptions: FakeSubscription[] = []
  /** The number of subscribe calls, including refused ones. */
  asked = 0
  /** The error that the next subscribe throws. */
  refusal: Error | undefined
  /** Each subscribe waits for this promise. */
  gate: Promise<void> = Promise.resolve()

  async subscribe(_actor: Actor, interest: Interest, signal: AbortSignal): Promise<Listening> {
    this.asked += 1
    await this.gate
    const refusal = this.refusal
    this.refusal = undefined
    if (refusal) throw refusal
    const subscription = new FakeSubscription(interest, signal)
    this.subscriptions.push(subscription)
    return subscription
  }

  untilRevoked(): Promise<boolean> {
    return new Promise(() => undefined)
  }
}

export class FakeSubscription implements Listening {
  readonly cursor = 'start'
  readonly interest: Interest
  readonly signal: AbortSignal
  /** The number of events that were read. */
  pulled = 0
  #waiting: Event[] = []
  #end: Error | undefined
  #ring: () => void = () => undefined

  constructor(interest: Interest, signal: AbortSignal) {
    this.interest = interest
    this.signal = signal
    signal.addEventListener('abort', () => this.#ring())
  }

  tell(...events: Event[]): void {
    this.#waiting.push(...events)
    this.#ring()
  }

  end(reason: FeedEnded['reason']): void {
    this.#end = new FeedEnded(reason, undefined)
    this.#ring()
  }

  fail(error: Error): void {
    this.#end = error
    this.#ring()
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Event, void> {
    while (!this.signal.aborted) {
      const event = this.#waiting.shift()
      if (event) {
        this.pulled += 1
        yield event
      } else if (this.#end) throw this.#end
      else await new Promise<void>((resolve) => (this.#ring = resolve))
    }
  }
}
