/** Tests counts, rates and usage on a real database, with a clock that the test sets. */
import { expect, test } from 'vitest'
import type { LimitOverrides } from '../../src/config/limits.ts'
import type { Within } from '../../src/mail/access/actor.ts'
import { messageBounced, messageSent } from '../../src/mail/events/log/message-events.ts'
import { sweepEvents } from '../../src/mail/events/log/retention.ts'
import { createFoldEvents, type FoldEvents } from '../../src/mail/reports/fold-events.ts'
import { sweepRollups } from '../../src/mail/reports/report-sweeps.ts'
import { createReports, type Reports } from '../../src/mail/reports/reports.ts'
import { snapshotUsage } from '../../src/mail/reports/snapshot-usage.ts'
import { FeedWorld, messageIn, type TestInbox } from '../events/feed-world.ts'

const MINUTE = 60_000
const HOUR = 60 * MINUTE
const DAY = 24 * HOUR
const signal = new AbortController().signal

class ReportsWorld implements AsyncDisposable {
  readonly feed: FeedWorld
  readonly fold: FoldEvents
  readonly reports: Reports

  private constructor(feed: FeedWorld, fold: FoldEvents) {
    this.feed = feed
    this.fold = fold
    this.reports = createReports(this.needs)
  }

  static async open(limits: LimitOverrides = {}): Promise<ReportsWorld> {
    const feed = await FeedWorld.open(limits)
    const fold = createFoldEvents({ store: feed.store, limits: feed.limits })
    await fold.open()
    return new ReportsWorld(feed, fold)
  }

  get needs() {
    return { store: this.feed.store, clock: this.feed.time.clock, limits: this.feed.limits }
  }

  get time() {
    return this.feed.time
  }

  /** Appends one event for mail to some recipients. */
  async sent(inbox: TestInbox, recipients = 1): Promise<void> {
    await this.feed.append(
      messageSent({ ...about(inbox), timestamp: this.time.now, recipients: addresses(recipients) }),
    )
  }

  async bounced(inbox: TestInbox, recipients = 1): Promise<void> {
    const list = addresses(recipients).map((address) => ({ address, status: '5.1.1' }))
    const own = {
      timestamp: this.time.now,
      bounceType: 'permanent' as const,
      bounceSubType: 'General',
      recipients: list,
    }
    await this.feed.append(messageBounced({ ...about(inbox), ...own }))
  }

  async purge(): Promise<void> {
    await sweepEvents({ ...this.needs, readThrough: this.fold.readThrough }, signal)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.feed[Symbol.asyncDispose]()
  }
}

function about(inbox: TestInbox) {
  return { actor: 'system:test', message: messageIn(inbox, ['sent']) }
}

function addresses(count: number): string[] {
  return Array.from({ length: count }, (_, index) => `r${index}@x.test`)
}

const start = Date.UTC(2026, 0, 1)
const scopesOf = (inbox: TestInbox): Within[] => [{ inbox: inbox.inboxId }, { pod: inbox.podId }, {}]

test('events are counted the same from the log, from hourly counts, and while they are being counted', async () => {
  await using world = await ReportsWorld.open({ reports: { foldRows: 2 } })
  const inbox = await world.feed.addInbox()
  const neighbour = await world.feed.addInbox()
  const { organizationId } = inbox
  const actor = await world.feed.addKey({ organizationId })
  for (const minutes of [5, 50, 65, 130]) {
    world.time.now = start + minutes * MINUTE
    await world.sent(inbox)
    await world.sent(neighbour)
  }
  world.time.now = start + 150 * MINUTE
  const hours = [
    { at: start, count: 2 },
    { at: start + HOUR, count: 1 },
    { at: start + 2 * HOUR, count: 1 },
  ]
  const types = ['message.sent', 'label.added', 'no.such.type']
  const count = async (within: Within, periodMs: number) =>
    (await world.reports.events(actor, within, { types, periodMs, start })).get('message.sent')

  const check = async () => {
    for (const within of scopesOf(inbox)) expect(await count(within, HOUR), JSON.stringify(within)).toEqual(hours)
    expect(await count({}, 30 * MINUTE)).toEqual([
      { at: start, count: 1 },
      { at: start + 30 * MINUTE, count: 1 },
      { at: start + HOUR, count: 1 },
      { at: start + 2 * HOUR, count: 1 },
    ])
  }
  await check()
  await world.fold.run(AbortSignal.abort()).catch(() => undefined) // counts nothing
  await check()
  // Nothing is counted twice, also by two nodes at the same time.
  const other = createFoldEvents({ store: world.feed.store, limits: world.feed.limits })
  await Promise.all([world.fold.run(signal), other.run(signal)])
  await world.fold.run(signal)
  await check()
  await world.sent(inbox)
  hours[2] = { at: start + 2 * HOUR, count: 2 }
  expect(await count({ inbox: inbox.inboxId }, HOUR)).toEqual(hours)

  // An end is exclusive.
  const before = async (minutes: number, periodMs?: number) => {
    const query = { types, periodMs, start, end: start + minutes * MINUTE }
    return (await world.reports.events(actor, { inbox: inbox.inboxId }, query)).get('message.sent')
  }
  const first = [{ at: start + 5 * MINUTE, count: 1 }]
  expect([await before(50), await before(50, 5 * MINUTE), await before(60, HOUR)]).toEqual([first, first, [hours[0]]])

  const single = await world.reports.events(actor, {}, { types, start, limit: 2, descending: true })
  expect([...single]).toEqual([
    [
      'message.sent',
      [
        { at: start + 150 * MINUTE, count: 1 },
        { at: start + 130 * MINUTE, count: 1 },
      ],
    ],
  ])
})

test('an event without an inbox counts for its pod and its organization', async () => {
  await using world = await ReportsWorld.open()
  const { organizationId, podId, inboxId } = await world.feed.addInbox()
  const actor = await world.feed.addKey({ organizationId })
  const verified = { type: 'domain.verified', visibility: 'public', actor: 'system:test', payload: {} } as const
  await world.feed.append({ ...verified, organizationId, podId }, { ...verified, organizationId })
  const counts = async () =>
    Promise.all(
      [{}, { pod: podId }, { inbox: inboxId }].map(async (within) => {
        const points = (await world.reports.events(actor, within, { periodMs: DAY })).get('domain.verified')!
        return points.map(({ count }) => count)
      }),
    )
  expect(await counts()).toEqual([[2], [1], []])
  await world.fold.run(signal)
  expect(await counts()).toEqual([[2], [1], []])
})

test('hourly counts remain when the log is purged, and are removed when they are old', async () => {
  await using world = await ReportsWorld.open()
  const inbox = await world.feed.addInbox()
  const actor = await world.feed.addKey({ organizationId: inbox.organizationId })
  world.time.now = start + 10 * MINUTE
  await world.sent(inbox, 3)
  world.time.now = start + 40 * DAY
  await world.purge()
  expect(await world.feed.store.db.selectFrom('events').select('seq').execute()).toHaveLength(1) // not counted yet
  await world.fold.run(signal)
  await world.purge()
  expect(await world.feed.store.db.selectFrom('events').select('seq').execute()).toEqual([])
  await world.sent(inbox)

  const query = { start, types: ['message.sent'] }
  const old = { at: start, count: 1 }
  for (const periodMs of [DAY, 90 * MINUTE, undefined]) {
    const points = (await world.reports.events(actor, {}, { ...query, end: start + DAY, periodMs })).get('message.sent')
    expect(points, `${periodMs}`).toEqual([old])
  }
  const today = { at: start + 40 * DAY, count: 1 }
  expect((await world.reports.events(actor, {}, query)).get('message.sent')).toEqual([old, today])

  world.time.now = start + 122 * DAY
  await world.fold.run(signal)
  await sweepRollups(world.needs, signal)
  const left = await world.feed.store.db.selectFrom('rollups').select('hour').distinct().execute()
  expect(left).toEqual([{ hour: start + 40 * DAY }])
})

test('the log is read up to a limit: single events become hourly counts, shorter periods are refused', async () => {
  await using world = await ReportsWorld.open({ reports: { scanRowsMax: 4, scanChunkRows: 2 } })
  const inbox = await world.feed.addInbox()
  const actor = await world.feed.addKey({ organizationId: inbox.organizationId })
  world.time.now = start + 10 * MINUTE
  for (let count = 0; count < 4; count++) await world.sent(inbox)
  const points = async (within: Within, periodMs?: number) =>
    (await world.reports.events(actor, within, { periodMs, types: ['message.sent'] })).get('message.sent')
  for (const within of scopesOf(inbox)) {
    expect(await points(within)).toHaveLength(4)
    expect(await points(within, 10 * MINUTE)).toEqual([{ at: start + 10 * MINUTE, count: 4 }])
  }
  await world.sent(inbox)
  for (const within of scopesOf(inbox)) {
    expect(await points(within)).toEqual([{ at: start, count: 5 }])
    await expect(points(within, 10 * MINUTE)).rejects.toMatchObject({ code: 'query_range_too_wide' })
    expect(await points(within, HOUR)).toEqual([{ at: start, count: 5 }])
  }
})

test('rates count recipients in a window, from the log and from hourly counts', async () => {
  await using world = await ReportsWorld.open()
  const inbox = await world.feed.addInbox()
  const actor = await world.feed.addKey({ organizationId: inbox.organizationId })
  world.time.now = start + 30 * MINUTE
  await world.sent(inbox, 3)
  world.time.now = start + 90 * MINUTE
  await world.sent(inbox, 1)
  await world.bounced(inbox, 2)
  world.time.now = start + 3 * HOUR + 1
  const rates = async (periodMs: number, windowMs: number) =>
    (await world.reports.rates(actor, {}, { start, periodMs, windowMs })).get('bounce')!

  const both = [
    { at: start + HOUR, rate: 0, sent: 3 },
    { at: start + 2 * HOUR, rate: 0.5, sent: 4 },
    { at: start + 3 * HOUR, rate: 1, sent: 1 },
    { at: start + 3 * HOUR + 2, rate: undefined, sent: 0 },
  ]
  expect(await rates(HOUR, 2 * HOUR)).toEqual(both)
  await world.fold.run(signal)
  expect(await rates(HOUR, 2 * HOUR)).toEqual(both)
  const half = await rates(30 * MINUTE, 2 * HOUR)
  expect(half[3]).toEqual({ at: start + 2 * HOUR, rate: 0.5, sent: 4 })
  expect(half[4]).toEqual({ at: start + 2.5 * HOUR, rate: 0.5, sent: 4 })
  expect(half[5]).toEqual({ at: start + 3 * HOUR, rate: 1, sent: 1 })

  await expect(rates(HOUR, 90 * MINUTE)).rejects.toMatchObject({
    code: 'validation_error',
    params: { path: ['window'] },
  })
  await expect(rates(HOUR, 31 * DAY)).rejects.toMatchObject({ code: 'validation_error', params: { path: ['window'] } })
  await expect(rates(MINUTE, DAY)).rejects.toMatchObject({ code: 'query_range_too_wide' })
})

test('usage is flat between snapshots, and ends with what there is now', async () => {
  await using world = await ReportsWorld.open()
  const inbox = await world.feed.addInbox()
  const actor = await world.feed.addKey({ organizationId: inbox.organizationId })
  const { db } = world.feed.store
  const setCounters = (bytes: number) =>
    world.feed.store.transaction((tx) =>
      tx.updateTable('inboxes').set({ size_bytes: bytes, message_count: 2 }).where('id', '=', inbox.inboxId).execute(),
    )
  const at = async (hours: number, bytes: number) => {
    world.time.now = start + hours * HOUR
    await setCounters(bytes)
    await snapshotUsage(world.needs, signal)
    await snapshotUsage(world.needs, signal) // once per hour
  }
  await at(1, 100)
  await at(2, 100)
  await at(4, 300)
  expect(await db.selectFrom('usage_snapshots').select('at').where('scope_id', '=', inbox.inboxId).execute()).toEqual([
    { at: start + HOUR },
    { at: start + 4 * HOUR },
  ])
  world.time.now = start + 5.5 * HOUR
  await setCounters(500)
  for (const within of scopesOf(inbox)) {
    const points = (await world.reports.usage(actor, within, { start, types: ['storage_bytes'] })).get('storage_bytes')!
    expect(points.map(({ value }) => value)).toEqual([100, 100, 100, 300, 300, 500])
    expect(points[0]).toEqual({ at: start + HOUR, value: 100 })
  }
  const all = await world.reports.usage(actor, {}, { start, limit: 1, descending: true })
  const now = Object.fromEntries([...all].map(([type, [point]]) => [type, point!.value]))
  expect(now).toMatchObject({ storage_bytes: 500, message_count: 2, thread_count: 0, domain_count: 1, pod_count: 1 })
  const types = async (within: Within) => [...(await world.reports.usage(actor, within, {})).keys()]
  const inboxTypes = ['storage_bytes', 'message_count', 'thread_count']
  expect(await types({ inbox: inbox.inboxId })).toEqual(inboxTypes)
  expect(await types({ pod: inbox.podId })).toEqual([...inboxTypes, 'inbox_count', 'domain_count'])
  expect(await types({})).toEqual([...inboxTypes, 'inbox_count', 'domain_count', 'pod_count'])

  // What an idle scope contained is known after the retention time too.
  world.time.now = start + 100 * DAY
  await setCounters(700)
  await snapshotUsage(world.needs, signal)
  const late = await world.reports.usage(actor, { inbox: inbox.inboxId }, { start: start + 20 * DAY, periodMs: DAY })
  expect(late.get('storage_bytes')![0]).toEqual({ at: start + 21 * DAY, value: 300 })
  const kept = await db.selectFrom('usage_snapshots').select('at').where('scope_id', '=', inbox.inboxId).execute()
  expect(kept).toEqual([{ at: start + 4 * HOUR }, { at: start + 100 * DAY }])
})
