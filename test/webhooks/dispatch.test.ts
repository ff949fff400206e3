/**
 * Tests that events become the right deliveries, each once, even if the process crashes at any moment. The tests use a
 * real store and check its tables.
 */
import { expect, onTestFinished, test, vi } from 'vitest'
import { MailError } from '../../src/errors.ts'
import type { KeyActor } from '../../src/mail/access/actor.ts'
import { labelEvents, messageReceived } from '../../src/mail/events/log/message-events.ts'
import { inboxCreated, inboxGone } from '../../src/mail/events/log/resource-events.ts'
import { sweepEvents } from '../../src/mail/events/log/retention.ts'
import { decompressBody } from '../../src/mail/webhooks/delivery/webhook-body.ts'
import type { NewEvent } from '../../src/store/handles.ts'
import type { Store } from '../../src/store/store.ts'
import { requireCursor } from '../../src/store/tables/event-consumers-table.ts'
import * as table from '../../src/store/tables/webhooks-table.ts'
import { messageIn, sent, type TestInbox } from '../events/feed-world.ts'
import { insertMessage } from '../store/rows.ts'
import { deferred, holdOpen, isWaiting, openTestStore } from '../store/test-store.ts'
import { notSupported } from '../support/test-database.ts'
import { openHookWorld } from './hook-world.ts'

const nobody = 'system:test'
const signal = new AbortController().signal

function received(inbox: TestInbox, labels: readonly string[] = ['received']): NewEvent {
  return messageReceived({ actor: nobody, message: messageIn(inbox, labels), thread: undefined! })
}
function labelled(inbox: TestInbox, labels: readonly string[]): NewEvent {
  return labelEvents({ actor: nobody, message: messageIn(inbox, labels), added: ['a'], removed: [] })[0]!
}

test('a webhook gets standard types by default, optional types if named, and internal types never', async () => {
  await using world = await openHookWorld()
  const { inbox } = world
  await world.add()
  await world.add({ eventTypes: ['label.added', 'message.received.spam', 'inbox.created'] })
  const about = { actor: nobody, inbox: { ...inbox, id: inbox.inboxId } }
  await world.feedWorld.append(
    ...[received(inbox), received(inbox, ['received', 'spam']), sent(inbox), labelled(inbox, ['a'])],
    ...[inboxCreated(about), inboxGone(about)],
  )
  await world.settled()
  expect(await world.deliveries()).toEqual([
    '0 message.received',
    '1 message.received.spam',
    '0 message.sent',
    '1 label.added',
    '1 inbox.created',
  ])
})

test('named inboxes and pods are combined, and events of another organization are never sent', async () => {
  await using world = await openHookWorld()
  const { feedWorld, inbox } = world
  const { organizationId, podId } = inbox
  const neighbour = await feedWorld.addInbox({ organizationId, podId })
  const elsewhere = await feedWorld.addInbox({ organizationId })
  const beyond = await feedWorld.addInbox({ organizationId })
  const stranger = await feedWorld.addInbox()
  await world.add({ inboxIds: [inbox.address], podIds: [elsewhere.podId] })
  await world.add({ podIds: [podId] })
  await world.add({}, await feedWorld.addKey({ organizationId, podId }))
  await world.add({}, await feedWorld.addKey({ organizationId, podId, inboxId: neighbour.inboxId }))
  await world.add()
  const received: Record<string, number[]> = {}
  for (const [name, each] of Object.entries({ inbox, neighbour, elsewhere, beyond, stranger })) {
    const before = (await world.deliveries()).length
    await feedWorld.append(sent(each))
    await world.settled()
    received[name] = (await world.deliveries()).slice(before).map((each) => Number(each.split(' ')[0]))
  }
  expect(received).toEqual({
    inbox: [0, 1, 2, 4],
    neighbour: [1, 2, 3, 4],
    elsewhere: [0, 4],
    beyond: [4],
    stranger: [],
  })
})

test('events of hidden messages are sent only to a webhook whose key may see them, whatever the event type', async () => {
  await using world = await openHookWorld()
  const { feedWorld, inbox } = world
  const scope = { organizationId: inbox.organizationId }
  const plain = await feedWorld.addKey(scope, { permissions: ['webhook_create', 'message_read'] })
  const spam = await feedWorld.addKey(scope, { permissions: ['webhook_create', 'message_read', 'label_spam_read'] })
  await world.add({ eventTypes: ['label.added', 'message.sent'] }, plain)
  await world.add({ eventTypes: ['label.added', 'message.received.spam'] }, spam)
  await expect(world.add({ eventTypes: ['message.received.spam'] }, plain)).rejects.toMatchObject({
    code: 'missing_permission',
    message: 'label_spam_read is forbidden',
  })
  await feedWorld.append(labelled(inbox, ['spam', 'a']), labelled(inbox, ['trash', 'a']), labelled(inbox, ['a']))
  const messageId = await insertMessageIn(feedWorld.store, inbox)
  await feedWorld.append({ ...received(inbox, ['received', 'spam']), messageId })
  await world.settled()
  expect(await world.deliveries()).toEqual([
    '1 label.added',
    ...['0 label.added', '1 label.added'],
    '1 message.received.spam',
  ])
})

test('a message that is hidden while its body is rendered is sent only to webhooks that may still read it', async () => {
  const [rendering, gate] = [deferred<void>(), deferred<string>()]
  const render = async () => {
    rendering.resolve()
    return gate.promise
  }
  await using world = await openHookWorld({ render })
  const { feedWorld, inbox } = world
  const scope = { organizationId: inbox.organizationId }
  const flags = ['webhook_create', 'message_read'] as const
  await world.add({}, await feedWorld.addKey(scope, { permissions: flags }))
  await world.add({}, await feedWorld.addKey(scope, { permissions: [...flags, 'label_trash_read'] }))
  await world.add()
  const messageId = await insertMessageIn(feedWorld.store, inbox)
  await feedWorld.append({ ...received(inbox), messageId })
  await rendering.promise
  await feedWorld.store.transaction(async (tx) => {
    await tx.updateTable('messages').set({ hidden: 8 }).where('id', '=', messageId).execute() // trash
  })
  gate.resolve('body')
  await world.settled()
  expect(await world.deliveries()).toEqual(['1 message.received', '2 message.received'])
})

test('after a change, a webhook has the permissions of the key that changed it', async () => {
  await using world = await openHookWorld()
  const { feedWorld, inbox } = world
  const flags = ['webhook_update', 'message_read'] as const
  const blind = await feedWorld.addKey({ organizationId: inbox.organizationId }, { permissions: flags })
  const id = await world.add({ eventTypes: ['label.added'] })
  await feedWorld.append(labelled(inbox, ['spam', 'a']))
  await world.settled()
  await world.update(id, { url: 'http://127.0.0.1:2/' }, blind)
  await feedWorld.append(labelled(inbox, ['spam', 'a']))
  await world.settled()
  expect(await world.deliveries()).toEqual(['0 label.added'])
})

// After the next restart, a webhook got all events since the last one that any webhook had wanted.
test('a webhook gets no event from before its change, also after a crash or a restart', async () => {
  await using world = await openHookWorld()
  const { feedWorld, inbox, owner } = world
  const cursor = async () => requireCursor(feedWorld.store.db, 'webhooks')
  const id = await world.add({ eventTypes: ['message.bounced'] })
  await feedWorld.append(sent(inbox))
  await world.settled()
  await world.update(id, { eventTypes: ['message.sent'] }, owner)
  await expect.poll(cursor).toBe(1)

  const other = world.node() // as after a crash of the first one
  await other.start()
  onTestFinished(() => other.stop())
  await feedWorld.append(sent(inbox))
  await world.settled()
  const seqs = feedWorld.store.db.selectFrom('webhook_deliveries').select('seq')
  expect(await seqs.execute()).toEqual([{ seq: 2 }])

  await feedWorld.append(received(inbox))
  await world.settled()
  expect(await cursor()).toBe(2)
  await world.dispatch.stop()
  expect(await cursor()).toBe(3)
})

// The node had not read the cursor since another one had moved it, and went back to it: it compared events again, with the changed webhook.
test('a webhook gets no event from before its change, also if another node has moved the cursor', async () => {
  await using world = await openHookWorld()
  const { feedWorld, inbox, owner, dispatch } = world
  const cursor = async () => requireCursor(feedWorld.store.db, 'webhooks')
  const id = await world.add({ eventTypes: ['message.bounced'] })
  const other = world.node()
  await other.start()
  onTestFinished(() => other.stop())
  await feedWorld.append(sent(inbox))
  await expect.poll(() => [dispatch.readThrough(), other.readThrough()]).toEqual([1, 1])
  other.signalEnabled()
  await expect.poll(cursor).toBe(1)

  await feedWorld.append(sent(inbox))
  await expect.poll(() => [dispatch.readThrough(), other.readThrough()]).toEqual([2, 2])
  await world.update(id, { eventTypes: ['message.sent'] }, owner)
  await expect.poll(cursor).toBe(2)
  await feedWorld.append(sent(inbox))
  await world.settled()
  const seqs = feedWorld.store.db.selectFrom('webhook_deliveries').select('seq').orderBy('seq')
  expect(await seqs.execute()).toEqual([{ seq: 3 }])
})

test('a key that may not read messages cannot create a webhook', async () => {
  await using world = await openHookWorld()
  const { organizationId } = world.inbox
  const writer = await world.feedWorld.addKey({ organizationId }, { permissions: ['webhook_create', 'message_send'] })
  await expect(world.add({}, writer)).rejects.toMatchObject({ code: 'missing_permission' })
})

test('a webhook gets events from its creation on, even after its key is deleted', async () => {
  await using world = await openHookWorld()
  const { feedWorld, inbox } = world
  await world.add()
  const key = await feedWorld.addKey({ organizationId: inbox.organizationId })
  await feedWorld.append(sent(inbox))
  await world.settled()
  await world.add({}, key)
  await feedWorld.store.transaction(async (tx) => {
    await tx.deleteFrom('api_keys').where('id', '=', key.apiKeyId).execute()
    tx.append(received(inbox))
  })
  await world.settled()
  expect(await world.deliveries()).toEqual(['0 message.sent', '0 message.received', '1 message.received'])
})

test('the body is rendered once per event, before anything is written, and stored', async () => {
  const render = vi.fn(async () => 'the body')
  await using world = await openHookWorld({ render })
  await world.add()
  await world.add()
  await world.feedWorld.append(sent(world.inbox))
  await world.settled()
  const rows = await world.feedWorld.store.db.selectFrom('webhook_deliveries').select(['body', 'state']).execute()
  expect(rows.map(({ state }) => state)).toEqual(['pending', 'pending'])
  expect(bodiesOf(rows)).toEqual(['the body', 'the body'])
  expect(render).toHaveBeenCalledTimes(1)
})

test('the body is rendered once for all webhooks with the same access, and separately for others', async () => {
  const render = vi.fn(async (_event: unknown, reader: KeyActor) => (reader.permissions ? 'a part' : 'the whole'))
  await using world = await openHookWorld({ render })
  const narrow = await world.feedWorld.addKey(
    { organizationId: world.inbox.organizationId },
    { permissions: ['webhook_create', 'message_read'] },
  )
  for (const actor of [world.owner, narrow, world.owner, narrow]) await world.add({}, actor)
  await world.feedWorld.append(sent(world.inbox))
  await world.settled()
  const rows = world.feedWorld.store.db.selectFrom('webhook_deliveries').select('body').orderBy('webhook_id')
  expect(bodiesOf(await rows.execute())).toEqual(['the whole', 'a part', 'the whole', 'a part'])
  expect(render).toHaveBeenCalledTimes(2)
})

test('an event that the dialect cannot represent is skipped', async () => {
  await using world = await openHookWorld({
    render: async (event) => (event.type === 'message.sent' ? undefined : 'body'),
  })
  await world.add()
  await world.feedWorld.append(sent(world.inbox), received(world.inbox))
  await world.settled()
  expect(await world.deliveries()).toEqual(['0 message.received'])
})

test('an event whose rendering keeps failing is skipped after some attempts', async () => {
  const render = vi.fn(async (event: { type: string }) => {
    if (event.type === 'message.sent') throw new Error('broken')
    return 'body'
  })
  await using world = await openHookWorld({ render }, { events: { pollMs: 1 } })
  await world.add()
  await world.feedWorld.append(received(world.inbox), sent(world.inbox), received(world.inbox))
  await world.settled()
  expect(await world.deliveries()).toEqual(['0 message.received', '0 message.received'])
  expect(render.mock.calls.filter(([event]) => event.type === 'message.sent')).toHaveLength(5)
})

// The second one made the tries of the first one begin again, for ever: no webhook of the server got an event any more.
test('events that cannot be rendered are skipped, also if several are read together', async () => {
  const render = async (event: { type: string }) => {
    if (event.type === 'message.sent') throw new Error('broken')
    return 'body'
  }
  await using world = await openHookWorld({ render }, { events: { pollMs: 1 } })
  await world.add()
  const { inbox } = world
  await world.feedWorld.append(sent(inbox), received(inbox), sent(inbox), sent(inbox), received(inbox))
  await world.settled()
  expect(await world.deliveries()).toEqual(['0 message.received', '0 message.received'])
})

// Every event of the server waited for five failed tries, and the other webhooks of the event did not get it.
test('an event that cannot be rendered for some webhooks reaches the others, and delays later events only once', async () => {
  const render = vi.fn(async (_event: unknown, reader: KeyActor) => {
    if (reader.permissions) throw new Error('broken')
    return 'body'
  })
  await using world = await openHookWorld({ render }, { events: { pollMs: 1 } })
  const narrow = await world.feedWorld.addKey(
    { organizationId: world.inbox.organizationId },
    { permissions: ['webhook_create', 'message_read'] },
  )
  for (const actor of [narrow, world.owner, narrow]) await world.add({}, actor)
  await world.feedWorld.append(sent(world.inbox), received(world.inbox))
  await world.settled()
  expect(await world.deliveries()).toEqual(['1 message.sent', '1 message.received'])
  expect(render.mock.calls.filter(([, { permissions }]) => permissions)).toHaveLength(5 + 1)
})

// Webhooks with bodies of the same form did not get the event either.
test('a filter of senders that fails concerns only its webhook', async () => {
  await using world = await openHookWorld({}, { events: { pollMs: 1 } }) // where such a filter fails
  const filtered = { eventTypes: ['message.received'], senders: { isVerified: true } }
  for (const request of [{}, filtered, {}]) await world.add(request)
  await world.feedWorld.append(received(world.inbox), received(world.inbox))
  await world.settled()
  const both = ['0 message.received', '2 message.received']
  expect(await world.deliveries()).toEqual([...both, ...both])
})

// The dispatch failed as a whole, again and again, and no webhook of the server got any event.
test('a webhook whose row is damaged stops no other one, and gets events again when it is repaired', async () => {
  await using world = await openHookWorld({}, { events: { pollMs: 1 } })
  const [broken] = [await world.add(), await world.add()]
  const change = (event_types: string | null) =>
    world.feedWorld.store.transaction((tx) => table.update(tx, broken, { event_types }))
  await change('[')
  await world.feedWorld.append(sent(world.inbox))
  await expect.poll(() => world.deliveries()).toEqual(['1 message.sent'])
  await change(null)
  await world.feedWorld.append(received(world.inbox))
  await world.settled()
  expect(await world.deliveries()).toEqual(['1 message.sent', '0 message.received', '1 message.received'])
})

test('an event whose rendering fails temporarily is retried until it succeeds', async () => {
  let tries = 0
  const render = async ({ type }: { type: string }) => {
    if (type === 'message.sent' && ++tries <= 12)
      throw new MailError('unavailable', { detail: 'a file could not be read' })
    return 'body'
  }
  await using world = await openHookWorld({ render }, { events: { pollMs: 1 } })
  await world.add()
  await world.feedWorld.append(sent(world.inbox), received(world.inbox))
  await world.settled()
  expect(await world.deliveries()).toEqual(['0 message.sent', '0 message.received'])
})

notSupported('postgres', 'a count after one commit may include a later commit')(
  'the deliveries of a burst are written in batches that are limited by number and by size',
  async () => {
    await using small = await openHookWorld(
      { render: async () => 'é'.repeat(20) }, // 40 bytes
      { webhooks: { batchBytesMax: 100 } },
    )
    const sizes = watchTransactions(small.feedWorld.store)
    await small.add()
    await small.feedWorld.append(...Array.from({ length: 10 }, () => sent(small.inbox)))
    await small.settled()
    expect(await sizes()).toEqual([3, 3, 3, 1])

    await using many = await openHookWorld()
    const counts = watchTransactions(many.feedWorld.store)
    await many.add()
    await many.feedWorld.append(...Array.from({ length: 120 }, () => sent(many.inbox)))
    await many.settled()
    expect(await counts()).toEqual([50, 50, 20])
  },
)

test('after a crash before the commit the work is repeated, after the commit it is not', async () => {
  const crash = { before: false, after: false }
  const disturb = (store: Store): Store => ({
    ...store,
    async transaction(fn) {
      if (crash.before) throw new Error('died before the commit')
      const result = await store.transaction(fn)
      if (crash.after) throw new Error('died after the commit')
      return result
    },
  })
  await using world = await openHookWorld({ disturb })
  await world.add()
  await world.dispatch.stop()

  for (const moment of ['before', 'after'] as const) {
    const dying = world.node({ disturb })
    await dying.start()
    crash[moment] = true
    await world.feedWorld.append(sent(world.inbox))
    const metric = world.feedWorld.metrics.backgroundErrors
    const errors = async () => (await metric.get()).values.reduce((sum, { value }) => sum + value, 0)
    const before = await errors()
    await expect.poll(errors).toBeGreaterThan(before - 1)
    await expect.poll(errors).toBeGreaterThan(0)
    await dying.stop()
    metric.reset()
    crash[moment] = false

    const next = world.node()
    await next.start()
    const end = await world.feedWorld.lastSeq()
    await expect.poll(() => next.readThrough() ?? end).toBe(end)
    await expect.poll(async () => (await world.deliveries()).length).toBe(moment === 'before' ? 1 : 2)
    await next.stop()
  }
  expect(await world.deliveries()).toEqual(['0 message.sent', '0 message.sent'])
})

test('with several nodes each event is written by only one', async () => {
  await using world = await openHookWorld()
  const others = [world.node(), world.node()]
  for (const other of others) {
    await other.start()
    onTestFinished(() => other.stop())
  }
  await world.add()
  for (const other of others) other.signalEnabled()
  for (let round = 0; round < 20; round += 1) {
    await world.feedWorld.append(sent(world.inbox), ...(round % 3 === 0 ? [labelled(world.inbox, [])] : []))
  }
  const end = await world.feedWorld.lastSeq()
  await expect.poll(() => [world.dispatch, ...others].map((node) => node.readThrough())).toEqual([end, end, end])
  expect(await world.deliveries()).toHaveLength(20)
  // A node that lost a race knows the position of the others, and continues when they are stopped.
  const [last, ...gone] = [others[0]!, others[1]!, world.dispatch]
  for (const node of gone) await node.stop()
  await world.feedWorld.append(sent(world.inbox))
  await expect.poll(() => last!.readThrough()).toBe(end + 1)
  expect(await world.deliveries()).toHaveLength(21)
})

test('a webhook that is disabled during rendering gets no event, even after it is enabled again', async () => {
  let meanwhile: () => Promise<void> = async () => undefined
  const render = async () => {
    await meanwhile()
    return 'body'
  }
  await using world = await openHookWorld({ render })
  const { store } = world.feedWorld
  const id = await world.add()
  await world.add()
  const change = (more: object) => store.transaction((tx) => table.update(tx, id, more))
  meanwhile = () => change({ is_enabled: 0 })
  await world.feedWorld.append(sent(world.inbox))
  await world.settled()
  await change({ is_enabled: 1, start_seq: await world.feedWorld.lastSeq() })
  meanwhile = async () => change({ start_seq: await world.feedWorld.lastSeq() })
  await world.feedWorld.append(sent(world.inbox))
  await world.settled()
  meanwhile = async () => undefined
  await world.feedWorld.append(sent(world.inbox))
  await world.settled()
  expect(await world.deliveries()).toEqual(['1 message.sent', '1 message.sent', '0 message.sent', '1 message.sent'])
})

test('a webhook that is changed during rendering gets only what its new key may see', async () => {
  let meanwhile: () => Promise<void> = async () => undefined
  const render = async () => {
    await meanwhile()
    return 'body'
  }
  await using world = await openHookWorld({ render })
  const { feedWorld, inbox } = world
  const permissions = ['webhook_update', 'message_read'] as const
  const blind = await feedWorld.addKey({ organizationId: inbox.organizationId }, { permissions })
  const id = await world.add({ eventTypes: ['label.added'] })
  meanwhile = () => world.update(id, { url: 'http://127.0.0.1:2/' }, blind)
  await feedWorld.append(labelled(inbox, ['spam', 'a']), labelled(inbox, ['a']))
  await world.settled()
  const seqs = await feedWorld.store.db.selectFrom('webhook_deliveries').select('seq').execute()
  expect(seqs).toEqual([{ seq: 2 }])
})

notSupported('sqlite', 'one process writes')('a webhook that another node disables gets no event', async () => {
  await using world = await openHookWorld()
  await using other = await openTestStore({ dataDir: world.feedWorld.dataDir })
  const id = await world.add()
  const held = await holdOpen(other, async (tx) => {
    await table.lockById(tx, id)
    await table.update(tx, id, { is_enabled: 0, term: 1 })
  })
  await world.feedWorld.append(sent(world.inbox))
  await isWaiting(world.feedWorld)
  await held.commit()
  await world.settled()
  expect(await world.deliveries()).toEqual([])
})

test('without webhooks a commit causes no query, and the first webhook of this node gets events at once', async () => {
  const queries = { count: 0 }
  const disturb = (store: Store): Store => ({
    ...store,
    get db() {
      queries.count += 1
      return store.db
    },
  })
  await using world = await openHookWorld({ disturb })
  await expect.poll(() => queries.count).toBe(1)
  for (let count = 0; count < 10; count += 1) await world.feedWorld.append(sent(world.inbox))
  expect(queries.count).toBe(1)
  expect(world.dispatch.readThrough()).toBeUndefined()
  await world.add()
  await world.feedWorld.append(sent(world.inbox))
  await expect.poll(() => world.deliveries()).toEqual(['0 message.sent'])
})

test('the log keeps events that webhooks still need, and without webhooks none beyond the retention time', async () => {
  const gate = deferred<string>()
  await using world = await openHookWorld({ render: () => gate.promise })
  const { feedWorld, inbox } = world
  const kept = async () => (await feedWorld.store.db.selectFrom('events').select('seq').execute()).length
  const needs = { ...feedWorld, clock: feedWorld.time.clock, readThrough: world.dispatch.readThrough }
  await feedWorld.append(sent(inbox), sent(inbox))
  feedWorld.time.now += 91 * 24 * 3_600_000
  await sweepEvents(needs, signal)
  expect(await kept()).toBe(0)

  const id = await world.add()
  await feedWorld.append(labelled(inbox, []))
  await world.settled()
  await feedWorld.append(sent(inbox), sent(inbox))
  feedWorld.time.now += 91 * 24 * 3_600_000
  await sweepEvents(needs, signal)
  expect(await kept()).toBe(2)
  expect((await table.getById(feedWorld.store.db, id))!.start_seq).toBe(2)
  gate.resolve('body')
})

async function insertMessageIn(store: Store, { organizationId, podId, inboxId }: TestInbox): Promise<string> {
  const ids = { organization_id: organizationId, pod_id: podId, inbox_id: inboxId }
  return (await store.transaction((tx) => insertMessage(tx, ids))).id
}

/** Records the number of deliveries that each transaction writes from now on. */
function watchTransactions(store: Store): () => Promise<number[]> {
  const seen: Promise<number>[] = []
  const stop = store.onCommit(() => {
    const query = store.db.selectFrom('webhook_deliveries').select(({ fn }) => fn.countAll<number>().as('count'))
    seen.push(query.executeTakeFirstOrThrow().then(({ count }) => Number(count)))
  })
  onTestFinished(stop)
  return async () => {
    const counts = [...new Set(await Promise.all(seen))].filter((count) => count > 0)
    return counts.map((count, index) => count - (counts[index - 1] ?? 0))
  }
}

function bodiesOf(rows: readonly { body: Uint8Array | null }[]): string[] {
  return rows.map(({ body }) => decompressBody(body!))
}
