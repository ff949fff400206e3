/**
 * Pages of other origins (docs/adr/0062), by raw HTTP: what a browser needs to let them read a response.
 */
import { EventEmitter, once } from 'node:events'
import { request as httpRequest } from 'node:http'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { WebSocket } from 'ws'
import { limits } from '../../src/config/limits.ts'
import { startWorld, type World } from '../support/world.ts'
import { KEY, startEdge } from './agentmail/edge.ts'

const ORIGIN = 'https://app.example.com'
const page = { origin: ORIGIN }
const asks = { 'access-control-request-method': 'POST', 'access-control-request-headers': 'authorization,x-own' }

let open: World
beforeAll(async () => {
  open = await startWorld()
})
afterAll(() => open[Symbol.asyncDispose]())

test('a preflight of any path is answered without a key, with the header fields that the page wants to send', async () => {
  for (const path of [
    '/v0/inboxes',
    '/v0/nothing',
    '/v0/events/stream',
    '/v0/downloads/x',
    '/api/v1/inboxes',
    '/send',
    '/',
  ]) {
    const { status, body, headers } = await open.request('OPTIONS', path, { key: '', headers: { ...page, ...asks } })
    expect([status, body, Object.fromEntries(headers)], path).toMatchObject([
      204,
      '',
      {
        'access-control-allow-origin': '*',
        'access-control-allow-headers': 'authorization,x-own',
        'access-control-allow-methods': 'GET, HEAD, POST, PUT, PATCH, DELETE',
        'access-control-max-age': '7200',
        vary: 'Origin, Access-Control-Request-Headers',
      },
    ])
    // No cookies exist: the key is always sent by the page itself.
    expect(headers.get('access-control-allow-credentials'), path).toBeNull()
  }
})

test('header fields that are no list of tokens, or too many, are not allowed', async () => {
  for (const wanted of ['a b', 'a,,b', 'a:b', '(a)', 'x'.repeat(5_000), ', a']) {
    const headers = { ...page, ...asks, 'access-control-request-headers': wanted }
    const answer = await open.request('OPTIONS', '/v0/inboxes', { headers })
    expect([answer.status, answer.headers.get('access-control-allow-headers')], wanted.slice(0, 20)).toEqual([
      204,
      null,
    ])
  }
})

test('the header fields that a page wants to send may have as many characters as the limit', async () => {
  const max = limits.http.preflightHeadersCharsMax.default
  for (const [wanted, allowed] of [
    ['x'.repeat(max), 'x'.repeat(max)],
    ['x'.repeat(max + 1), null],
  ] as const) {
    const headers = { ...page, ...asks, 'access-control-request-headers': wanted }
    const answer = await open.request('OPTIONS', '/v0/inboxes', { key: '', headers })
    expect(answer.headers.get('access-control-allow-headers')).toBe(allowed)
  }
})

test('an OPTIONS request that is no preflight, and a request of no page, are answered as ever', async () => {
  expect((await open.request('OPTIONS', '/v0/inboxes', { headers: page })).status).toBe(405)
  const { headers } = await open.request('GET', '/v0/inboxes')
  expect([headers.get('access-control-allow-origin'), headers.get('vary')]).toEqual([null, 'Origin'])
})

test('a page can read every response: of each dialect, errors, downloads and event streams', async () => {
  const inbox = await open.agentmail.inboxes.create({ username: 'ada' })
  const socket = await open.subscribe({ inboxIds: [inbox.inboxId] })
  await open.smtp.send({
    to: inbox.email,
    subject: 'hi',
    text: 'x',
    attachments: [{ filename: 'a.txt', content: 'text' }],
  })
  const { message } = await socket.next('message.received')
  const [attachment] = message.attachments
  const link = await open.agentmail.inboxes.messages.getAttachment(
    inbox.inboxId,
    message.message_id,
    attachment.attachment_id,
  )
  const download = new URL(link.downloadUrl).pathname
  const requests: [method: string, path: string, status: number, options?: { key?: string; body?: unknown }][] = [
    ['GET', '/v0/inboxes', 200],
    ['HEAD', '/v0/inboxes', 200],
    ['GET', download, 200, { key: '' }],
    ['GET', '/v0/inboxes', 401, { key: 'am_unknown' }],
    ['GET', '/v0/inboxes/nobody@mail.localhost', 404],
    ['GET', '/v0/%zz', 400],
    ['DELETE', '/v0/auth/me', 405],
    ['POST', '/v0/inboxes', 413, { body: `"${'x'.repeat(1_100_000)}"` }],
    ['GET', '/api/v1/inboxes', 200],
    ['GET', '/api/v0/inboxes', 200],
    ['GET', '/api/v1/inboxes', 401, { key: '' }],
    ['GET', '/messages/x', 401, { key: '' }],
    ['GET', '/', 200, { key: '' }],
  ]
  for (const [method, path, status, options] of requests) {
    const answer = await open.request(method, path, { ...options, headers: page })
    expect([answer.status, answer.headers.get('access-control-allow-origin')], path).toEqual([status, '*'])
    const exposed = answer.headers.get('access-control-expose-headers')!.split(', ')
    expect(exposed, path).toEqual(
      expect.arrayContaining([
        'ETag',
        'Retry-After',
        'X-RateLimit-Limit',
        'X-RateLimit-Remaining',
        'X-RateLimit-Reset',
      ]),
    )
    expect(answer.headers.get('vary'), path).toBe('Origin')
  }
  const stream = await fetch(`${open.url}/v0/events/stream?api_key=${open.rootKey}`, { headers: page })
  expect([stream.headers.get('access-control-allow-origin'), stream.headers.get('content-type')]).toEqual([
    '*',
    'text/event-stream',
  ])
  await stream.body!.cancel()
})

test('of named origins, each gets its own name; a page of another one gets nothing', async () => {
  await using edge = await startEdge({ env: { MARTLET_CORS_ORIGINS: `${ORIGIN},http://localhost:5173` } })
  const askedBy = async (origin: string) => {
    const preflight = await edge.request('OPTIONS', '/v0/pods', { key: null, headers: { origin, ...asks } })
    const { status, headers } = await edge.request('GET', '/v0/nothing', { headers: { origin } })
    expect([status, headers.get('vary')]).toEqual([404, 'Origin'])
    return [
      preflight.status,
      preflight.headers.get('access-control-allow-origin'),
      headers.get('access-control-allow-origin'),
    ]
  }
  for (const origin of [ORIGIN, 'http://localhost:5173']) expect(await askedBy(origin)).toEqual([204, origin, origin])
  for (const origin of ['https://evil.example', 'null', `${ORIGIN}.evil.example`, 'https://APP.example.com', '*'])
    expect(await askedBy(origin), origin).toEqual([405, null, null])
})

test('where no origin is named, no response says anything about origins', async () => {
  await using edge = await startEdge({ env: { MARTLET_DOMAIN: 'mail.example.com' } })
  const { headers } = await edge.request('GET', '/v0/nothing', { headers: page })
  expect([headers.get('access-control-allow-origin'), headers.get('vary')]).toEqual([null, null])
  expect((await edge.request('OPTIONS', '/v0/pods', { headers: { ...page, ...asks } })).status).toBe(405)
})

test('during a shutdown, a page can read the 503 and its Retry-After', async () => {
  const gate = new EventEmitter()
  const list = async () => {
    gate.emit('called')
    await once(gate, 'end')
    return { items: [], limit: 50 }
  }
  const called = once(gate, 'called')
  await using edge = await startEdge({ core: { pods: { list } } })
  const running = edge.request('GET', '/v0/pods')
  await called
  const stopped = edge.server.stop(5_000)
  expect((await edge.request('OPTIONS', '/v0/pods', { key: null, headers: { ...page, ...asks } })).status).toBe(204)
  const { status, headers } = await edge.request('GET', '/v0/pods', { headers: page })
  expect([status, headers.get('access-control-allow-origin'), headers.get('retry-after')]).toEqual([503, '*', '1'])
  gate.emit('end')
  await Promise.all([running, stopped])
})

test('metrics and health checks are not for pages, also not for one whose name resolves to this machine', async () => {
  // An escaped letter leads to the same route.
  for (const path of ['/metrics', '/healthz', '/readyz', '/%6detrics', '/metric%73?x']) {
    const { status, headers } = await open.request('GET', path, { headers: page })
    expect(status, path).toBe(200)
    expect(headers.get('access-control-allow-origin'), path).toBeNull()
  }
  // DNS rebinding: for the browser, this is the page's own origin. fetch() cannot set Host.
  const statusFor = (host: string) =>
    new Promise((resolve) => {
      httpRequest(`${open.url}/metrics`, { headers: { host } }, (response) =>
        resolve(response.resume().statusCode),
      ).end()
    })
  expect(await statusFor('evil.example:8080')).toBe(401)
  for (const host of ['localhost:8080', '127.0.0.1', '[::1]:8080', 'mail.localhost'])
    expect(await statusFor(host), host).toBe(200)
})

test('a page cannot sign up, unless the operator has named its origin', async () => {
  const body = { human_email: 'ann@example.com', username: 'by-a-page' }
  const refused = await open.request('POST', '/v0/agent/sign-up', { key: '', headers: page, body })
  expect(refused).toMatchObject({ status: 403, body: { code: 'forbidden' } })
  // Without a preflight: a page can send JSON without a Content-Type, and would not see the response.
  const blind = await fetch(`${open.url}/v0/agent/sign-up`, {
    method: 'POST',
    headers: { origin: 'null' },
    body: new Blob([JSON.stringify(body)]),
  })
  expect(blind.status).toBe(403)
  const created: string[] = []
  const core = {
    signUp: {
      admit: async () => undefined,
      create: async () => {
        created.push('one')
        throw new Error('enough')
      },
    },
  }
  await using edge = await startEdge({ core, env: { MARTLET_CORS_ORIGINS: ORIGIN } })
  await edge.request('POST', '/v0/agent/sign-up', { key: null, headers: page, body })
  expect(created).toEqual(['one'])
})

test('a page of any origin opens a WebSocket with a key in its URL, and with none or a wrong one it does not', async () => {
  await using edge = await startEdge({ env: { MARTLET_CORS_ORIGINS: ORIGIN } })
  const statusOf = (key: string) =>
    new Promise((resolve) => {
      const socket = new WebSocket(`${edge.url.replace('http', 'ws')}/v0?api_key=${key}`, {
        origin: 'https://evil.example',
      })
      socket.on('error', () => undefined)
      socket.on('open', () => resolve(101)).on('open', () => socket.terminate())
      socket.on('unexpected-response', (_request, response) => resolve(response.resume().statusCode))
    })
  expect([await statusOf(KEY), await statusOf('am_wrong'), await statusOf('')]).toEqual([101, 401, 401])
})
