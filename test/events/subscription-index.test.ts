/** Tests that the cost of an event depends on its matching subscriptions, not on the number of open sockets. */
import { expect, test } from 'vitest'
import { Subscription } from '../../src/mail/events/feed/subscription.ts'
import { SubscriptionIndex } from '../../src/mail/events/feed/subscription-index.ts'
import { standardTypes } from '../../src/mail/events/log/event-types.ts'
import type { EventRow } from '../../src/store/schema/event-rows.ts'

const row: EventRow = {
  ...{ seq: 1, event_id: 'event', at: 0, type: 'message.sent', visibility: 'public', actor: '', message_id: null },
  ...{ organization_id: 'organization', pod_id: 'pod 0', inbox_id: 'inbox 0', payload: '{}' },
}

function subscription(within: { inboxIds?: string[]; podIds?: string[]; organizationId?: string }): Subscription {
  const { inboxIds = [], podIds = [], organizationId = 'organization' } = within
  const actor = { kind: 'key', apiKeyId: 'key', organizationId } as const
  const filter = { actor, types: standardTypes, organizationId, inboxIds, podIds }
  return new Subscription({ filter, bufferMax: 10, cursorOf: String, backlog: undefined })
}

test('of ten thousand subscriptions in one organization, only those to the event’s inbox are checked', () => {
  const subscriptions = new SubscriptionIndex()
  for (let inbox = 0; inbox < 10_000; inbox++) subscriptions.add(subscription({ inboxIds: [`inbox ${inbox}`] }))
  subscriptions.add(subscription({ podIds: ['pod 0'] }))
  subscriptions.add(subscription({ podIds: ['pod 1'] }))
  subscriptions.add(subscription({}))
  subscriptions.add(subscription({ organizationId: 'another' }))
  expect([...subscriptions.candidatesFor(row)]).toHaveLength(3)
})

test('a subscription that leaves is removed from every index', () => {
  const subscriptions = new SubscriptionIndex()
  const all = [subscription({}), subscription({ inboxIds: ['inbox 0'], podIds: ['pod 0'] })]
  for (const one of all) subscriptions.add(one)
  expect([...subscriptions.candidatesFor(row)]).toHaveLength(3) // one of them twice, by inbox and by pod
  for (const one of all) subscriptions.remove(one)
  expect([...subscriptions.candidatesFor(row), ...subscriptions.all()]).toEqual([])
})
