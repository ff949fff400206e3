/** Tests that errors of users name the setting, the member or the value that helps. */
import { expect, test } from 'vitest'
import { startWorld } from '../../support/world.ts'
import { makeAgent } from '../assmbl/agent.ts'

test('errors that a setting, a member or another spelling solves say so', async () => {
  const env = { MARTLET_ALLOW_PRIVATE_NETWORKS: 'false', MARTLET_BODY_BYTES_MAX: '65536' }
  await using world = await startWorld({ env })
  const { inboxId } = await world.agentmail.inboxes.create({ username: 'ada' })
  const answerOf = async (method: string, path: string, body?: object) =>
    (await world.request(method, path, body && { body })).body as { message: string; fix: string }

  const url = 'http://127.0.0.1:9/'
  expect((await answerOf('POST', '/v0/webhooks', { url })).fix).toContain('MARTLET_ALLOW_PRIVATE_NETWORKS=true')
  const send = `/v0/inboxes/${inboxId}/messages/send`
  const fetched = await answerOf('POST', send, { to: 'cy@example.test', attachments: [{ url }] })
  expect(fetched.message).toContain('(MARTLET_ALLOW_PRIVATE_NETWORKS)')

  const hook = { url: 'https://hooks.example.com/', event_types: ['message.recieved'] }
  expect(await answerOf('POST', '/v0/webhooks', hook)).toMatchObject({
    message: 'Unknown event type "message.recieved"',
    fix: 'Write message.received.',
  })
  const listed = (await answerOf('GET', '/v0/events?event_types=nothing')).fix
  expect(listed).toMatch(/^The types are .*message\.received,/)
  expect((await answerOf('GET', '/v0/events?after=evt_1')).fix).toContain('Send the `cursor` of an event')

  const broken = { to: 'cy@example.test', attachments: [{ content: '*' }] }
  expect((await answerOf('POST', send, broken)).message).toBe('The content of an attachment is not valid base64')
  const large = await answerOf('POST', '/v0/inboxes', { username: 'bob', display_name: 'x'.repeat(70_000) })
  expect(large.fix).toContain('MARTLET_BODY_BYTES_MAX')
})

// The error said what was missing, and nothing about the member that had it.
test('an error of a request names the members and parameters that were ignored, in every API', async () => {
  await using world = await startWorld()
  const agent = await makeAgent(world)
  const { inboxId } = await world.agentmail.inboxes.create({ username: 'ada' })
  const { messageId } = await world.agentmail.inboxes.messages.send(inboxId, { to: [inboxId], text: 'x' })
  const { body: hosted } = await world.request('POST', '/api/v1/inboxes', { body: { username: 'bob' } })
  const inbox = `/v0/inboxes/${inboxId}`
  const to = 'cy@example.test'
  const many = Object.fromEntries(['a', 'b', 'c', 'd', 'e'].map((name) => [name.repeat(100), 1]))
  const shown = ['a', 'b', 'c'].map((name) => name.repeat(64)).join(', ')
  const ignored = (names: string) =>
    expect.stringMatching(new RegExp(`Unknown members of the body were ignored: ${names}\\.$`))
  for (const [method, path, body, message, names] of [
    ['POST', `${inbox}/messages/send`, { recipient: to, text: 'x' }, 'The message has no recipients', 'recipient'],
    [
      'PATCH',
      `${inbox}/messages/${encodeURIComponent(messageId)}`,
      { labels: ['x'] },
      'Name at least one label',
      'labels',
    ],
    ['PATCH', inbox, { name: 'X' }, '', 'name'],
    ['POST', '/v0/domains', { name: 'acme.com' }, 'domain is required', 'name'],
    ['POST', '/v0/domains', many, 'domain is required', `${shown}, \\.\\.\\.`],
    ['POST', '/v0/domains', { 'a\ud800': 1 }, 'domain is required', 'a\ufffd'],
    ['POST', `/api${inbox}/messages/send`, { recipient: to }, 'The message has no recipients', 'recipient'],
    ['POST', `/api/v1/inboxes/${hosted.id}/messages`, { recipient: to }, 'The message has no recipients', 'recipient'],
  ] as const) {
    const answer = await world.request(method, path, { body })
    const error = path.startsWith('/api/v1') ? answer.body.error : answer.body
    expect(error, path).toMatchObject({ message: expect.stringContaining(message), fix: ignored(names) })
    expect(answer.status, path).toBeGreaterThanOrEqual(400)
  }
  const refused = await agent.request('POST', '/send', { recipient: to, body: 'x' })
  expect(refused.body).toMatchObject({ message: 'to is required', fix: ignored('recipient') })
  expect((await world.request('GET', `${inbox}/messages/search?query=x`)).body).toMatchObject({
    message: 'q is required',
    fix: 'Unknown query parameters were ignored: query.',
  })
  // An error that names the unknown member itself, one of another kind, and one of a request without unknown members.
  const strict = { 'martlet-strict': 'true' }
  const body = { to, recipient: to, priority: 1 }
  for (const answer of [
    await world.request('POST', `${inbox}/messages/send`, { body, headers: strict }),
    await world.request('POST', `${inbox}/messages/send`, { body: { to, body: 'x', priority: 1 } }),
    await world.request('POST', '/v0/inboxes', { body: { username: 'ada', priority: 1 } }),
    await world.request('POST', '/v0/domains', { body: {} }),
  ]) {
    expect([answer.status >= 400, JSON.stringify(answer.body)]).toEqual([true, expect.not.stringContaining('ignored')])
  }
})

test('a key in the wrong place is not called missing, and the error does not repeat it', async () => {
  await using world = await startWorld()
  const key = world.rootKey
  const elsewhere = 'The API key must be in the header Authorization, after "Bearer " and without spaces in it'
  for (const [path, headers, message] of [
    ['', { authorization: key }, elsewhere],
    ['', { authorization: `Basic ${btoa(`${key}:`)}` }, elsewhere],
    ['', { 'x-api-key': key }, elsewhere],
    ['', { authorization: `Bearer a ${key}` }, elsewhere],
    [`?api_key=${key}`, {}, elsewhere],
    ['', {}, 'The request has no API key'],
    ['?limit=5', { authorization: 'Bearer ' }, 'The request has no API key'],
  ] as const) {
    const answer = await fetch(new URL(`/v0/inboxes${path}`, world.url), { headers })
    const text = await answer.text()
    expect([answer.status, JSON.parse(text)]).toEqual([
      401,
      expect.objectContaining({ message, code: 'missing_authorization', fix: expect.stringContaining('Bearer <') }),
    ])
    expect(text).not.toContain(key)
  }
})

test('an unknown path names the one that may be meant, or where the paths are', async () => {
  await using world = await startWorld()
  for (const [path, fix] of [
    ['/inboxes', 'Call /v0/inboxes.'],
    ['/v0/v0/inboxes/a@b.test/messages?limit=1', 'Call /v0/inboxes/a@b.test/messages.'],
    ['/v0/api_keys', 'Call /v0/api-keys.'],
    ['/api_keys', 'Call /v0/api-keys.'],
    ['/api/v0/api/v0/inboxes', 'Call /api/v0/inboxes.'],
    ['/v0/nowhere', 'GET /docs shows the paths.'],
    ['/elsewhere', 'GET /docs shows the paths.'],
    ['/inbox/nowhere', 'GET /docs/compatibility/assmbl.md shows the paths.'],
    ['/api/v0/nowhere', 'GET /docs/compatibility/inboxai.md shows the paths.'],
    [`/inboxes/${'x'.repeat(400)}`, 'GET /docs shows the paths.'],
    [`/v0/${'a_b/'.repeat(60)}`, 'GET /docs shows the paths.'],
  ] as const) {
    expect(await world.request('GET', path), path).toMatchObject({
      status: 404,
      body: { message: 'Path not found', fix },
    })
  }
  for (const [path, fix] of [
    ['/api/v1/api_keys', 'Call /api/v1/api-keys.'],
    ['/api/v1/nowhere', 'GET /docs/compatibility/agentpost.md shows the paths.'],
  ] as const) {
    expect((await world.request('GET', path)).body, path).toMatchObject({ error: { message: 'Path not found', fix } })
  }
  expect((await world.request('GET', '/docs/compatibility/agentpost.md')).status).toBe(200)
})

test('errors about names, sizes and types say what to write', async () => {
  const env = { MARTLET_MESSAGE_BYTES_MAX: '65536' }
  await using world = await startWorld({ env })
  const { inboxId } = await world.agentmail.inboxes.create({ username: 'ada' })
  const answerOf = async (method: string, path: string, body?: object) =>
    (await world.request(method, path, body && { body })).body as { message: string; fix: string }

  expect((await answerOf('GET', '/v0/inboxes/agent')).fix).toBe(
    'There is no inbox agent in the scope of this key. Write its whole address, such as agent@example.com.',
  )
  expect((await answerOf('GET', '/v0/inboxes/bob@mail.localhost')).fix).toBe(
    'There is no inbox bob@mail.localhost in the scope of this key.',
  )
  expect((await answerOf('POST', '/v0/inboxes', { username: 'ada' })).fix).toContain('With a client_id')

  const inbox = `/v0/inboxes/${inboxId}`
  const send = `${inbox}/messages/send`
  for (const bytes of [60_000, 600_000]) {
    const attachments = [{ content: Buffer.alloc(bytes).toString('base64') }]
    const { body, status } = await world.request('POST', send, { body: { to: inboxId, attachments } })
    expect([status, body.fix]).toEqual([413, expect.stringMatching(/base64 makes .* a third larger/)])
  }

  const one = 'must be "address" or "Name <address>"'
  expect((await answerOf('POST', send, { to: { email: 'a@x.test' } })).message).toBe(`to ${one}, or an array of them`)
  expect((await answerOf('POST', send, { to: 5 })).message).toBe(`to ${one}, or an array of them`)
  expect((await answerOf('POST', send, { to: [{ email: 'a@x.test' }] })).message).toBe(`to.0 ${one}`)
  expect((await answerOf('POST', send, { to: 'a@x.test, b@x.test' })).fix).toBe(
    'Write several addresses as an array: "to": ["…", "…"].',
  )
  expect((await answerOf('POST', send, { to: 'a@x.test, ' })).fix).toBeUndefined()
  const timed = await answerOf('POST', `${inbox}/drafts`, { send_at: 1_796_153_444 })
  expect(timed.message).toBe((await answerOf('POST', `${inbox}/drafts`, { send_at: 'soon' })).message)
  expect((await answerOf('POST', '/v0/api-keys', { name: 'x', permissions: ['message_read'] })).message).toBe(
    'permissions must be an object of flags such as {"message_read": true}',
  )
})

test('an attachment whose host refuses it has another way', async () => {
  await using world = await startWorld()
  const { inboxId } = await world.agentmail.inboxes.create({ username: 'ada' })
  const url = `${world.url}/v0/inboxes`
  const send = `/v0/inboxes/${inboxId}/messages/send`
  const answer = await world.request('POST', send, { body: { to: inboxId, attachments: [{ url }] } })
  expect(answer).toMatchObject({
    status: 403,
    body: { code: 'message_rejected', fix: expect.stringContaining('in base64, as the content of the attachment') },
  })
})
