/** Tests what the HTTP server does for every dialect: bodies, ids in paths, health, logging, and the port. */
import { once } from 'node:events'
import { connect } from 'node:net'
import { expect, test } from 'vitest'
import { loadConfig } from '../../../src/config/settings.ts'
import type { Dialect } from '../../../src/edges/http/server/http-dialect.ts'
import { createHttpServer } from '../../../src/edges/http/server/http-server.ts'
import { publicRoute } from '../../../src/edges/http/server/route-access.ts'
import { MailError } from '../../../src/errors.ts'
import { createEventLoop } from '../../../src/event-loop.ts'
import { createLog } from '../../../src/log.ts'
import type { KeyActor } from '../../../src/mail/access/actor.ts'
import type { NewInbox } from '../../../src/mail/inboxes/inbox.ts'
import { createMetrics } from '../../../src/metrics.ts'
import { anyone, KEY, startEdge } from './edge.ts'

const rest = { status: 'active', createdAt: 0, updatedAt: 0 } as const

test.each<[string, RequestInit]>([
  ['no body and no content type', { method: 'POST' }],
  ['an empty body with a JSON content type', { method: 'POST', headers: { 'content-type': 'application/json' } }],
  ['an empty form', { method: 'POST', headers: { 'content-type': 'application/x-www-form-urlencoded' } }],
  ['an empty object', { method: 'POST', headers: { 'content-type': 'application/json' }, body: '{}' }],
  [
    'JSON with a charset',
    { method: 'POST', headers: { 'content-type': 'application/json; charset=utf-8' }, body: '{}' },
  ],
  [
    'JSON with a byte order mark',
    { method: 'POST', headers: { 'content-type': 'application/json' }, body: '\uFEFF{}' },
  ],
  ['JSON without a content type', { method: 'POST', body: Buffer.from('{}') }],
])('%s is read as an empty object', async (_name, { headers, ...init }) => {
  const given: unknown[] = []
  const inboxes = {
    create: async (_actor: unknown, _within: unknown, request: unknown) => {
      given.push(request)
      return { id: 'i', organizationId: 'o', podId: 'p', address: 'a@b.test', ...rest }
    },
  }
  await using edge = await startEdge({ core: { inboxes } })
  const answer = await fetch(`${edge.url}/v0/inboxes`, {
    ...init,
    headers: { ...headers, authorization: `Bearer ${KEY}` },
  })
  expect(answer.status).toBe(200)
  expect(given).toEqual([{}])
})

// It was dropped without an error, so that a client believed it to be stored.
test('a member "__proto__" is refused with its path, even if it is written with escapes', async () => {
  await using edge = await startEdge({ core: { inboxes: {} } })
  const bodies: [body: string, path: (string | number)[]][] = [
    ['{"metadata":{"a":"1","__proto__":"x"}}', ['metadata', '__proto__']],
    ['{"metadata":{"\\u005f_proto__":{"a":"1"}}}', ['metadata', '__proto__']],
    ['{"__proto__":{}}', ['__proto__']],
    ['{"a":[{"__proto__":null}]}', ['a', 0, '__proto__']],
  ]
  for (const [body, path] of bodies)
    expect(await edge.request('POST', '/v0/inboxes', { body }), body).toMatchObject({
      status: 400,
      body: { code: 'validation_error', message: 'A member cannot be named __proto__', errors: [{ path }] },
    })
})

test('metadata that cannot be stored is cleaned, even if it is written with escapes', async () => {
  const given: object[] = []
  const inboxes = {
    create: async (_actor: unknown, _within: unknown, request: NewInbox) => {
      given.push(request.metadata ?? {})
      return { id: 'i', organizationId: 'o', podId: 'p', address: 'a@b.test', ...rest }
    },
  }
  await using edge = await startEdge({ core: { inboxes } })
  await edge.request('POST', '/v0/inboxes', { body: '{"metadata":{"a":"\\u00fc"}}' })
  // No database stores a lone surrogate, so it is replaced as the database would replace it.
  await edge.request('POST', '/v0/inboxes', { body: '{"metadata":{"a":"x\\ud800","b":"\\ud83e\\udd89"}}' })
  const entries = given.map((metadata) => Object.entries(metadata))
  expect(entries).toEqual([
    [['a', 'ü']],
    [
      ['a', 'x\ufffd'],
      ['b', '🦉'],
    ],
  ])
})

test.each([
  ['Node, escaped', '%3Ca%2Fb%2Bc%40d%3E', '<a/b+c@d>'],
  ['Python, not escaped', '%3Ca/b+c=@d%3E', '<a/b+c=@d>'],
  ['a question mark inside', '%3Ca%3Fb@d%3E', '<a?b@d>'],
  ['without brackets', 'a%2Fb%40d', 'a/b@d'],
  ['a thousand characters', `%3C${'x'.repeat(1_000)}@d%3E`, `<${'x'.repeat(1_000)}@d>`],
])('a Message-ID in a path is decoded: %s', async (_name, written, expected) => {
  const asked: string[] = []
  const messages = {
    raw: async (_actor: unknown, _inbox: string, ref: string) => {
      asked.push(ref)
      return { messageId: ref, sizeBytes: 1, token: 't', expiresAt: 0 }
    },
  }
  await using edge = await startEdge({ core: { messages } })
  const answer = await edge.request('GET', `/v0/inboxes/a%40b.test/messages/${written}/raw`)
  expect(answer.body).toMatchObject({ message_id: expected, download_url: `${edge.url}/v0/downloads/t` })
  expect(asked).toEqual([expected])
})

test('/readyz depends on the probes, /healthz does not', async () => {
  let isBroken = false
  const probes = {
    store: () => {
      if (isBroken) throw new Error('disk')
    },
  }
  await using edge = await startEdge({ probes })
  expect(await edge.request('GET', '/readyz', { key: null })).toMatchObject({ status: 200, body: { status: 'ready' } })
  isBroken = true
  expect(await edge.request('GET', '/readyz', { key: null })).toMatchObject({
    status: 503,
    body: { failing: ['store'] },
  })
  expect(await edge.request('GET', '/healthz', { key: null })).toMatchObject({ status: 200 })
})

test('/metrics is open to this machine, and to others only with a key', async () => {
  await using edge = await startEdge()
  await edge.request('GET', '/v0/nothing')
  const local = await edge.request('GET', '/metrics', { key: null })
  expect(local.body).toContain('martlet_http_requests_total{dialect="agentmail",status="404"} 1')
  for (const proxied of [{ 'x-forwarded-for': '203.0.113.7' }, { forwarded: 'for=203.0.113.7' }]) {
    expect((await edge.request('GET', '/metrics', { key: null, headers: proxied })).status).toBe(401)
    expect((await edge.request('GET', '/metrics', { headers: proxied })).status).toBe(200)
  }
})

test('a request is logged in one line, without its query and without its key', async () => {
  await using edge = await startEdge({ core: { pods: { list: async () => ({ items: [], limit: 50 }) } } })
  await edge.request('GET', `/v0/pods?api_key=${KEY}&page_token=secret-token`)
  await edge.request('GET', '/v0/downloads/secret-token')
  const lines = edge.log.filter((line) => line.msg === 'request')
  expect(lines).toMatchObject([
    { method: 'GET', path: '/v0/pods', status: 200, apiKeyId: 'key-1', ms: expect.any(Number) },
    { method: 'GET', path: '/v0/downloads/:token', status: 500 },
  ])
  expect(lines[0]).not.toHaveProperty('code')
  expect(JSON.stringify(lines)).not.toMatch(new RegExp(`${KEY}|secret-token`))
})

test('the line of a failed request has the code of the error, and the key if it is valid', async () => {
  const narrow: KeyActor = { ...anyone, apiKeyId: 'key-2', permissions: new Set() }
  const slow = { ...anyone, apiKeyId: 'key-3' }
  const rate = { what: 'requests', max: 1, period: 'minute', retryAfterSeconds: 1, apiKeyId: 'key-3' }
  await using edge = await startEdge({
    keys: { [KEY]: anyone, narrow, slow },
    beforeKey: async (key) => {
      if (key === 'slow') throw new MailError('rate_limit_exceeded', rate)
    },
  })
  const logged = async (path: string, key: string | null) => {
    await edge.request('GET', path, { key })
    return edge.log.findLast((line) => line.msg === 'request')
  }
  expect(await logged('/v0/inboxes', 'narrow')).toMatchObject({
    status: 403,
    code: 'missing_permission',
    apiKeyId: 'key-2',
  })
  expect(await logged('/v0/inboxes', 'slow')).toMatchObject({
    ...{ status: 429, code: 'rate_limit_exceeded', apiKeyId: 'key-3' },
  })
  expect(await logged('/v0/inboxes', KEY)).toMatchObject({ status: 500, code: 'internal_error', apiKeyId: 'key-1' })
  for (const [path, key, status, code] of [
    ['/v0/inboxes', null, 401, 'missing_authorization'],
    ['/v0/inboxes', 'am_wrong', 401, 'unknown_api_key'],
    ['/v0/nothing', KEY, 404, 'not_found'],
    ['/v0/%zz', KEY, 400, 'validation_error'],
  ] as const) {
    const line = await logged(path, key)
    expect(line, path).toMatchObject({ status, code })
    expect(line, path).not.toHaveProperty('apiKeyId')
  }
  expect(JSON.stringify(edge.log)).not.toMatch(new RegExp(`${KEY}|am_wrong`))
})

test('with several dialects, each path gets the routes, hooks and error bodies of its own dialect', async () => {
  const toy = (name: string, prefix: string): Dialect => ({
    name,
    prefix,
    routes: async (app) => {
      app.addHook('onSend', async (_request, reply) => void reply.header('x-hook-of', name))
      app.get('/here', { config: publicRoute }, () => ({ name }))
    },
    renderError: (error) => ({ status: 418, body: { receivedBy: name, code: error.code } }),
  })
  const config = loadConfig({ MARTLET_HTTP_PORT: '0' })
  const server = createHttpServer({
    requireNoStranger: async () => undefined,
    ...{ config, log: createLog('silent'), metrics: createMetrics(), probes: {} },
    eventLoop: createEventLoop(config.limits),
    credentials: { authenticate: async () => Promise.reject() },
    dialects: [toy('plain', ''), toy('first', '/v0'), toy('longer', '/v0/more')],
  })
  const { url } = await server.listen()
  const get = async (path: string) => {
    const answer = await fetch(url + path)
    return [answer.status, await answer.json(), answer.headers.get('x-hook-of')]
  }
  expect(await get('/here')).toEqual([200, { name: 'plain' }, 'plain'])
  expect(await get('/v0/here')).toEqual([200, { name: 'first' }, 'first'])
  expect(await get('/v0/more/here')).toEqual([200, { name: 'longer' }, 'longer'])
  for (const [path, name] of [
    ['/none', 'plain'],
    ['/v0x', 'plain'],
    ['/v0/%zz', 'first'],
    ['/v0', 'first'],
    ['/v0/more/none', 'longer'],
  ]) {
    expect((await get(path!)).slice(0, 2), path).toEqual([418, { receivedBy: name, code: expect.any(String) }])
  }
  await server.stop(100)
})

test('a route that does not declare its access stops the start', async () => {
  const config = loadConfig({ MARTLET_HTTP_PORT: '0' })
  const dialect: Dialect = {
    name: 'toy',
    prefix: '',
    routes: async (app) => void app.get('/open', () => 'everyone reads this'),
    renderError: () => ({ status: 400, body: {} }),
  }
  const server = createHttpServer({
    requireNoStranger: async () => undefined,
    ...{ config, log: createLog('silent'), metrics: createMetrics(), probes: {} },
    eventLoop: createEventLoop(config.limits),
    credentials: { authenticate: async () => Promise.reject() },
    dialects: [dialect],
  })
  await expect(server.listen()).rejects.toThrow('GET,HEAD /open does not declare its access')
  await server.stop(0)
})

test('a port in use stops the start with one sentence', async () => {
  await using edge = await startEdge()
  const port = new URL(edge.url).port
  const config = loadConfig({ MARTLET_HTTP_PORT: port })
  const needs = {
    config,
    log: createLog('silent'),
    metrics: createMetrics(),
    eventLoop: createEventLoop(config.limits),
    probes: {},
  }
  const dialect = {
    name: 'none',
    prefix: '',
    routes: async () => undefined,
    renderError: () => ({ status: 400, body: {} }),
  }
  const server = createHttpServer({
    requireNoStranger: async () => undefined,
    ...needs,
    credentials: { authenticate: async () => Promise.reject() },
    dialects: [dialect],
  })
  await expect(server.listen()).rejects.toThrow(
    `127.0.0.1:${port} is in use; stop the process that uses it, or set MARTLET_HTTP_PORT`,
  )
  await server.stop(0)
})

test('the API serves its OpenAPI description', async () => {
  await using edge = await startEdge()
  const { status, body } = await edge.request('GET', '/v0/openapi.json', { key: null })
  expect(status).toBe(200)
  expect(body.openapi).toBe('3.1.0')
  expect(body.paths['/v0/inboxes/{inbox_id}/messages/{message_id}'].get.responses['200']).toBeDefined()
  expect(body.paths['/v0/threads/{thread_id}'].put).toBeUndefined()
  expect(Object.values<object>(body.paths).filter((path) => 'head' in path)).toEqual([])
  const removals = Object.values<Record<string, { responses: object }>>(body.paths).flatMap((path) => path.delete ?? [])
  const done = removals.flatMap(({ responses }) => Object.keys(responses).filter((status) => status < '300'))
  expect(new Set(done)).toEqual(new Set(['204']))
})

test.each(['/', '/healthz', '/v0/openapi.json', '/v0/apps', '/v0/drafts'])(
  'HEAD %s has the status and size of GET, and no body',
  async (path) => {
    await using edge = await startEdge({ core: { scopes: { requireVisible: async () => undefined } } })
    const send = (method: string) =>
      fetch(`${edge.url}${path}`, { method, headers: { authorization: `Bearer ${KEY}` } })
    const [head, get] = [await send('HEAD'), await send('GET')]
    expect([head.status, head.headers.get('content-type')]).toEqual([get.status, get.headers.get('content-type')])
    const body = await get.arrayBuffer()
    expect([await head.text(), head.headers.get('content-length')]).toEqual(['', `${body.byteLength}`])
  },
)

// All requests that arrived together were begun in one turn of the event loop, and new connections waited for its end.
test('requests that arrive together begin in several turns of the event loop', async () => {
  let turn = 0
  let isOver = false
  const countTurns = () => {
    turn += 1
    if (!isOver) setImmediate(countTurns)
  }
  const begunPerTurn = new Map<number, number>()
  await using edge = await startEdge({
    limits: { server: { workMs: 0 } },
    beforeKey: async () => void begunPerTurn.set(turn, (begunPerTurn.get(turn) ?? 0) + 1),
  })
  const sockets = Array.from({ length: 20 }, () => connect(Number(new URL(edge.url).port), '127.0.0.1'))
  const requestOnAll = () => {
    for (const socket of sockets) {
      socket.write(`GET /v0/inboxes HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${KEY}\r\n\r\n`)
    }
    return Promise.all(sockets.map((socket) => once(socket, 'data')))
  }
  await requestOnAll() // now all connections are accepted
  begunPerTurn.clear()
  countTurns()
  await requestOnAll()
  isOver = true
  for (const socket of sockets) socket.destroy()
  expect([...begunPerTurn.values()].reduce((sum, count) => sum + count)).toBe(20)
  expect(Math.max(...begunPerTurn.values())).toBe(1)
})
