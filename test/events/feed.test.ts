/**
 * Tests the feed over a real store: order, completeness, and the reasons why a subscription ends.
 *
 * The events that a subscriber received are compared with the table itself, which the store's own tests verify.
 */
import { setImmediate } from 'node:timers/promises'
import { expect, test } from 'vitest'
import type { Backlog, BacklogItem } from '../../src/mail/events/feed/backlog.ts'
import type { Event } from '../../src/mail/events/log/event.ts'
import { inboxGone, keyRevoked, podGone } from '../../src/mail/events/log/resource-events.ts'
import * as apiKeys from '../../src/store/tables/api-keys-table.ts'
import { observeStatements } from '../store/count-statements.ts'
import { FeedWorld, type Listener, seeded, sent } from './feed-world.ts'

test('without subscriptions, a commit causes no read of the log; the first one that joins gets all that follow', async () => {
  const read: string[] = []
  await using world = await FeedWorld.open({}, (store) => observeStatements(store, (table) => void read.push(table)))
  const inbox = await world.addInbox()
  const actor = await world.addKey(inbox)
  await setImmediate()
  read.length = 0
  await world.append(sent(inbox))
  for (let turn = 0; turn < 5; turn += 1) await setImmediate()
  expect(read).toEqual([])

  const listener = await world.listen(actor)
  await world.append(sent(inbox), sent(inbox))
  await listener.count(2)
  expect(listener.seqs).toEqual([(await world.lastSeq()) - 1, await world.lastSeq()])
})

test('the first subscription after a while gets each event after its cursor once', async () => {
  await using world = await FeedWorld.open({ events: { pollMs: 60_000 } })
  const inbox = await world.addInbox()
  const actor = await world.addKey(inbox)
  const before = await world.listen(actor)
  await world.append(sent(inbox), sent(inbox))
  await before.count(2)
  before.abort.abort()
  await before.ended
  const { cursor } = before.collected.at(-1)!
  for (let commit = 0; commit < 3; commit += 1) await world.append(sent(inbox))
  const listener = await world.listen(actor, { after: cursor })
  const other = await world.listen(actor)
  await world.append(sent(inbox))
  await Promise.all([listener.count(4), other.count(1)])
  await world.append(sent(inbox))
  await Promise.all([listener.count(5), other.count(2)])
  const last = await world.lastSeq()
  expect(listener.seqs).toEqual([last - 4, last - 3, last - 2, last - 1, last])
  expect(other.seqs).toEqual([last - 1, last])
})

test.each([1, 2, 3, 4, 5, 6])('every event is sent once and in order (seed %i)', async (seed) => {
  const random = seeded(seed)
  await using world = await FeedWorld.open({ events: { batchMax: 5, backfillBatchMax: 5 }, lists: { scanRowsMax: 7 } })
  const inbox = await world.addInbox()
  const actor = await world.addKey(inbox)
  const listeners: { listener: Listener; after: number; through: number; isLive: boolean }[] = []
  const cursors = ['earliest']

  async function write(): Promise<void> {
    for (let step = 0; step < 12; step++) {
      await world.append(...Array.from({ length: Math.floor(random() * 4) }, () => sent(inbox)))
      if (random() < 0.5) await setImmediate()
    }
  }
  async function subscribe(): Promise<void> {
    for (let step = 0; step < 6; step++) {
      const isLive = random() < 0.5
      const cursor = cursors[Math.floor(random() * cursors.length)]!
      const before = await world.lastSeq()
      const listener = await world.listen(actor, isLive ? {} : { after: cursor })
      // Events that are committed from now on must be sent; those committed before the call must not.
      const after = isLive ? before : cursor === 'earliest' ? 0 : seqOf(cursor)
      listeners.push({ listener, after, through: await world.lastSeq(), isLive })
      await listener.count(1 + Math.floor(random() * 3))
      const last = listener.collected.at(-1)
      if (last) cursors.push(last.cursor)
    }
  }
  await world.append(sent(inbox), sent(inbox), sent(inbox))
  const writers = Promise.all([write(), write(), write()])
  const readers = Promise.all([subscribe(), subscribe()])
  await writers
  // Readers may wait for one more event each.
  let isRead = false
  void readers.then(() => (isRead = true))
  while (!isRead) await world.append(sent(inbox))
  const end = await world.lastSeq()
  await Promise.all(listeners.map(({ listener }) => listener.until(({ seq }) => seq >= end)))
  await world.append(sent(inbox), sent(inbox))
  await world.feed.stop()

  const log = (await world.store.db.selectFrom('events').select('seq').orderBy('seq').execute()).map((row) => row.seq)
  expect(listeners).toHaveLength(12)
  for (const { listener, after, through, isLive } of listeners) {
    expect(await listener.reason()).toBe('stopping')
    const first = listener.seqs[0] ?? Number.POSITIVE_INFINITY
    // A subscriber that still reads past events when the server stops resumes later for the rest.
    const last = listener.collected.at(-1)!
    expect(last.seq).toBeGreaterThanOrEqual(end)
    expect(await listener.ended).toMatchObject({ cursor: last.cursor })
    expect(listener.seqs).toEqual(log.filter((seq) => seq >= first && seq <= last.seq))
    if (isLive) {
      expect(first).toBeGreaterThan(after)
      expect(first).toBeLessThanOrEqual(through + 1)
    } else {
      expect(first).toBe(after + 1)
    }
  }
})

test('events committed after the answer "subscribed" are sent, however busy the writers are', async () => {
  await using world = await FeedWorld.open()
  const inbox = await world.addInbox()
  const actor = await world.addKey(inbox)
  for (let round = 0; round < 50; round++) {
    const noise = [world.append(sent(inbox)), world.append(sent(inbox))]
    const listener = await world.listen(actor)
    const marker = world.append({ ...sent(inbox), payload: { marker: round } })
    await Promise.all([...noise, marker])
    await listener.until((event) => event.payload.marker === round)
    listener.abort.abort()
  }
})

test('a subscriber resumes with its cursor after a restart and misses nothing', async () => {
  await using world = await FeedWorld.open()
  const inbox = await world.addInbox()
  const actor = await world.addKey(inbox)
  const before = await world.listen(actor)
  await world.append(sent(inbox), sent(inbox))
  await before.count(2)
  await world.restart()
  await world.append(sent(inbox)) // while the subscriber is disconnected
  await world.restart()

  const after = await world.listen(actor, { after: before.collected[0]!.cursor })
  await world.append(sent(inbox))
  await after.count(3)
  expect(after.seqs).toEqual([2, 3, 4])
  expect(before.seqs).toEqual([1, 2])
})

test('a subscriber that reads past events slowly is not too slow: its events wait in the table', async () => {
  await using world = await FeedWorld.open({
    sockets: { bufferEventsMax: 2 },
    events: { backfillBatchMax: 3 },
    lists: { scanRowsMax: 3 },
  })
  const inbox = await world.addInbox()
  const actor = await world.addKey(inbox)
  await world.append(...Array.from({ length: 10 }, () => sent(inbox)))
  const witness = await world.listen(actor)
  const reader = await pullReader(world, actor, { after: 'earliest' })

  const seqs = [await reader.next(), await reader.next()]
  for (let more = 0; more < 10; more++) {
    await world.append(sent(inbox))
    await witness.count(more + 1) // the tailer has passed it
  }
  while (seqs.length < 20) seqs.push(await reader.next())
  expect(seqs).toEqual(Array.from({ length: 20 }, (_, index) => index + 1))
})

test('a live subscriber that falls behind is ended as too slow, with the cursor of the last event it got', async () => {
  await using world = await FeedWorld.open({ sockets: { bufferEventsMax: 3 } })
  const inbox = await world.addInbox()
  const actor = await world.addKey(inbox)
  const witness = await world.listen(actor)
  const reader = await pullReader(world, actor, {})
  await world.append(sent(inbox))
  expect(await reader.next()).toBe(1)
  for (let seq = 2; seq <= 6; seq++) {
    await world.append(sent(inbox))
    await witness.count(seq)
  }

  const end = await reader.next().catch((error: unknown) => error)
  expect(end).toMatchObject({ name: 'SubscriptionEnded', reason: 'too_slow', cursor: witness.collected[0]!.cursor })
  const back = await world.listen(actor, { after: witness.collected[0]!.cursor })
  await back.count(5)
  expect(back.seqs).toEqual([2, 3, 4, 5, 6])
  expect(witness.seqs).toEqual([1, 2, 3, 4, 5, 6]) // no other subscriber is affected
})

test('the backlog counts what is waiting for a reader: new events, and a page of past events', async () => {
  await using world = await FeedWorld.open({ events: { backfillBatchMax: 3 } })
  const inbox = await world.addInbox()
  const actor = await world.addKey(inbox)
  await world.append(...Array.from({ length: 7 }, () => sent(inbox)))
  const witness = await world.listen(actor)
  const backlog = new CountedBacklog()
  const abort = new AbortController()
  const events = await world.feed.subscribe(actor, { after: 'earliest' }, abort.signal, backlog)
  const iterator = events[Symbol.asyncIterator]()
  const next = async () => ((await iterator.next()).value as Event).seq

  expect(backlog.bytes).toBe(0)
  expect([await next(), backlog.count]).toEqual([1, 1])
  const page = backlog.bytes
  expect(page).toBeGreaterThan(3 * 1_000)
  expect([await next(), await next(), await next(), backlog.count]).toEqual([2, 3, 4, 1])
  expect(backlog.bytes).toBe(page) // one page in place of the other
  expect([await next(), await next(), await next()]).toEqual([5, 6, 7])
  const eighth = next()
  while (backlog.count > 0) await setImmediate()
  for (let turn = 0; turn < 3; turn++) await setImmediate() // then it is live
  await world.append(sent(inbox), sent(inbox), sent(inbox))
  await witness.count(3)
  expect([await eighth, backlog.count]).toEqual([8, 2])
  abort.abort()
  expect([backlog.count, backlog.bytes]).toEqual([0, 0]) // at once
})

test('the backlog of a reader that is ended for its backlog is released', async () => {
  await using world = await FeedWorld.open()
  const inbox = await world.addInbox()
  const actor = await world.addKey(inbox)
  await world.append(sent(inbox))
  for (const after of ['earliest', 'latest']) {
    const abort = new AbortController()
    const backlog = new CountedBacklog(() => abort.abort())
    const events = await world.feed.subscribe(actor, { after }, abort.signal, backlog)
    const collected: Event[] = []
    const reading = (async () => {
      for await (const event of events) collected.push(event)
    })()
    await setImmediate()
    await world.append(sent(inbox))
    await reading
    expect([collected, backlog.count, backlog.bytes]).toEqual([[], 0, 0])
  }
})

test('a burst longer than the buffer does not make a quick reader too slow', async () => {
  await using world = await FeedWorld.open({ sockets: { bufferEventsMax: 10 }, events: { batchMax: 10 } })
  const inbox = await world.addInbox()
  const listener = await world.listen(await world.addKey(inbox))
  await world.append(...Array.from({ length: 100 }, () => sent(inbox)))
  await listener.count(100)
  expect(listener.seqs).toHaveLength(100)
})

// A batch of events for thousands of readers was distributed in one turn of the event loop.
test('a batch is distributed in turns, the shorter the more readers there are', async () => {
  await using world = await FeedWorld.open({ sockets: { bufferEventsMax: 10 }, events: { turnOffersMax: 20 } })
  const inbox = await world.addInbox()
  const key = await world.addKey(inbox)
  const listeners = [await world.listen(key), await world.listen(key)]
  await world.append(...Array.from({ length: 100 }, () => sent(inbox)))
  for (const listener of listeners) {
    await listener.count(100)
    expect(listener.seqs).toEqual(Array.from({ length: 100 }, (_, index) => index + 1))
  }
})

test('stop sends what was committed before, then ends every subscription', async () => {
  await using world = await FeedWorld.open()
  const inbox = await world.addInbox()
  const listener = await world.listen(await world.addKey(inbox))
  await world.append(sent(inbox), sent(inbox))
  await world.feed.stop()
  expect(await listener.reason()).toBe('stopping')
  expect(listener.seqs).toEqual([1, 2])
  const late = world.feed.subscribe(await world.addKey(inbox), {}, new AbortController().signal)
  await expect(late).rejects.toMatchObject({ code: 'shutting_down' })
})

test('aborting ends the iteration without an error', async () => {
  await using world = await FeedWorld.open()
  const actor = await world.addKey(await world.addInbox())
  const listener = await world.listen(actor)
  listener.abort.abort()
  expect(await listener.ended).toBeUndefined()
  const early = new AbortController()
  early.abort()
  for await (const _ of await world.feed.subscribe(actor, {}, early.signal)) throw new Error('an event after the abort')
})

test('a reader that aborts while the server stops gets no error', async () => {
  await using world = await FeedWorld.open()
  const abort = new AbortController()
  const events = await world.feed.subscribe(await world.addKey(await world.addInbox()), {}, abort.signal)
  await world.feed.stop()
  abort.abort()
  for await (const _ of events) throw new Error('an event after the abort')
})

test('the log is not read for readers that aborted or left their loop', async () => {
  let reads = 0
  const countReads = (table: string) => {
    if (table === 'events') reads++
  }
  await using world = await FeedWorld.open({}, (store) => observeStatements(store, countReads))
  const inbox = await world.addInbox()
  const actor = await world.addKey(inbox)
  const aborted = await world.listen(actor)
  const left = await pullReader(world, actor, {})
  await world.append(sent(inbox))
  await aborted.count(1)
  await left.next()
  expect(reads).toBeGreaterThan(0)

  aborted.abort.abort()
  await left.leave()
  await setImmediate() // let the current read end
  reads = 0
  await world.append(sent(inbox))
  await world.feed.stop()
  expect(reads).toBe(0)
})

test('revoking a key ends its own subscriptions at once, and no others', async () => {
  await using world = await FeedWorld.open()
  const inbox = await world.addInbox()
  const [actor, other] = [await world.addKey(inbox), await world.addKey(inbox)]
  await world.append(sent(inbox))
  const live = await world.listen(actor)
  const past = await pullReader(world, actor, { after: 'earliest' }) // has not started to read
  const witness = await world.listen(other)
  await world.store.transaction(async (tx) => {
    await apiKeys.remove(tx, actor.apiKeyId)
    tx.append(keyRevoked({ actor: 'system:test', key: { id: actor.apiKeyId, organizationId: inbox.organizationId } }))
  })
  await world.append(sent(inbox))
  await witness.count(1)

  expect(await live.reason()).toBe('revoked')
  expect(live.seqs).toEqual([])
  await expect(past.next()).rejects.toMatchObject({ reason: 'revoked' })
  expect(witness.seqs).toEqual([3]) // and the internal event was not sent
  expect(await (await world.listen(actor)).reason()).toBe('revoked') // it was authenticated before the key was revoked
})

test('a key whose permissions changed must be authenticated again', async () => {
  await using world = await FeedWorld.open()
  const inbox = await world.addInbox()
  const actor = await world.addKey(inbox, { permissions: ['message_read', 'label_spam_read'] })
  await world.store.transaction((tx) => apiKeys.update(tx, actor.apiKeyId, { permissions: '["message_read"]' }))
  expect(await (await world.listen(actor)).reason()).toBe('revoked')
})

// The event that ends the subscriptions from before the change also ended those from after it.
test('a key can be used again as soon as its permissions were changed', async () => {
  let isGone = false
  const fail = (table: string) => {
    if (isGone && table === 'events') throw new Error('the disk is gone')
  }
  await using world = await FeedWorld.open({ events: { pollMs: 1 } }, (store) => observeStatements(store, fail))
  const inbox = await world.addInbox()
  const actor = await world.addKey(inbox, { permissions: ['message_read', 'inbox_read'] })
  const before = await world.listen(actor)
  isGone = true // the tailer falls behind
  await world.store.transaction(async (tx) => {
    await apiKeys.update(tx, actor.apiKeyId, { permissions: '["message_read"]' })
    tx.append(keyRevoked({ actor: 'system:test', key: { id: actor.apiKeyId, organizationId: inbox.organizationId } }))
  })
  const after = await world.listen({ ...actor, permissions: new Set(['message_read'] as const) })
  isGone = false
  await world.append(sent(inbox))
  await after.count(1)
  expect(after.seqs).toEqual([2])
  expect(await before.reason()).toBe('revoked')
})

test('an expired key ends its subscriptions, and a later one at its own time', async () => {
  await using world = await FeedWorld.open()
  const inbox = await world.addInbox()
  const actor = await world.addKey(inbox, { expiresAt: world.time.now + 1_000 })
  const listener = await world.listen(actor)
  const later = await world.listen(await world.addKey(inbox, { expiresAt: world.time.now + 2_000 }))
  await world.append(sent(inbox))
  await listener.count(1)
  world.time.now += 1_000
  await world.append(sent(inbox))
  expect(await listener.reason()).toBe('revoked')
  expect(listener.seqs).toEqual([1])
  expect(await (await world.listen(actor)).reason()).toBe('revoked')
  await later.count(2)
  world.time.now += 1_000
  await world.append(sent(inbox))
  expect(await later.reason()).toBe('revoked')
  expect(later.seqs).toEqual([1, 2])
})

test('deleting an inbox or pod ends the subscriptions of its keys', async () => {
  await using world = await FeedWorld.open()
  const inbox = await world.addInbox()
  const ofInbox = await world.listen(await world.addKey(inbox))
  const ofPod = await world.listen(await world.addKey({ organizationId: inbox.organizationId, podId: inbox.podId }))
  const about = { id: inbox.inboxId, ...inbox }
  await world.append(inboxGone({ actor: 'system:test', inbox: about }))
  expect(await ofInbox.reason()).toBe('revoked')
  await world.append(sent(inbox), podGone({ actor: 'system:test', pod: { ...inbox, id: inbox.podId } }))
  expect(await ofPod.reason()).toBe('revoked')
})

test('a read that fails is counted and retried, and no event is missed', async () => {
  let isGone = false
  const fail = () => {
    if (isGone) throw new Error('the disk is gone')
  }
  await using world = await FeedWorld.open({ events: { pollMs: 1 } }, (store) => observeStatements(store, fail))
  const inbox = await world.addInbox()
  const listener = await world.listen(await world.addKey(inbox))
  await world.append(sent(inbox))
  await listener.count(1)
  isGone = true
  await world.append(sent(inbox), sent(inbox))
  while ((await failuresOf(world)) < 2) await setImmediate()
  isGone = false
  await listener.count(3)
  expect(listener.seqs).toEqual([1, 2, 3])
})

// The pause doubled after each failure, up to half a minute: for that long after an outage no subscriber got any event.
test('after many failures the log is still read every second poll interval', async () => {
  const failedAt: number[] = []
  let isGone = false
  const fail = () => {
    if (!isGone) return
    failedAt.push(performance.now())
    throw new Error('the database is away')
  }
  await using world = await FeedWorld.open({ events: { pollMs: 40 } }, (store) => observeStatements(store, fail))
  const listener = await world.listen(await world.addKey(await world.addInbox()))
  isGone = true
  await expect.poll(() => failedAt.length, { timeout: 10_000 }).toBeGreaterThan(8)
  isGone = false
  const pausesMs = failedAt.slice(1).map((at, index) => at - failedAt[index]!)
  expect(Math.min(...pausesMs.slice(-3))).toBeLessThan(40 * 4)
  expect(listener.seqs).toEqual([])
})

test('a subscriber that has received no event yet has a cursor to resume from', async () => {
  await using world = await FeedWorld.open()
  const inbox = await world.addInbox()
  const actor = await world.addKey(inbox)
  const subscribe = (after?: string) => world.feed.subscribe(actor, { after }, new AbortController().signal)
  const subscriptions = [await subscribe(), await subscribe('earliest')]
  const listener = await world.listen(actor)
  await world.append(sent(inbox))
  await listener.count(1) // from now on a new subscription starts at the live feed's position
  subscriptions.push(await subscribe(), await subscribe('earliest'), await subscribe(listener.collected[0]!.cursor))
  await world.append(sent(inbox))
  const seqs = []
  for (const { cursor } of subscriptions) {
    const back = await world.listen(actor, { after: cursor })
    await back.until((event) => event.seq === 2)
    seqs.push(back.seqs)
  }
  expect(seqs).toEqual([[1, 2], [1, 2], [2], [1, 2], [2]])
})

test('a row that cannot be parsed is skipped, and later events are sent', async () => {
  await using world = await FeedWorld.open()
  const inbox = await world.addInbox()
  const listener = await world.listen(await world.addKey(inbox))
  await world.store.transaction(async (tx) => {
    const columns = { event_id: 'damaged', at: tx.now, type: 'message.sent', visibility: 'public', actor: '' } as const
    const scope = { organization_id: inbox.organizationId, pod_id: null, inbox_id: inbox.inboxId, message_id: null }
    await tx
      .insertInto('events')
      .values({ seq: 1, ...columns, ...scope, payload: '{' })
      .execute()
    await tx.updateTable('event_log').set({ last_seq: 1, last_event_id: 'damaged' }).execute()
  })
  await world.append(sent(inbox))
  await listener.count(1)
  expect(listener.seqs).toEqual([2])
  expect(await failuresOf(world)).toBe(1)
})

class CountedBacklog implements Backlog {
  bytes = 0
  count = 0
  readonly #onHold: () => void

  constructor(onHold = () => undefined as unknown) {
    this.#onHold = onHold
  }

  add({ bytes }: BacklogItem): void {
    this.bytes += bytes
    this.count += 1
    this.#onHold()
  }

  remove({ bytes }: BacklogItem): void {
    this.bytes -= bytes
    this.count -= 1
  }
}

/** Subscribes with a reader that reads one event per call of `next`. */
async function pullReader(world: FeedWorld, ...[actor, eventFilter]: Parameters<FeedWorld['listen']>) {
  const events = await world.feed.subscribe(actor, eventFilter ?? {}, new AbortController().signal)
  const iterator = events[Symbol.asyncIterator]()
  return {
    next: async () => ((await iterator.next()).value as Event).seq,
    leave: () => iterator.return?.(),
  }
}

function seqOf(cursor: string): number {
  return Number(Buffer.from(cursor, 'base64url').toString().split('.')[2])
}

async function failuresOf(world: FeedWorld): Promise<number> {
  const { values } = await world.metrics.backgroundErrors.get()
  return values.find(({ labels }) => labels.loop === 'event tailer')?.value ?? 0
}
