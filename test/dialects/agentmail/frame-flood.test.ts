/**
 * Tests clients that send very many frames over a WebSocket: how many are handled, which answers they get, and that
 * other work continues between two frames. The feed counts the calls that it gets. Time is measured in iterations of
 * the event loop, not on a clock.
 */
import { expect, onTestFinished, test, vi } from 'vitest'
import { type LimitOverrides, mergeLimits } from '../../../src/config/limits.ts'
import { createRoundRobin } from '../../../src/edges/http/server/memory/round-robin.ts'
import { type Edge, KEY, startEdge } from './edge.ts'
import { FakeFeed } from './fake-feed.ts'
import { openSocket, type RawSocket } from './raw-socket.ts'

/** So slow that no further frame is allowed while a test runs. */
const NO_MORE = { sockets: { framesPerSecondMax: 0.000_001 } }

async function startWithFeed(limits: LimitOverrides = {}): Promise<{ feed: FakeFeed; edge: Edge }> {
  const feed = new FakeFeed()
  return { feed, edge: await startEdge({ core: { feed }, limits }) }
}

function connect(edge: Edge): Promise<RawSocket> {
  return openSocket(`${edge.url}/v0`, { authorization: `Bearer ${KEY}` })
}

/** Returns the frames that arrive until the socket is closed. */
async function untilClosed(socket: RawSocket): Promise<Record<string, unknown>[]> {
  const frames: Record<string, unknown>[] = []
  for (;;) {
    const frame = await socket.next().catch(() => undefined)
    if (frame === undefined) return frames
    frames.push(frame)
  }
}

/** Calls `note` at the beginning of each subscribe. */
function observe(feed: FakeFeed, note: () => void): void {
  const subscribe = feed.subscribe.bind(feed)
  feed.subscribe = (...args) => {
    note()
    return subscribe(...args)
  }
}

test('of 60,000 subscribes at once, those within the limit are handled, some are refused, and the socket is closed', async () => {
  const { feed, edge } = await startWithFeed(
    mergeLimits(NO_MORE, { sockets: { framesBurstMax: 10, framesRefusedMax: 5 } }),
  )
  await using _edge = edge
  await using socket = await connect(edge)
  for (let count = 0; count < 60_000; count++) socket.send('{"type":"subscribe"}')
  const frames = await untilClosed(socket)
  expect(frames.filter(({ type }) => type === 'subscribed')).toHaveLength(10)
  const errors = frames.filter(({ type }) => type === 'error')
  expect(errors).toHaveLength(5)
  expect(errors[0]).toMatchObject({ name: 'RateLimitError', code: 'rate_limit_exceeded', fix: expect.any(String) })
  expect(await socket.closed).toEqual({ code: 1008, reason: 'too_many_frames' })
  expect(feed.subscribeCalls).toBe(10)
})

test('a socket that pauses may send a full burst again, and its earlier refused frames no longer count', async () => {
  const limits = { sockets: { framesPerSecondMax: 100, framesBurstMax: 3, framesRefusedMax: 4 } }
  const { edge } = await startWithFeed(limits)
  await using _edge = edge
  await using socket = await connect(edge)
  let refused = 0
  // More than four are refused in total, but never as many between two pauses.
  while (refused <= 8) {
    for (let count = 0; count < 7; count++) socket.send('{"type":"subscribe"}')
    for (let count = 0; count < 7; count++) if ((await socket.next()).type === 'error') refused += 1
    const before = performance.now()
    await vi.waitUntil(() => performance.now() - before > 40) // a full burst takes 30 ms
  }
  expect(socket.socket.readyState).toBe(socket.socket.OPEN)
})

test('pings and pongs count like any other frame', async () => {
  const { edge } = await startWithFeed(mergeLimits(NO_MORE, { sockets: { framesBurstMax: 10, framesRefusedMax: 2 } }))
  await using _edge = edge
  await using socket = await connect(edge)
  let pongs = 0
  socket.socket.on('pong', () => (pongs += 1))
  for (let count = 0; count < 4; count++) socket.socket.pong()
  for (let count = 0; count < 500; count++) socket.socket.ping(`${count}`)
  expect(await untilClosed(socket)).toMatchObject([{ code: 'rate_limit_exceeded' }, { code: 'rate_limit_exceeded' }])
  expect(await socket.closed).toMatchObject({ code: 1008 })
  expect(pongs).toBe(6)
})

test('a pong has the data of its ping', async () => {
  const { edge } = await startWithFeed()
  await using _edge = edge
  await using socket = await connect(edge)
  const answered = new Promise((resolve) => socket.socket.on('pong', (data) => resolve(String(data))))
  socket.socket.ping('grüße')
  expect(await answered).toBe('grüße')
})

test('a large frame counts as several', async () => {
  const limits = mergeLimits(NO_MORE, { sockets: { framesBurstMax: 10, frameUnitBytes: 1_000 } })
  const { feed, edge } = await startWithFeed(limits)
  await using _edge = edge
  await using socket = await connect(edge)
  const frame = { type: 'subscribe', inbox_ids: ['x'.repeat(3_000)] } // each counts as four
  for (let count = 0; count < 3; count++) socket.send(frame)
  const types = [(await socket.next()).type, (await socket.next()).type, (await socket.next()).type]
  expect(types.sort()).toEqual(['error', 'subscribed', 'subscribed'])
  socket.send({ type: 'subscribe' })
  expect(await socket.next()).toMatchObject({ type: 'subscribed' })
  expect(feed.subscribeCalls).toBe(3)
})

test('the frames of all sockets together are handled one per iteration of the event loop', async () => {
  const { feed, edge } = await startWithFeed()
  await using _edge = edge
  await using one = await connect(edge)
  await using two = await connect(edge)
  await using three = await connect(edge)
  let iteration = 0
  let ticking = setImmediate(function tick() {
    iteration += 1
    ticking = setImmediate(tick)
  })
  onTestFinished(() => clearImmediate(ticking))
  const iterations: number[] = []
  observe(feed, () => iterations.push(iteration))

  for (let count = 0; count < 20; count++) for (const socket of [one, two, three]) socket.send({ type: 'subscribe' })
  for (const socket of [one, two, three]) {
    for (let count = 0; count < 20; count++) expect(await socket.next()).toMatchObject({ type: 'subscribed' })
  }
  expect(new Set(iterations).size).toBe(60)
})

test('a request is answered between the frames of many sockets, however long each frame takes', async () => {
  const { feed, edge } = await startWithFeed()
  await using _edge = edge
  const sockets = await Promise.all(Array.from({ length: 10 }, () => connect(edge)))
  observe(feed, () => {
    const until = performance.now() + 3
    while (performance.now() < until);
  })
  for (const socket of sockets) for (let count = 0; count < 20; count++) socket.send({ type: 'subscribe' })
  await expect.poll(() => feed.subscribeCalls, { interval: 0 }).toBeGreaterThan(0)
  expect((await edge.request('GET', '/readyz')).status).toBe(200)
  expect(feed.subscribeCalls).toBeLessThan(200)
  for (const socket of sockets) await socket[Symbol.asyncDispose]()
})

test('keys take turns: a frame waits for at most one frame of each other key', async () => {
  const roundRobin = createRoundRobin()
  const order: string[] = []
  const take = async (key: string, name: string) => {
    await roundRobin.next(key)
    order.push(name)
  }
  const all = ['a1', 'a2', 'a3', 'a4'].map((name) => take('a', name))
  await Promise.all([...all, take('b', 'b1'), take('c', 'c1'), take('b', 'b2')])
  expect(order).toEqual(['a1', 'b1', 'c1', 'a2', 'b2', 'a3', 'a4'])
})

test('no more frames are handled for a client that does not read its answers, and its socket is closed', async () => {
  const limits = { sockets: { framesBurstMax: 10_000, bufferBytesMax: 50_000, stallMs: 300 } }
  const { feed, edge } = await startWithFeed(limits)
  await using _edge = edge
  await using socket = await connect(edge)
  socket.socket.pause()
  const inbox_ids = Array.from({ length: 900 }, (_, index) => `${index}-${'x'.repeat(50)}@b.test`)
  for (let count = 0; count < 400; count++) socket.send({ type: 'subscribe', inbox_ids }) // the answers are as large
  await expect.poll(() => edge.log.some((line) => line.msg === 'websocket closed')).toBe(true)
  expect(edge.log.find((line) => line.msg === 'websocket closed')).toMatchObject({ code: 1013, reason: 'stalled' })
  expect(feed.subscribeCalls).toBeLessThan(400)
})
