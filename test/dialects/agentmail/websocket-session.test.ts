/**
 * Tests one socket over a feed that the test controls: frames, replaced subscriptions, back-pressure, the heartbeat,
 * and why a socket closes. The fake feed counts the events that were read from it, so a test can check that no more are
 * read without waiting.
 */
import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { expect, onTestFinished, test } from 'vitest'
import { type WebSocket, WebSocketServer } from 'ws'
import { type LimitOverrides, withLimits } from '../../../src/config/limits.ts'
import { serveWebSocket } from '../../../src/edges/http/live/websocket-session.ts'
import { BacklogBudget } from '../../../src/edges/http/server/memory/backlog-budget.ts'
import { createRoundRobin } from '../../../src/edges/http/server/memory/round-robin.ts'
import { WritePacer } from '../../../src/edges/http/server/memory/write-pacer.ts'
import { MailError } from '../../../src/errors.ts'
import { createLog } from '../../../src/log.ts'
import { createMetrics } from '../../../src/metrics.ts'
import { anyone, type Edge, KEY, startEdge } from './edge.ts'
import { FakeFeed } from './fake-feed.ts'
import { openSocket } from './raw-socket.ts'
import { message, receivedEvent, thread } from './sample-views.ts'

async function startWithFeed(limits: LimitOverrides = {}): Promise<{ feed: FakeFeed; edge: Edge }> {
  const feed = new FakeFeed()
  const eventSubjects = { of: async () => ({ message, thread, version: 'whole' }) }
  return { feed, edge: await startEdge({ core: { feed, eventSubjects }, limits }) }
}

function connect(edge: Edge, headers: Record<string, string> = {}) {
  return openSocket(`${edge.url}/v0`, { authorization: `Bearer ${KEY}`, ...headers })
}

async function subscribed(edge: Edge, headers: Record<string, string> = {}) {
  const socket = await connect(edge, headers)
  socket.send({ type: 'subscribe' })
  expect(await socket.next()).toEqual({ type: 'subscribed', cursor: 'start' })
  return socket
}

test('a subscribe that is still being checked is aborted when the client disconnects', async () => {
  const { feed, edge } = await startWithFeed()
  await using _edge = edge
  feed.gate = new Promise(() => undefined)
  const socket = await connect(edge)
  socket.send({ type: 'subscribe' })
  await expect.poll(() => feed.subscribeCalls).toBe(1)
  await socket[Symbol.asyncDispose]()
  await expect.poll(() => feed.signals[0]!.aborted).toBe(true)
})

// `eventTypes` was ignored without a word, and the socket got the events of every type.
test('a misspelt member of subscribe is refused, and another unknown one is named in "subscribed"', async () => {
  const { feed, edge } = await startWithFeed()
  await using _edge = edge
  await using socket = await connect(edge)
  const misspelt = {
    eventTypes: 'event_types',
    event_type: 'event_types',
    events: 'event_types', // as older documentation has it
    types: 'event_types',
    inboxes: 'inbox_ids',
    pods: 'pod_ids',
    POD_ID: 'pod_ids',
    environment_ids: 'pod_ids',
    environmentId: 'pod_ids',
    aftr: 'after',
  }
  for (const [name, meant] of Object.entries(misspelt)) {
    socket.send({ type: 'subscribe', [name]: ['message.received'] })
    expect(await socket.next(), name).toMatchObject({
      ...{ type: 'error', name: 'ValidationError', code: 'validation_error' },
      message: `${name} is unknown: write ${meant}. The members of subscribe are event_types, inbox_ids, pod_ids, after`,
    })
  }
  expect(feed.subscribeCalls).toBe(0)
  socket.send({ type: 'subscribe', channels: ['x'], later: true })
  const warning = 'unknown members were ignored: channels, later'
  expect(await socket.next()).toEqual({ type: 'subscribed', cursor: 'start', warning })
})

// Only the first three unknown members were compared.
test('a misspelt filter is refused behind any number of unknown members', async () => {
  const { feed, edge } = await startWithFeed()
  await using _edge = edge
  await using socket = await connect(edge)
  for (const [count, sentence] of [
    [19, 'eventTypes is unknown: write event_types. '],
    [20, 'A subscribe frame has too many unknown members. '],
  ] as const) {
    const others = Object.fromEntries(Array.from({ length: count }, (_, at) => [`extension${at}`, true]))
    socket.send({ type: 'subscribe', ...others, eventTypes: ['message.received'] })
    expect(await socket.next()).toMatchObject({ type: 'error', message: expect.stringContaining(sentence) })
  }
  expect(feed.subscribeCalls).toBe(0)
  socket.send({ type: 'subscribe', a1: 1, b2: 1, c3: 1, d4: 1 })
  const warning = 'unknown members were ignored: a1, b2, c3, ...'
  expect(await socket.next()).toMatchObject({ type: 'subscribed', warning })
})

test('"subscribed" repeats the given members, and is sent before the first event', async () => {
  const { feed, edge } = await startWithFeed()
  await using _edge = edge
  await using socket = await connect(edge)
  socket.send({
    type: 'subscribe',
    event_types: ['message.received'],
    inbox_ids: ['a@b.test'],
    pod_ids: null,
    after: 'c',
  })
  expect(await socket.next()).toEqual({
    type: 'subscribed',
    event_types: ['message.received'],
    inbox_ids: ['a@b.test'],
    cursor: 'start',
  })
  expect(feed.subscriptions[0]!.eventFilter).toMatchObject({
    eventTypes: ['message.received'],
    inboxIds: ['a@b.test'],
    after: 'c',
  })

  feed.subscriptions[0]!.publish(receivedEvent(7))
  expect(await socket.next()).toMatchObject({
    type: 'event',
    event_type: 'message.received',
    event_id: 'evt_7',
    cursor: 'cursor-7',
    message: { subject: 'hello', text: 'grüße\n\n> old' },
    thread: { message_count: 1 },
  })
})

// Readers of one event share its text. A late reader must not get what was hidden since the others got it.
test('what a reader may see of an event is checked when the event is sent to it', async () => {
  const feed = new FakeFeed()
  const hidden = new Set<number>()
  const subject = { message, thread, version: 'whole' }
  const eventSubjects = { of: async ({ seq }: { seq: number }) => (hidden.has(seq) ? undefined : subject) }
  await using edge = await startEdge({ core: { feed, eventSubjects } })
  await using early = await subscribed(edge)
  await using late = await subscribed(edge)
  const [one, two] = [receivedEvent(1), receivedEvent(2)]
  feed.subscriptions[0]!.publish(one)
  expect(await early.next()).toMatchObject({ event_id: 'evt_1', message: { text: message.text } })
  hidden.add(1)
  feed.subscriptions[1]!.publish(one, two)
  expect(await late.next()).toMatchObject({ event_id: 'evt_2' })
})

test('a second subscribe replaces the first, but a refused one does not', async () => {
  const { feed, edge } = await startWithFeed()
  await using _edge = edge
  await using socket = await subscribed(edge)
  feed.refusal = new MailError('not_found', { what: 'Inbox' })
  socket.send({ type: 'subscribe', inbox_ids: ['nobody@b.test'] })
  expect(await socket.next()).toMatchObject({
    type: 'error',
    name: 'NotFoundError',
    code: 'not_found',
    message: 'Inbox not found',
  })

  feed.subscriptions[0]!.publish(receivedEvent(1))
  expect(await socket.next()).toMatchObject({ event_id: 'evt_1' })

  socket.send({ type: 'subscribe', event_types: ['message.sent'] })
  expect(await socket.next()).toMatchObject({ type: 'subscribed' })
  expect(feed.subscriptions[0]!.signal.aborted).toBe(true)
  feed.subscriptions[1]!.publish(receivedEvent(2))
  expect(await socket.next()).toMatchObject({ event_id: 'evt_2' })
})

test('no event of the old subscription is sent after a new one has replaced it', async () => {
  const { feed, edge } = await startWithFeed()
  await using _edge = edge
  await using socket = await subscribed(edge)
  let open = () => undefined as unknown
  feed.gate = new Promise((resolve) => (open = () => resolve()))
  socket.send({ type: 'subscribe', event_types: ['message.sent'] })
  await expect.poll(() => feed.subscribeCalls === 2).toBe(true)
  feed.subscriptions[0]!.publish(receivedEvent(1))
  await expect.poll(() => feed.subscriptions[0]!.pulled === 1).toBe(true)
  open()
  expect(await socket.next()).toMatchObject({ type: 'subscribed' })
  feed.subscriptions[1]!.publish(receivedEvent(2))
  expect(await socket.next()).toMatchObject({ event_id: 'evt_2' })
})

test.each([
  ['text that is not JSON', 'hello'],
  ['an array', '[]'],
  ['a number', '7'],
  ['null', 'null'],
  ['another type', '{"type":"ping"}'],
  ['a wrong member', '{"type":"subscribe","event_types":"message.received"}'],
  ['bytes', Buffer.from('{"type":"subscribe"}')],
])('%s is answered with an error frame, and the socket stays open', async (_name, frame) => {
  const { edge } = await startWithFeed()
  await using _edge = edge
  await using socket = await connect(edge)
  socket.socket.send(frame)
  expect(await socket.next()).toMatchObject({ type: 'error', name: 'ValidationError', code: 'validation_error' })
  socket.send({ type: 'subscribe' })
  expect(await socket.next()).toMatchObject({ type: 'subscribed' })
})

test('an event type that needs a permission is refused with the message that clients know', async () => {
  const { feed, edge } = await startWithFeed()
  await using _edge = edge
  await using socket = await connect(edge)
  feed.refusal = new MailError('missing_permission', { permission: 'label_spam_read' })
  socket.send({ type: 'subscribe', event_types: ['message.received.spam'] })
  expect(await socket.next()).toMatchObject({
    type: 'error',
    name: 'ForbiddenError',
    message: 'label_spam_read is forbidden',
  })
})

test('an internal error is reported as such, without its details', async () => {
  const { feed, edge } = await startWithFeed()
  await using _edge = edge
  await using socket = await connect(edge)
  feed.refusal = new Error('SELECT secret')
  socket.send({ type: 'subscribe' })
  const frame = await socket.next()
  expect(frame).toMatchObject({ type: 'error', code: 'internal_error' })
  expect(JSON.stringify(frame)).not.toContain('SELECT')
})

test.each([
  ['too_slow', {}, 1013],
  ['set_back', {}, 1013],
  ['revoked', {}, 1008],
  ['stopping', {}, 1012],
  ['stopping', { 'x-fern-language': 'Python' }, 1001],
] as const)('a feed that ends as %s closes the socket %o with %i', async (reason, headers, code) => {
  const { feed, edge } = await startWithFeed()
  await using _edge = edge
  await using socket = await subscribed(edge, headers)
  feed.subscriptions[0]!.end(reason)
  expect(await socket.closed).toEqual({ code, reason })
  expect(await edge.metrics.socketsClosed.get()).toMatchObject({ values: [{ labels: { code }, value: 1 }] })
})

test('a client that stops reading pauses the feed, and is disconnected when nothing is written any more', async () => {
  const { feed, edge } = await startWithFeed({ sockets: { bufferBytesMax: 50_000, stallMs: 300 } })
  await using _edge = edge
  await using socket = await subscribed(edge)
  socket.socket.pause()
  const subscription = feed.subscriptions[0]!
  // The kernel's buffers hold some megabytes; a frame is about 1.5 kB.
  subscription.publish(...Array.from({ length: 20_000 }, (_, index) => receivedEvent(index + 1)))
  await expect.poll(() => edge.log.some((line) => line.msg === 'websocket closed')).toBe(true)
  expect(edge.log.find((line) => line.msg === 'websocket closed')).toMatchObject({ code: 1013, reason: 'stalled' })
  expect(subscription.pulled).toBeLessThan(20_000)
  socket.socket.resume()
  expect(await socket.closed).toMatchObject({ code: 1013 })
})

test('a client that reads slowly receives every event in order', async () => {
  const { feed, edge } = await startWithFeed({ sockets: { bufferBytesMax: 20_000, stallMs: 5_000 } })
  await using _edge = edge
  await using socket = await subscribed(edge)
  feed.subscriptions[0]!.publish(...Array.from({ length: 5_000 }, (_, index) => receivedEvent(index + 1)))
  for (let seq = 1; seq <= 5_000; seq++) {
    if (seq % 500 === 0) {
      socket.socket.pause()
      setImmediate(() => socket.socket.resume())
    }
    expect((await socket.next()).event_id).toBe(`evt_${seq}`)
  }
})

test('a peer that does not answer two pings is disconnected', async () => {
  const { edge } = await startWithFeed({ sockets: { pingMs: 40 } })
  await using _edge = edge
  await using dead = await connect(edge)
  await using alive = await connect(edge)
  dead.socket.pong = () => undefined
  let pings = 0
  dead.socket.on('ping', () => (pings += 1))
  expect(await dead.closed).toMatchObject({ code: 1006 })
  expect(pings).toBe(2)
  for (let count = 0; count < 3; count++) await once(alive.socket, 'ping')
  expect(alive.socket.readyState).toBe(alive.socket.OPEN)
})

test('a frame over the limit closes only its own socket', async () => {
  const { edge } = await startWithFeed({ sockets: { messageBytesMax: 1_000 } })
  await using _edge = edge
  await using socket = await connect(edge)
  socket.send({ type: 'subscribe', inbox_ids: ['x'.repeat(2_000)] })
  expect(await socket.closed).toMatchObject({ code: 1009 })
  await using other = await subscribed(edge)
  expect(other.socket.readyState).toBe(other.socket.OPEN)
})

test('frames are answered in the order of their arrival, even if one takes long', async () => {
  const { feed, edge } = await startWithFeed()
  await using _edge = edge
  await using socket = await connect(edge)
  let open = () => undefined as unknown
  feed.gate = new Promise((resolve) => (open = () => resolve()))
  socket.send({ type: 'subscribe' })
  socket.send({ type: 'ping' })
  await expect.poll(() => feed.subscribeCalls === 1).toBe(true)
  open()
  expect(await socket.next()).toMatchObject({ type: 'subscribed' })
  expect(await socket.next()).toMatchObject({ type: 'error' })
})

test('thousands of frames at once are handled one after another if the limit allows them', async () => {
  const { feed, edge } = await startWithFeed({ sockets: { framesBurstMax: 3_000 } })
  await using _edge = edge
  await using socket = await connect(edge)
  for (let index = 0; index < 3_000; index++) socket.send({ type: 'subscribe', inbox_ids: [`${index}@b.test`] })
  for (let index = 0; index < 3_000; index++) {
    expect(await socket.next()).toMatchObject({ type: 'subscribed', inbox_ids: [`${index}@b.test`] })
  }
  expect(feed.subscriptions.filter(({ signal }) => !signal.aborted)).toHaveLength(1)
})

test('a socket that closes leaves no subscription', async () => {
  const { feed, edge } = await startWithFeed()
  await using _edge = edge
  const socket = await subscribed(edge)
  const { signal } = feed.subscriptions[0]!
  const aborted = once(signal, 'abort')
  socket.socket.close(1000)
  await aborted
  expect(await socket.closed).toMatchObject({ code: 1000 })
  expect(await edge.metrics.sockets.get()).toMatchObject({ values: [{ value: 0 }] })
})

test('a key has no more sockets than its limit, and one that closes no longer counts', async () => {
  const { edge } = await startWithFeed({ sockets: { perKeyMax: 2 } })
  await using _edge = edge
  const first = await connect(edge)
  await using _second = await connect(edge)
  await expect(connect(edge)).rejects.toThrow(/^429 application\/json.*"code":"rate_limit_exceeded"/)
  const refusal = { status: 429, code: 'too_many_connections', apiKeyId: 'key-1' }
  expect(edge.log.findLast(({ msg }) => msg === 'request')).toMatchObject(refusal)
  await expect(openSocket(`${edge.url}/v0`, { 'sec-websocket-version': '7' })).rejects.toThrow() // a failed handshake does not count
  first.socket.terminate()
  await first.closed
  await expect.poll(async () => (await edge.metrics.sockets.get()).values[0]?.value === 1).toBe(true)
  await using third = await connect(edge)
  third.send({ type: 'subscribe' })
  expect(await third.next()).toMatchObject({ type: 'subscribed' })
})

test('the handshake accepts the key in the header or the query, the header first', async () => {
  const { edge } = await startWithFeed()
  await using _edge = edge
  await using _query = await openSocket(`${edge.url}/v0?api_key=${KEY}`)
  await using _both = await openSocket(`${edge.url}/v0?api_key=wrong`, { authorization: `Bearer ${KEY}` })
  const headerWins = openSocket(`${edge.url}/v0?api_key=${KEY}`, { authorization: 'Bearer wrong' })
  await expect(headerWins).rejects.toThrow(/^401 application\/json.*"code":"unknown_api_key"/)
  await expect(openSocket(`${edge.url}/v0`)).rejects.toThrow(/^401 .*"code":"missing_authorization"/)
  await expect(openSocket(`${edge.url}/v0/`, { authorization: `Bearer ${KEY}` })).rejects.toThrow(/^404 .*not_found/)
  await expect(openSocket(`${edge.url}/v1`, { authorization: `Bearer ${KEY}` })).rejects.toThrow(/^404 .*not_found/)
  expect(JSON.stringify(edge.log)).not.toContain(KEY)
})

// No dialect of these tests has one. The socket is real, and says what the operating system would only say after megabytes.
test('a heartbeat of a dialect is sent while no other data waits to be read', async () => {
  const server = new WebSocketServer({ host: '127.0.0.1', port: 0 })
  onTestFinished(() => void server.close())
  await once(server, 'listening')
  const accepted = once(server, 'connection')
  await using client = await openSocket(`ws://127.0.0.1:${(server.address() as AddressInfo).port}`)
  const [socket] = (await accepted) as [WebSocket]
  let asked = 0
  let waitingBytes = 1
  const waiting = () => {
    asked += 1
    return waitingBytes
  }
  Object.defineProperty(socket, 'bufferedAmount', { get: waiting })
  const limits = withLimits({ sockets: { heartbeatMs: 10 } })
  serveWebSocket({
    ...{ socket, actor: anyone, feed: new FakeFeed(), limits, log: createLog('silent'), metrics: createMetrics() },
    ...{ budget: new BacklogBudget(limits), pacer: new WritePacer(limits), roundRobin: createRoundRobin() },
    ...{ stopCode: 1001, disconnect: () => undefined, onFrame: async () => undefined, renderError: () => ({}) },
    heartbeat: { type: 'ping' },
  })
  await expect.poll(() => asked).toBeGreaterThan(3)
  waitingBytes = 0
  socket.send('{"type":"written"}')
  expect(await client.next()).toEqual({ type: 'written' }) // nothing was sent before it
  expect(await client.next()).toEqual({ type: 'ping' })
  expect(await client.next()).toEqual({ type: 'ping' })
})
