/**
 * The subscription index: finds the subscriptions that may match an event without checking all of them. Ten thousand
 * sockets in one organization, each for its own inbox, must not be checked one by one for each message. Subscriptions
 * are indexed by the inbox, pod or organization that they listen to.
 */
import type { EventRow } from '../../../store/schema/event-rows.ts'
import type { KeyRevokedPayload } from '../log/resource-events.ts'
import type { Subscription } from './subscription.ts'

/** The index entry of subscriptions to every organization. */
const EVERYWHERE = '*'

export class SubscriptionIndex {
  readonly #all = new Set<Subscription>()
  /** Keyed by the inboxes and pods of the subscription's filter, or its organization. */
  readonly #byPlace = new Index()
  /** Keyed by the API key that opened the subscription, and the inbox and pod of that key. */
  readonly #byOwner = new Index()

  get size(): number {
    return this.#all.size
  }

  join(subscription: Subscription): void {
    this.#all.add(subscription)
    for (const place of placesOf(subscription)) this.#byPlace.add(place, subscription)
    for (const owner of ownersOf(subscription)) this.#byOwner.add(owner, subscription)
  }

  leave(subscription: Subscription): void {
    if (!this.#all.delete(subscription)) return
    for (const place of placesOf(subscription)) this.#byPlace.remove(place, subscription)
    for (const owner of ownersOf(subscription)) this.#byOwner.remove(owner, subscription)
  }

  everyone(): Subscription[] {
    return [...this.#all]
  }

  /** Yields the subscriptions to the inbox, pod or organization of an event; a subscription may occur twice. */
  *near(row: EventRow): Iterable<Subscription> {
    yield* this.#byPlace.at(EVERYWHERE)
    yield* this.#byPlace.at(row.organization_id)
    if (row.pod_id !== null) yield* this.#byPlace.at(row.pod_id)
    if (row.inbox_id !== null) yield* this.#byPlace.at(row.inbox_id)
  }

  /** Returns the subscriptions whose key, inbox or pod an internal event reports as deleted or changed. */
  concernedBy(row: EventRow): Iterable<Subscription> {
    if (row.type === 'inbox.gone' && row.inbox_id !== null) return this.#byOwner.at(row.inbox_id)
    if (row.type === 'pod.gone' && row.pod_id !== null) return this.#byOwner.at(row.pod_id)
    if (row.type === 'key.revoked') {
      return this.#byOwner.at((JSON.parse(row.payload) as KeyRevokedPayload).apiKeyId)
    }
    return []
  }
}

function placesOf({ filter }: Subscription): readonly string[] {
  const named = [...filter.inboxIds, ...filter.podIds]
  return named.length > 0 ? named : [filter.organizationId ?? EVERYWHERE]
}

function ownersOf({ filter: { actor } }: Subscription): readonly string[] {
  if (actor.kind === 'system') return []
  return [actor.apiKeyId, actor.podId, actor.inboxId].filter((id) => id !== undefined)
}

/** Maps ids to subscriptions. Ids are unique across kinds, so one map is enough. */
class Index {
  readonly #entries = new Map<string, Set<Subscription>>()

  add(id: string, subscription: Subscription): void {
    const entry = this.#entries.get(id)
    if (entry) entry.add(subscription)
    else this.#entries.set(id, new Set([subscription]))
  }

  remove(id: string, subscription: Subscription): void {
    const entry = this.#entries.get(id)
    entry?.delete(subscription)
    if (entry?.size === 0) this.#entries.delete(id)
  }

  at(id: string): Iterable<Subscription> {
    return this.#entries.get(id) ?? []
  }
}
