/** Tests the events that modules append and edges read. */
import { describe, expect, test } from 'vitest'
import type { Event } from '../../src/mail/events/log/event.ts'
import { getEventType, isSubscribable, standardTypes } from '../../src/mail/events/log/event-types.ts'
import * as messages from '../../src/mail/events/log/message-events.ts'
import { messageRefused } from '../../src/mail/events/log/refusal-events.ts'
import * as resources from '../../src/mail/events/log/resource-events.ts'
import { messageIn } from './feed-world.ts'

const inbox = { organizationId: 'organization', podId: 'pod', inboxId: 'inbox', address: 'a@test' }
const actor = 'key:1'
const about = { actor, message: messageIn(inbox, ['sent']) }
const happened = { ...about, timestamp: 1, recipients: ['b@test'] }
const thread = {
  ...{
    id: 'thread',
    labels: [],
    timestamp: 1,
    senders: [],
    recipients: [],
    attachments: [],
    lastMessageId: '<id@test>',
  },
  ...{ messageCount: 1, sizeBytes: 1, createdAt: 1, updatedAt: 1 },
}

test('eight types are standard, and clients cannot subscribe to internal ones', () => {
  expect([...standardTypes].sort()).toEqual([
    'domain.verified',
    'message.bounced',
    'message.complained',
    'message.delivered',
    'message.opened',
    'message.received',
    'message.rejected',
    'message.sent',
  ])
  expect(['message.received.spam', 'inbox.created'].every(isSubscribable)).toBe(true)
  expect(['key.revoked', 'inbox.gone', 'pod.gone', 'none'].some(isSubscribable)).toBe(false)
})

describe('a received message', () => {
  test.each([
    [[], 'message.received'],
    [['important'], 'message.received'],
    [['spam'], 'message.received.spam'],
    [['unauthenticated', 'spam'], 'message.received.spam'],
    [['spam', 'blocked'], 'message.received.blocked'],
    [['unauthenticated'], 'message.received.unauthenticated'],
  ])('with labels %j is a %s event', (labels, type) => {
    const event = messages.messageReceived({ actor, message: messageIn(inbox, labels), thread })
    expect(event).toMatchObject({ type, visibility: 'public', payload: { labels, thread } })
  })
})

test.each([
  [messages.messageSent(happened), 'message.sent', 'public'],
  [messages.messageDelivered(happened), 'message.delivered', 'public'],
  [messages.messageHeld(happened), 'message.held', 'optional'],
  [messages.messageReleased(happened), 'message.released', 'optional'],
  [messages.messageCancelled(happened), 'message.cancelled', 'optional'],
  [messages.messageDelayed({ ...happened, nextAttemptAt: 2 }), 'message.delayed', 'optional'],
] as const)('a message event contains its organization, pod and inbox: $1', (event, type, visibility) => {
  expect(event).toMatchObject({
    ...{
      type,
      visibility,
      actor,
      messageId: 'message',
      organizationId: 'organization',
      podId: 'pod',
      inboxId: 'inbox',
    },
    payload: {
      ...{ inboxAddress: 'a@test', threadId: 'thread', apiMessageId: '<id@test>' },
      ...{ timestamp: 1, recipients: ['b@test'] },
    },
  })
})

test('events of expired and refused messages are sent only to subscribers that name them', () => {
  const expired = messages.messageExpired({ ...about, timestamp: 1 })
  expect(expired).toMatchObject({ type: 'message.expired', visibility: 'optional', payload: { labels: ['sent'] } })
  const payload = {
    inboxAddress: 'a@test',
    recipient: 'a@test',
    sender: '',
    code: 'c',
    reason: 'r',
    timestamp: 1,
    count: 2,
  }
  const refused = messageRefused({
    actor,
    inbox: { id: 'inbox', organizationId: 'organization', podId: 'pod' },
    payload,
  })
  expect(refused).toMatchObject({ type: 'message.refused', visibility: 'optional', inboxId: 'inbox', payload })
})

test('deletions and drafts are sent only to subscribers that name them; drafts need draft_read', () => {
  const deleted = messages.messageDeleted(about)
  expect(deleted).toMatchObject({ type: 'message.deleted', visibility: 'optional', payload: { labels: ['sent'] } })
  const draftTypes = ['draft.created', 'draft.updated', 'draft.deleted', 'draft.sent']
  for (const type of draftTypes)
    expect(getEventType(type)).toEqual({ visibility: 'optional', permission: 'draft_read' })
})

test('a bounce contains the status of each recipient', () => {
  const recipients = [{ address: 'b@test', status: '5.1.1' }]
  const bounce = { ...about, timestamp: 1, bounceType: 'permanent', bounceSubType: 'NoEmail', recipients } as const
  const { payload } = messages.messageBounced(bounce)
  expect(payload).toMatchObject({ bounceType: 'permanent', bounceSubType: 'NoEmail', recipients })
})

test('a change of labels is one event per label', () => {
  const events = messages.labelEvents({ ...about, added: ['x', 'y'], removed: ['z'] })
  expect(events.map(({ type, payload }) => [type, payload.label])).toEqual([
    ['label.added', 'x'],
    ['label.added', 'y'],
    ['label.removed', 'z'],
  ])
})

test('an inbox event contains the address; events of keys and pods contain only ids and are internal', () => {
  const inbox = { id: 'inbox', organizationId: 'organization', podId: 'pod', address: 'a@test' }
  const { payload, ...created } = resources.inboxCreated({ actor, inbox })
  expect(created).toMatchObject({ type: 'inbox.created', visibility: 'optional', inboxId: 'inbox' })
  expect(payload).toEqual({ inboxAddress: 'a@test' })
  const key = resources.keyRevoked({ actor, key: { id: '1', organizationId: 'organization' } })
  expect(key).toMatchObject({ type: 'key.revoked', visibility: 'internal', payload: { apiKeyId: '1' } })
  const pod = resources.podGone({ actor, pod: { id: 'pod', organizationId: 'organization' } })
  expect(pod).toMatchObject({ type: 'pod.gone', visibility: 'internal', podId: 'pod' })
})

test('an event is narrowed to the payload of its type', () => {
  const event = { ...messages.messageSent(happened), seq: 1, cursor: '', eventId: '', at: 0 } as Event
  expect(messages.isMessageEvent(event, 'message.delivered')).toBe(false)
  if (!messages.isMessageEvent(event, 'message.sent', 'message.delivered')) throw new Error('not narrowed')
  const recipients: readonly string[] = event.payload.recipients
  expect(recipients).toEqual(['b@test'])
})
