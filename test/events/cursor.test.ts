import { expect, test } from 'vitest'
import { formatCursor } from '../../src/mail/events/log/cursor.ts'
import { endOf, floorOf, parsePosition } from '../../src/mail/events/log/log-position.ts'
import type { EventRow } from '../../src/store/schema/event-rows.ts'
import * as events from '../../src/store/tables/events-table.ts'
import { FeedWorld, sent } from './feed-world.ts'

const EPOCH = /^[\da-f-]+$/

test('a cursor leads back to its event: the last purged one, one in the middle, the newest', async () => {
  await using world = await openLog()
  for (const row of [world.rows[1]!, world.rows[3]!, world.rows[5]!]) {
    expect(await world.read(world.cursor(row))).toEqual({ seq: row.seq, eventId: row.event_id })
  }
})

test('both ends of the log are valid positions, also in an empty log', async () => {
  await using world = await FeedWorld.open()
  const { store } = world
  for (const _ of ['empty', 'with an event']) {
    const log = await events.requireLog(store.db)
    for (const position of [floorOf(log), endOf(log)]) {
      const cursor = formatCursor(store.epoch, position)
      expect(await parsePosition(store, cursor, log)).toEqual(position)
    }
    await world.append(sent(await world.addInbox()))
  }
})

test.each<[string, (world: Log) => string]>([
  ['of another log', ({ rows }) => formatCursor('another', { seq: 4, eventId: rows[3]!.event_id })],
  ['before the retained events', ({ cursor, rows }) => cursor(rows[0]!)],
  ['after the end', ({ cursor, rows }) => cursor({ seq: 7, event_id: rows[5]!.event_id })],
  ['of another event with that number', ({ cursor, rows }) => cursor({ seq: 4, event_id: rows[4]!.event_id })],
  ['of another event at the end', ({ cursor, rows }) => cursor({ seq: 6, event_id: rows[4]!.event_id })],
  ['of another event at the floor', ({ cursor, rows }) => cursor({ seq: 2, event_id: rows[4]!.event_id })],
  ['without an event', ({ store }) => formatCursor(store.epoch, { seq: 4, eventId: null })],
  ['of a later version', ({ store }) => encode(`2.${store.epoch}.4.000000000000`)],
])('a cursor %s has expired', async (_name, cursorOf) => {
  await using world = await openLog()
  expect(world.store.epoch).toMatch(EPOCH)
  await expect(world.read(cursorOf(world))).rejects.toMatchObject({ code: 'cursor_expired' })
})

test('a damaged cursor is a validation error', async () => {
  await using world = await openLog()
  const whole = '1.epoch.15.0123456789ab'
  const damaged = [
    '',
    whole,
    encode('1..15.0123456789ab'),
    encode('1.epoch..0123456789ab'),
    encode('1.epoch.-1.0123456789ab'),
    encode('1.epoch.1.5.0123456789ab'),
    encode('1.epoch.99999999999999999.0123456789ab'),
    encode('1.epoch.9999999999999999.0123456789ab'), // no safe integer
    encode('1.epoch.15.0123456789abc'),
    encode('1.epoch.15.0123456789AB'),
    encode(`${whole}\n`),
    `${encode(whole)}=`,
    encode(whole).replace(/^(..)/, '$1 '),
    encode(`1.epoch.15${'0'.repeat(100_000)}`),
  ]
  for (const cursor of damaged) {
    await expect(world.read(cursor), cursor.slice(0, 80)).rejects.toMatchObject({ code: 'validation_error' })
  }
})

type Log = Awaited<ReturnType<typeof openLog>>

/** Opens a log of six events, of which the first two were purged. */
async function openLog() {
  const world = await FeedWorld.open()
  const { store } = world
  const inbox = await world.addInbox()
  await world.append(...Array.from({ length: 6 }, () => sent(inbox)))
  const rows = await events.listAfter(store.db, 0, 10)
  await store.transaction(async (tx) => {
    await events.remove(tx, [1, 2])
    await events.raiseFloor(tx, rows[1]!)
  })
  return {
    store,
    rows,
    cursor: ({ seq, event_id }: Pick<EventRow, 'seq' | 'event_id'>) =>
      formatCursor(store.epoch, { seq, eventId: event_id }),
    read: async (cursor: string) => parsePosition(store, cursor, await events.requireLog(store.db)),
    [Symbol.asyncDispose]: () => world[Symbol.asyncDispose](),
  }
}

function encode(text: string): string {
  return Buffer.from(text).toString('base64url')
}
