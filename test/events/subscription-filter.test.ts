/**
 * Tests which events a subscription gets, by type, hidden class, permission, inbox, pod and scope, both for past and
 * for new events.
 */
import { beforeAll, describe, expect, test } from 'vitest'
import type { KeyActor } from '../../src/mail/access/actor.ts'
import type { EventFilter } from '../../src/mail/events/feed/subscription-filter.ts'
import { formatCursor } from '../../src/mail/events/log/cursor.ts'
import { endOf } from '../../src/mail/events/log/log-position.ts'
import { labelEvents, messageHeld, messageReceived } from '../../src/mail/events/log/message-events.ts'
import { inboxCreated, keyRevoked } from '../../src/mail/events/log/resource-events.ts'
import type { NewEvent } from '../../src/store/handles.ts'
import { requireLog } from '../../src/store/tables/events-table.ts'
import { observeStatements } from '../store/count-statements.ts'
import { FeedWorld, messageIn, sent, type TestInbox } from './feed-world.ts'

const actor = 'system:test'

/**
 * Returns which of these events a subscription gets. Live, past, and from the past into live must give the same ones.
 *
 * @param end an event that it must get: the last one, which is not in the result
 */
async function collected(
  world: FeedWorld,
  key: KeyActor,
  eventFilter: EventFilter,
  events: readonly NewEvent[],
  end: NewEvent,
) {
  const after = formatCursor(world.store.epoch, endOf(await requireLog(world.store.db)))
  const live = await world.listen(key, eventFilter)
  const across = await world.listen(key, { ...eventFilter, after })
  await world.append(...events)
  await world.append({ ...end, payload: { isEnd: true } })
  const past = await world.listen(key, { ...eventFilter, after })
  for (const listener of [live, across, past]) await listener.until((event) => event.payload.isEnd === true)
  expect(across.seqs).toEqual(live.seqs)
  expect(past.seqs).toEqual(live.seqs)
  return live.collected.slice(0, -1).map((event) => [event.type, event.inboxId])
}

function received(inbox: TestInbox, labels: readonly string[]): NewEvent {
  const thread = {
    ...{ id: 'thread', labels, timestamp: 0, senders: [], recipients: [], attachments: [], lastMessageId: '<id@test>' },
    ...{ messageCount: 1, sizeBytes: 1, createdAt: 0, updatedAt: 0 },
  }
  return messageReceived({ actor, message: messageIn(inbox, ['received', ...labels]), thread })
}

describe('types', () => {
  test('a subscription without types gets the standard ones, but no hidden classes and no optional types', async () => {
    await using world = await FeedWorld.open()
    const inbox = await world.addInbox()
    const about = { actor, message: messageIn(inbox, ['sent']) }
    const events = [
      received(inbox, []),
      received(inbox, ['spam']),
      received(inbox, ['blocked']),
      received(inbox, ['unauthenticated']),
      sent(inbox),
      messageHeld({ ...about, timestamp: 0, recipients: [] }),
      ...labelEvents({ ...about, added: ['a'], removed: ['b'] }),
      inboxCreated({ actor, inbox: { id: inbox.inboxId, ...inbox } }),
      keyRevoked({ actor, key: { id: 'some key', organizationId: inbox.organizationId } }),
    ]
    const types = (await collected(world, await world.addKey(inbox), {}, events, sent(inbox))).map(([type]) => type)
    expect(types).toEqual(['message.received', 'message.sent'])
  })

  test('a subscription that names hidden classes and optional types gets exactly those', async () => {
    await using world = await FeedWorld.open()
    const inbox = await world.addInbox()
    const about = { actor, message: messageIn(inbox, ['sent']) }
    const events = [received(inbox, []), received(inbox, ['spam']), received(inbox, ['blocked', 'spam']), sent(inbox)]
    events.push(...labelEvents({ ...about, added: ['a', 'b'], removed: ['c'] }))
    const eventTypes = ['message.received.spam', 'message.received.blocked', 'label.added']
    const end = received(inbox, ['spam'])
    const types = (await collected(world, await world.addKey(inbox), { eventTypes }, events, end)).map(([type]) => type)
    expect(types).toEqual(['message.received.spam', 'message.received.blocked', 'label.added', 'label.added'])
  })

  test('a label event goes only to keys that may see the message before or after the change', async () => {
    await using world = await FeedWorld.open()
    const inbox = await world.addInbox()
    const change = (labels: string[], added: string[], removed: string[]) =>
      labelEvents({ actor, message: messageIn(inbox, labels), added, removed })
    const events = [
      ...change(['spam', 'x'], ['x'], []), // 1: on a message that the limited key can never see
      ...change(['spam', 'x'], ['spam'], []), // 2: the message becomes hidden for it
      ...change(['x'], [], ['spam']), // 3: the message becomes visible for it
    ]
    const limited = await world.addKey(inbox, { permissions: ['message_read'] })
    const eventTypes = ['label.added', 'label.removed']
    const [end] = change([], ['x'], [])
    expect(await collected(world, limited, { eventTypes }, events, end!)).toHaveLength(2)
    expect(await collected(world, await world.addKey(inbox), { eventTypes }, events, end!)).toHaveLength(3)
  })
})

describe('inboxes and pods', () => {
  let world: FeedWorld
  let home: TestInbox
  let sibling: TestInbox
  let cousin: TestInbox
  let stranger: TestInbox
  let scopes: Record<'organization' | 'pod' | 'inbox', Parameters<FeedWorld['addKey']>[0]>
  beforeAll(async () => {
    world = await FeedWorld.open()
    home = await world.addInbox()
    sibling = await world.addInbox(home)
    cousin = await world.addInbox({ organizationId: home.organizationId })
    stranger = await world.addInbox()
    const { organizationId, podId } = home
    scopes = { organization: { organizationId }, pod: { organizationId, podId }, inbox: home }
    return () => world[Symbol.asyncDispose]()
  })

  /** Returns which of the four inboxes' events a key of this scope gets. */
  async function inboxesOfEventsFor(
    scope: keyof typeof scopes,
    eventFilter: EventFilter,
    end: TestInbox,
  ): Promise<TestInbox[]> {
    const inboxes = [home, sibling, cousin, stranger]
    const events = inboxes.map((inbox) => sent(inbox))
    const inboxIds = await collected(world, await world.addKey(scopes[scope]), eventFilter, events, sent(end))
    return inboxIds.map(([, inboxId]) => inboxes.find((inbox) => inbox.inboxId === inboxId)!)
  }

  test('without inboxes or pods: everything in the scope of the key, and nothing else', async () => {
    expect(await inboxesOfEventsFor('organization', {}, home)).toEqual([home, sibling, cousin])
    expect(await inboxesOfEventsFor('pod', {}, home)).toEqual([home, sibling])
    expect(await inboxesOfEventsFor('inbox', {}, home)).toEqual([home])
    expect(await inboxesOfEventsFor('inbox', { inboxIds: [], podIds: [], eventTypes: [] }, home)).toEqual([home])
  })

  test('inboxes by address or id and pods by id or client id are a union, and no event is sent twice', async () => {
    const union = { inboxIds: [home.address, cousin.inboxId], podIds: [home.podId, `client-${home.podId}`] }
    expect(await inboxesOfEventsFor('organization', union, home)).toEqual([home, sibling, cousin])
    const inboxIds = [sibling.address.toUpperCase()]
    expect(await inboxesOfEventsFor('organization', { inboxIds }, sibling)).toEqual([sibling])
    expect(await inboxesOfEventsFor('organization', { podIds: [cousin.podId] }, cousin)).toEqual([cousin])
    expect(await inboxesOfEventsFor('pod', { inboxIds: [home.inboxId] }, home)).toEqual([home])
  })

  test.each<[string, keyof typeof scopes, () => EventFilter]>([
    ['an inbox of another organization', 'organization', () => ({ inboxIds: [stranger.inboxId] })],
    ['an inbox of another pod', 'pod', () => ({ inboxIds: [cousin.address] })],
    ['another inbox', 'inbox', () => ({ inboxIds: [home.address, sibling.address] })],
    ['a pod of another organization', 'organization', () => ({ podIds: [stranger.podId] })],
    ['another pod', 'pod', () => ({ podIds: [cousin.podId] })],
    ['the pod of its own inbox', 'inbox', () => ({ podIds: [home.podId] })],
  ])('%s is not found', async (_name, scope, eventFilter) => {
    const refused = world.listen(await world.addKey(scopes[scope]), eventFilter())
    await expect(refused).rejects.toMatchObject({ code: 'not_found' })
  })
})

describe('refusals', () => {
  let world: FeedWorld
  let inbox: TestInbox
  beforeAll(async () => {
    world = await FeedWorld.open({ events: { subscriptionIdsMax: 2 } })
    inbox = await world.addInbox()
    return () => world[Symbol.asyncDispose]()
  })

  test.each(['message.eaten', '', 'key.revoked', 'inbox.gone', '__proto__'])(
    'the type "%s" is unknown',
    async (type) => {
      const key = await world.addKey(inbox)
      await expect(world.listen(key, { eventTypes: [type] })).rejects.toMatchObject({ code: 'validation_error' })
    },
  )

  test.each([
    ['message.received.spam', 'label_spam_read'],
    ['message.received.blocked', 'label_blocked_read'],
    ['message.received.unauthenticated', 'label_unauthenticated_read'],
    ['inbox.created', 'inbox_read'],
    ['domain.verified', 'domain_read'],
    ['calendar.event.starting', 'calendar_event_read'],
  ])('naming %s needs %s', async (type, permission) => {
    const key = await world.addKey(inbox, { permissions: ['message_read'] })
    const refused = world.listen(key, { eventTypes: ['message.sent', type] })
    await expect(refused).rejects.toMatchObject({ code: 'missing_permission', params: { permission } })
  })

  test('a key without message_read cannot subscribe', async () => {
    const key = await world.addKey(inbox, { permissions: ['inbox_read'] })
    const params = { permission: 'message_read' }
    await expect(world.listen(key)).rejects.toMatchObject({ code: 'missing_permission', params })
  })

  test('the maximum number of ids, even repeated, is looked up with one statement of each kind', async () => {
    const asked: string[] = []
    await using world = await FeedWorld.open({}, (store) => observeStatements(store, (table) => asked.push(table)))
    const home = await world.addInbox()
    const { organizationId } = home
    const inboxes = [home]
    while (inboxes.length < 20) inboxes.push(await world.addInbox({ organizationId }))
    const inboxIds = [...inboxes.map(({ address }) => address), ...inboxes.map(({ inboxId }) => inboxId)]
    const podIds = [...inboxes.map(({ podId }) => podId), ...inboxes.map(({ podId }) => `client-${podId}`)]
    const many = { inboxIds: Array(25).fill(inboxIds).flat(), podIds: Array(25).fill(podIds).flat() }
    const listener = await world.listen(await world.addKey({ organizationId }), many)
    // By id and by address, by id and by client_id.
    for (const table of ['inboxes', 'pods']) expect(asked.filter((each) => each === table)).toHaveLength(2)
    await world.append(sent(inboxes[7]!), sent(inboxes[19]!))
    await listener.count(2)
    expect(listener.collected.map(({ inboxId }) => inboxId)).toEqual([inboxes[7]!.inboxId, inboxes[19]!.inboxId])
  })

  test('one unknown or malformed id among many is not found', async () => {
    const key = await world.addKey({ organizationId: inbox.organizationId })
    for (const ref of ['none', 'none@b.test', '@', 'a@b@c', '']) {
      const refused = world.listen(key, { inboxIds: [inbox.inboxId, ref] })
      await expect(refused).rejects.toMatchObject({ code: 'not_found', params: { what: 'Inbox' } })
    }
    const refused = world.listen(key, { podIds: [inbox.podId, 'none'] })
    await expect(refused).rejects.toMatchObject({ code: 'not_found', params: { what: 'Pod' } })
  })

  test('too many ids are a validation error', async () => {
    const inboxIds = [inbox.inboxId, inbox.inboxId, inbox.inboxId]
    const refused = world.listen(await world.addKey(inbox), { inboxIds })
    await expect(refused).rejects.toMatchObject({ code: 'validation_error', params: { path: ['inbox_ids'] } })
  })
})
