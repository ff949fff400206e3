/**
 * Tests pages of the log and long polls over a real store and feed: which events a page contains, how far the cursor
 * advances, and that no event is missed between the query and the wait.
 */
import { expect, onTestFinished, test } from 'vitest'
import { type LimitOverrides, mergeLimits } from '../../src/config/limits.ts'
import { createEventPages, type EventQuery } from '../../src/mail/events/history/event-pages.ts'
import type { Event } from '../../src/mail/events/log/event.ts'
import { labelEvents } from '../../src/mail/events/log/message-events.ts'
import { keyRevoked } from '../../src/mail/events/log/resource-events.ts'
import { sweepEvents } from '../../src/mail/events/log/retention.ts'
import type { NewEvent } from '../../src/store/handles.ts'
import * as apiKeys from '../../src/store/tables/api-keys-table.ts'
import { FeedWorld, messageIn, seeded, sent, type TestInbox } from './feed-world.ts'

const MINUTE = 60_000

/** How long a request waits, and the signals that end the wait. */
interface RequestWait {
  readonly waitMs?: number
  readonly disconnected?: AbortSignal
  readonly draining?: AbortSignal
}

async function open(limits: LimitOverrides = {}, freeBytes = 64 * 1024, whileItWaits?: () => void) {
  const world = await FeedWorld.open(mergeLimits({ events: { disorderMs: MINUTE } }, limits))
  onTestFinished(() => world[Symbol.asyncDispose]())
  const { store, feed, time, limits: all } = world
  const pages = createEventPages({ store, feed, clock: time.clock, limits: all })
  const inbox = await world.addInbox()
  const actor = await world.addKey({ organizationId: inbox.organizationId })
  const never = new AbortController().signal
  const reserved: number[] = []
  const memory = {
    freeBytes,
    async reserve(bytes: number) {
      reserved.push(bytes)
      whileItWaits?.()
      return whileItWaits !== undefined
    },
    nextTurn: async () => undefined,
  }

  /** Reads a page; each event is rendered as its number. */
  const read = async (
    query: EventQuery = {},
    { waitMs = 0, disconnected = never, draining = never }: RequestWait = {},
    word = numberOf,
    asker = actor,
    estimate = 1,
  ) => {
    const render = async (event: Event) => {
      const text = await word(event)
      return text === undefined ? undefined : Buffer.from(text)
    }
    const renderer = {
      sizesOf: async (events: readonly Event[]) => events.map(() => estimate),
      render: (events: readonly Event[]) => Promise.all(events.map(render)),
    }
    const page = await pages.read(asker, query, renderer, { waitMs, disconnected, draining }, memory)
    return { ...page, texts: page.texts.map(String) }
  }
  return { world, inbox, actor, read, reserved }
}

async function numberOf(event: Event): Promise<string | undefined> {
  return String(event.seq)
}

function numbers({ texts }: { readonly texts: readonly string[] }): number[] {
  return texts.map(Number)
}

function labelled(inbox: TestInbox): NewEvent {
  return labelEvents({ actor: 'system:test', message: messageIn(inbox, ['a']), added: ['a'], removed: [] })[0]!
}

test('pages go from the oldest event to the end, and an unchanged cursor means that there are no more', async () => {
  const { world, inbox, read } = await open({ events: { pageDefault: 2, pageMax: 3 } })
  await world.append(...Array.from({ length: 7 }, () => sent(inbox)))
  const first = await read()
  expect(numbers(first)).toEqual([1, 2])
  const second = await read({ after: first.cursor, limit: 100 })
  expect(numbers(second)).toEqual([3, 4, 5])
  const third = await read({ after: second.cursor })
  expect(numbers(third)).toEqual([6, 7])
  expect(await read({ after: third.cursor })).toEqual({ texts: [], cursor: third.cursor })
  expect(numbers(await read({ after: 'earliest', limit: 1 }))).toEqual([1])
})

test('a page that becomes large gets memory before more of it is rendered, and keeps none while the request waits', async () => {
  const { world, inbox, read, reserved } = await open({ events: { pageBytesMax: 20 } }, 8)
  await world.append(sent(inbox), sent(inbox), sent(inbox))
  expect(await read({}, {}, async () => '12345678')).toMatchObject({ texts: ['12345678', '12345678'] })
  expect(reserved).toEqual([20])
  expect((await read({ limit: 1 }, {}, async () => '12345678')).texts.length).toBe(1)
  expect(reserved).toEqual([20])
  let renderings = 0
  const goneWhileWaiting = async () => {
    renderings += 1
    return renderings === 1 ? '123456789' : undefined
  }
  expect((await read({}, {}, goneWhileWaiting)).texts).toEqual([])
  expect(reserved).toEqual([20, 20, 0])
})

test('after a wait for memory, the whole page is rendered again', async () => {
  let text = 'old'
  const { world, inbox, read, reserved } = await open({}, 8, () => {
    text = 'new'
  })
  await world.append(sent(inbox), sent(inbox), sent(inbox))
  expect((await read({}, {}, async () => text)).texts).toEqual(['new', 'new', 'new'])
  expect(reserved.length).toBe(1)
})

test('the cursor advances over events that do not match, a bounded range at a time', async () => {
  const { world, inbox, read } = await open({ lists: { scanRowsMax: 3 } })
  await world.append(...Array.from({ length: 7 }, () => labelled(inbox)), sent(inbox))
  const cursors = new Set<string>()
  let after: string | undefined
  for (const expected of [[], [], [8]]) {
    const page = await read({ after })
    expect(numbers(page)).toEqual(expected)
    cursors.add(page.cursor)
    after = page.cursor
  }
  expect(cursors.size).toBe(3)
  const listener = await world.listen(await world.addKey(inbox), { after: 'earliest' })
  await listener.count(1)
  expect(listener.collected[0]!.cursor).toBe(after)
})

test('an event that the caller does not render is skipped, and the cursor advances over it', async () => {
  const { world, inbox, read } = await open()
  await world.append(sent(inbox), sent(inbox), sent(inbox))
  const odd = async (event: Event) => (event.seq % 2 === 1 ? String(event.seq) : undefined)
  expect(numbers(await read({}, {}, odd))).toEqual([1, 3])
  const none = await read({}, {}, async () => undefined)
  expect(none.texts).toEqual([])
  expect(await read({ after: none.cursor })).toEqual({ texts: [], cursor: none.cursor })
})

test('a page ends at its size limit, and the next one starts there', async () => {
  const { world, inbox, read } = await open({ events: { pageBytesMax: 10 } })
  await world.append(...Array.from({ length: 5 }, () => sent(inbox)))
  const heavy = async ({ seq }: Event) => (seq === 1 ? undefined : String(seq).repeat(seq === 2 ? 50 : 4))
  const pages: string[][] = []
  let after: string | undefined
  for (let number = 0; number < 3; number++) {
    const page = await read({ after }, {}, heavy)
    pages.push([...page.texts])
    after = page.cursor
  }
  expect(pages).toEqual([['2'.repeat(50)], ['3333', '4444'], ['5555']])
})

test('events that the key may not see are omitted: other tenants, hidden mail, types without permission', async () => {
  const { world, inbox, read } = await open()
  const stranger = await world.addInbox()
  const hidden = messageIn(inbox, ['spam', 'a'])
  await world.append(
    sent(stranger),
    sent(inbox),
    ...labelEvents({ actor: 'system:test', message: hidden, added: ['a'], removed: [] }),
  )
  const some = await world.addKey(inbox, { permissions: ['message_read'] })
  const eventTypes = ['message.sent', 'label.added']
  expect(numbers(await read())).toEqual([2])
  expect(numbers(await read({ eventTypes }))).toEqual([2, 3])
  expect(numbers(await read({ eventTypes }, {}, numberOf, some))).toEqual([2])
  const spam = read({ eventTypes: ['message.received.spam'] }, {}, numberOf, some)
  await expect(spam).rejects.toMatchObject({ code: 'missing_permission' })
  await expect(read({ inboxIds: [stranger.inboxId] })).rejects.toMatchObject({ code: 'not_found' })
  await expect(read({ eventTypes: ['key.revoked'] })).rejects.toMatchObject({ code: 'validation_error' })
})

test('inboxes and pods are a union', async () => {
  const { world, inbox, read } = await open()
  const { organizationId } = inbox
  const other = await world.addInbox({ organizationId })
  const third = await world.addInbox({ organizationId })
  await world.append(sent(inbox), sent(other), sent(third))
  expect(numbers(await read({ inboxIds: [inbox.address], podIds: [other.podId] }))).toEqual([1, 2])
})

test('a time range is found without reading earlier events, and compared exactly', async () => {
  const { world, inbox, read } = await open({ lists: { scanRowsMax: 10 }, events: { pageDefault: 100 } })
  const start = world.time.now
  for (let number = 0; number < 60; number++) {
    world.time.now = start + number * MINUTE
    await world.append(sent(inbox), sent(inbox))
  }
  const at = (number: number) => start + number * MINUTE
  const page = await read({ start: at(50), end: at(52) })
  expect(numbers(page)).toEqual([101, 102, 103, 104])
  expect(await read({ after: page.cursor, start: at(50), end: at(52) })).toEqual({ texts: [], cursor: page.cursor })
  expect(numbers(await read({ start: at(59) }))).toEqual([119, 120])
  expect(numbers(await read({ end: at(1) }))).toEqual([1, 2])
  expect(numbers(await read({ start: at(100) }))).toEqual([])
  expect(numbers(await read({ start: at(5), end: at(5) }))).toEqual([])
  expect(numbers(await read({ start: 0, limit: 1 }))).toEqual([1])
  const later = await read({ start: at(50), limit: 1 })
  expect(numbers(await read({ after: later.cursor, start: at(0), limit: 1 }))).toEqual([102]) // the later of the two
})

test('events whose times are slightly out of order are still found', async () => {
  const { world, inbox, read } = await open()
  const random = seeded(5)
  const start = world.time.now
  const times = Array.from({ length: 40 }, (_, index) => start + index * 10_000 + Math.floor(random() * MINUTE))
  for (const time of times) {
    world.time.now = time
    await world.append(sent(inbox))
  }
  for (let round = 0; round < 100; round++) {
    const from = start + Math.floor(random() * 40) * 10_000
    const before = from + Math.floor(random() * 3 * MINUTE)
    const expected = times.flatMap((time, index) => (time >= from && time < before ? [index + 1] : []))
    expect(numbers(await read({ start: from, end: before }))).toEqual(expected)
  }
})

test('a waiting request is answered when the first matching event arrives', async () => {
  const { world, inbox, read } = await open()
  await world.append(labelled(inbox))
  const waiting = read({}, { waitMs: 60_000 })
  await listening(world, 1)
  await world.append(labelled(inbox))
  await world.append(sent(inbox), sent(inbox))
  const page = await waiting
  expect(numbers(page)).toEqual([3, 4])
  await listening(world, 0)
  expect(numbers(await read({}, { waitMs: 60_000 }))).toEqual([3, 4]) // they exist already: no wait
})

test('a waiting request reads past events that do not match, and waits at the end', async () => {
  const { world, inbox, read } = await open({ lists: { scanRowsMax: 2 } })
  await world.append(...Array.from({ length: 9 }, () => labelled(inbox)), sent(inbox))
  const page = await read({}, { waitMs: 60_000 })
  expect(numbers(page)).toEqual([10])
  await expect(read({ after: page.cursor }, { waitMs: 30 })).resolves.toEqual({ texts: [], cursor: page.cursor })
})

test('a request whose time is over before the end of a large log is answered with the position that it has reached', async () => {
  const { world, inbox, read } = await open({ lists: { scanRowsMax: 2 }, events: { searchPauseMs: 50 } })
  await world.append(...Array.from({ length: 20 }, () => labelled(inbox)), sent(inbox))
  const page = await read({}, { waitMs: 20 })
  expect(page.texts).toEqual([])
  expect(numbers(await read({ after: page.cursor }, { waitMs: 60_000 }))).toEqual([21])
  const whole = await read({}, { waitMs: 60_000 })
  expect(numbers(whole)).toEqual([21])
  expect(whole.cursor).not.toBe(page.cursor)
})

test('on timeout or `draining`, the page is empty and its cursor is at the end of the events that were read', async () => {
  const { world, inbox, read } = await open()
  const draining = new AbortController()
  const waiting = read({}, { waitMs: 60_000, draining: draining.signal })
  await listening(world, 1)
  await world.append(labelled(inbox), labelled(inbox))
  draining.abort()
  const hurried = await waiting
  expect(hurried.texts).toEqual([])
  const over = await read({}, { waitMs: 20 })
  expect(over).toEqual(hurried)
  await world.append(sent(inbox))
  expect(numbers(await read({ after: over.cursor }))).toEqual([3])
  expect(numbers(await read({ after: over.cursor }, { waitMs: 60_000, draining: draining.signal }))).toEqual([3])
})

test('a request for a time range in the past does not wait', async () => {
  const { world, inbox, read } = await open()
  await world.append(labelled(inbox))
  const end = world.time.now + 1
  world.time.now += 2 * MINUTE
  expect(numbers(await read({ end }, { waitMs: 3_600_000 }))).toEqual([])
  const waiting = read({ end: world.time.now + 1 }, { waitMs: 60_000 })
  await listening(world, 1)
  await world.append(sent(inbox))
  expect(numbers(await waiting)).toEqual([2])
})

test('the wait ends when the client disconnects', async () => {
  const { world, read } = await open()
  const disconnected = new AbortController()
  const waiting = read({}, { waitMs: 3_600_000, disconnected: disconnected.signal })
  await listening(world, 1)
  disconnected.abort()
  expect((await waiting).texts).toEqual([])
  await listening(world, 0)
})

test('no event is missed and none is sent twice, whenever requests start and end', async () => {
  const { world, inbox, read } = await open({ lists: { scanRowsMax: 5 }, events: { pageDefault: 3 } })
  const collected: number[] = []
  let after: string | undefined
  const writing = (async () => {
    for (let number = 0; number < 60; number++) await world.append(sent(inbox), labelled(inbox), sent(inbox))
  })()
  for (let turn = 0; collected.length < 120; turn++) {
    const page = await read({ after }, { waitMs: turn % 3 === 0 ? 0 : 20 })
    collected.push(...numbers(page))
    after = page.cursor
  }
  await writing
  expect(collected).toEqual(Array.from({ length: 180 }, (_, index) => index + 1).filter((seq) => seq % 3 !== 2))
})

test('an event that is committed just before the subscription is found by the query after it', async () => {
  const { world, inbox, read } = await open()
  const { subscribe } = world.feed
  world.feed.subscribe = async (...given) => {
    await world.append(sent(inbox))
    return subscribe(...given)
  }
  expect(numbers(await read({}, { waitMs: 3_600_000 }))).toEqual([1])
})

test('a request continues when more events arrive during its query than a subscription buffers', async () => {
  const { world, inbox, read } = await open({ sockets: { bufferEventsMax: 2 }, events: { pageDefault: 5 } })
  let flood: Promise<void> | undefined
  const odd = async (event: Event) => {
    flood ??= world.append(...Array.from({ length: 40 }, () => sent(inbox))).then(() => listening(world, 0))
    await flood
    return event.seq <= 1 + 20 ? undefined : String(event.seq)
  }
  await world.append(sent(inbox))
  expect(numbers(await read({}, { waitMs: 60_000 }, odd))).toEqual([22, 23, 24, 25, 26])
})

test('a key that is revoked meanwhile ends the wait with the error that the next request gets', async () => {
  const { world, actor, read } = await open()
  const revoked = read({}, { waitMs: 60_000 })
  await listening(world, 1)
  const key = { id: actor.apiKeyId, organizationId: actor.organizationId }
  await world.store.transaction(async (tx) => {
    await apiKeys.remove(tx, actor.apiKeyId)
    tx.append(keyRevoked({ actor: 'system:test', key }))
  })
  await expect(revoked).rejects.toMatchObject({ code: 'unknown_api_key' })
  await expect(read({}, { waitMs: 60_000 })).rejects.toMatchObject({ code: 'unknown_api_key' })
  await listening(world, 0)
})

test('a cursor before the retained events has expired; a text that is no cursor is refused', async () => {
  const { world, inbox, read } = await open()
  const start = (await read()).cursor
  await world.append(sent(inbox))
  world.time.now += 40 * 24 * 60 * MINUTE
  await world.append(sent(inbox))
  const { store, limits } = world
  await sweepEvents({ store, clock: world.time.clock, limits }, new AbortController().signal)
  await expect(read({ after: start })).rejects.toMatchObject({ code: 'cursor_expired' })
  await expect(read({ after: 'nonsense' })).rejects.toMatchObject({ code: 'validation_error' })
  expect(numbers(await read())).toEqual([2])
  expect(numbers(await read({ start: 0 }))).toEqual([2])
})

async function listening(world: FeedWorld, count: number): Promise<void> {
  await expect
    .poll(async () => (await world.metrics.eventSubscriptions.get()).values[0]?.value ?? 0, { interval: 2 })
    .toBe(count)
}
