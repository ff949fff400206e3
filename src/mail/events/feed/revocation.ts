/**
 * Ends the subscriptions whose key may no longer receive their events: it was revoked or has expired, or its inbox or
 * pod was deleted. Part of feed.ts, which calls it when a subscription begins and for each batch of the log.
 */
import type { EventRow } from '../../../store/schema/event-rows.ts'
import type { Store } from '../../../store/store.ts'
import * as apiKeys from '../../../store/tables/api-keys-table.ts'
import { hasSameKey, hasSamePermissions, isExpired } from '../../access/access.ts'
import type { Subscription } from './subscription.ts'
import type { SubscriptionIndex } from './subscription-index.ts'

interface RevocationNeeds {
  readonly store: Pick<Store, 'db'>
  readonly clock: () => number
  readonly subscriptions: SubscriptionIndex
  readonly end: (subscription: Subscription, reason: 'revoked') => void
}

export function createRevocation({ store, clock, subscriptions, end }: RevocationNeeds) {
  /** The earliest expiry among the keys of all subscriptions; most keys never expire. */
  let earliestExpiry = Number.POSITIVE_INFINITY
  return { endIfRevoked, endExpired, applyInternalEvent }

  /** Ends the subscription if its key was deleted or replaced, has expired, or has other permissions than the actor. */
  async function endIfRevoked(subscription: Subscription): Promise<void> {
    const { actor } = subscription.filter
    if (actor.kind === 'system') return
    const row = await apiKeys.getById(store.db, actor.apiKeyId)
    const isUnchanged = row && hasSameKey(actor, row) && hasSamePermissions(actor, row)
    if (!isUnchanged || isExpired(row, clock())) return end(subscription, 'revoked')
    if (row.expires_at === null) return
    subscription.expiresAt = row.expires_at
    earliestExpiry = Math.min(earliestExpiry, row.expires_at)
  }

  /** Ends the subscriptions whose key has expired. */
  function endExpired(): void {
    const now = clock()
    if (now < earliestExpiry) return
    earliestExpiry = Number.POSITIVE_INFINITY
    for (const subscription of subscriptions.all()) {
      if (subscription.expiresAt === undefined) continue
      if (subscription.expiresAt <= now) end(subscription, 'revoked')
      else earliestExpiry = Math.min(earliestExpiry, subscription.expiresAt)
    }
  }

  /** Ends the subscriptions whose key, inbox or pod the event reports. Internal events are never sent. */
  function applyInternalEvent(row: EventRow): void {
    for (const subscription of subscriptions.affectedBy(row)) {
      // A subscription that was opened after the change was checked against the new key: the event does not affect it.
      if (row.seq > subscription.checkedSeq) end(subscription, 'revoked')
    }
  }
}
