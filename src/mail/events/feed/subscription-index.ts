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
  readonly #byScope = new Index()
  /** Keyed by the API key that opened the subscription, and the inbox and pod of that key. */
  readonly #byKeyScope = new Index()

  get size(): number {
    return this.#all.size
  }

  add(subscription: Subscription): void {
    this.#all.add(subscription)
    for (const scopeId of scopeIdsOf(subscription)) this.#byScope.add(scopeId, subscription)
    for (const id of keyScopeIdsOf(subscription)) this.#byKeyScope.add(id, subscription)
  }

  remove(subscription: Subscription): void {
    if (!this.#all.delete(subscription)) return
    for (const scopeId of scopeIdsOf(subscription)) this.#byScope.remove(scopeId, subscription)
    for (const id of keyScopeIdsOf(subscription)) this.#byKeyScope.remove(id, subscription)
  }

  all(): Subscription[] {
    return [...this.#all]
  }

  /** Yields the subscriptions to the inbox, pod or organization of an event; a subscription may occur twice. */
  *candidatesFor(row: EventRow): Iterable<Subscription> {
    yield* this.#byScope.at(EVERYWHERE)
    yield* this.#byScope.at(row.organization_id)
    if (row.pod_id !== null) yield* this.#byScope.at(row.pod_id)
    if (row.inbox_id !== null) yield* this.#byScope.at(row.inbox_id)
  }

  /** Returns the subscriptions whose key, inbox or pod an internal event reports as deleted or changed. */
  affectedBy(row: EventRow): Iterable<Subscription> {
    if (row.type === 'inbox.gone' && row.inbox_id !== null) return this.#byKeyScope.at(row.inbox_id)
    if (row.type === 'pod.gone' && row.pod_id !== null) return this.#byKeyScope.at(row.pod_id)
    if (row.type === 'key.revoked') {
      return this.#byKeyScope.at((JSON.parse(row.payload) as KeyRevokedPayload).apiKeyId)
    }
    return []
  }
}

function scopeIdsOf({ filter }: Subscription): readonly string[] {
  const named = [...filter.inboxIds, ...filter.podIds]
  return named.length > 0 ? named : [filter.organizationId ?? EVERYWHERE]
}

function keyScopeIdsOf({ filter: { actor } }: Subscription): readonly string[] {
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
