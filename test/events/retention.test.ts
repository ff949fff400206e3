/** Tests that old events are purged from the log, and that no cursor ever skips purged events silently. */

import { expect, test } from 'vitest'
import { withLimits } from '../../src/config/limits.ts'
import { labelEvents } from '../../src/mail/events/log/message-events.ts'
import { sweepEvents } from '../../src/mail/events/log/retention.ts'
import type { NewEvent } from '../../src/store/handles.ts'
import { FeedWorld, messageIn, sent, type TestInbox } from './feed-world.ts'

const DAY = 24 * 60 * 60_000
const limits = withLimits({
  events: { retentionMs: 30 * DAY, labelRetentionMs: 90 * DAY, sweepRows: 3, sweepPauseMs: 1 },
})

function labelled(inbox: TestInbox): NewEvent {
  return labelEvents({ actor: 'system:test', message: messageIn(inbox, ['a']), added: ['a'], removed: [] })[0]!
}

async function sweep(world: FeedWorld, signal = new AbortController().signal): Promise<number> {
  return sweepEvents({ store: world.store, clock: world.time.clock, limits }, signal)
}

async function kept(world: FeedWorld): Promise<number[]> {
  return (await world.store.db.selectFrom('events').select('seq').orderBy('seq').execute()).map((row) => row.seq)
}

test('events and label events are purged after their own retention times, in several chunks', async () => {
  await using world = await FeedWorld.open()
  const inbox = await world.addInbox()
  for (let pair = 0; pair < 5; pair++) await world.append(sent(inbox), labelled(inbox)) // 1–10
  world.time.now += 20 * DAY
  await world.append(sent(inbox), labelled(inbox)) // 11, 12

  expect(await sweep(world)).toBe(0)
  world.time.now += 10 * DAY + 1
  expect(await sweep(world)).toBe(5)
  expect(await kept(world)).toEqual([2, 4, 6, 8, 10, 11, 12])
  expect(await sweep(world)).toBe(0)
  world.time.now += 60 * DAY
  expect(await sweep(world)).toBe(6)
  expect(await kept(world)).toEqual([12])
})

test('a cursor of a purged event has expired; "earliest" and cursors of later events still work', async () => {
  await using world = await FeedWorld.open(limits)
  const inbox = await world.addInbox()
  const actor = await world.addKey(inbox)
  const listener = await world.listen(actor)
  await world.append(...Array.from({ length: 5 }, () => sent(inbox)))
  world.time.now += 30 * DAY + 1
  await world.append(sent(inbox), sent(inbox))
  await listener.count(7)
  await sweep(world)
  await world.restart() // the floor is on disk

  const cursors = listener.collected.map((event) => event.cursor)
  await expect(world.listen(actor, { after: cursors[3]! })).rejects.toMatchObject({ code: 'cursor_expired' })
  const last = await world.listen(actor, { after: cursors[4]! })
  const all = await world.listen(actor, { after: 'earliest' })
  await Promise.all([last.count(2), all.count(2)])
  expect(last.seqs).toEqual([6, 7])
  expect(all.seqs).toEqual([6, 7])
})

test('a log that a sweep has emptied continues its numbering', async () => {
  await using world = await FeedWorld.open()
  const inbox = await world.addInbox()
  const actor = await world.addKey(inbox)
  await world.append(sent(inbox), sent(inbox))
  world.time.now += 31 * DAY
  await sweep(world)
  await world.restart()
  const listener = await world.listen(actor, { after: 'earliest' })
  await world.append(sent(inbox))
  await listener.count(1)
  expect(listener.seqs).toEqual([3])
})

test('a subscriber whose unread events are purged gets cursor_expired, not a gap', async () => {
  await using world = await FeedWorld.open({ events: { backfillBatchMax: 2 } })
  const inbox = await world.addInbox()
  await world.append(...Array.from({ length: 6 }, () => sent(inbox)))
  const actor = await world.addKey(inbox)
  const events = await world.feed.subscribe(actor, { after: 'earliest' }, new AbortController().signal)
  const iterator = events[Symbol.asyncIterator]()
  await iterator.next()
  world.time.now += 31 * DAY
  await sweep(world)
  await iterator.next() // from the page that it had already read
  await expect(iterator.next()).rejects.toMatchObject({ code: 'cursor_expired' })
})

test('other writers run between the chunks of a sweep', async () => {
  await using world = await FeedWorld.open()
  const inbox = await world.addInbox()
  await world.append(...Array.from({ length: 90 }, () => sent(inbox)))
  world.time.now += 31 * DAY
  let isOver = false
  const sweeping = sweep(world).finally(() => {
    isOver = true
  })
  let written = 0
  while (!isOver) {
    await world.append(sent(inbox))
    written += 1
  }
  expect(await sweeping).toBe(90)
  expect(written).toBeGreaterThan(10)
})

test('the sweep after a stopped one continues where that one ended', async () => {
  await using world = await FeedWorld.open()
  const inbox = await world.addInbox()
  await world.append(...Array.from({ length: 7 }, () => sent(inbox)))
  world.time.now += 31 * DAY
  const stop = new AbortController()
  const stopListening = world.store.onCommit(() => stop.abort())
  expect(await sweep(world, stop.signal)).toBe(3)
  stopListening()
  expect(await sweep(world)).toBe(4)
  expect(await kept(world)).toEqual([])
})
