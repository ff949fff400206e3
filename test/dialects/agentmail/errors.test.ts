/**
 * Tests that every malformed request gets an error of this dialect and never a 5xx, and that its text helps the caller
 * and reveals no internals. The core is a stub here: the tests of the core cover the errors that it returns itself.
 */
import { connect } from 'node:net'
import { expect, onTestFinished, test } from 'vitest'
import { renderError } from '../../../src/edges/http/dialects/agentmail/agentmail-errors.ts'
import { type ErrorCode, errors, MailError } from '../../../src/errors.ts'
import { sharedByFile } from '../../support/shared-by-file.ts'
import { anyone, KEY, startEdge } from './edge.ts'

const inbox = '/v0/inboxes/a@b.test'

const usual = sharedByFile(() => startEdge())
const withSmallBodies = sharedByFile(() =>
  startEdge({ limits: { http: { bodyBytesMax: 200_000, sendBodyBytesMax: 400_000, bodyTokensMax: 150_000 } } }),
)

test.each<[string, string, string, object, number, string]>([
  ['no key', 'GET', '/v0/inboxes', { key: null }, 401, 'missing_authorization'],
  [
    'another authorization scheme',
    'GET',
    '/v0/inboxes',
    { key: null, headers: { authorization: `Basic ${KEY}` } },
    401,
    'missing_authorization',
  ],
  ['a key with white space', 'GET', '/v0/inboxes', { key: 'a b' }, 401, 'missing_authorization'],
  ['an unknown key', 'GET', '/v0/inboxes', { key: 'am_us_x' }, 401, 'unknown_api_key'],
  ['a key in a REST query', 'GET', `/v0/inboxes?api_key=${KEY}`, { key: null }, 401, 'missing_authorization'],
  ['an unknown path', 'GET', '/v0/nothing', {}, 404, 'not_found'],
  ['a path outside every dialect', 'GET', '/elsewhere', {}, 404, 'not_found'],
  ['a method that the path does not support', 'PUT', '/v0/pods', {}, 405, 'method_not_allowed'],
  ['a method that no path supports', 'OPTIONS', '/v0/pods', {}, 405, 'method_not_allowed'],
  ['the same, with an id that is too long', 'OPTIONS', `/v0/inboxes/${'x'.repeat(3_000)}`, {}, 404, 'not_found'],
  ['another method of a path that is not built', 'PUT', '/v0/drafts', {}, 405, 'method_not_allowed'],
  ['another method of a health check', 'POST', '/healthz', {}, 405, 'method_not_allowed'],
  ['a method of ids for a word in their place', 'DELETE', `${inbox}/messages/send`, {}, 405, 'method_not_allowed'],
  ['a broken escape', 'GET', `${inbox}/messages/%zz`, {}, 400, 'validation_error'],
  ['an escape that is not UTF-8', 'GET', `${inbox}/messages/%ff`, {}, 400, 'validation_error'],
  ['an id of three thousand characters', 'GET', `${inbox}/messages/${'x'.repeat(3_000)}`, {}, 404, 'not_found'],
  ['a limit that is not a number', 'GET', `${inbox}/messages?limit=five`, {}, 400, 'validation_error'],
  ['a limit that is not an integer', 'GET', `${inbox}/messages?limit=1.5`, {}, 400, 'validation_error'],
  ['a limit of zero', 'GET', `${inbox}/messages?limit=0`, {}, 400, 'validation_error'],
  ['a limit given twice', 'GET', `${inbox}/messages?limit=5&limit=6`, {}, 400, 'validation_error'],
  ['an invalid boolean', 'GET', `${inbox}/messages?include_spam=perhaps`, {}, 400, 'validation_error'],
  ['an invalid time', 'GET', `${inbox}/messages?after=yesterday`, {}, 400, 'validation_error'],
  ['a truncated body', 'POST', '/v0/inboxes', { body: '{"username":' }, 400, 'validation_error'],
  [
    'a body with endless nesting',
    'POST',
    '/v0/inboxes',
    { body: `{"a":${'['.repeat(100_000)}` },
    400,
    'validation_error',
  ],
  ['a body that is a list', 'POST', '/v0/inboxes', { body: '[]' }, 400, 'validation_error'],
  ['a body that is null', 'POST', '/v0/inboxes', { body: 'null' }, 400, 'validation_error'],
  ['a number instead of a string', 'POST', '/v0/inboxes', { body: { username: 5 } }, 400, 'validation_error'],
  ['null instead of a string', 'POST', '/v0/inboxes', { body: { username: null } }, 400, 'validation_error'],
  ['an object in metadata', 'POST', '/v0/inboxes', { body: { metadata: { 'a\nb': {} } } }, 400, 'validation_error'],
  ['a status that no inbox has', 'POST', '/v0/inboxes', { body: { status: 'asleep' } }, 400, 'validation_error'],
  [
    'a form body',
    'POST',
    '/v0/inboxes',
    { body: 'a=b', headers: { 'content-type': 'application/x-www-form-urlencoded' } },
    400,
    'validation_error',
  ],
  [
    'an unreadable content type',
    'POST',
    '/v0/inboxes',
    { body: '{}', headers: { 'content-type': ';;' } },
    400,
    'validation_error',
  ],
  ['a public key', 'POST', '/v0/api-keys', { body: { public_key: { kty: 'EC' } } }, 400, 'validation_error'],
  ['a key of another type', 'POST', '/v0/api-keys', { body: { type: 'public_key' } }, 400, 'validation_error'],
  [
    'a flag that is not a boolean',
    'POST',
    '/v0/api-keys',
    { body: { permissions: { message_read: 'yes' } } },
    400,
    'validation_error',
  ],
  ['numbers as recipients', 'POST', `${inbox}/messages/send`, { body: { to: [1] } }, 400, 'validation_error'],
  [
    'bad base64',
    'POST',
    `${inbox}/messages/send`,
    { body: { attachments: [{ content: 'a@' }] } },
    400,
    'validation_error',
  ],
  [
    'an attachment without content',
    'POST',
    `${inbox}/messages/send`,
    { body: { attachments: [{}] } },
    400,
    'validation_error',
  ],
  [
    'an attachment with content and url',
    'POST',
    `${inbox}/messages/send`,
    { body: { attachments: [{ content: 'aGk=', url: 'https://h/' }] } },
    400,
    'validation_error',
  ],
  ['open tracking', 'POST', `${inbox}/messages/send`, { body: { track_opens: true } }, 403, 'not_implemented'],
  ['open tracking of a draft', 'POST', `${inbox}/drafts`, { body: { track_opens: true } }, 403, 'not_implemented'],
  ['the same, later', 'PATCH', `${inbox}/drafts/1`, { body: { track_opens: true } }, 403, 'not_implemented'],
  [
    'the same, when it is sent',
    'POST',
    `${inbox}/drafts/1/send`,
    { body: { track_opens: true } },
    403,
    'not_implemented',
  ],
  ['labels that are numbers', 'PATCH', `${inbox}/messages/1`, { body: { add_labels: 5 } }, 400, 'validation_error'],
  ['a body over the limit', 'POST', '/v0/inboxes', { body: { username: 'x'.repeat(300_000) } }, 413, 'body_too_large'],
  [
    'a sending body over its limit',
    'POST',
    `${inbox}/messages/send`,
    { body: { text: 'x'.repeat(500_000) } },
    413,
    'body_too_large',
  ],
  [
    'a list with more items than a body may have',
    'POST',
    `${inbox}/messages/send`,
    { body: { to: Array.from({ length: 80_000 }, () => ({})) } },
    413,
    'body_too_complex',
  ],
])('%s is answered with the documented status and code', async (_name, method, path, options, status, code) => {
  const edge = await withSmallBodies()
  const answer = await edge.request(method, path, options)
  expect(answer.status).toBe(status)
  expect(answer.body).toMatchObject({
    name: expect.stringMatching(/Error$/),
    code,
    message: expect.stringMatching(/./),
    error: { type: code, message: answer.body.message, details: { code: code.toUpperCase() } },
  })
  expect(answer.headers.get('content-type')).toBe('application/json; charset=utf-8')
  expect(JSON.stringify(answer.body)).not.toMatch(/FST_|at .*:\d+:\d+|node_modules/)
})

const sent = { id: 'id', messageId: '<1@x.test>', threadId: 't', inboxId: 'inbox' }

test('only routes that send a message accept the larger body, and the error names the exceeded limit', async () => {
  const limits = { http: { bodyBytesMax: 1_000, sendBodyBytesMax: 5_000 } }
  await using edge = await startEdge({
    limits,
    core: { sending: { send: async () => sent, reply: async () => sent, forward: async () => sent } },
  })
  const sending = ['send', 'x/reply', 'x/reply-all', 'x/forward'].map((path) => `${inbox}/messages/${path}`)
  for (const path of [...sending, `${inbox}/messages`]) {
    expect((await edge.request('POST', path, { body: { text: 'x'.repeat(3_000) } })).status, path).toBe(200)
    const { status, body } = await edge.request('POST', path, { body: { text: 'x'.repeat(6_000) } })
    expect([status, body.message], path).toEqual([413, 'The request body is larger than 5000 bytes'])
  }
  const { status, body } = await edge.request('POST', '/v0/inboxes', { body: { username: 'x'.repeat(3_000) } })
  expect([status, body.message]).toEqual([413, 'The request body is larger than 1000 bytes'])
})

test('a key that is unknown or may not send is refused before its body is read', async () => {
  await using edge = await startEdge({ actor: { ...anyone, permissions: new Set(['message_read'] as const) } })
  for (const path of ['send', 'x/reply', 'x/reply-all', 'x/forward'].map((each) => `${inbox}/messages/${each}`)) {
    const head = (key: string) =>
      `POST ${path} HTTP/1.1\r\nHost: h\r\nAuthorization: Bearer ${key}\r\nContent-Type: application/json\r\n` +
      'Content-Length: 70000000\r\n\r\n'
    expect(await beginning(edge.url, head('am_us_unknown')), path).toMatch(/^HTTP\/1\.1 401 /)
    expect(await beginning(edge.url, head(KEY)), path).toMatch(/^HTTP\/1\.1 403 [\s\S]*missing_permission/)
  }
})

test('requests that Node itself cannot parse get an error response too', async () => {
  const edge = await usual()
  expect(await raw(edge.url, 'nonsense\r\n\r\n')).toMatch(/^HTTP\/1\.1 400 [\s\S]*"code":"validation_error"/)
  const huge = `GET /healthz HTTP/1.1\r\nHost: h\r\nX: ${'x'.repeat(100_000)}\r\n\r\n`
  expect(await raw(edge.url, huge)).toMatch(/^HTTP\/1\.1 431 [\s\S]*"name":"ValidationError"/)
  // Java's client offers HTTP/2 with its first request; Node treats such a connection as an upgrade.
  const h2c = 'GET /v0/inboxes HTTP/1.1\r\nHost: h\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n\r\n'
  expect(await raw(edge.url, h2c)).toMatch(/^HTTP\/1\.1 400 [\s\S]*omit the Upgrade header/)
})

// The package ws used to write these errors itself, as plain text.
test.each([
  ['no key', 'Sec-WebSocket-Version: 13'],
  ['no version', 'Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA=='],
  ['another version', 'Sec-WebSocket-Version: 99\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA=='],
])('a WebSocket handshake with %s is refused with an error of the dialect', async (_name, fields) => {
  await using edge = await startEdge()
  const head = `GET /v0 HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nAuthorization: Bearer ${KEY}`
  const answer = await raw(edge.url, `${head}\r\n${fields}\r\n\r\n`)
  expect(answer).toMatch(/^HTTP\/1\.1 400 [\s\S]*"code":"validation_error"[\s\S]*Sec-WebSocket-/)
  expect(edge.log.at(-1)).toMatchObject({ msg: 'request', path: '/v0', status: 400, code: 'validation_error' })
})

// Each such client wrote an error into the log, as if the server had failed.
test('a client that disconnects during its body is not logged as a server error', async () => {
  await using edge = await startEdge()
  const head = `POST /v0/inboxes HTTP/1.1\r\nHost: h\r\nAuthorization: Bearer ${KEY}\r\nContent-Length: 10\r\n\r\n{`
  const socket = connect(Number(new URL(edge.url).port), '127.0.0.1', () => socket.write(head, () => socket.destroy()))
  await expect.poll(() => edge.log.find(({ msg }) => msg === 'request')).toMatchObject({ aborted: true })
  expect(edge.log.filter(({ level }) => level === 'error')).toEqual([])
})

test('a request that does not arrive in time is refused with 408', async () => {
  await using edge = await startEdge({ limits: { http: { requestMs: 200 } } })
  const head = `POST /v0/inboxes HTTP/1.1\r\nHost: h\r\nAuthorization: Bearer ${KEY}\r\nContent-Length: 10\r\n\r\n{`
  expect(await raw(edge.url, head)).toMatch(/^HTTP\/1\.1 408 [\s\S]*did not arrive in time/)
})

// Thousands of connections that had been opened in half a minute were answered in one turn of the event loop.
test('connections that time out together are refused in many turns of the event loop', async () => {
  await using edge = await startEdge({ limits: { http: { requestMs: 200 }, server: { workMs: 0 } } })
  const refused = () => edge.log.filter(({ msg }) => msg === 'malformed request').length
  let before = 0
  let mostInOneTurn = 0
  let ticking = setImmediate(function tick() {
    mostInOneTurn = Math.max(mostInOneTurn, refused() - before)
    before = refused()
    ticking = setImmediate(tick)
  })
  onTestFinished(() => clearImmediate(ticking))
  const answers = await Promise.all(Array.from({ length: 40 }, () => raw(edge.url, 'GET / HTTP/1.1\r\nHost: h\r\nX: ')))
  expect(answers.filter((answer) => answer.startsWith('HTTP/1.1 408 '))).toHaveLength(40)
  expect(mostInOneTurn).toBeLessThanOrEqual(2)
})

test('a validation error names the field in every format that clients read', async () => {
  const edge = await usual()
  const { body } = await edge.request('POST', `${inbox}/messages/send`, { body: { attachments: [{ content: 5 }] } })
  const message = 'attachments.0.content must be a string'
  expect(body).toEqual({
    name: 'ValidationError',
    code: 'validation_error',
    message,
    errors: [{ path: ['attachments', 0, 'content'], message }],
    error: { type: 'validation_error', message, details: { code: 'VALIDATION_ERROR', field: 'attachments.0.content' } },
  })
})

test('when two forms are allowed, the error names both', async () => {
  const edge = await usual()
  const { body } = await edge.request('POST', `${inbox}/messages/send`, { body: { to: 5 } })
  expect(body.message).toBe('to must be "address" or "Name <address>", or an array of them')
})

test("an unexpected error is a 500 without details, which are logged with the client's request id", async () => {
  const pods = { list: () => Promise.reject(new TypeError('SELECT secret FROM here')) }
  await using edge = await startEdge({ core: { pods } })
  const answer = await edge.request('GET', '/v0/pods?page_token=t')
  expect(answer).toMatchObject({ status: 500, body: { name: 'InternalServerError', code: 'internal_error' } })
  expect(JSON.stringify(answer.body)).not.toContain('SELECT')
  const line = edge.log.find((entry) => entry.level === 'error')
  expect(line).toMatchObject({ requestId: answer.headers.get('x-request-id'), path: '/v0/pods' })
  expect(JSON.stringify(line)).toContain('SELECT')
})

test('a temporary failure is a 503 with Retry-After', async () => {
  const pods = { list: () => Promise.reject(new MailError('unavailable', {})) }
  await using edge = await startEdge({ core: { pods } })
  const answer = await edge.request('GET', '/v0/pods')
  expect(answer).toMatchObject({ status: 503, body: { name: 'ServiceUnavailableError', code: 'service_unavailable' } })
  expect(answer.headers.get('retry-after')).toBe('1')
})

test.each([
  ['PUT', '/v0/pods/p', ['DELETE', 'GET', 'HEAD']],
  ['OPTIONS', '/v0/pods/p', ['DELETE', 'GET', 'HEAD']],
  ['DELETE', `${inbox}/messages/send`, ['POST']],
  // It got all methods, also those that get 405.
  ['OPTIONS', `${inbox}/messages/send`, ['POST']],
  ['OPTIONS', `${inbox}/messages/wait`, ['GET']],
])('a wrong method gets an Allow header with the supported methods: %s %s', async (method, path, allowed) => {
  const edge = await usual()
  const answer = await edge.request(method, path)
  expect(answer.headers.get('allow')?.split(', ').sort()).toEqual(allowed)
})

test('fix names the missing permission, and message stays the text that clients compare', () => {
  const { status, body } = renderError(new MailError('missing_permission', { permission: 'message_send' }))
  expect(status).toBe(403)
  expect(body).toMatchObject({ name: 'ForbiddenError', code: 'missing_permission', message: 'Forbidden' })
  expect(body.fix).toContain('"message_send"')
})

test('every error code of the catalogue is rendered with a documented status', () => {
  const params = {
    detail: 'd',
    what: 'w',
    label: 'l',
    limitBytes: 1,
    tokensMax: 1,
    permission: 'p',
    domain: 'd',
    provider: 'p',
    address: 'a',
    contentType: 'c',
    messagesMax: 1,
    eventsMax: 5,
    recipientsMax: 1,
    max: 1,
    hopsMax: 1,
    sender: 's',
    perSecond: 1,
    action: 'a',
    period: 'hour',
    until: 'u',
    method: 'PUT',
    allowed: 'GET',
    from: 'f',
    subject: 's',
    operation: 'o',
    name: 'n',
    flag: 'f',
  }
  for (const code of Object.keys(errors) as ErrorCode[]) {
    const { status, body } = renderError(new MailError(code, params as never))
    expect([400, 401, 403, 404, 405, 409, 413, 422, 429, 500, 503]).toContain(status)
    expect(body.message).not.toMatch(/undefined/)
  }
})

/** Writes the head of a request, and reads the response although the body never follows. */
async function beginning(url: string, head: string): Promise<string> {
  const socket = connect(Number(new URL(url).port), '127.0.0.1', () => socket.write(head))
  let text = ''
  for await (const chunk of socket) {
    text += chunk
    if (text.includes('\r\n\r\n') && text.includes('}')) break // leaving the loop closes the socket
  }
  return text
}

/** Writes bytes and reads the response until the server closes the connection. */
function raw(url: string, bytes: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect(Number(new URL(url).port), '127.0.0.1', () => socket.write(bytes))
    let text = ''
    socket.on('data', (chunk) => (text += chunk))
    socket.on('close', () => resolve(text))
    socket.on('error', reject)
  })
}

test('the name of the authentication scheme may be in any case', async () => {
  await using edge = await startEdge()
  for (const scheme of ['bearer', 'BEARER']) {
    const headers = { authorization: `${scheme} ${KEY}` }
    expect((await edge.request('GET', '/v0/capabilities', { key: null, headers })).status).toBe(200)
  }
})
