/**
 * Tests the memory budget for responses: what counts, until when, and what happens to clients that do not read. The
 * clients are bare sockets, since real HTTP clients read whatever arrives.
 */
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { expect, test } from 'vitest'
import { mergeLimits } from '../../../src/config/limits.ts'
import type { KeyActor } from '../../../src/mail/access/actor.ts'
import type { BodyMemory } from '../../../src/mail/access/body-memory.ts'
import { anyone, type CoreStub, type Edge, startEdge } from './edge.ts'
import { message } from './sample-views.ts'

const MIB = 1024 * 1024
/** More than an operating system buffers for a connection that is not read. */
const LARGE = 16 * MIB
const html = 'x'.repeat(LARGE)
/** Memory for three, of which a key may use one. */
const limits = { http: { responsesBytesMax: 3 * LARGE + MIB, responseWaitMs: 60_000, responseStallBusyMs: 60_000 } }

function keyIn(podId: string, apiKeyId: string): KeyActor {
  return { ...anyone, apiKeyId, podId }
}
const keys = { am_ann: keyIn('red', 'ann'), am_bob: keyIn('blue', 'bob'), am_cy: keyIn('green', 'cy') }

/** How many messages were loaded. */
let loaded = 0
const core: CoreStub = {
  messages: {
    async get(_actor: unknown, _inbox: unknown, ref: string, memory: BodyMemory) {
      if (ref === 'small') return message
      await memory.reserve(LARGE)
      loaded += 1
      return { ...message, html }
    },
    // Its memory is not reserved.
    list: async () => ({ items: [{ ...message, subject: html }], limit: 1 }),
    download: async () => ({
      contentType: 'text/plain',
      disposition: 'attachment' as const,
      sizeBytes: LARGE,
      bytes: pieces(),
    }),
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
async function held(edge: Edge): Promise<number> {
  const { body } = await edge.request('GET', '/metrics')
  return Number(/^martlet_http_response_bytes (\d+)$/m.exec(body)?.[1])
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

test('a client that reads slowly gets the whole response', async () => {
  await using edge = await startEdge({ limits: mergeLimits(limits, { http: { responseStallMs: 1_000 } }), keys, core })
  const { socket, closed } = await silent(edge, 'am_ann')
  let bytes = 0
  socket.on('data', (piece) => {
    bytes += piece.length
    socket.pause()
    setTimeout(() => socket.resume(), 5)
  })
  socket.resume()
  await closed
  expect(bytes).toBeGreaterThan(LARGE)
  expect(aborted(edge)).toEqual([])
})

test('HEAD has the size of the response, and counts no longer', async () => {
  await using edge = await startEdge({ limits, keys, core })
  const headers = { authorization: 'Bearer am_ann' }
  const head = await fetch(`${edge.url}${all}/large`, { method: 'HEAD', headers })
  const whole = await edge.request('GET', `${all}/large`, { headers })
  expect([head.status, head.headers.get('content-length')]).toEqual([200, whole.headers.get('content-length')])
  await expect.poll(() => held(edge)).toBe(0)
})
