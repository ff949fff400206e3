/** Every endpoint of the Assmbl dialect for messages, by raw HTTP. One server for all tests: each has its own agents. */
import { afterAll, beforeAll, expect, test } from 'vitest'
import { startWorld, type World } from '../../support/world.ts'
import { type Agent, makeAgent, receiveMail } from './agent.ts'

let world: World

beforeAll(async () => {
  world = await startWorld()
})

afterAll(async () => {
  await world[Symbol.asyncDispose]()
})

/** Returns the subjects of a list. */
async function list(agent: Agent, query = ''): Promise<string[]> {
  const { status, body } = await agent.request('GET', `/inbox${query}`)
  expect(status, JSON.stringify(body)).toBe(200)
  // biome-ignore lint/suspicious/noExplicitAny: an answer
  return body.items.map((item: any) => item.Subject)
}

test('an agent sends to another, which lists and reads the message', async () => {
  const ada = await makeAgent(world)
  const bob = await makeAgent(world)
  const sent = await ada.request('POST', '/send', { to: bob.address, subject: 'Grüße', body: 'hello Bob' })
  expect(sent).toMatchObject({
    status: 200,
    body: { status: 'accepted', idempotency_key: null, reservation_key: null },
  })
  expect(sent.body.correlation_id).toBe(sent.body.message_id)

  await expect.poll(() => list(bob)).toEqual(['Grüße'])
  expect(await list(ada)).toEqual([]) // it lists received mail only
  const { body: page } = await bob.request('GET', '/inbox')
  expect(page).toEqual({
    next_cursor: null,
    items: [
      {
        MessageID: expect.stringMatching(/^[\da-f-]{36}$/),
        InternetMessageID: sent.body.internet_message_id,
        ThreadID: expect.any(String),
        AgentID: bob.address,
        Sender: ada.address,
        SenderVerified: true, // it is from an inbox of this server
        From: ada.address,
        To: [bob.address],
        Cc: [],
        Subject: 'Grüße',
        Preview: 'hello Bob',
        ReceivedAt: expect.stringMatching(/^\d{4}-.*Z$/),
        IsRead: false,
        Archived: false,
        Labels: [],
        Attachments: [],
        SizeBytes: expect.any(Number),
      },
    ],
  })
  const { status, body } = await bob.request('GET', `/messages/${page.items[0].MessageID}`)
  expect(status).toBe(200)
  expect(body).toMatchObject({ ...page.items[0], body_text: 'hello Bob', body_html: null, raw_mime_encoding: 'utf-8' })
  expect(body.raw_mime).toMatch(/^Return-Path: .*\r\n(?:.*\r\n)*\r\nhello Bob\r\n/)
  expect(await (await fetch(body.raw_mime_url)).text()).toBe(body.raw_mime)
  // The sender finds the message that it sent by the id of the response.
  expect((await ada.request('GET', `/messages/${sent.body.message_id}`)).body.Subject).toBe('Grüße')
})

test('ids of a send are header fields of the message, and members of what the recipient reads', async () => {
  const ada = await makeAgent(world)
  const bob = await makeAgent(world)
  const inBody = {
    to: [bob.address],
    subject: 'one',
    body: 'x',
    correlation_id: 'task 7',
    idempotency_key: 'order:1/7',
  }
  const first = await ada.request('POST', '/send', inBody)
  expect(first.body).toMatchObject({ correlation_id: 'task 7', idempotency_key: 'order:1/7' })

  const fields = { 'X-AgentMail-Idempotency-Key': 'order:2', 'x-agentmail-correlation-id': 'task 8', 'X-Own': '1' }
  const second = await ada.request('POST', '/send', { to: bob.address, subject: 'two', body: 'x', headers: fields })
  expect(second.body).toMatchObject({ correlation_id: 'task 8', idempotency_key: 'order:2' })
  const ofRequest = { 'X-AgentMail-Idempotency-Key': 'order:3' }
  const third = await ada.request('POST', '/send', { to: bob.address, subject: 'three', body: 'x' }, ofRequest)
  expect(third.body).toMatchObject({ correlation_id: third.body.message_id, idempotency_key: 'order:3' })

  await expect.poll(() => list(bob, '?q=two')).toEqual(['two'])
  const { body: page } = await bob.request('GET', '/inbox?q=two')
  const { body } = await bob.request('GET', `/messages/${page.items[0].MessageID}`)
  expect(body).toMatchObject({ CorrelationID: 'task 8', IdempotencyKey: 'order:2' })
  expect(body.raw_mime).toMatch(/^X-Own: 1\r$/m)
})

test('a send with the same idempotency key gets the same answer and sends one message', async () => {
  const ada = await makeAgent(world)
  const bob = await makeAgent(world)
  const send = (body: object, agent = ada) =>
    agent.request('POST', '/send', { to: bob.address, subject: 'once', body: 'x', idempotency_key: 'k1', ...body })
  const answers = [await send({}), await send({})]
  expect(answers[1]!.body).toEqual(answers[0]!.body)
  expect(answers[0]!.status).toBe(200)
  expect((await send({ subject: 'other' })).status).toBe(409)
  expect((await send({ idempotency_key: 'with space' })).body).toMatchObject({ error: 'validation_error' })
  // Another inbox may use the same key.
  expect((await send({ subject: 'from bob' }, bob)).status).toBe(200)
  await expect.poll(() => list(bob)).toEqual(expect.arrayContaining(['once', 'from bob']))
  expect((await list(bob)).filter((subject) => subject === 'once')).toHaveLength(1)
})

test.each([
  [{}, 'to'],
  [{ to: 7 }, 'to'],
  [{ to: 'nobody' }, 'to.0'],
  [{ to: 'a@b.test', usage: { tokens_input: -1 } }, 'usage.tokens_input'],
  [{ to: 'a@b.test', headers: { From: 'x@y.test' } }, 'headers.From'],
])('a malformed send gets 400 with the member: %j', async (body, field) => {
  const agent = await makeAgent(world)
  expect(await agent.request('POST', '/send', body)).toMatchObject({ status: 400, body: { field } })
})

test('what is not built answers not_implemented, and sends nothing', async () => {
  const agent = await makeAgent(world)
  const send = (more: object) => agent.request('POST', '/send', { to: agent.address, subject: 's', body: 'x', ...more })
  for (const more of [{ marketplace_request_id: 'r1' }, { encrypt_body: true }, { peer_agent_id: 'bob' }]) {
    expect(await send(more)).toMatchObject({ status: 403, body: { error: 'not_implemented' } })
  }
  for (const path of ['/directory/register', '/peers/bob', '/billing/balance', '/marketplace/requests']) {
    expect(await agent.request('GET', path)).toMatchObject({ status: 403, body: { error: 'not_implemented' } })
    expect((await world.request('GET', path, { key: '' })).status).toBe(401)
  }
  const lookup = await world.request('GET', '/public/agents/bob/pricing', { key: '' })
  expect(lookup).toMatchObject({ status: 403, body: { error: 'not_implemented' } })
  const metered = await send({ usage: { tokens_input: 12, custom_units: { pages: 3 } } })
  expect(metered.status).toBe(200)
  expect(metered.headers.get('martlet-warning')).toBe('usage is not metered')
})

test('the inbox is listed oldest first, in pages of at most 100', async () => {
  const agent = await makeAgent(world)
  for (const subject of ['one', 'two', 'three']) await receiveMail(world, agent, { subject })
  const { body: first } = await agent.request('GET', '/inbox?limit=2')
  expect(first.items.map((item: { Subject: string }) => item.Subject)).toEqual(['one', 'two'])
  const next = encodeURIComponent(first.next_cursor)
  expect(await list(agent, `?limit=2&cursor=${next}`)).toEqual(['three'])
  expect(await list(agent, '?limit=1000')).toEqual(['one', 'two', 'three'])

  const other = await agent.request('GET', `/inbox?q=one&cursor=${next}`)
  expect(other).toMatchObject({ status: 400, body: { error: 'invalid_page_token' } })
})

test.each([
  'cursor=nonsense',
  'cursor=',
  'limit=0',
  'limit=many',
  'q=',
  'q=%20',
  'q=%00',
  `q=${'x'.repeat(1_001)}`,
  'label=',
  'is_read=perhaps',
  'verified_only=2',
  'include_archived=',
  'is_read=true&is_read=false',
])('a wrong filter gets 400: %s', async (query) => {
  const agent = await makeAgent(world)
  expect((await agent.request('GET', `/inbox?${query}`)).status).toBe(400)
})

test('a search in long subjects costs little, because only their beginning is searched', async () => {
  const agent = await makeAgent(world)
  const long = 'a'.repeat(60).repeat(1_600)
  for (let count = 0; count < 12; count += 1) {
    await world.smtp.send({ to: agent.address, subject: `Begin ${long} end`, text: 'x' })
  }
  const find = async (q: string) => (await agent.request('GET', `/inbox?q=${q}`)).body.items.length
  expect(await find('begin')).toBe(12)
  expect(await find('end')).toBe(0)
  const before = process.cpuUsage()
  expect(await find(`${'a'.repeat(999)}x`)).toBe(0)
  const { user, system } = process.cpuUsage(before)
  expect((user + system) / 1_000).toBeLessThan(1_000) // two seconds, when each character was compared at each position
})

test('labels are changed at once or not at all, and at most 20 are its own', async () => {
  const agent = await makeAgent(world)
  const { MessageID: id } = await receiveMail(world, agent)
  const change = (body: unknown) => agent.request('PATCH', `/messages/${id}/labels`, body)
  const many = Array.from({ length: 20 }, (_, index) => `label-${index}`)
  expect((await change({ add: ['Urgent', 'ünïcode', ' urgent '] })).body).toEqual({
    message_id: id,
    labels: ['urgent', 'ünïcode'],
  })
  expect((await change({ add: many })).body).toMatchObject({ error: 'validation_error' }) // 22
  expect((await agent.request('GET', `/messages/${id}`)).body.Labels).toEqual(['urgent', 'ünïcode'])
  expect((await change({ add: many, remove: ['urgent', 'ünïcode'] })).body.labels).toHaveLength(20)
  expect((await change({ add: ['one-more'] })).status).toBe(400)
  expect((await change({ add: ['x'.repeat(64)], remove: ['label-0'] })).status).toBe(200)
  expect(await list(agent, `?label=${'x'.repeat(64)}`)).toEqual(['hello'])
  for (const body of [
    ...[{}, { add: [] }, { add: [''] }, { add: ['  '] }, { add: ['x'.repeat(65)] }, { remove: ['x'.repeat(65)] }],
    ...[{ add: 'urgent' }, { add: [7] }, { add: ['received'] }, { add: ['a\0b'] }, [], '{"add":'],
  ]) {
    expect((await change(body)).status, JSON.stringify(body)).toBe(400)
  }
  expect((await agent.request('GET', `/messages/${id}`)).body.Labels).toHaveLength(20)
})

// `replied` and `flagged` mean something to mail programs. The response to a client that set one did not have it.
test('a label that has a meaning in other APIs is shown to the client that sets it', async () => {
  const agent = await makeAgent(world)
  const { MessageID: id } = await receiveMail(world, agent)
  const change = (body: object) => agent.request('PATCH', `/messages/${id}/labels`, body)
  const add = ['replied', 'flagged', 'spam', 'trash']
  expect((await change({ add })).body.labels).toEqual(add.toSorted())
  expect((await change({ remove: ['spam', 'trash'] })).body.labels).toEqual(['flagged', 'replied'])
  const { body: page } = await agent.request('GET', '/inbox?label=replied')
  expect(page.items).toMatchObject([{ MessageID: id, Labels: ['flagged', 'replied'], IsRead: false, Archived: false }])
  expect((await change({ add: ['archived'], remove: add })).body.labels).toEqual([])
})

test('a message is marked as read and unread, and counted', async () => {
  const agent = await makeAgent(world)
  const { MessageID: id } = await receiveMail(world, agent)
  await receiveMail(world, agent, { subject: 'second' })
  const unread = async () => (await agent.request('GET', '/inbox/unread_count')).body
  const mark = (is_read: unknown) => agent.request('PATCH', `/messages/${id}/read`, { is_read })
  expect(await unread()).toEqual({ unread_count: 2 })
  expect((await mark(true)).body).toEqual({ message_id: id, is_read: true })
  expect((await mark(true)).status).toBe(200)
  expect(await unread()).toEqual({ unread_count: 1 })
  expect(await list(agent, '?is_read=true')).toEqual(['hello'])
  expect(await list(agent, '?is_read=false')).toEqual(['second'])
  await mark(false)
  expect(await unread()).toEqual({ unread_count: 2 })
  for (const value of ['true', 1, null, undefined]) expect((await mark(value)).status).toBe(400)
})

test('an archived message leaves the list and the count, not the store; a second time is a conflict', async () => {
  const agent = await makeAgent(world)
  const { MessageID: id } = await receiveMail(world, agent)
  const archive = (archived: unknown) => agent.request('PATCH', `/messages/${id}/archive`, { archived })
  expect((await archive(true)).body).toEqual({ message_id: id, archived: true })
  expect(await list(agent)).toEqual([])
  expect(await list(agent, '?include_archived=true')).toEqual(['hello'])
  expect((await agent.request('GET', `/messages/${id}`)).body).toMatchObject({ Archived: true, Labels: [] })
  expect((await agent.request('GET', '/inbox/unread_count')).body).toEqual({ unread_count: 0 })
  expect(await archive(true)).toMatchObject({ status: 409, body: { error: 'already_archived' } })
  expect((await archive(false)).body).toEqual({ message_id: id, archived: false })
  expect((await archive(false)).status).toBe(200)
  expect(await list(agent)).toEqual(['hello'])
  expect((await agent.request('GET', '/inbox/unread_count')).body).toEqual({ unread_count: 1 })
  expect((await archive('yes')).status).toBe(400)
})

test('a deleted message is gone, and so is that of another agent', async () => {
  const agent = await makeAgent(world)
  const other = await makeAgent(world)
  const { MessageID: id } = await receiveMail(world, agent)
  for (const [method, path, body] of [
    ['GET', `/messages/${id}`],
    ['DELETE', `/messages/${id}`],
    ['PATCH', `/messages/${id}/labels`, { add: ['x'] }],
    ['PATCH', `/messages/${id}/read`, { is_read: true }],
    ['PATCH', `/messages/${id}/archive`, { archived: true }],
  ] as const) {
    expect(await other.request(method, path, body)).toMatchObject({ status: 404, body: { error: 'not_found' } })
  }
  expect((await agent.request('DELETE', `/messages/${id}`)).body).toEqual({ message_id: id, deleted: true })
  expect((await agent.request('DELETE', `/messages/${id}`)).status).toBe(404)
  expect((await agent.request('GET', `/messages/${id}`)).status).toBe(404)
  expect((await agent.request('GET', '/inbox/unread_count')).body).toEqual({ unread_count: 0 })
})

test('messages are joined to threads by their header fields, never by their subject', async () => {
  const agent = await makeAgent(world)
  const mail = { subject: 'the same', messageId: `<one-${agent.address}>` }
  const one = await receiveMail(world, agent, mail)
  const reply = await receiveMail(world, agent, { subject: 'Re: the same', inReplyTo: mail.messageId })
  const other = await receiveMail(world, agent, { subject: 'the same' })
  expect(reply.ThreadID).toBe(one.ThreadID)
  expect(other.ThreadID).not.toBe(one.ThreadID)
})

test('bytes that are not UTF-8 keep their values in raw_mime', async () => {
  const agent = await makeAgent(world)
  const raw = Buffer.from('Subject: caf\xe9\r\nFrom: ann@example.test\r\n\r\n\xff\xfe\r\n', 'latin1')
  await world.smtp.send({ raw, envelope: { from: 'ann@example.test', to: [agent.address] } })
  const { body: page } = await agent.request('GET', '/inbox')
  const { body } = await agent.request('GET', `/messages/${page.items[0].MessageID}`)
  expect(body.raw_mime_encoding).toBe('latin-1')
  expect(Buffer.from(body.raw_mime, 'latin1').subarray(-raw.length).equals(raw)).toBe(true)
})

test('spam, blocked and trash stay out of the list and the count', async () => {
  const agent = await makeAgent(world)
  const { MessageID: id } = await receiveMail(world, agent)
  for (const label of ['spam', 'trash']) {
    await agent.request('PATCH', `/messages/${id}/labels`, { add: [label] })
    expect(await list(agent)).toEqual([])
    expect((await agent.request('GET', '/inbox/unread_count')).body).toEqual({ unread_count: 0 })
    await agent.request('PATCH', `/messages/${id}/labels`, { remove: [label] })
  }
  expect(await list(agent)).toEqual(['hello'])
  expect((await agent.request('GET', '/inbox/unread_count')).body).toEqual({ unread_count: 1 })
})

test('errors have the status and the form of this dialect on its paths, and only there', async () => {
  const agent = await makeAgent(world)
  expect((await world.request('GET', '/inbox', { key: '' })).body).toEqual({
    error: 'missing_authorization',
    message: expect.any(String),
    fix: expect.any(String),
  })
  expect((await agent.request('POST', '/inbox', {})).status).toBe(405)
  expect((await agent.request('GET', '/inbox/elsewhere')).body).toMatchObject({ error: 'not_found' })
  expect((await agent.request('GET', '/v0/nowhere')).body).toMatchObject({ name: 'NotFoundError' })
  expect((await agent.request('GET', '/nowhere')).body).toMatchObject({ name: 'NotFoundError' })
})
