/**
 * Tests the memory budget for request bodies that are being received: its limits, the shares of it, and that a request
 * releases its share however it ends. The clients are bare sockets, since real HTTP clients do not leave requests
 * unfinished.
 */

import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { expect, test } from 'vitest'
import { mergeLimits } from '../../../src/config/limits.ts'
import { MailError } from '../../../src/errors.ts'
import type { KeyActor } from '../../../src/mail/access/actor.ts'
import { anyone, type Edge, KEY, startEdge } from './edge.ts'

const MIB = 1024 * 1024
const LARGE = 2 * MIB
/** Allows four large bodies, of which a key may have two and a pod three. */
const limits = { http: { largeBodiesBytesMax: 4 * LARGE, smallBodiesBytesMax: MIB, smallBodyBytesMax: 64 * 1024 } }
const path = '/v0/inboxes/a@b.test/messages/send'
const sent = { id: 'id', messageId: '<1@x.test>', threadId: 't', inboxId: 'inbox' }
const sending = { send: async () => sent }

function keyIn(podId: string, apiKeyId: string): KeyActor {
  return { ...anyone, apiKeyId, podId }
}
const keys = { am_ann: keyIn('red', 'ann'), am_bob: keyIn('red', 'bob'), am_cy: keyIn('blue', 'cy') }

/** All but the last byte of the largest body; all clients share this memory. */
const unfinished = Buffer.alloc(LARGE - 1, 0x20)

interface Client {
  readonly socket: Socket
  /** Returns the response as far as it has arrived. */
  answer(): string
  readonly errors: readonly unknown[]
  readonly closed: Promise<void>
}

/** @param allowHalfOpen the client keeps sending after the server has ended its side */
async function begin(
  edge: Edge,
  key: string,
  length: number | 'chunked',
  body: Buffer | string = '',
  { allowHalfOpen = false } = {},
): Promise<Client> {
  const socket = connect({ port: Number(new URL(edge.url).port), host: '127.0.0.1', allowHalfOpen })
  let text = ''
  socket.setEncoding('utf8').on('data', (piece) => {
    text += piece
  })
  const errors: unknown[] = []
  socket.on('error', (error) => errors.push(error)) // the server may close it while the body is being written
  const closed = new Promise<void>((resolve) => socket.once('close', () => resolve()))
  await once(socket, 'connect')
  const framing = length === 'chunked' ? 'Transfer-Encoding: chunked' : `Content-Length: ${length}`
  socket.write(`POST ${path} HTTP/1.1\r\nHost: h\r\nAuthorization: Bearer ${key}\r\n${framing}\r\n\r\n`)
  socket.write(body)
  return { socket, answer: () => text, errors, closed }
}

/** Keeps sending, a byte at a time, until the server has closed both sides of the connection. */
async function trickleUntilClosed({ socket, closed }: Client): Promise<void> {
  const trickle = setInterval(() => socket.write(' '), 10)
  await closed
  clearInterval(trickle)
}

/** Returns the bytes that are counted in a budget. */
async function held(edge: Edge, budget: 'small' | 'large'): Promise<number> {
  const { body } = await edge.request('GET', '/metrics')
  return Number(new RegExp(`^martlet_http_body_bytes{budget="${budget}"} (\\d+)$`, 'm').exec(body)?.[1] ?? 0)
}

/** Returns the memory of all buffers in this process, after a garbage collection. */
function bufferBytes(): number {
  setFlagsFromString('--expose-gc')
  runInNewContext('gc')()
  return process.memoryUsage().arrayBuffers
}

async function statusOf(edge: Edge, key: string, bytes: number): Promise<number> {
  const body = JSON.stringify({ to: 'a@b.test', text: 'x'.repeat(bytes) })
  return (await edge.request('POST', path, { headers: { authorization: `Bearer ${key}` }, body })).status
}

test('forty unfinished bodies use no more than the budget; further large bodies are refused, small ones are not', async () => {
  await using edge = await startEdge({ limits, keys, core: { sending } })
  const before = bufferBytes()
  const clients = await Promise.all(
    Array.from({ length: 40 }, (_, index) => begin(edge, index % 2 ? 'am_ann' : 'am_cy', LARGE, unfinished)),
  )
  const answered = () => clients.filter((client) => client.answer().includes('}'))
  await expect.poll(() => answered().length).toBe(36)
  for (const { answer, closed } of answered()) {
    expect(answer()).toMatch(/^HTTP\/1\.1 503 [\s\S]*retry-after: 1\r\n[\s\S]*connection: close\r\n/i)
    expect(answer()).toContain('"code":"service_unavailable"')
    await closed
  }
  await expect.poll(() => held(edge, 'large')).toBe(4 * LARGE)
  await expect.poll(() => bufferBytes() - before).toBeLessThan(6 * LARGE)
  for (const key of Object.keys(keys)) expect(await statusOf(edge, key, 1_000)).toBe(200)
  expect(await statusOf(edge, 'am_bob', 100_000)).toBe(503)

  for (const { socket } of clients) socket.destroy()
  await expect.poll(() => held(edge, 'large')).toBe(0)
  expect(await statusOf(edge, 'am_bob', LARGE)).toBe(200)
  await expect.poll(async () => [await held(edge, 'large'), await held(edge, 'small')]).toEqual([0, 0])
})

test('a client that is refused may finish its body for a limited time, but no other request is answered', async () => {
  const carriedOut: unknown[] = []
  const counted = {
    async send(_actor: unknown, _inbox: unknown, message: unknown) {
      carriedOut.push(message)
      return sent
    },
  }
  await using edge = await startEdge({
    limits: mergeLimits(limits, { http: { lingerMs: 500 } }),
    keys,
    core: { sending: counted },
  })
  const holders = await Promise.all([begin(edge, 'am_ann', LARGE), begin(edge, 'am_ann', LARGE)])
  await expect.poll(() => held(edge, 'large')).toBe(2 * LARGE)
  const refuse = async () => {
    const client = await begin(edge, 'am_ann', LARGE, '', { allowHalfOpen: true })
    await expect.poll(client.answer).toContain('HTTP/1.1 503')
    return client
  }

  const honest = await refuse()
  honest.socket.end(Buffer.concat([unfinished, Buffer.from(' ')]))
  await honest.closed
  expect(honest.errors).toEqual([]) // it was not reset, which most clients would report in place of the answer

  const eager = await refuse()
  const next = `POST ${path} HTTP/1.1\r\nHost: h\r\nAuthorization: Bearer am_cy\r\nContent-Length: 2\r\n\r\n{}`
  eager.socket.write(Buffer.concat([unfinished, Buffer.from(` ${next}`)]))
  await trickleUntilClosed(eager)
  expect([eager.answer().match(/HTTP/g), carriedOut]).toEqual([['HTTP'], []])

  await trickleUntilClosed(await refuse())
  for (const { socket } of holders) socket.destroy()
})

test('one key, or one pod, cannot use the whole budget', async () => {
  await using edge = await startEdge({ limits, keys, core: { sending } })
  const clients: Client[] = []
  const admits = async (key: string) => {
    const before = await held(edge, 'large')
    const client = await begin(edge, key, LARGE)
    clients.push(client)
    await expect.poll(async () => client.answer() !== '' || (await held(edge, 'large')) > before).toBe(true)
    return client.answer() === ''
  }
  expect([await admits('am_ann'), await admits('am_ann'), await admits('am_ann')]).toEqual([true, true, false])
  expect([await admits('am_bob'), await admits('am_bob')]).toEqual([true, false])
  expect([await admits('am_cy'), await admits('am_cy')]).toEqual([true, false])
  for (const { socket } of clients) socket.destroy()
})

test('a body larger than the whole budget is admitted alone, and counts up to the largest that is read', async () => {
  await using edge = await startEdge({
    limits: mergeLimits(limits, { http: { largeBodiesBytesMax: MIB, sendBodyBytesMax: LARGE } }),
    keys,
    core: { sending },
  })
  const { socket } = await begin(edge, 'am_ann', LARGE)
  await expect.poll(() => held(edge, 'large')).toBe(LARGE)
  expect(await statusOf(edge, 'am_cy', 100_000)).toBe(503)
  socket.destroy()
  await expect.poll(() => held(edge, 'large')).toBe(0)
  expect(await statusOf(edge, 'am_ann', LARGE - 100)).toBe(200)
})

test('small bodies have a separate budget', async () => {
  await using edge = await startEdge({ limits, keys, core: { sending } })
  const clients = await Promise.all(Array.from({ length: 20 }, () => begin(edge, 'am_ann', 64 * 1024, 'x')))
  const refused = () => clients.filter((client) => client.answer().includes('503'))
  await expect.poll(() => refused().length).toBe(12) // eight are half of it
  expect(await held(edge, 'small')).toBe(MIB / 2)
  expect([await statusOf(edge, 'am_ann', 100), await statusOf(edge, 'am_cy', 100)]).toEqual([503, 200])
  expect(await statusOf(edge, 'am_ann', 100_000)).toBe(200)
  for (const { socket } of clients) socket.destroy()
})

test('a body without a Content-Length is counted as the buffer for it grows', async () => {
  await using edge = await startEdge({ limits, keys, core: { sending } })
  const chunk = (bytes: Buffer | string) =>
    Buffer.concat([Buffer.from(`${bytes.length.toString(16)}\r\n`), Buffer.from(bytes), Buffer.from('\r\n')])
  const client = await begin(edge, 'am_ann', 'chunked', chunk(' '.repeat(1_000)))
  await expect.poll(() => held(edge, 'small')).toBe(4_096)
  client.socket.write(chunk(unfinished))
  await expect.poll(() => held(edge, 'large')).toBeGreaterThanOrEqual(1_000 + unfinished.length)
  expect(await held(edge, 'large')).toBeLessThanOrEqual(2 * (1_000 + unfinished.length))
  expect(await held(edge, 'small')).toBe(0)
  client.socket.write(chunk('{"to":"a@b.test"}'))
  client.socket.write('0\r\n\r\n')
  await expect.poll(client.answer).toMatch(/^HTTP\/1\.1 200 /)
  await expect.poll(() => held(edge, 'large')).toBe(0)
  client.socket.destroy()

  const greedy = await begin(edge, 'am_ann', 'chunked', chunk(unfinished))
  greedy.socket.write(chunk(unfinished))
  greedy.socket.write(chunk(unfinished))
  await expect.poll(greedy.answer).toMatch(/^HTTP\/1\.1 503 [\s\S]*connection: close/i)
  await greedy.closed
  await expect.poll(() => held(edge, 'large')).toBe(0)
})

test('a body that arrives too slowly is aborted, whatever its client does then', async () => {
  await using edge = await startEdge({
    limits: mergeLimits(limits, { http: { requestMs: 200 } }),
    keys,
    core: { sending },
  })
  const client = await begin(edge, 'am_ann', 5 * LARGE, '{', { allowHalfOpen: true })
  await trickleUntilClosed(client)
  expect(client.answer()).toMatch(/^HTTP\/1\.1 408 /)
  await expect.poll(() => held(edge, 'large')).toBe(0)
})

test('a client that disconnects while its message is being stored keeps its share until the message is stored', async () => {
  let finish = () => undefined as unknown
  const stored = new Promise((resolve) => (finish = () => resolve(undefined)))
  let begun = 0
  const slow = {
    async send() {
      begun += 1
      await stored
      return sent
    },
  }
  await using edge = await startEdge({ limits, keys, core: { sending: slow } })
  const body = `{"to":"a@b.test"${' '.repeat(LARGE)}}`
  const { socket, closed } = await begin(edge, 'am_ann', body.length, body)
  await expect.poll(() => begun).toBe(1)
  socket.destroy()
  await closed
  await expect.poll(() => edge.log.some((line) => line.aborted === true)).toBe(true) // the server knows
  expect(await held(edge, 'large')).toBe(body.length)
  finish()
  await expect.poll(() => held(edge, 'large')).toBe(0)
})

test('a client that disconnects while its key is looked up takes no share', async () => {
  let found = () => undefined as unknown
  const lookUp = new Promise((resolve) => (found = () => resolve(undefined)))
  let begun = 0
  const beforeKey = () => {
    begun += 1
    return lookUp
  }
  await using edge = await startEdge({ limits, keys, core: { sending }, beforeKey })
  const { socket } = await begin(edge, 'am_ann', LARGE)
  await expect.poll(() => begun).toBe(1)
  socket.destroy()
  await expect.poll(() => edge.log.some((line) => line.aborted === true)).toBe(true) // the server knows
  found()
  expect(await statusOf(edge, 'am_cy', 100_000)).toBe(200)
  await expect.poll(() => held(edge, 'large')).toBe(0)
})

test('a request that ends without a response releases its share', async () => {
  const lost = { send: () => Promise.reject(new MailError('outcome_unknown', {})) }
  await using edge = await startEdge({ limits, keys, core: { sending: lost } })
  const body = `{"to":"a@b.test"${' '.repeat(LARGE)}}`
  const { closed, answer } = await begin(edge, 'am_ann', body.length, body)
  await closed
  expect(answer()).toBe('')
  await expect.poll(() => held(edge, 'large')).toBe(0)
})

test('a request that is refused for its path or key is answered before its body is read, and its connection is closed', async () => {
  await using edge = await startEdge()
  const cases = [
    ['/v0/nothing', KEY, 404],
    ['/v0/downloads/x', KEY, 405],
    ['/v0/inboxes', 'am_unknown', 401],
    ['/v0/%zz', KEY, 400],
  ] as const
  for (const [at, key, status] of cases) {
    const socket = connect({ port: Number(new URL(edge.url).port), host: '127.0.0.1' })
    socket.write(`POST ${at} HTTP/1.1\r\nHost: h\r\nAuthorization: Bearer ${key}\r\nContent-Length: 1000\r\n\r\n`)
    let text = ''
    for await (const piece of socket) text += piece
    expect(text, at).toMatch(new RegExp(`^HTTP/1\\.1 ${status} [\\s\\S]*connection: close`, 'i'))
  }
})
