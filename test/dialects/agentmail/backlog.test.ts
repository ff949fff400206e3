/**
 * Tests subscribers that do not read, over real sockets and a feed that the test controls: how much memory their
 * backlogs may use together, which one is closed first, and that a subscriber that reads is not affected.
 */
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { expect, onTestFinished, test, vi } from 'vitest'
import { type LimitOverrides, withLimits } from '../../../src/config/limits.ts'
import { BacklogBudget } from '../../../src/edges/http/server/memory/backlog-budget.ts'
import type { Event } from '../../../src/mail/events/log/event.ts'
import { openEventSource } from '../../support/event-source.ts'
import { type Edge, KEY, startEdge } from './edge.ts'
import { FakeFeed, type FakeSubscription } from './fake-feed.ts'
import { openSocket } from './raw-socket.ts'
import { message, receivedEvent, thread } from './sample-views.ts'

const PATH = '/v0/events/stream'
/** Nearly: a frame contains its text twice. */
const FRAME_BYTES = 200_000
/** Far more than the operating system buffers for a connection that is not read. */
const EVENTS = 60

async function startWithFeed(limits: LimitOverrides = {}): Promise<{ feed: FakeFeed; edge: Edge }> {
  const feed = new FakeFeed()
  const text = 'x'.repeat(FRAME_BYTES / 2)
  const eventSubjects = {
    of: async () => ({ message: { ...message, text, extractedText: text }, thread, version: 'whole' }),
  }
  return { feed, edge: await startEdge({ core: { feed, eventSubjects }, limits }) }
}

/** Opens a stream from which nothing is read after its head. */
async function openMuteStream(edge: Edge): Promise<Socket> {
  const socket = connect(Number(new URL(edge.url).port), '127.0.0.1')
  onTestFinished(() => void socket.destroy())
  socket.on('error', () => undefined)
  socket.write(`GET ${PATH} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${KEY}\r\n\r\n`)
  await once(socket, 'readable')
  return socket
}

async function openMuteSocket(edge: Edge) {
  const socket = await openSocket(`${edge.url}/v0`, { authorization: `Bearer ${KEY}` })
  onTestFinished(() => socket[Symbol.asyncDispose]())
  socket.send({ type: 'subscribe' })
  await socket.next()
  socket.socket.pause()
  return socket
}

function events(from: number): Event[] {
  return Array.from({ length: EVENTS }, (_, index) => receivedEvent(from + index))
}

/** Resolves when the server reads no more events for the reader, although there are more. */
async function stuck(subscription: FakeSubscription): Promise<void> {
  let pulled = 0
  let unchanged = 0
  await vi.waitUntil(
    () => {
      unchanged = subscription.pulled > 0 && subscription.pulled === pulled ? unchanged + 1 : 0
      pulled = subscription.pulled
      return unchanged === 4
    },
    { interval: 25, timeout: 20_000 },
  )
}

async function backlogBytes(edge: Edge): Promise<number> {
  const { body } = await edge.request('GET', '/metrics')
  return Number(/^martlet_event_backlog_bytes (\S+)$/m.exec(body)![1])
}

function cutOff(edge: Edge): number {
  return edge.log.filter((line) => line.reason === 'too_slow').length
}

test('a frame that is waiting for many readers is stored once, and released after the last one', async () => {
  const { feed, edge } = await startWithFeed({ events: { backlogBytesMax: 5_000_000 } })
  await using _edge = edge
  const streams = [await openMuteStream(edge), await openMuteStream(edge), await openMuteStream(edge)]
  const sockets = [await openMuteSocket(edge), await openMuteSocket(edge), await openMuteSocket(edge)]
  const shared = events(1)
  for (const subscription of feed.subscriptions) subscription.publish(...shared)
  await Promise.all(feed.subscriptions.map(stuck))

  // Each waits for more than a megabyte: six copies would be more than the budget.
  for (const { pulled } of feed.subscriptions) expect(pulled).toBeLessThan(EVENTS)
  expect(cutOff(edge)).toBe(0)
  expect(await backlogBytes(edge)).toBeGreaterThan(1_000_000)
  expect(await backlogBytes(edge)).toBeLessThan(5_000_000)

  for (const stream of streams) stream.destroy()
  for (const socket of sockets) socket.socket.terminate()
  await expect.poll(() => backlogBytes(edge)).toBe(0)
})

test('when the budget is used up, a reader that stopped reading is closed, and the others get everything', async () => {
  const { feed, edge } = await startWithFeed({ events: { backlogBytesMax: 4_500_000, turnBytesMax: 8_000_000 } })
  await using _edge = edge
  const mute = [await openMuteSocket(edge), await openMuteSocket(edge)]
  feed.subscriptions[0]!.publish(...events(1_000))
  feed.subscriptions[1]!.publish(...events(2_000))
  await Promise.all(feed.subscriptions.map(stuck))
  const late = await openMuteSocket(edge)
  feed.subscriptions[2]!.publish(...events(3_000))
  await stuck(feed.subscriptions[2]!)
  expect(cutOff(edge)).toBe(0) // each waits for a little more than a megabyte

  await using reading = await openSocket(`${edge.url}/v0`, { authorization: `Bearer ${KEY}` })
  reading.send({ type: 'subscribe' })
  await reading.next()
  feed.subscriptions[3]!.publish(...events(4_000))
  for (let index = 0; index < EVENTS; index++) {
    expect(await reading.next()).toMatchObject({ cursor: `cursor-${4_000 + index}` })
  }
  await using source = await openEventSource(`${edge.url}${PATH}`, { key: KEY })
  await source.next('subscribed')
  feed.subscriptions[4]!.publish(...events(5_000))
  for (let index = 0; index < EVENTS; index++) {
    expect((await source.next('message')).lastEventId).toBe(`cursor-${5_000 + index}`)
  }
  expect(cutOff(edge)).toBe(1)
  expect(await backlogBytes(edge)).toBeLessThan(4_500_000)
  expect([reading, late].map(({ socket }) => socket.readyState === socket.OPEN)).toEqual([true, true])
  expect(await edge.metrics.socketsClosed.get()).toMatchObject({ values: [{ labels: { code: 1013 }, value: 1 }] })

  for (const { socket } of mute) socket.resume()
  expect(await Promise.race(mute.map(({ closed }) => closed))).toMatchObject({ code: 1006 })
})

test('the number of waiting frames is limited as well as their bytes', async () => {
  const feed = new FakeFeed()
  const eventSubjects = { of: async () => ({ version: 'nothing' }) }
  const edge = await startEdge({ core: { feed, eventSubjects }, limits: { sockets: { bufferFramesMax: 10 } } })
  await using _edge = edge
  await openMuteStream(edge)
  const label = { ...receivedEvent(), type: 'label.added', payload: { label: 'x'.repeat(5_000), labels: [] } }
  feed.subscriptions[0]!.publish(...Array.from({ length: 5_000 }, (_, index) => ({ ...label, seq: index })))
  await stuck(feed.subscriptions[0]!)
  expect(feed.subscriptions[0]!.pulled).toBeLessThan(5_000)
  expect(await backlogBytes(edge)).toBeLessThan(12 * 8_000)
})

test.each([
  ['bytes', { turnBytesMax: 2 * FRAME_BYTES }],
  ['writes', { turnWritesMax: 2 }],
])(
  'events for many readers are written in several iterations of the event loop, in order: limited by %s',
  async (_by, limits) => {
    const { feed, edge } = await startWithFeed({ events: limits })
    await using _edge = edge
    const sources = await Promise.all(
      Array.from({ length: 6 }, () => openEventSource(`${edge.url}${PATH}`, { key: KEY })),
    )
    for (const source of sources) await source.next('subscribed')
    let turn = 0
    let ticking = setImmediate(function tick() {
      turn += 1
      ticking = setImmediate(tick)
    })
    onTestFinished(() => clearImmediate(ticking))
    const writtenIn: number[] = []
    const { eventsSent } = edge.metrics
    eventsSent.inc = () => void writtenIn.push(turn)
    const shared = events(1).slice(0, 3)
    for (const subscription of feed.subscriptions) subscription.publish(...shared)
    for (const source of sources) {
      for (const cursor of ['cursor-1', 'cursor-2', 'cursor-3']) {
        expect((await source.next('message')).lastEventId).toBe(cursor)
      }
    }
    expect(writtenIn).toHaveLength(18)
    // Two in each iteration; the two of the first are followed by two more before it has ended.
    for (const each of new Set(writtenIn)) expect(writtenIn.filter((one) => one === each).length).toBeLessThanOrEqual(4)
    for (const source of sources) source.close()
  },
)

test('the reader with the largest backlog is closed first, and no more readers than necessary', () => {
  const order: string[] = []
  const budget = new BacklogBudget(withLimits({ events: { backlogBytesMax: 1_000 } }))
  const open = (name: string) => {
    const held: { bytes: number; bytesPerReader: number; readerCount: number }[] = []
    const backlog = budget.open(() => {
      order.push(name)
      for (const item of held.splice(0)) backlog.remove(item)
    })
    const hold = (...items: typeof held) => {
      for (const item of items) {
        held.push(item)
        backlog.add(item)
      }
    }
    return { backlog, hold }
  }
  const item = (bytes: number) => ({ bytes, bytesPerReader: 1, readerCount: 0 })
  const [small, large, gone, late] = ['small', 'large', 'gone', 'late'].map(open)
  const shared = item(300)
  small!.hold(shared)
  large!.hold(shared, item(400))
  expect(budget.bytes).toBe(703)
  gone!.backlog.close()
  late!.hold(item(250))
  expect(order).toEqual([])
  late!.hold(item(60))
  expect(order).toEqual(['large'])
  expect([small, large, late].map((reader) => reader!.backlog.bytes)).toEqual([301, 0, 312])
  expect(budget.bytes).toBe(613)
})
