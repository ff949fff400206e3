/**
 * Tests one server-sent event (SSE) stream over a feed that the test controls: what is written, where it resumes,
 * back-pressure, the heartbeat, and how it ends. The test reads it with a client that parses according to the standard,
 * and the feed counts the events that were read from it.
 */
import { once } from 'node:events'
import { connect } from 'node:net'
import { expect, onTestFinished, test, vi } from 'vitest'
import type { LimitOverrides } from '../../../src/config/limits.ts'
import { MailError } from '../../../src/errors.ts'
import { openEventSource, StreamParser } from '../../support/event-source.ts'
import { type Edge, KEY, startEdge } from './edge.ts'
import { FakeFeed } from './fake-feed.ts'
import { message, receivedEvent, thread } from './sample-views.ts'

const PATH = '/v0/events/stream'

async function startWithFeed(
  limits: LimitOverrides = {},
  text = message.text!,
): Promise<{ feed: FakeFeed; edge: Edge }> {
  const feed = new FakeFeed()
  const eventSubjects = { of: async () => ({ message: { ...message, text }, thread, version: 'whole' }) }
  return { feed, edge: await startEdge({ core: { feed, eventSubjects }, limits }) }
}

function open(edge: Edge, options: Parameters<typeof openEventSource>[1] & { query?: string } = {}) {
  return openEventSource(`${edge.url}${PATH}${options.query ?? ''}`, { key: KEY, ...options })
}

async function backlogBytes(edge: Edge): Promise<number> {
  const { body } = await edge.request('GET', '/metrics')
  return Number(/^martlet_event_backlog_bytes (\S+)$/m.exec(body)![1])
}

async function streams(edge: Edge): Promise<number> {
  return (await edge.metrics.streams.get()).values[0]?.value ?? 0
}

test('the parser of these tests reads a stream according to the standard', () => {
  const parser = new StreamParser('')
  for (const text of [
    ': a comment\r\ndata: one\ndata:two\r',
    '\nid:7\r\r',
    'id: 8\n\nevent: x\nretry: 50\nretry: no\n',
    'data\n\n',
  ])
    parser.feed(text)
  parser.feed('id: a\0b\ndata: last\n\ndata: never finished\n')
  expect(parser.events).toEqual([
    { type: 'message', data: 'one\ntwo', lastEventId: '7' },
    { type: 'x', data: '', lastEventId: '8' },
    { type: 'message', data: 'last', lastEventId: '8' },
  ])
  expect(parser).toMatchObject({ lastEventId: '8', retryMs: 50, comments: 1 })
})

test('the head, the cursor and the filter are sent at once, then each event with its cursor', async () => {
  const { feed, edge } = await startWithFeed()
  await using _edge = edge
  await using source = await open(edge, {
    query: '?event_types=message.received&inbox_ids=a@b.test,c@d.test&pod_ids[]=p',
  })
  expect(source.status).toBe(200)
  expect(Object.fromEntries(source.headers)).toMatchObject({
    'content-type': 'text/event-stream',
    'cache-control': 'no-store',
    'x-accel-buffering': 'no',
  })
  const eventFilter = { event_types: ['message.received'], inbox_ids: ['a@b.test', 'c@d.test'], pod_ids: ['p'] }
  const first = await source.next('subscribed')
  expect(JSON.parse(first.data)).toEqual({ type: 'subscribed', ...eventFilter })
  expect(first.lastEventId).toBe('start')
  expect(source.retryMs).toBe(2_000)
  expect(feed.subscriptions[0]!.eventFilter).toEqual({
    ...{ eventTypes: ['message.received'], inboxIds: ['a@b.test', 'c@d.test'], podIds: ['p'] },
    after: undefined,
  })

  feed.subscriptions[0]!.publish(
    receivedEvent(7),
    { ...receivedEvent(8), type: 'calendar.event.created' },
    receivedEvent(9),
  )
  const event = await source.next('message')
  expect(JSON.parse(event.data)).toMatchObject({ event_id: 'evt_7', cursor: 'cursor-7', message: { subject: 'hello' } })
  expect(event.lastEventId).toBe('cursor-7')
  expect((await source.next('message')).lastEventId).toBe('cursor-9') // an event without a rendering is skipped
})

test('Last-Event-ID has priority over the cursor in the URL, which an EventSource repeats', async () => {
  const { feed, edge } = await startWithFeed()
  await using _edge = edge
  await using _url = await open(edge, { query: '?after=from-url' })
  await using _both = await open(edge, { query: '?after=from-url', lastEventId: 'from-header' })
  await using _empty = await open(edge, { query: '?after=from-url', headers: { 'last-event-id': '' } })
  const afters = feed.subscriptions.map(({ eventFilter }) => eventFilter.after)
  expect(afters).toEqual(['from-url', 'from-header', 'from-url'])
})

test('the key is accepted in the header or the query, the header first, and never gets into the log', async () => {
  const { edge } = await startWithFeed()
  await using _edge = edge
  const statusOf = async (query: string, headers: Record<string, string> = {}) => {
    await using source = await openEventSource(`${edge.url}${PATH}${query}`, { headers })
    return [source.status, source.refusal?.code]
  }
  expect(await statusOf(`?api_key=${KEY}`)).toEqual([200, undefined])
  expect(await statusOf('?api_key=wrong', { authorization: `Bearer ${KEY}` })).toEqual([200, undefined])
  expect(await statusOf(`?api_key=${KEY}`, { authorization: 'Bearer wrong' })).toEqual([401, 'unknown_api_key'])
  expect(await statusOf('')).toEqual([401, 'missing_authorization'])
  await expect.poll(() => edge.log.filter((line) => line.path === PATH).length === 4).toBe(true)
  expect(JSON.stringify(edge.log)).not.toContain(KEY)
  // No other route accepts a key in the URL.
  expect((await edge.request('GET', `/v0/inboxes?api_key=${KEY}`, { key: null })).status).toBe(401)
})

test('a permanent refusal by the feed is an error response; a temporary one makes an EventSource reconnect', async () => {
  const { feed, edge } = await startWithFeed()
  await using _edge = edge
  feed.refusal = new MailError('cursor_expired', {})
  const expired = await open(edge)
  expect([expired.status, expired.refusal.code]).toEqual([400, 'cursor_expired'])

  feed.refusal = new MailError('unavailable', {})
  await using away = await open(edge)
  expect(await away.ended).toBe('whole')
  expect([away.status, away.retryMs, away.events]).toEqual([200, 2_000, []])
  feed.refusal = new MailError('unavailable', {})
  expect((await edge.request('GET', PATH)).status).toBe(503)
  const head = await fetch(`${edge.url}${PATH}`, { method: 'HEAD', headers: { authorization: `Bearer ${KEY}` } })
  expect(head.status).toBe(405)
})

test('a key has no more streams than its limit, and one that closes or is refused no longer counts', async () => {
  const { feed, edge } = await startWithFeed({ streams: { perKeyMax: 2 } })
  await using _edge = edge
  const first = await open(edge)
  await using _second = await open(edge)
  const { status, headers, body } = await edge.request('GET', PATH)
  expect([status, headers.get('retry-after'), body.code]).toEqual([429, '1', 'rate_limit_exceeded'])
  expect(feed.subscribeCalls).toBe(2)

  first.close()
  await expect.poll(async () => (await streams(edge)) === 1).toBe(true)
  feed.refusal = new MailError('cursor_expired', {})
  expect((await edge.request('GET', PATH)).status).toBe(400)
  await using third = await open(edge)
  expect((await third.next('subscribed')).lastEventId).toBe('start')
})

test('an idle client receives a heartbeat comment after each interval, and no sooner', async () => {
  vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] })
  onTestFinished(() => void vi.useRealTimers())
  const { feed, edge } = await startWithFeed({ streams: { heartbeatMs: 20_000 } })
  await using _edge = edge
  await using source = await open(edge)
  await source.next('subscribed')
  const comments: number[] = []
  for (const [index, passedMs] of [19_999, 1, 19_999, 1].entries()) {
    vi.advanceTimersByTime(passedMs)
    feed.subscriptions[0]!.publish(receivedEvent(index + 1))
    await source.next('message') // a comment that was sent before it has arrived
    comments.push(source.comments)
  }
  expect(comments).toEqual([0, 1, 1, 2])
})

// A client that does not read would get nothing but heartbeats in its buffer, and they count in the memory budget.
test('no heartbeat is sent while data waits to be read, and they continue when it has been read', async () => {
  // Together more than the buffers of the operating system hold, and less than the writer may buffer.
  const [count, text] = [12, 'x'.repeat(900_000)]
  const limits = { streams: { heartbeatMs: 20 }, sockets: { bufferBytesMax: 20_000_000, stallMs: 60_000 } }
  const { feed, edge } = await startWithFeed(limits, text)
  await using _edge = edge
  await using reading = await open(edge)
  const mute = connect(Number(new URL(edge.url).port), '127.0.0.1')
  mute.on('error', () => undefined)
  mute.write(`GET ${PATH} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${KEY}\r\n\r\n`)
  await once(mute, 'readable') // and the client reads nothing
  const subscription = feed.subscriptions[1]!
  subscription.publish(...Array.from({ length: count }, (_, index) => receivedEvent(index + 1)))
  await expect.poll(async () => (await edge.metrics.eventsSent.get()).values[0]?.value === count).toBe(true)
  const waiting = await backlogBytes(edge)
  expect(waiting).toBeGreaterThan(100_000)

  const before = reading.comments
  await expect.poll(() => reading.comments >= before + 5).toBe(true)
  expect(await backlogBytes(edge)).toBe(waiting)

  let end = ''
  mute.on('data', (bytes: Buffer) => {
    end = (end + bytes.toString('latin1')).slice(-20)
  })
  await expect.poll(() => end.endsWith('\r\n:\n\n\r\n')).toBe(true)
  mute.destroy()
})

test('a stream ends with an end event when its key is revoked', async () => {
  const { feed, edge } = await startWithFeed()
  await using _edge = edge
  await using source = await open(edge)
  feed.subscriptions[0]!.publish(receivedEvent(1))
  await source.next('message')
  feed.subscriptions[0]!.end('revoked')
  const end = await source.next('end')
  expect(JSON.parse(end.data)).toEqual({ reason: 'revoked' })
  expect(end.lastEventId).toBe('cursor-1') // the cursor does not change
  expect(await source.ended).toBe('whole')
  await expect.poll(async () => (await streams(edge)) === 0).toBe(true)
})

test.each(['too_slow', 'set_back', 'stopping'] as const)(
  'the stream ends without an end event after %s',
  async (reason) => {
    const { feed, edge } = await startWithFeed()
    await using _edge = edge
    await using source = await open(edge)
    feed.subscriptions[0]!.publish(receivedEvent(1))
    feed.subscriptions[0]!.end(reason)
    expect(await source.ended).toBe('whole')
    expect(source.events.map(({ type }) => type)).toEqual(['subscribed', 'message'])
    expect(source.lastEventId).toBe('cursor-1')
  },
)

test('a stream ends with cursor_expired when its history is purged', async () => {
  const { feed, edge } = await startWithFeed()
  await using _edge = edge
  await using source = await open(edge)
  feed.subscriptions[0]!.fail(new MailError('cursor_expired', {}))
  const { data } = await source.next('cursor_expired')
  expect(JSON.parse(data)).toMatchObject({ type: 'error', code: 'cursor_expired' })
  expect(await source.ended).toBe('whole')
})

test('an unexpected failure ends the stream without revealing its details', async () => {
  const { feed, edge } = await startWithFeed()
  await using _edge = edge
  await using source = await open(edge)
  feed.subscriptions[0]!.fail(new Error('secret'))
  expect(JSON.parse((await source.next('end')).data)).toEqual({ reason: 'internal_error' })
  expect(await source.ended).toBe('whole')
  expect(edge.log.some((line) => line.msg === 'sending events to a subscriber failed')).toBe(true)
})

test('a client that stops reading pauses the feed, and is disconnected when nothing is written any more', async () => {
  const { feed, edge } = await startWithFeed({ sockets: { bufferBytesMax: 50_000, stallMs: 300 } })
  await using _edge = edge
  const socket = connect(Number(new URL(edge.url).port), '127.0.0.1')
  socket.on('error', () => undefined)
  socket.write(`GET ${PATH} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${KEY}\r\n\r\n`)
  await once(socket, 'readable') // and the client reads nothing
  const subscription = feed.subscriptions[0]!
  subscription.publish(...Array.from({ length: 20_000 }, (_, index) => receivedEvent(index + 1)))
  await expect.poll(() => edge.log.some((line) => line.msg === 'event stream ended')).toBe(true)
  expect(edge.log.find((line) => line.msg === 'event stream ended')).toMatchObject({ reason: 'stalled' })
  expect(subscription.pulled).toBeLessThan(20_000)
  expect(subscription.signal.aborted).toBe(true)
  await expect.poll(async () => (await streams(edge)) === 0).toBe(true)
  socket.destroy()
})

test('a client that reads slowly receives every event in order', async () => {
  const { feed, edge } = await startWithFeed({ sockets: { bufferBytesMax: 20_000, stallMs: 5_000 } })
  await using _edge = edge
  await using source = await open(edge)
  feed.subscriptions[0]!.publish(...Array.from({ length: 3_000 }, (_, index) => receivedEvent(index + 1)))
  await source.next('subscribed')
  for (let seq = 1; seq <= 3_000; seq++) expect((await source.next('message')).lastEventId).toBe(`cursor-${seq}`)
})

test('a client that disconnects leaves no subscription', async () => {
  const { feed, edge } = await startWithFeed()
  await using _edge = edge
  const source = await open(edge)
  await source.next('subscribed')
  expect(await streams(edge)).toBe(1)
  source.close()
  await expect.poll(() => feed.subscriptions[0]!.signal.aborted).toBe(true)
  await expect.poll(async () => (await streams(edge)) === 0).toBe(true)
})

test('a client that disconnects during its subscribe leaves no subscription', async () => {
  const { feed, edge } = await startWithFeed()
  await using _edge = edge
  let letIn = () => undefined as unknown
  feed.gate = new Promise((resolve) => (letIn = () => resolve()))
  const abort = new AbortController()
  const asked = fetch(`${edge.url}${PATH}`, { headers: { authorization: `Bearer ${KEY}` }, signal: abort.signal })
  const refused = expect(asked).rejects.toThrow()
  await expect.poll(() => feed.subscribeCalls === 1).toBe(true)
  abort.abort()
  await refused
  await expect.poll(() => edge.log.some((line) => line.path === PATH)).toBe(true)
  letIn()
  await expect.poll(() => feed.subscriptions.length === 1).toBe(true)
  expect(feed.subscriptions[0]!.signal.aborted).toBe(true)
  expect(await streams(edge)).toBe(0)
})

test('a stop does not wait for streams; each ends when the events from the feed are written', async () => {
  const { feed, edge } = await startWithFeed()
  const source = await open(edge)
  const mute = await open(edge)
  feed.subscriptions[0]!.publish(receivedEvent(1))
  await source.next('message')
  const started = performance.now()
  const stopped = edge.server.stop(30_000)
  feed.subscriptions[0]!.publish(receivedEvent(2))
  feed.subscriptions[0]!.end('stopping')
  expect(await source.ended).toBe('whole')
  expect(source.lastEventId).toBe('cursor-2')
  await stopped
  expect(await mute.ended).toBe('cut off') // its feed never ended
  expect(performance.now() - started).toBeLessThan(3_000)
})

test('a stream is not subject to the time limit for incoming requests', async () => {
  const { feed, edge } = await startWithFeed({ http: { requestMs: 50 } })
  await using _edge = edge
  await using source = await open(edge)
  // When Node has found that this younger request is late, it has checked the stream, too.
  const late = connect(Number(new URL(edge.url).port), '127.0.0.1').resume()
  late.on('error', () => undefined) // it may be reset
  late.write('GET / HTTP/1.1\r\n')
  await new Promise((resolve) => late.once('close', resolve))
  feed.subscriptions[0]!.publish(receivedEvent(1))
  expect((await source.next('message')).lastEventId).toBe('cursor-1')
})

test('a stream that is opened during a stop ends at once, so that the client reconnects', async () => {
  const feed = new FakeFeed()
  let finish = () => undefined as unknown
  const running = new Promise<never>(
    (_resolve, reject) => (finish = () => reject(new MailError('not_found', { what: 'Inbox' }))),
  )
  let begin = () => undefined as unknown
  const begun = new Promise<void>((resolve) => (begin = () => resolve()))
  const call = () => {
    begin()
    return running
  }
  const edge = await startEdge({ core: { feed, inboxes: { get: call } } })
  const get = edge.request('GET', '/v0/inboxes/a@b.test')
  await begun
  const stopped = edge.server.stop(10_000)
  const source = await open(edge)
  expect(await source.ended).toBe('whole')
  expect([source.status, source.retryMs]).toEqual([200, 2_000])
  finish()
  expect((await get).status).toBe(404)
  await stopped
  expect(feed.subscribeCalls).toBe(0)
})
