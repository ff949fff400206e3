/**
 * Tests the REST endpoints of the inboxai dialect by raw HTTP, on one server: the calls of its quickstart, shapes, and ids of
 * AgentMail in the place of its own. Every test has inboxes of its own.
 */
import { AgentMailClient } from 'agentmail'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { startDns, type Zones } from '../../support/dns-server.ts'
import { startWorld, type World } from '../../support/world.ts'

let world: World
let dns: Awaited<ReturnType<typeof startDns>>
const zones: Zones = {}
beforeAll(async () => {
  dns = await startDns(zones)
  world = await startWorld({ env: { MARTLET_DNS_SERVERS: dns.address, MARTLET_PUBLIC_SMTP: 'mail.test:587' } })
})
afterAll(async () => {
  await world?.[Symbol.asyncDispose]()
  await dns?.[Symbol.asyncDispose]()
})

async function call(method: string, path: string, body?: unknown, key?: string) {
  const options = { ...(body !== undefined && { body }), ...(key !== undefined && { key }) }
  const answer = await world.request(method, path.startsWith('/v0') ? path : `/api/v0${path}`, options)
  return { status: answer.status, body: answer.body, headers: answer.headers }
}

async function ok(method: string, path: string, body?: unknown, key?: string) {
  const answer = await call(method, path, body, key)
  expect(answer.status, JSON.stringify(answer.body)).toBeLessThan(300)
  return answer.body
}

const makeInbox = (username: string, more: object = {}) => ok('POST', '/inboxes', { username, ...more })

type Mail = Parameters<World['smtp']['send']>[0]

/** Sends a message from outside. @returns the message as this dialect lists it */
async function receive(inbox: { inbox_id: string; email_address: string }, mail: Mail) {
  await world.smtp.send({ to: inbox.email_address, ...mail })
  return (await ok('GET', `/inboxes/${inbox.inbox_id}/messages?limit=1`)).messages[0]
}

const opaque = expect.stringMatching(/^[0-7][0-9a-hjkmnp-tv-z]{25}$/)
const id = (prefix: string) => expect.stringMatching(new RegExp(`^${prefix}_[0-7][0-9a-hjkmnp-tv-z]{25}$`))
const iso = expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/)

test('the calls of the quickstart: mint a key, create an inbox, send, list', async () => {
  const minted = await ok('POST', '/api-keys', { name: 'my-agent' })
  expect(minted).toEqual({
    ...{ key_id: expect.any(String), name: 'my-agent', created_at: iso },
    prefix: expect.stringMatching(/^inai_[\da-f]{10}_$/),
    key: expect.stringMatching(/^inai_[\da-f]{10}_[\da-f]{64}$/),
  })
  const { key, prefix } = minted
  expect(key.startsWith(prefix)).toBe(true)

  const inbox = await ok('POST', '/inboxes', { username: 'support', display_name: 'Support Bot' }, key)
  expect(inbox).toMatchObject({
    ...{ inbox_id: opaque, email_address: 'support@mail.localhost', username: 'support', domain: 'mail.localhost' },
    ...{ display_name: 'Support Bot', created_at: iso },
  })
  const sent = await ok(
    'POST',
    `/inboxes/${inbox.inbox_id}/messages/send`,
    { to: 'user@example.test', subject: 'Hello', text: 'Hi there' },
    key,
  )
  expect(sent).toEqual({ message_id: id('msg'), thread_id: id('thr') })
  await receive(inbox, { subject: 'Question', text: 'What?' })
  const { messages, count } = await ok('GET', `/inboxes/${inbox.inbox_id}/messages`, undefined, key)
  expect(count).toBe(2)
  expect(messages).toMatchObject([
    { inbox_id: inbox.inbox_id, subject: 'Question', from: 'ann@example.test', message_id: id('msg') },
    { ...sent, subject: 'Hello', from: 'Support Bot <support@mail.localhost>', to: ['user@example.test'] },
  ])

  const { api_keys } = await ok('GET', '/api-keys')
  expect(JSON.stringify(api_keys)).not.toContain(key)
  expect(api_keys).toContainEqual(expect.objectContaining({ key_id: minted.key_id, prefix }))
  expect(await ok('GET', `/api-keys/${minted.key_id}`)).not.toHaveProperty('key')
  expect((await call('DELETE', `/api-keys/${minted.key_id}`)).status).toBe(204)
  expect((await call('GET', '/inboxes', undefined, key)).status).toBe(401)
})

describe('inboxes', () => {
  test('the password of a new inbox is shown once, also to a client that repeats its client_id', async () => {
    const made = await makeInbox('once', { client_id: 'once-1' })
    const login = { username: 'once@mail.localhost', password: expect.stringMatching(/^app_[\da-f]{40}$/) }
    expect(made.smtp).toEqual({ host: 'mail.test', port: 587, ...login })
    const again = await makeInbox('once', { client_id: 'once-1' })
    expect(again).toMatchObject({ inbox_id: made.inbox_id, client_id: 'once-1' })
    for (const shown of [again, await ok('GET', `/inboxes/${made.inbox_id}`), await ok('GET', '/inboxes')]) {
      expect(JSON.stringify(shown)).not.toContain(made.smtp.password)
      expect(shown).not.toHaveProperty('smtp')
    }
    const { credentials } = await ok('GET', `/inboxes/${made.inbox_id}/credentials`)
    expect(credentials).toHaveLength(1) // and the repeated call has made no second password
    expect(credentials[0].smtp).toEqual({ host: 'mail.test', port: 587, username: login.username })
  })

  test('an inbox that another dialect creates has no password, and a key that may not create keys gets none', async () => {
    await ok('POST', '/v0/inboxes', { username: 'plain' })
    expect((await ok('GET', '/inboxes/plain@mail.localhost/credentials')).credentials).toEqual([])
    const { key } = await ok('POST', '/api-keys', { name: 'x', permissions: { inbox_create: true } })
    expect(await ok('POST', '/inboxes', { username: 'narrow' }, key)).not.toHaveProperty('smtp')
    expect((await ok('GET', '/inboxes/narrow@mail.localhost/credentials')).credentials).toEqual([])
  })

  test('one is found by its opaque id and by its address, here and in the API of AgentMail', async () => {
    const made = await makeInbox('found')
    const names = [made.inbox_id, made.inbox_id.toUpperCase(), 'found@mail.localhost', 'Found%40mail.localhost']
    for (const name of names) {
      expect(await ok('GET', `/inboxes/${name}`)).toMatchObject({ inbox_id: made.inbox_id })
      expect(await ok('GET', `/v0/inboxes/${name}`)).toMatchObject({ inbox_id: 'found@mail.localhost' })
    }
    const hook = { url: 'https://hook.test/', event_types: ['message.received'] }
    for (const inbox_ids of [[made.inbox_id], ['found@mail.localhost']]) {
      expect(await ok('POST', '/webhooks', { ...hook, inbox_ids })).toMatchObject({ inbox_ids: [made.inbox_id] })
      expect(await ok('POST', '/v0/webhooks', { ...hook, inbox_ids })).toMatchObject({
        inbox_ids: ['found@mail.localhost'],
      })
    }
    const changed = await ok('PATCH', `/inboxes/${made.inbox_id}`, { display_name: 'New', metadata: { a: 1 } })
    expect(changed).toMatchObject({ inbox_id: made.inbox_id, display_name: 'New', metadata: { a: 1 } })
    const page = await ok('GET', '/inboxes?limit=1')
    expect(page).toMatchObject({ count: 1, limit: 1, inboxes: [changed] })
    const next = await ok('GET', `/inboxes?limit=1&page_token=${page.next_page_token}`)
    expect(next.inboxes[0].inbox_id).not.toBe(made.inbox_id)
    expect((await call('DELETE', `/inboxes/${made.inbox_id}`)).status).toBe(204)
    expect((await call('GET', `/inboxes/${made.inbox_id}`)).status).toBe(404)
  })
})

describe('messages', () => {
  test('a message has the shape of AgentMail and the ids of this dialect, and is found by those of AgentMail', async () => {
    const inbox = await makeInbox('shaped')
    const attachments = [{ filename: 'a.txt', content: 'abc' }]
    const item = await receive(inbox, { subject: 'Hi', text: 'Code 123456', messageId: '<1@out.test>', attachments })
    const at = `/inboxes/${inbox.inbox_id}/messages`
    const shown = await ok('GET', `${at}/${item.message_id}`)
    const inAgentMail = await ok(
      'GET',
      `/v0/inboxes/${inbox.email_address}/messages/${encodeURIComponent('<1@out.test>')}`,
    )
    expect(shown).toEqual({
      ...inAgentMail,
      ...{ inbox_id: inbox.inbox_id, message_id: id('msg'), thread_id: id('thr'), header_message_id: '<1@out.test>' },
    })
    for (const name of ['%3C1%40out.test%3E', '1@out.test', item.message_id.toUpperCase().replace('MSG', 'msg')]) {
      expect(await ok('GET', `${at}/${name}`)).toEqual(shown)
    }
    const link = await ok('GET', `${at}/${item.message_id}/attachments/${shown.attachments[0].attachment_id}`)
    expect(await (await fetch(link.download_url)).text()).toBe('abc')
    const raw = await ok('GET', `${at}/${item.message_id}/raw`)
    expect(raw).toMatchObject({ message_id: item.message_id, size: shown.size })
    expect(await (await fetch(raw.download_url)).text()).toContain('Code 123456')
    expect((await call('DELETE', `${at}/${item.message_id}`)).status).toBe(204)
    expect((await call('GET', `${at}/${item.message_id}`)).status).toBe(404)
  })

  test('labels are added and removed, and both generations of list filters find them', async () => {
    const inbox = await makeInbox('labelled')
    const item = await receive(inbox, { text: 'x' })
    const at = `/inboxes/${inbox.inbox_id}/messages`
    const change = { add_labels: ['Urgent', 'b'], remove_labels: 'unread' }
    expect(await ok('PATCH', `${at}/${item.message_id}`, change)).toEqual({
      ...{ message_id: item.message_id, labels: ['b', 'received', 'urgent'] },
    })
    for (const query of ['labels=urgent&labels=b', 'labels=urgent,b', 'labels=%5B%22urgent%22%5D']) {
      expect((await ok('GET', `${at}?${query}`)).count).toBe(1)
    }
    expect((await ok('GET', `${at}?labels=unread`)).count).toBe(0)
    const refused = await call('PATCH', `${at}/${item.message_id}`, { add_labels: ['sent'] })
    expect(refused).toMatchObject({ status: 400, body: { name: 'ValidationError', code: 'validation_error' } })
    const threads = `/inboxes/${inbox.inbox_id}/threads/${item.thread_id}`
    expect(await ok('PATCH', threads, { remove_labels: ['b'] })).toEqual({
      ...{ thread_id: item.thread_id, labels: ['received', 'urgent'] },
    })
  })
})

describe('sending', () => {
  test('a reply, a reply to all and a forward stay in the thread, which counts and names them', async () => {
    const inbox = await makeInbox('desk')
    const cc = 'carl@example.test'
    const item = await receive(inbox, { from: 'Ann <ann@example.test>', subject: 'Order', text: 'Where?', cc })
    const at = `/inboxes/${inbox.inbox_id}/messages`
    const reply = await ok('POST', `${at}/${item.message_id}/reply`, { text: 'Here' })
    const all = await ok('POST', `${at}/${item.header_message_id.slice(1, -1)}/reply-all`, { text: 'All' })
    const forward = await ok('POST', `${at}/${item.message_id}/forward`, { to: 'dan@example.test', text: 'See' })
    expect(new Set([item, reply, all, forward].map(({ thread_id }) => thread_id)).size).toBe(1)
    expect(await ok('GET', `${at}/${all.message_id}`)).toMatchObject({ subject: 'Re: Order', cc: [cc], text: 'All' })
    expect(await ok('GET', `${at}/${forward.message_id}`)).toMatchObject({ subject: 'Fwd: Order' })

    const { threads } = await ok('GET', `/inboxes/${inbox.inbox_id}/threads`)
    expect(threads).toEqual([
      expect.objectContaining({
        ...{ thread_id: item.thread_id, inbox_id: inbox.inbox_id, subject: 'Order', message_count: 4 },
        senders: expect.arrayContaining(['Ann <ann@example.test>', 'desk@mail.localhost']),
        recipients: expect.arrayContaining(['desk@mail.localhost', cc, 'dan@example.test']),
        preview: expect.any(String),
      }),
    ])
    const uuid = (await ok('GET', `/v0/inboxes/${inbox.email_address}/threads`)).threads[0].thread_id
    for (const path of [
      `/threads/${item.thread_id}`,
      `/threads/${uuid}`,
      `/inboxes/desk@mail.localhost/threads/${uuid}`,
    ]) {
      const thread = await ok('GET', path)
      expect(thread.messages.map((each: { message_id: string }) => each.message_id)).toEqual([
        ...[item, reply, all, forward].map(({ message_id }) => message_id),
      ])
    }
    // The Message-ID that a thread names finds its message.
    expect(await ok('GET', `${at}/${encodeURIComponent(threads[0].last_message_id)}`)).toMatchObject(forward)
    expect((await call('DELETE', `/threads/${item.thread_id}`)).status).toBe(204)
    expect((await ok('GET', at)).count).toBe(0)
  })

  test('the same subject without references is another thread', async () => {
    const inbox = await makeInbox('apart')
    const [one, two] = [
      await receive(inbox, { subject: 's', text: '1' }),
      await receive(inbox, { subject: 's', text: '2' }),
    ]
    expect(one.thread_id).not.toBe(two.thread_id)
  })

  test('an Idempotency-Key returns the first result; the older path, several recipients and hold work', async () => {
    const inbox = await makeInbox('sender')
    const at = `/api/v0/inboxes/${inbox.inbox_id}/messages`
    const send = (path: string, body: object, headers: Record<string, string> = {}) =>
      world.request('POST', path, { body: { to: 'a@b.test', text: 'x', ...body }, headers })
    const key = { 'idempotency-key': 'once-1' }
    const first = await send(`${at}/send`, {}, key)
    expect((await send(`${at}/send`, {}, key)).body).toEqual(first.body)
    expect(await send(`${at}/send`, { text: 'y' }, key)).toMatchObject({ status: 409, body: { code: 'conflict' } })
    expect((await send(`${at}/send`, {}, { 'idempotency-key': 'ü' })).status).toBe(400)
    const older = await send(
      at,
      { to: ['a@b.test', 'Bo <b@b.test>'], labels: ['sent', 'mine'] },
      { 'martlet-hold': 'true' },
    )
    const shown = await ok('GET', `/inboxes/${inbox.inbox_id}/messages/${older.body.message_id}`)
    expect(shown).toMatchObject({ to: ['a@b.test', 'Bo <b@b.test>'], labels: expect.arrayContaining(['mine']) })
    expect((await ok('GET', `/inboxes/${inbox.inbox_id}/messages`)).count).toBe(2)
  })

  test('errors have the body of AgentMail; unknown members are named, or refused in strict mode', async () => {
    const inbox = await makeInbox('wrong')
    const at = `/inboxes/${inbox.inbox_id}/messages/send`
    expect(await call('POST', at, { text: 'x' })).toMatchObject({ status: 422, body: { code: 'unprocessable' } })
    expect(await call('POST', at, { to: 5 })).toMatchObject({ status: 400, body: { name: 'ValidationError' } })
    expect(await call('GET', '/nothing')).toMatchObject({ status: 404, body: { name: 'NotFoundError' } })
    expect(await call('GET', '/inboxes/nobody@mail.localhost')).toMatchObject({ status: 404 })
    expect(await call('POST', '/inboxes', { username: 'wrong' })).toMatchObject({
      ...{ status: 403, body: { name: 'IsTakenError', code: 'resource_taken' } },
    })
    expect(await call('PUT', '/inboxes')).toMatchObject({ status: 405 })
    const page = await call('GET', `/inboxes/${inbox.inbox_id}/messages?page_token=x&lables=y`)
    expect(page).toMatchObject({ status: 400, body: { code: 'validation_error' } })
    const { headers } = await call('GET', '/inboxes?lables=y')
    expect(headers.get('martlet-warning')).toContain('lables')
    const strict = await world.request('POST', `/api/v0${at}`, {
      ...{ body: { to: 'a@b.test', hodl: true }, headers: { 'martlet-strict': 'true' } },
    })
    expect(strict).toMatchObject({ status: 400, body: { message: expect.stringContaining('hodl') } })
  })
})

test("AgentMail's client reads and writes the same shapes, with the base URL below /api", async () => {
  const { inboxes, threads, webhooks } = new AgentMailClient({
    apiKey: world.rootKey,
    baseUrl: `${world.url}/api`,
    maxRetries: 0,
  })
  const inbox = await inboxes.create({ username: 'by-sdk', displayName: 'By SDK' })
  expect(inbox).toMatchObject({ inboxId: opaque, email: 'by-sdk@mail.localhost', displayName: 'By SDK' })
  const item = await receive({ inbox_id: inbox.inboxId, email_address: inbox.email }, { subject: 'Hi', text: 'x' })
  const { messages } = await inboxes.messages.list(inbox.inboxId, { labels: ['unread'] })
  expect(messages).toMatchObject([{ messageId: item.message_id, inboxId: inbox.inboxId, subject: 'Hi' }])
  const change = { addLabels: ['done'], removeLabels: ['unread'] }
  expect((await inboxes.messages.update(inbox.inboxId, item.message_id, change)).labels).toEqual(['done', 'received'])
  const reply = await inboxes.messages.reply(inbox.inboxId, item.message_id, { text: 'y' })
  expect(reply).toEqual({ messageId: id('msg'), threadId: item.thread_id })
  expect((await threads.get(item.thread_id)).messages.map(({ messageId }) => messageId)).toEqual([
    item.message_id,
    reply.messageId,
  ])
  const hook = await webhooks.create({
    url: 'https://hook.test/',
    eventTypes: ['message.received'],
    inboxIds: [inbox.inboxId],
  })
  expect(hook).toMatchObject({ inboxIds: [inbox.inboxId], eventTypes: ['message.received'] })
  await expect(inboxes.messages.get(inbox.inboxId, 'msg_nothing')).rejects.toMatchObject({ statusCode: 404 })
  await inboxes.delete(inbox.inboxId)
})

test('a domain is PENDING with its records until it is verified, and then VERIFIED, with inboxes', async () => {
  const made = await ok('POST', '/domains', { domain: 'agents.example' })
  expect(made).toMatchObject({ domain_id: 'agents.example', domain: 'agents.example', status: 'PENDING' })
  const purposes = made.records.map(({ purpose }: { purpose: string }) => purpose)
  expect(purposes).toEqual(expect.arrayContaining(['spf', 'dkim', 'dmarc']))
  expect(await ok('POST', '/domains/agents.example/verify')).toMatchObject({ status: 'PENDING' })
  expect((await ok('GET', '/v0/domains/agents.example')).status).not.toBe('NOT_STARTED')
  expect((await ok('GET', '/domains')).domains).toMatchObject([{ domain: 'agents.example', status: 'PENDING' }])
  expect((await call('POST', '/inboxes', { username: 'a', domain: 'agents.example' })).status).toBe(422)

  // Its owner publishes the records.
  for (const { name, type, value, priority } of made.records) {
    const known = (zones[name] ?? {}) as object
    const record =
      type === 'MX' ? { MX: [{ preference: priority, exchange: value }] } : { TXT: [value.match(/.{1,255}/g)] }
    zones[name] = { ...known, ...record }
  }
  expect(await ok('POST', '/domains/agents.example/verify')).toMatchObject({ status: 'VERIFIED' })
  const verified = await ok('GET', '/domains/agents.example')
  const statuses = verified.records.map(({ status }: { status: string }) => status)
  expect([verified.status, ...new Set(statuses)]).toEqual(['VERIFIED', 'VALID'])
  expect((await ok('GET', '/domains')).domains).toMatchObject([{ domain: 'agents.example', status: 'VERIFIED' }])
  const inbox = await ok('POST', '/inboxes', { username: 'a', domain: 'agents.example' })
  expect(inbox.email_address).toBe('a@agents.example')
  await receive(inbox, { subject: 'for the new domain' })
  expect((await call('DELETE', `/inboxes/${inbox.inbox_id}`)).status).toBe(204)
  await expect.poll(async () => (await call('DELETE', '/domains/agents.example')).status).toBe(204)
})
