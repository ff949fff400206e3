/** Tests that a running node notices a log that was restored from a backup, or that a standby continues without its last events. */
import { randomUUID } from 'node:crypto'
import { expect, test } from 'vitest'
import { createEventJson } from '../../src/edges/http/dialects/agentmail/live/event-json.ts'
import { createEventFrames } from '../../src/edges/http/dialects/agentpost/live/agentpost-event-json.ts'
import { createEventPages } from '../../src/mail/events/history/event-pages.ts'
import { type Event, toEvent } from '../../src/mail/events/log/event.ts'
import { messageReceived, messageSent } from '../../src/mail/events/log/message-events.ts'
import { compressBodies } from '../../src/mail/messages/content/compressed-bodies.ts'
import { createEventSubjects } from '../../src/mail/messages/views/event-subject.ts'
import type { NewEvent } from '../../src/store/handles.ts'
import type { Store } from '../../src/store/store.ts'
import * as events from '../../src/store/tables/events-table.ts'
import { thread } from '../dialects/agentmail/sample-views.ts'
import { insertMessage } from '../store/rows.ts'
import { rejection } from '../store/test-store.ts'
import { openHookWorld } from '../webhooks/hook-world.ts'
import { FeedWorld, messageIn, sent, type TestInbox } from './feed-world.ts'

/** Removes the events after a number, and gives their numbers to others. */
async function setBack(store: Store, seq: number, ...others: readonly NewEvent[]): Promise<void> {
  await store.transaction(async (tx) => {
    const { event_id } = await tx
      .selectFrom('events')
      .select('event_id')
      .where('seq', '=', seq)
      .executeTakeFirstOrThrow()
    await tx.deleteFrom('events').where('seq', '>', seq).execute()
    await tx.updateTable('event_log').set({ last_seq: seq, last_event_id: event_id }).execute()
    await tx.deleteFrom('webhook_deliveries').where('seq', '>', seq).execute()
    await tx.updateTable('event_consumers').set({ cursor_seq: seq }).where('cursor_seq', '>', seq).execute()
    for (const each of others) tx.append(each)
  })
}

// A live subscriber got none of the events whose numbers it had had before.
test.each([1, 2, 3])(
  'live subscribers are ended, and get all events with a cursor that is still valid (%i new ones)',
  async (count) => {
    await using world = await FeedWorld.open()
    const inbox = await world.addInbox()
    const actor = await world.addKey(inbox)
    const live = await world.listen(actor)
    const watched = { isOver: false }
    void world.feed.untilRevoked(actor, live.abort.signal).then(() => {
      watched.isOver = true
    })
    let signals = 0
    world.feed.followInbox(inbox.inboxId, () => {
      signals += 1
    })
    await world.append(sent(inbox), sent(inbox), sent(inbox))
    await live.count(3)
    const before = signals
    await setBack(world.store, 1, ...new Array<NewEvent>(count).fill(sent(inbox)))

    expect(await live.reason()).toBe('set_back')
    expect(signals).toBe(before + 1)
    await expect(world.listen(actor, { after: live.collected[2]!.cursor })).rejects.toMatchObject({
      code: 'cursor_expired',
    })
    const back = await world.listen(actor, { after: live.collected[0]!.cursor })
    await world.append(sent(inbox))
    await back.count(count + 1)
    expect(back.seqs).toEqual(Array.from({ length: count + 1 }, (_, index) => index + 2))
    expect(watched.isOver).toBe(false) // a socket that has not subscribed is still watched
    live.abort.abort()
    back.abort.abort()
  },
)

// It was answered with the last of these events, as if there were no others.
test('a request that waits for an event learns that its position has expired', async () => {
  await using world = await FeedWorld.open()
  const { store, feed, limits, metrics } = world
  const [inbox, other] = [await world.addInbox(), await world.addInbox()]
  const [actor, witness] = [await world.addKey(inbox), await world.listen(await world.addKey(other))]
  await world.append(sent(inbox), sent(inbox), sent(inbox))
  const pages = createEventPages({ store, feed, clock: world.time.clock, limits })
  const renderer = {
    sizesOf: async (some: readonly Event[]) => some.map(() => 1),
    render: async (some: readonly Event[]) => some.map(({ seq }) => Buffer.from(`${seq}`)),
  }
  const never = new AbortController().signal
  const wait = { waitMs: 20_000, disconnected: never, draining: never }
  const memory = { freeBytes: 1_000, reserve: async () => false, nextTurn: async () => undefined }
  const answer = rejection(pages.read(actor, { after: 'latest' }, renderer, wait, memory))
  await expect.poll(async () => (await metrics.eventSubscriptions.get()).values[0]?.value).toBe(2)
  await world.append(sent(other))
  await witness.count(1)
  await setBack(store, 1, ...new Array<NewEvent>(4).fill(sent(inbox)))
  expect(await answer).toMatchObject({ code: 'cursor_expired' })
})

// The text of the earlier event was sent, perhaps to another tenant: texts were cached by number.
test.each(['message.received', 'message.sent'])(
  'the text of a %s is not sent for another event with its number',
  async (type) => {
    await using world = await FeedWorld.open()
    const { store, limits } = world
    const [mine, theirs] = [await world.addInbox(), await world.addInbox()]
    const eventSubjects = createEventSubjects({ store, limits })
    const renderers = [createEventJson({ eventSubjects, limits }).of, createEventFrames({ eventSubjects, limits })]
    const newEvent = async (inbox: TestInbox) => {
      const ids = { id: await addMessage(store, inbox), threadId: randomUUID() }
      const about = { actor: 'system:test', message: { ...messageIn(inbox, ['received']), ...ids } }
      return type === 'message.sent'
        ? messageSent({ ...about, timestamp: 0, recipients: [] })
        : messageReceived({ ...about, thread })
    }
    const textsFor = async (inbox: TestInbox) => {
      const [row] = await events.listAfter(store.db, 1, 1)
      const event = toEvent(row!, store.epoch)
      const actor = await world.addKey(inbox)
      const texts = await Promise.all(renderers.map(async (render) => `${await render(event, actor)}`))
      for (const text of texts) expect(text).toContain(event.cursor)
      return texts
    }
    await world.append(sent(mine), await newEvent(mine))
    expect((await textsFor(mine))[0]).toContain(mine.address)
    await setBack(store, 1, await newEvent(theirs))
    const texts = await textsFor(theirs)
    expect(texts[0]).toContain(theirs.address)
    for (const text of texts) expect(text).not.toContain(mine.address)
  },
)

async function addMessage(store: Store, { organizationId, podId, inboxId }: TestInbox): Promise<string> {
  const ids = { organization_id: organizationId, pod_id: podId, inbox_id: inboxId }
  return store.transaction(async (tx) => {
    const { id } = await insertMessage(tx, ids)
    await tx.insertInto('message_labels').values({ message_id: id, label: 'received' }).execute()
    const { bytes: parsed, sizeBytes } = compressBodies({ text: 'words', headers: [] })
    const verification = '{"codes":[],"links":[]}'
    await tx.updateTable('contents').set({ parsed, parsed_size_bytes: sizeBytes, verification }).execute()
    return id
  })
}

// They waited until an event was committed that a webhook wanted.
test.each([1, 2])('webhooks get the events with numbers that were dispatched before (%i new ones)', async (count) => {
  await using world = await openHookWorld()
  await world.add()
  await world.feedWorld.append(sent(world.inbox), sent(world.inbox), sent(world.inbox))
  await world.settled()
  await setBack(world.feedWorld.store, 1, ...new Array<NewEvent>(count).fill(sent(world.inbox)))
  await expect.poll(() => world.deliveries()).toEqual(new Array(1 + count).fill('0 message.sent'))
})
