/** A feed whose events come from the test. It is for tests of how the HTTP edge handles events. */
import type { Actor } from '../../../src/mail/access/actor.ts'
import type { Feed, SubscribedEvents } from '../../../src/mail/events/feed/feed.ts'
import { SubscriptionEnded } from '../../../src/mail/events/feed/subscription.ts'
import type { EventFilter } from '../../../src/mail/events/feed/subscription-filter.ts'
import type { Event } from '../../../src/mail/events/log/event.ts'

export class FakeFeed implements Feed {
  /** Subscriptions in the order of their creation. */
  readonly subscriptions: FakeSubscription[] = []
  /** The number of subscribe calls, including refused ones. */
  subscribeCalls = 0
  /** The signals of these calls. */
  readonly signals: AbortSignal[] = []
  /** The error that the next subscribe throws. */
  refusal: Error | undefined
  /** Each subscribe waits for this promise. */
  gate: Promise<void> = Promise.resolve()

  async subscribe(_actor: Actor, eventFilter: EventFilter, signal: AbortSignal): Promise<SubscribedEvents> {
    this.subscribeCalls += 1
    this.signals.push(signal)
    await this.gate
    const refusal = this.refusal
    this.refusal = undefined
    if (refusal) throw refusal
    const subscription = new FakeSubscription(eventFilter, signal)
    this.subscriptions.push(subscription)
    return subscription
  }

  untilRevoked(): Promise<boolean> {
    return new Promise(() => undefined)
  }

  followInbox(): () => void {
    return () => undefined
  }
}

export class FakeSubscription implements SubscribedEvents {
  readonly filter = undefined as never // for sessions that add to a subscription, which no test with this feed does
  readonly cursor = 'start'
  readonly eventFilter: EventFilter
  readonly signal: AbortSignal
  /** The number of events that were read. */
  pulled = 0
  #waiting: Event[] = []
  #end: Error | undefined
  #notify: () => void = () => undefined

  constructor(eventFilter: EventFilter, signal: AbortSignal) {
    this.eventFilter = eventFilter
    this.signal = signal
    signal.addEventListener('abort', () => this.#notify())
  }

  publish(...events: Event[]): void {
    this.#waiting.push(...events)
    this.#notify()
  }

  end(reason: SubscriptionEnded['reason']): void {
    this.#end = new SubscriptionEnded(reason, undefined)
    this.#notify()
  }

  fail(error: Error): void {
    this.#end = error
    this.#notify()
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Event, void> {
    while (!this.signal.aborted) {
      const event = this.#waiting.shift()
      if (event) {
        this.pulled += 1
        yield event
      } else if (this.#end) throw this.#end
      else await new Promise<void>((resolve) => (this.#notify = resolve))
    }
  }
}
