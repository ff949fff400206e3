/**
 * Tests the memory budget for responses: what counts, until when, and what happens to clients that do not read. The
 * clients are bare sockets, since real HTTP clients read whatever arrives.
 */
import { EventEmitter, once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { expect, test } from 'vitest'
import { mergeLimits, withLimits } from '../../../src/config/limits.ts'
import type { KeyActor } from '../../../src/mail/access/actor.ts'
import type { BodyMemory } from '../../../src/mail/access/body-memory.ts'
import { anyone, type CoreStub, type Edge, startEdge } from './edge.ts'
import { encoded, message } from './sample-views.ts'

const MIB = 1024 * 1024
/** More than an operating system buffers for a connection that is not read. */
const LARGE = 16 * MIB
const html = 'x'.repeat(LARGE)
/** Memory for three, of which a key may use one. */
const limits = {
  http: { responsesBytesMax: 3 * LARGE + MIB, responseWaitMs: 60_000, responseStallBusyMs: 60_000 },
  sending: { composedBytesMax: LARGE },
}

function keyIn(podId: string, apiKeyId: string): KeyActor {
  return { ...anyone, apiKeyId, podId }
}
const keys = { am_ann: keyIn('red', 'ann'), am_bob: keyIn('blue', 'bob'), am_cy: keyIn('green', 'cy') }

/** How many messages were loaded. */
let loaded = 0
/** What the requests for `early` and `late` wait for, after and before they reserve memory. */
const gate = new EventEmitter()
const core: CoreStub = {
  messages: {
    async getEncoded(_actor: unknown, _inbox: unknown, ref: string, memory: BodyMemory) {
      if (ref === 'small') return encoded(message)
      if (ref === 'late') await once(gate, 'open')
      await memory.reserve(LARGE)
      loaded += 1
      if (ref === 'early') await once(gate, 'open')
      return encoded({ ...message, html })
    },
    // Its memory is not reserved.
    list: async () => ({ items: [{ ...message, subject: html }], limit: 1 }),
    download: async () => ({
      contentType: 'text/plain',
      disposition: 'attachment' as const,
      sizeBytes: LARGE,
      bytes: pieces(),
      about: {},
    }),
  },
  sending: {
    async forward(_actor: unknown, _inbox: unknown, parent: string, _message: unknown, memory: BodyMemory) {
      await memory.reserve(LARGE)
      if (parent === 'early') await once(gate, 'open')
      return { id: 'id', messageId: '<sent@b.test>', threadId: 'thread', inboxId: 'inbox' }
    },
  },
}

async function* pieces() {
  for (let at = 0; at < LARGE; at += MIB) yield Buffer.alloc(MIB, 'x')
}

const all = '/v0/inboxes/a@b.test/messages'
const statusOf = async (edge: Edge, key: string, path: string) =>
  (await edge.request('GET', path, { headers: { authorization: `Bearer ${key}` } })).status

interface SilentClient {
  readonly socket: Socket
  readonly closed: Promise<unknown>
  /** Reads to the end of the connection. */
  readAll(): Promise<string>
}

/** Requests something, and reads nothing. */
async function silent(edge: Edge, key: string, path = `${all}/large`): Promise<SilentClient> {
  const socket = connect({ port: Number(new URL(edge.url).port), host: '127.0.0.1' })
  socket.on('error', () => undefined) // the server may disconnect it
  const closed = new Promise((resolve) => socket.once('close', resolve))
  await once(socket, 'connect')
  socket.pause()
  socket.write(`GET ${path} HTTP/1.1\r\nHost: h\r\nConnection: close\r\nAuthorization: Bearer ${key}\r\n\r\n`)
  const readAll = async () => {
    let text = ''
    for await (const piece of socket.setEncoding('latin1')) text += piece
    return text
  }
  return { socket, closed, readAll }
}

/** Returns the bytes that count. */
const held = (edge: Edge) => metric(edge, 'martlet_http_response_bytes')
const composed = (edge: Edge) => metric(edge, 'martlet_http_composing_bytes')
const forward = (edge: Edge, key: string, parent: string, chars = 1) => {
  const headers = { authorization: `Bearer ${key}` }
  return edge.request('POST', `${all}/${parent}/forward`, {
    headers,
    body: { to: 'a@b.test', text: 'x'.repeat(chars) },
  })
}

async function metric(edge: Edge, name: string): Promise<number> {
  const { body } = await edge.request('GET', '/metrics')
  return Number(new RegExp(`^${name} (\\d+)$`, 'm').exec(body)?.[1])
}

const aborted = (edge: Edge) => edge.log.filter(({ msg }) => String(msg).startsWith('response aborted'))

test('clients that read nothing hold no more than the budget, and nothing is loaded for those that wait', async () => {
  await using edge = await startEdge({ limits, keys, core })
  loaded = 0
  const clients: SilentClient[] = []
  for (const key of ['am_ann', 'am_ann', 'am_bob', 'am_bob', 'am_cy']) clients.push(await silent(edge, key))
  await expect.poll(() => loaded).toBe(3)
  await expect.poll(async () => (await held(edge)) > 3 * LARGE).toBe(true)
  expect(await statusOf(edge, 'am_ann', `${all}/small`)).toBe(200)
  clients[0]!.socket.destroy()
  await expect.poll(() => loaded).toBe(4)
  clients[3]!.socket.destroy() // leaves the queue
  for (const at of [1, 2, 4]) expect((await clients[at]!.readAll()).length).toBeGreaterThan(LARGE)
  await expect.poll(() => held(edge)).toBe(0)
  expect([loaded, aborted(edge)]).toEqual([4, []])
})

test('a request that waits too long for memory gets 503', async () => {
  await using edge = await startEdge({
    limits: mergeLimits(limits, { http: { responsesBytesMax: LARGE, responseWaitMs: 50 } }),
    keys,
    core,
  })
  const { socket } = await silent(edge, 'am_ann')
  await expect.poll(() => held(edge)).toBeGreaterThan(LARGE)
  const refused = await edge.request('GET', `${all}/large`, { headers: { authorization: 'Bearer am_bob' } })
  expect(refused).toMatchObject({ status: 503, body: { code: 'service_unavailable' } })
  expect(refused.headers.get('retry-after')).toBe('1')
  // A response that is rendered without a reservation is refused instead of waiting.
  expect([await statusOf(edge, 'am_bob', all), await statusOf(edge, 'am_bob', `${all}/small`)]).toEqual([503, 200])
  socket.destroy()
  await expect.poll(() => held(edge)).toBe(0)
  expect([await statusOf(edge, 'am_bob', all), await statusOf(edge, 'am_bob', `${all}/large`)]).toEqual([200, 200])
  await expect.poll(() => held(edge)).toBe(0)
})

test('a client that reads nothing is disconnected, earlier if others wait for its memory', async () => {
  const http = { responsesBytesMax: LARGE, responseStallBusyMs: 50 }
  await using edge = await startEdge({ limits: mergeLimits(limits, { http }), keys, core })
  const first = await silent(edge, 'am_ann')
  await expect.poll(() => held(edge)).toBeGreaterThan(LARGE)
  expect(await statusOf(edge, 'am_bob', `${all}/large`)).toBe(200)
  await first.readAll()
  expect(aborted(edge)).toMatchObject([{ reason: 'memory' }])
})

test.each([`${all}/large`, '/v0/downloads/token', all])(
  'a client that stops reading %s is disconnected',
  async (path) => {
    await using edge = await startEdge({ limits: mergeLimits(limits, { http: { responseStallMs: 100 } }), keys, core })
    const { socket } = await silent(edge, 'am_ann', path)
    await expect.poll(() => aborted(edge)).toMatchObject([{ reason: 'stalled' }])
    await expect.poll(() => edge.log.some(({ aborted }) => aborted === true)).toBe(true)
    expect(await held(edge)).toBe(0)
    socket.destroy()
  },
)

/**
 * Reads at a rate until the server has had to wait several times, then the rest at once. What is late is read at once: a pause
 * after each piece made the rate half of what was asked for when another program used the cores.
 *
 * @returns bytes of the whole response
 */
async function readSteadily({ socket, closed }: SilentClient, bytesPerMs: number): Promise<number> {
  let bytes = 0
  const began = performance.now()
  socket.on('data', (piece) => {
    bytes += piece.length
    const earlyMs = began + bytes / bytesPerMs - performance.now()
    if (bytes > 4 * MIB || earlyMs <= 0) return
    socket.pause()
    setTimeout(() => socket.resume(), earlyMs)
  })
  socket.resume()
  await closed
  return bytes
}

test('a client that reads slowly but steadily gets the whole response, also while others wait', async () => {
  // As with the defaults: 300 KB/s of a response while others wait, and 30 KB/s of a download.
  const { responseStallMs, responseStallBusyMs } = withLimits().http
  const http = {
    responsesBytesMax: LARGE,
    responseStallMs: responseStallMs / 100,
    responseStallBusyMs: responseStallBusyMs / 10,
  }
  await using edge = await startEdge({ limits: mergeLimits(limits, { http }), keys, core })
  const response = await silent(edge, 'am_ann')
  await expect.poll(() => held(edge)).toBeGreaterThan(LARGE)
  const download = await silent(edge, 'am_ann', '/v0/downloads/token')
  const other = statusOf(edge, 'am_bob', `${all}/large`)
  await expect.poll(() => metric(edge, 'martlet_http_responses_waiting')).toBe(1)
  for (const bytes of await Promise.all([response, download].map((client) => readSteadily(client, 3_000))))
    expect(bytes).toBeGreaterThan(LARGE)
  expect([await other, aborted(edge)]).toEqual([200, []])
})

test('when a client has gone, its request gets no memory, and what it already has counts until the handler ends', async () => {
  await using edge = await startEdge({ limits, keys, core })
  loaded = 0
  const clients = [await silent(edge, 'am_ann', `${all}/early`), await silent(edge, 'am_bob', `${all}/late`)]
  await expect.poll(() => gate.listenerCount('open')).toBe(2)
  for (const { socket } of clients) socket.destroy()
  const ended = () => edge.log.filter((line) => line.aborted === true).length
  await expect.poll(ended).toBe(2)
  expect([await held(edge), loaded]).toEqual([LARGE, 1])
  gate.emit('open')
  await expect.poll(() => held(edge)).toBe(0)
  expect(loaded).toBe(1)
})

test('a request does not wait for memory with a large body, which would use the memory for bodies', async () => {
  await using edge = await startEdge({
    limits,
    keys,
    core,
  })
  const composing = forward(edge, 'am_ann', 'early')
  await expect.poll(() => composed(edge)).toBe(LARGE)
  const small = forward(edge, 'am_bob', 'large', 1_000)
  await expect.poll(() => metric(edge, 'martlet_http_responses_waiting')).toBe(1)
  expect(await forward(edge, 'am_bob', 'large', 100_000)).toMatchObject({
    status: 503,
    body: { code: 'service_unavailable' },
  })
  expect(await metric(edge, 'martlet_http_responses_waiting')).toBe(1)
  gate.emit('open')
  expect([(await composing).status, (await small).status]).toEqual([200, 200])
  expect((await forward(edge, 'am_bob', 'large', 100_000)).status).toBe(200)
})

test('a large forward delays no response, and no response a forward', async () => {
  const http = { responsesBytesMax: LARGE, responseWaitMs: 50 }
  await using edge = await startEdge({ limits: mergeLimits(limits, { http }), keys, core })
  const composing = forward(edge, 'am_ann', 'early')
  await expect.poll(() => composed(edge)).toBe(LARGE)
  expect([await statusOf(edge, 'am_bob', all), await statusOf(edge, 'am_bob', `${all}/large`)]).toEqual([200, 200])
  expect((await forward(edge, 'am_bob', 'large')).status).toBe(503)
  gate.emit('open')
  expect((await composing).status).toBe(200)
  expect(await composed(edge)).toBe(0)

  const { socket } = await silent(edge, 'am_ann')
  await expect.poll(() => held(edge)).toBeGreaterThan(LARGE)
  expect((await forward(edge, 'am_bob', 'large')).status).toBe(200)
  socket.destroy()
})

test('HEAD has the size of the response, and counts no longer', async () => {
  await using edge = await startEdge({ limits, keys, core })
  const headers = { authorization: 'Bearer am_ann' }
  const head = await fetch(`${edge.url}${all}/large`, { method: 'HEAD', headers })
  const whole = await edge.request('GET', `${all}/large`, { headers })
  expect([head.status, head.headers.get('content-length')]).toEqual([200, whole.headers.get('content-length')])
  await expect.poll(() => held(edge)).toBe(0)
})
