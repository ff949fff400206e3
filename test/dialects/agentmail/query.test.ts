/** Tests query strings: lists in every encoding that AgentMail clients are known to use, times, booleans. */
import { describe, expect, test } from 'vitest'
import { normaliseQuery, unknownParameters } from '../../../src/edges/http/dialects/agentmail/query-parameters.ts'
import { readTime } from '../../../src/edges/http/server/requests/read-time.ts'
import { reportUnknown } from '../../../src/edges/http/server/requests/unknown-members.ts'
import { startWorld } from '../../support/world.ts'

describe('a list', () => {
  test.each<[string, Record<string, string | string[]>, string[]]>([
    ['JSON, Node', { labels: '["unread","x,y"]' }, ['unread', 'x,y']],
    ['JSON, Python', { labels: '["unread", "x,y"]' }, ['unread', 'x,y']],
    ['JSON, empty', { labels: '[]' }, []],
    ['repeated', { labels: ['unread', 'x,y'] }, ['unread', 'x,y']],
    ['comma-joined, Go CLI', { labels: 'unread,x' }, ['unread', 'x']],
    ['one string', { labels: 'unread' }, ['unread']],
    ['empty', { labels: '' }, []],
    ['brackets', { 'labels[]': ['unread', 'x,y'] }, ['unread', 'x,y']],
    ['indexes', { 'labels[0]': 'unread', 'labels[1]': 'x' }, ['unread', 'x']],
    ['a bracket, but not JSON', { labels: '[ext] hello' }, ['[ext] hello']],
    ['JSON, but not of strings', { labels: '[1]' }, ['[1]']],
  ])('in the form %s is parsed', (_name, raw, expected) => {
    expect(normaliseQuery(raw)).toMatchObject({ labels: expected })
  })

  test('is parsed only for parameters that are lists', () => {
    expect(normaliseQuery({ page_token: '["a"]', q: 'a,b' })).toMatchObject({ page_token: '["a"]', q: 'a,b' })
  })

  test('cannot change a prototype', () => {
    const query = normaliseQuery(JSON.parse('{"__proto__":["x"],"__proto__[0]":"y"}'))
    expect(Object.getPrototypeOf(query)).toBeNull()
  })
})

test('last_key of the oldest clients is the page token, and an empty token is ignored', () => {
  expect(normaliseQuery({ last_key: 'k' })).toMatchObject({ page_token: 'k' })
  expect(normaliseQuery({ last_key: 'k', page_token: 't' })).toMatchObject({ page_token: 't' })
  expect(normaliseQuery({ page_token: '' })).not.toHaveProperty('page_token')
})

test.each([
  ['1970-01-01T00:00:00.000Z', 0],
  ['2026-01-01', Date.UTC(2026, 0, 1)],
  ['2026-01-01T12:00:00.123456+05:00', Date.UTC(2026, 0, 1, 7, 0, 0, 123)],
  ['2026-01-01T12:00:00 05:00', Date.UTC(2026, 0, 1, 7)], // "+" unescaped in a query string
  ['2026-01-01T12:00:00-0530', Date.UTC(2026, 0, 1, 17, 30)],
  ['2026-01-01T12:00', Date.UTC(2026, 0, 1, 12)], // without a zone: UTC, in any time zone of the server
  ['2024-02-29T23:00:00-05:00', Date.UTC(2024, 2, 1, 4)], // the day of its own zone
  ['2026-01-01 12:00:00', Date.UTC(2026, 0, 1, 12)],
])('the time %s is parsed', (text, expected) => {
  expect(readTime('after', text)).toBe(expected)
})

test.each([
  '',
  'yesterday',
  '1767225600',
  '2026-13-01',
  '2026-02-30',
  '2026-02-30T00:00:00Z',
  '2026-04-31T12:00:00+05:00',
  '2025-02-29',
  '2026-01-01T25:00:00Z',
  '2026-01-01T00:00:00Zoo',
  '2026-12-31T23:59:60Z',
  '\u0000',
])('the invalid time %j is refused', (text) => {
  expect(() => readTime('after', text)).toThrow(/after must be an ISO 8601 time/)
})

describe('a parameter that the route does not know', () => {
  const query = (text: string) => Object.fromEntries(new URLSearchParams(text))
  const schema = { properties: { labels: {}, limit: {} } }
  const warningOf = (given: object, known: unknown) => {
    const warnings: string[] = []
    const reply = { getHeader: () => undefined, header: (_name: string, value: string) => warnings.push(value) }
    reportUnknown({ headers: {} }, reply as never, 'query parameters', unknownParameters(given, known))
    return warnings[0]
  }

  test.each([
    ['lable=x', 'lable'],
    ['a=1&labels=x&b=2', 'a, b'],
    ['a=1&b=2&c=3&d=4&e=5', 'a, b, c, ...'],
    ['x%0D%0AEvil:+y=1', 'x%0D%0AEvil%3A%20y'],
    [`${'n'.repeat(100)}=1`, 'n'.repeat(64)],
    ['ü=1', '%C3%BC'],
    ['__proto__=1', '__proto__'],
    ['toString=1', 'toString'],
  ])('%j is named in a warning', (text, named) => {
    expect(warningOf(query(text), schema)).toBe(`unknown query parameters were ignored: ${named}`)
  })

  test('is none of those that clients are known to send', () => {
    expect(warningOf(query('labels=x&limit=1&last_key=k&permanent=true&api_key=k'), schema)).toBeUndefined()
    expect(warningOf({}, undefined)).toBeUndefined()
    expect(warningOf({ x: 1 }, undefined)).toMatch(/: x$/)
  })
})

test('a typo in a filter is reported in a header, and an escaped query in the path is explained', async () => {
  await using world = await startWorld()
  const { inboxId } = await world.agentmail.inboxes.create({ username: 'ada' })
  const messages = `/v0/inboxes/${inboxId}/messages`
  const typo = await world.request('GET', `${messages}?lable=x&labels=y`)
  expect([typo.status, typo.headers.get('martlet-warning')]).toEqual([
    200,
    'unknown query parameters were ignored: lable',
  ])
  expect((await world.request('GET', `${messages}?labels[]=y&last_key=`)).headers.get('martlet-warning')).toBeNull()

  for (const path of [`${messages}/wait?wait_seconds=0`, '/v0/nowhere?x=1']) {
    const answer = await (await world.agentmail.fetch(path)).json()
    expect(answer).toMatchObject({
      code: 'validation_error',
      message: expect.stringContaining('new URL(path, baseUrl)'),
    })
  }
  const found = await world.agentmail.fetch(new URL(`${messages}/wait?wait_seconds=0`, world.url))
  expect(await found.json()).toMatchObject({ message: null })
  // A question mark in brackets belongs to an id.
  const missing = world.agentmail.inboxes.messages.get(inboxId, '<a?b=c@x.test>')
  await expect(missing).rejects.toMatchObject({ statusCode: 404, body: { code: 'not_found' } })
})

test('an invalid request names the property, and lists the values that are allowed', async () => {
  await using world = await startWorld()
  const { inboxId } = await world.agentmail.inboxes.create({ username: 'ada' })
  const errorsOf = async (path: string, body: object) => (await world.request('POST', path, { body })).body.errors
  expect(await errorsOf('/v0/webhooks', {})).toEqual([{ path: ['url'], message: 'url is required' }])
  const attachments = [{ content: 'YQ==', content_disposition: 'beside' }]
  expect(await errorsOf(`/v0/inboxes/${inboxId}/messages/send`, { to: 'a@b.test', attachments })).toEqual([
    {
      path: ['attachments', 0, 'content_disposition'],
      message: 'attachments.0.content_disposition must be one of "inline", "attachment"',
    },
  ])
})

// A misspelt `hold` let the mail leave, without a word.
test('a member that a body does not know is reported in a header, and refused in strict mode', async () => {
  await using world = await startWorld()
  const { inboxId } = await world.agentmail.inboxes.create({ username: 'ada', metadata: { any: 'member' } })
  const send = (body: object, headers: Record<string, string> = {}) =>
    world.request('POST', `/v0/inboxes/${inboxId}/messages/send`, { body, headers })
  const mail = { to: 'bob@example.test', text: 'x' }
  const strict = { 'martlet-strict': 'true' }

  const typo = await send({
    ...mail,
    hodl: true,
    headers: { 'X-Any': 'header' },
    attachments: [{ content: '', nmae: 'ü' }],
  })
  expect(typo.status).toBe(200)
  const warning = 'unknown members of the body were ignored: hodl, attachments.0.nmae'
  expect(typo.headers.get('martlet-warning')).toBe(warning)
  expect(await send({ ...mail, hodl: true }, strict)).toMatchObject({
    status: 400,
    body: {
      code: 'validation_error',
      message: expect.stringMatching(
        /^hodl is unknown: write hold; the members of the body are labels, .*, hold, .*, subject$/,
      ),
      errors: [{ path: ['hodl'] }],
    },
  })
  expect(await send({ ...mail, attachments: [{ content: '', nmae: 'x' }] }, strict)).toMatchObject({
    body: {
      errors: [{ path: ['attachments', 0, 'nmae'], message: expect.stringContaining('members of attachments.0 are ') }],
    },
  })
  expect((await world.agentmail.inboxes.messages.list(inboxId)).count).toBe(1)

  const fine = await send({ ...mail, hold: true, headers: { 'X-Any': 'header' } }, strict)
  expect([fine.status, fine.headers.get('martlet-warning')]).toEqual([200, null])
  const patch = { body: { metadata: { any: 'other' }, dislpay_name: 'x' } }
  expect((await world.request('PATCH', `/v0/inboxes/${inboxId}`, patch)).headers.get('martlet-warning')).toMatch(
    /: dislpay_name$/,
  )
  const list = `/v0/inboxes/${inboxId}/messages`
  expect(await world.request('GET', `${list}?lable=x`, { headers: strict })).toMatchObject({
    status: 400,
    body: { errors: [{ path: ['lable'], message: expect.stringMatching(/the query parameters are .*labels/) }] },
  })
  expect((await world.request('GET', list, { headers: strict })).status).toBe(200)
  expect((await world.request('GET', list, { headers: { 'martlet-strict': 'yes' } })).status).toBe(400)
})

// A key without the misspelt flag was created without a word, although strict mode refuses what has no effect.
test('a permission flag that is unknown is reported in a header, and refused in strict mode', async () => {
  await using world = await startWorld()
  const { inboxId } = await world.agentmail.inboxes.create({ username: 'ada' })
  const { body: key } = await world.request('POST', '/v0/api-keys', { body: {} })
  const strict = { 'martlet-strict': 'true' }
  const permissions = { message_raed: true, thread_read: true, message_send: true } // thread_read: of older clients
  const calls = [
    ['POST', '/v0/api-keys'],
    ['PATCH', `/v0/api-keys/${key.api_key_id}`],
    ['POST', `/v0/inboxes/${inboxId}/api-keys`],
    ['POST', `/v0/inboxes/${inboxId}/app-passwords`],
  ] as const
  for (const [method, path] of calls) {
    expect(await world.request(method, path, { body: { permissions }, headers: strict }), path).toMatchObject({
      status: 400,
      body: {
        message: expect.stringMatching(
          /^permissions.message_raed is unknown: write message_read; the members of permissions are /,
        ),
        errors: [{ path: ['permissions', 'message_raed'] }],
      },
    })
    const ignored = await world.request(method, path, { body: { permissions } })
    expect([ignored.status, ignored.headers.get('martlet-warning')], path).toEqual([
      200,
      'unknown members of the body were ignored: permissions.message_raed',
    ])
    expect(ignored.body.permissions).toEqual({ message_send: true })
  }
})
