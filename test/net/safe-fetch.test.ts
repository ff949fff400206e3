/**
 * Tests requests to URLs that strangers chose. The receiver counts connections and requests, so a test detects a
 * request to a forbidden address. Two loopback addresses stand for a private and a public one.
 */
import { once } from 'node:events'
import { createServer as createTlsServer } from 'node:https'
import { type AddressInfo, createServer, type Socket } from 'node:net'
import { expect, onTestFinished, test } from 'vitest'
import { type LimitOverrides, withLimits } from '../../src/config/limits.ts'
import { createSafeFetch, type Lookup, type SafeRequest } from '../../src/net/fetch/safe-fetch.ts'
import { createSelfSigned } from '../../src/net/self-signed.ts'
import { type Answering, ok, startWebhookSink } from '../support/webhook-sink.ts'

const PRIVATE = '127.0.0.1'
const PUBLIC = '127.0.0.2'

function open(options: {
  allow?: boolean
  lookup?: Lookup
  isRefusedIp?: (address: string) => boolean
  limits?: LimitOverrides
}) {
  const { lookup = async () => [{ address: PUBLIC, family: 4 }], allow = false, limits } = options
  const isRefusedIp = options.isRefusedIp ?? ((address: string) => address !== PUBLIC)
  const safe = createSafeFetch({
    lookup,
    allowPrivateNetworks: allow,
    isRefusedIp,
    limits: withLimits(limits),
  })
  onTestFinished(() => safe.close())
  const send = (url: string, more: Partial<SafeRequest> = {}) =>
    safe.fetch({ url, method: 'POST', headers: {}, body: '{}', timeoutMs: 5_000, ...more })
  return { ...safe, send }
}

test('a request reaches its receiver with headers and body, and the response is returned', async () => {
  await using sink = await startWebhookSink(
    (response) => void response.writeHead(202, { 'x-answer': ['1', '2'], 'set-cookie': ['a', 'b'] }).end('taken'),
    { host: PUBLIC },
  )
  const { send } = open({})
  const answer = await send(`http://name.test:${sink.port}/hook?a=1`, {
    headers: { 'x-own': 'yes' },
    body: '{"ü":1}',
  })
  expect(answer).toMatchObject({ status: 202, body: 'taken', headers: { 'set-cookie': 'a' } })
  expect(sink.calls).toMatchObject([
    { path: '/hook?a=1', body: '{"ü":1}', headers: { 'x-own': 'yes', 'content-length': '8' } },
  ])
  expect(sink.calls[0]!.headers.host).toBe(`name.test:${sink.port}`)
})

test('a connection is reused, and a new one is opened when the receiver has closed it', async () => {
  await using sink = await startWebhookSink(ok, { host: PUBLIC })
  const { send } = open({})
  for (let count = 0; count < 3; count += 1) await send(sink.url)
  expect(sink.connections).toBe(1)
  sink.answer = (response) => void response.writeHead(200, { connection: 'close' }).end()
  await send(sink.url)
  await send(sink.url)
  expect(sink.connections).toBe(2)
})

test('a kept connection that breaks during a request is replaced once', async () => {
  let requests = 0
  const server = createServer((socket) => {
    socket.on('error', () => undefined) // the test resets it on purpose
    socket.on('data', () => {
      requests += 1
      if (requests === 2) return socket.resetAndDestroy()
      socket.write('HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n')
    })
  })
  const { port } = await listen(server)
  const { send } = open({})
  await send(`http://${PUBLIC}:${port}/`)
  expect(await send(`http://${PUBLIC}:${port}/`)).toMatchObject({ status: 200 })
  expect(requests).toBe(3)
})

test('a new connection that breaks is a failure: the receiver may have read the request', async () => {
  let requests = 0
  const server = createServer((socket) => {
    socket.on('error', () => undefined) // the test resets it on purpose
    socket.on('data', () => {
      requests += 1
      socket.resetAndDestroy()
    })
  })
  const { port } = await listen(server)
  await expect(open({}).send(`http://${PUBLIC}:${port}/`)).rejects.toMatchObject({ reason: 'unreachable' })
  expect(requests).toBe(1)
})

test.each([
  ['an address', (port: number) => `http://${PRIVATE}:${port}/`],
  ['an address in another notation', (port: number) => `http://0x7f.1:${port}/`],
  ['a name', (port: number) => `http://inside.test:${port}/`],
])('%s in a private network is not called', async (_what, url) => {
  await using sink = await startWebhookSink()
  const { send } = open({ lookup: async () => [{ address: PRIVATE, family: 4 }] })
  await expect(send(url(sink.port))).rejects.toMatchObject({ name: 'FetchFailed', reason: 'private_address' })
  expect(sink.connections).toBe(0)
})

test('by default private networks are refused, and a setting allows them', async () => {
  await using sink = await startWebhookSink()
  const lookup: Lookup = async () => [{ address: PRIVATE, family: 4 }]
  const strict = createSafeFetch({ lookup, allowPrivateNetworks: false, limits: withLimits() })
  const request = {
    url: `http://inside.test:${sink.port}/`,
    method: 'POST',
    headers: {},
    body: '',
    timeoutMs: 5_000,
  }
  await expect(strict.fetch(request)).rejects.toMatchObject({ reason: 'private_address' })
  const { send } = open({ lookup, allow: true })
  expect(await send(request.url)).toMatchObject({ status: 204 })
})

test('of several addresses only those in public networks are tried', async () => {
  await using sink = await startWebhookSink(ok, { host: PUBLIC })
  const lookup: Lookup = async () => [
    { address: PRIVATE, family: 4 },
    { address: PUBLIC, family: 4 },
  ]
  const { send } = open({ lookup })
  expect(await send(`http://both.test:${sink.port}/`)).toMatchObject({ status: 204 })
  expect(sink.connections).toBe(1)
})

test('a name that resolves to a private address the second time (DNS rebinding) is not called', async () => {
  await using outside = await startWebhookSink(
    (response) => void response.writeHead(200, { connection: 'close' }).end(),
    {
      host: PUBLIC,
    },
  )
  await using inside = await startWebhookSink(ok, { port: outside.port, host: PRIVATE })
  const answers = [PUBLIC, PRIVATE]
  const { send } = open({ lookup: async () => [{ address: answers.shift()!, family: 4 }] })
  expect(await send(`http://two.test:${outside.port}/`)).toMatchObject({ status: 200 })
  await expect(send(`http://two.test:${outside.port}/`)).rejects.toMatchObject({ reason: 'private_address' })
  expect(inside.connections).toBe(0)
})

// A bug of ours could connect to another address than the resolved one: so the socket's own address is checked.
test('the address of the connection is checked before a byte is sent', async () => {
  let bytes = 0
  const listener = createServer((socket) => socket.on('data', (chunk) => (bytes += chunk.length)))
  const { port } = await listen(listener, PRIVATE)
  let asked = 0
  const { send } = open({ lookup: async () => [{ address: PRIVATE, family: 4 }], isRefusedIp: () => ++asked > 1 })
  const closed = once(listener, 'connection').then(([socket]) => once(socket, 'close'))
  await expect(send(`http://late.test:${port}/`)).rejects.toMatchObject({ reason: 'private_address' })
  await closed
  expect({ asked, bytes }).toEqual({ asked: 2, bytes: 0 })
})

test('a redirect is returned as a response and not followed', async () => {
  await using elsewhere = await startWebhookSink(ok, { host: PUBLIC })
  const redirect: Answering = (response) => void response.writeHead(302, { location: elsewhere.url }).end()
  await using sink = await startWebhookSink(redirect, { host: PUBLIC })
  expect(await open({}).send(sink.url)).toMatchObject({ status: 302 })
  expect(elsewhere.connections).toBe(0)
})

test.each<[string, Answering]>([
  ['sends nothing', () => undefined],
  ['never ends', (response) => void response.writeHead(200).write('…')],
  ['sends a byte at a time', (response) => void drip(response)],
])('a request to a receiver that %s times out', async (_what, answer) => {
  await using sink = await startWebhookSink(answer, { host: PUBLIC })
  await expect(open({}).send(sink.url, { timeoutMs: 60 })).rejects.toMatchObject({ reason: 'timeout' })
})

test('the timeout includes DNS, and a request can be aborted', async () => {
  const never = new Promise<never>(() => undefined)
  await expect(open({ lookup: () => never }).send('http://slow.test/', { timeoutMs: 30 })).rejects.toMatchObject({
    reason: 'timeout',
  })
  await using sink = await startWebhookSink(() => undefined, { host: PUBLIC })
  const abort = new AbortController()
  const sent = open({}).send(sink.url, { signal: abort.signal })
  await sink.count(1)
  abort.abort()
  await expect(sent).rejects.toMatchObject({ reason: 'aborted' })
  await expect(open({}).send(sink.url, { signal: abort.signal })).rejects.toMatchObject({ reason: 'aborted' })
})

test('only the beginning of a large response is read, then the connection is closed', async () => {
  let closed: Promise<unknown> | undefined
  await using sink = await startWebhookSink(
    (response) => {
      closed = once(response, 'close')
      response.writeHead(200)
      const fill = () => {
        while (!response.destroyed && response.write('x'.repeat(65_536)));
      }
      response.on('drain', fill)
      fill()
    },
    { host: PUBLIC },
  )
  const answer = await open({ limits: { webhooks: { responseBytesMax: 1_000 } } }).send(sink.url)
  expect(answer).toMatchObject({ status: 200, body: 'x'.repeat(1_000) })
  await closed
})

test.each([
  ['refuses the connection', async () => [{ address: PUBLIC, family: 4 }], /ECONNREFUSED/],
  ['has an unknown name', () => Promise.reject(new Error('getaddrinfo ENOTFOUND nowhere.test')), /ENOTFOUND/],
  ['has an unknown name, without an error', () => Promise.reject(undefined), /nowhere\.test was not found/],
  ['has a name without addresses', async () => [], /nowhere\.test has no address/],
])('a receiver that %s gives an error that says so', async (_what, lookup, words) => {
  const server = createServer()
  const { port } = await listen(server)
  server.close()
  await once(server, 'close')
  const sent = open({ lookup }).send(`http://nowhere.test:${port}/`)
  await expect(sent).rejects.toMatchObject({ reason: 'unreachable', message: expect.stringMatching(words) })
})

test('a certificate that cannot be verified is refused, and nothing is sent', async () => {
  const { cert, key } = await createSelfSigned({ hostname: 'name.test', nowMs: Date.now() })
  let requests = 0
  const server = createTlsServer({ cert, key }, (_request, response) => {
    requests += 1
    response.end()
  })
  const { port } = await listen(server)
  await expect(open({}).send(`https://name.test:${port}/`)).rejects.toMatchObject({
    reason: 'unreachable',
    message: expect.stringMatching(/self-signed/),
  })
  expect(requests).toBe(0)
})

test.each([
  ['keeps the connection open', (socket: Socket, answer: string) => socket.write(answer)],
  ['closes the connection', (socket: Socket, answer: string) => socket.end(answer)],
])(
  'a receiver that switches protocols without being asked and %s is a failure, and the connection is closed',
  async (_what, say) => {
    const server = createServer((socket) => {
      socket.on('error', () => undefined) // the test resets it on purpose
      socket.once('data', () =>
        say(socket, 'HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n'),
      )
    })
    const { port } = await listen(server)
    const closed = once(server, 'connection').then(([socket]) => once(socket, 'close'))
    await expect(open({}).send(`http://${PUBLIC}:${port}/`)).rejects.toMatchObject({ reason: 'unreachable' })
    await closed
  },
)

test('other URL schemes are refused', async () => {
  await expect(open({}).send('ftp://name.test/')).rejects.toMatchObject({ reason: 'unreachable' })
})

async function listen(server: ReturnType<typeof createServer>, host = PUBLIC): Promise<AddressInfo> {
  server.listen(0, host)
  await once(server, 'listening')
  onTestFinished(() => void server.close())
  return server.address() as AddressInfo
}

/** Sends a byte every few milliseconds without an end, so that an idle timeout would never fire. */
function drip(response: Parameters<Answering>[0]): void {
  response.writeHead(200)
  const timer = setInterval(() => response.write('.'), 10)
  response.on('close', () => clearInterval(timer))
}
