/** Tests subscriptions of one reader that add up: each event once, in order, and none that was not asked for. */
import { expect, test } from 'vitest'
import type { EventFilter } from '../../src/mail/events/feed/subscription-filter.ts'
import { messageReceived } from '../../src/mail/events/log/message-events.ts'
import { sweepEvents } from '../../src/mail/events/log/retention.ts'
import { FeedWorld, Listener, messageIn, sent, type TestInbox } from './feed-world.ts'

/** Adds a filter to a subscription whose reader has got the events up to a cursor. */
async function addTo(
  world: FeedWorld,
  actor: Parameters<FeedWorld['listen']>[0],
  filter: EventFilter,
  earlier: { readonly events: Awaited<ReturnType<FeedWorld['feed']['subscribe']>>; readonly cursor: string },
) {
  const abort = new AbortController()
  const known = { events: earlier.events, sentCursor: () => earlier.cursor }
  const events = await world.feed.subscribe(actor, filter, abort.signal, undefined, known)
  return { events, abort }
}

async function openWorld(limits: Parameters<typeof FeedWorld.open>[0] = {}) {
  const world = await FeedWorld.open(limits)
  const organizationId = await world.addOrganization()
  const [one, two, three] = [
    await world.addInbox({ organizationId }),
    await world.addInbox({ organizationId }),
    await world.addInbox({ organizationId }),
  ]
  const actor = await world.addKey({ organizationId })
  const seqAfter = async (inbox: TestInbox) => {
    await world.append(sent(inbox))
    return world.lastSeq()
  }
  return { world, actor, one, two, three, seqAfter, [Symbol.asyncDispose]: () => world[Symbol.asyncDispose]() }
}

test('the events that the reader does not have yet are sent, with those of the new filter', async () => {
  await using made = await openWorld()
  const { world, actor, one, two, three, seqAfter } = made
  const first = await world.feed.subscribe(actor, { inboxIds: [one.inboxId] }, new AbortController().signal)
  const { cursor } = first
  await seqAfter(two) // before the second request: nobody asked for it
  const unsent = await seqAfter(one)
  const { events, abort } = await addTo(world, actor, { inboxIds: [two.inboxId] }, { events: first, cursor })
  const listener = new Listener(events, abort)
  await seqAfter(three)
  const wanted = [unsent, await seqAfter(two), await seqAfter(one)]
  await listener.count(wanted.length)
  expect(listener.seqs).toEqual(wanted)
  abort.abort()
})

test('an event that several requests select is sent once, and one that the reader has is not sent again', async () => {
  await using made = await openWorld()
  const { world, actor, one, seqAfter } = made
  const first = await world.feed.subscribe(actor, { inboxIds: [one.inboxId] }, new AbortController().signal)
  const [event] = await take(first, seqAfter(one), 1)
  const second = await addTo(world, actor, {}, { events: first, cursor: event!.cursor })
  const third = await addTo(world, actor, { inboxIds: [one.inboxId] }, { events: second.events, cursor: event!.cursor })
  const listener = new Listener(third.events, third.abort)
  const wanted = [await seqAfter(one), await seqAfter(one)]
  await listener.count(2)
  expect(listener.seqs).toEqual(wanted)
  third.abort.abort()
})

test('a request with a position gets the events after it, the other requests do not', async () => {
  await using made = await openWorld()
  const { world, actor, one, two, seqAfter } = made
  const wanted = [await seqAfter(two)]
  await seqAfter(one)
  wanted.push(await seqAfter(two))
  const first = await world.feed.subscribe(actor, { inboxIds: [one.inboxId] }, new AbortController().signal)
  const added = await addTo(
    world,
    actor,
    { inboxIds: [two.inboxId], after: 'earliest' },
    { events: first, cursor: first.cursor },
  )
  const listener = new Listener(added.events, added.abort)
  wanted.push(await seqAfter(one))
  await listener.count(wanted.length)
  expect(listener.seqs).toEqual(wanted)
  added.abort.abort()
})

// It was refused as expired, again and again, until the client connected anew.
test('a reader whose last event was purged, and that has missed none, can add a request', async () => {
  await using made = await openWorld()
  const { world, actor, one, two, three, seqAfter } = made
  const first = await world.feed.subscribe(actor, { inboxIds: [one.inboxId] }, new AbortController().signal)
  const witness = await world.listen(actor)
  await seqAfter(two)
  await witness.count(1)
  world.time.now += 31 * 24 * 60 * 60_000
  await sweepEvents({ ...world, clock: world.time.clock }, new AbortController().signal)
  const added = await addTo(world, actor, { inboxIds: [two.inboxId] }, { events: first, cursor: first.cursor })
  const listener = new Listener(added.events, added.abort)
  await seqAfter(three)
  const wanted = [await seqAfter(one), await seqAfter(two)]
  await listener.count(wanted.length)
  expect(listener.seqs).toEqual(wanted)
  added.abort.abort()
})

test('a request can be limited to pods, also with inboxes; one that is refused changes nothing', async () => {
  await using made = await openWorld({ events: { subscriptionPartsMax: 2 } })
  const { world, actor, one, two, seqAfter } = made
  const limited = await world.listen(actor, { inboxIds: [one.inboxId, two.inboxId], onlyPodIds: [two.podId] })
  const byPod = await world.listen(actor, { onlyPodIds: [two.podId] })
  await seqAfter(one)
  const wanted = [await seqAfter(two)]
  for (const listener of [limited, byPod]) {
    await listener.count(1)
    expect(listener.seqs).toEqual(wanted)
    listener.abort.abort()
  }
  const strangerPod = await world.addPod(await world.addOrganization())
  await expect(world.listen(actor, { onlyPodIds: [strangerPod] })).rejects.toMatchObject({ code: 'not_found' })

  const first = await world.feed.subscribe(actor, {}, new AbortController().signal)
  const second = await addTo(world, actor, {}, { events: first, cursor: first.cursor })
  await expect(addTo(world, actor, {}, { events: second.events, cursor: first.cursor })).rejects.toMatchObject({
    code: 'limit_exceeded',
  })
  second.abort.abort()
})

test('types can be added for those keys that may receive them', async () => {
  await using made = await openWorld()
  const { world, actor, one } = made
  const narrow = await world.addKey({ organizationId: one.organizationId }, { permissions: ['message_read'] })
  const extra = { extraEventTypes: ['message.received.unauthenticated'] }
  const [wide, plain, refused] = [
    await world.listen(actor, { eventTypes: ['message.received'], ...extra }),
    await world.listen(actor, { eventTypes: ['message.received'] }),
    await world.listen(narrow, { eventTypes: ['message.received'], ...extra }),
  ]
  const received = (labels: readonly string[]) => {
    const message = messageIn(one, labels)
    return messageReceived({ actor: 'system:test', message, thread: {} as never })
  }
  await world.append(received(['received', 'unauthenticated']), received(['received', 'spam']), received(['received']))
  await Promise.all([wide.count(2), plain.count(1), refused.count(1)])
  expect(wide.types).toEqual(['message.received.unauthenticated', 'message.received'])
  for (const listener of [plain, refused]) expect(listener.types).toEqual(['message.received'])
  for (const listener of [wide, plain, refused]) listener.abort.abort()
})

/** Reads the first events of a subscription, which goes on. */
async function take(events: AsyncIterable<{ readonly cursor: string }>, written: Promise<unknown>, count: number) {
  await written
  const iterator = events[Symbol.asyncIterator]()
  const taken: { readonly cursor: string }[] = []
  while (taken.length < count) taken.push((await iterator.next()).value)
  return taken
}
