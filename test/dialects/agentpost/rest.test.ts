/**
 * Tests the REST endpoints of the AgentPost dialect by raw HTTP, on one server: shapes, consequences that other dialects
 * see, and bad input. Every test has inboxes of its own.
 */
import { once } from 'node:events'
import { connect } from 'node:net'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { changeRows } from '../../support/test-database.ts'
import { startWorld, type World } from '../../support/world.ts'

let world: World
beforeAll(async () => {
  world = await startWorld()
})
afterAll(() => world[Symbol.asyncDispose]())

/** A call of this dialect. @returns status and body */
async function call(method: string, path: string, body?: unknown, key?: string) {
  const options = { ...(body !== undefined && { body }), ...(key !== undefined && { key }) }
  const answer = await world.request(method, `/api/v1${path}`, options)
  return { status: answer.status, body: answer.body }
}

async function ok(method: string, path: string, body?: unknown, key?: string) {
  const answer = await call(method, path, body, key)
  expect(answer.status, JSON.stringify(answer.body)).toBeLessThan(300)
  return answer.body
}

const makeInbox = (username: string, more: object = {}) => ok('POST', '/inboxes', { username, ...more })

/** Sends a message from outside. @returns the message as this dialect lists it */
async function receive(inbox: { id: string; email: string }, mail: Parameters<World['smtp']['send']>[0]) {
  await world.smtp.send({ to: inbox.email, ...mail })
  const { data } = await ok('GET', `/inboxes/${inbox.id}/messages?limit=1`)
  return data[0]
}

const ULID = '[0-7][0-9A-HJKMNP-TV-Z]{25}'
const id = (prefix: string) => expect.stringMatching(new RegExp(`^${prefix}_${ULID}$`))
const iso = expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/)

describe('inboxes', () => {
  test('both documented forms create one, and the same client_id returns it', async () => {
    const first = await makeInbox('Forms', { display_name: 'Support', client_id: 'forms-1' })
    expect(first).toEqual({
      ...{ id: id('inb'), environment_id: id('env'), email: 'forms@mail.localhost', username: 'forms' },
      ...{ domain: 'mail.localhost', display_name: 'Support', client_id: 'forms-1', send_paused: false },
      ...{ created_at: iso, updated_at: iso },
    })
    expect(await makeInbox('other', { client_id: 'forms-1' })).toEqual(first)
    expect(await ok('POST', '/inboxes', { email: 'forms2@mail.localhost', name: 'Two' })).toMatchObject({
      ...{ email: 'forms2@mail.localhost', display_name: 'Two', client_id: null },
    })
    expect(await call('POST', '/inboxes', { username: 'forms' })).toMatchObject({
      status: 409,
      body: { error: { code: 'resource_taken' } },
    })
  })

  test('a random suffix makes the address unlikely to be taken', async () => {
    const one = await makeInbox('suffixed', { random_suffix: true })
    expect(one.username).toMatch(/^suffixed-[a-z0-9]{6}$/)
    expect((await makeInbox('suffixed', { random_suffix: true })).email).not.toBe(one.email)
  })

  test('one is found by id in any case and by address, changed, listed and deleted', async () => {
    const made = await makeInbox('found')
    for (const name of [made.id, made.id.replace(/_.*/, (text: string) => text.toLowerCase()), made.email]) {
      expect(await ok('GET', `/inboxes/${encodeURIComponent(name)}`)).toEqual(made)
    }
    const renamed = await ok('PATCH', `/inboxes/${made.id}`, { display_name: 'New' })
    expect(renamed).toMatchObject({ id: made.id, display_name: 'New' })
    const page = await ok('GET', '/inboxes?limit=1')
    expect(page.data).toEqual([renamed])
    const next = await ok('GET', `/inboxes?limit=1&cursor=${page.next_cursor}`)
    expect(next.data[0].id).not.toBe(made.id)
    expect((await call('DELETE', `/inboxes/${made.id}`)).status).toBe(204)
    expect((await call('GET', `/inboxes/${made.id}`)).status).toBe(404)
  })

  test('send_paused stops sending, and the inbox still receives', async () => {
    const made = await makeInbox('quiet')
    expect(await ok('PATCH', `/inboxes/${made.id}`, { send_paused: true })).toMatchObject({ send_paused: true })
    const send = () => call('POST', `/inboxes/${made.id}/messages`, { to: [{ email: 'a@b.test' }], text_body: 'x' })
    expect(await send()).toMatchObject({ status: 422, body: { error: { code: 'inbox_paused' } } })
    expect(await receive(made, { subject: 'in', text: 'x' })).toMatchObject({ subject: 'in', direction: 'inbound' })
    expect((await world.agentmail.inboxes.get(made.email)) as object).toMatchObject({ status: 'paused' })
    await ok('PATCH', `/inboxes/${made.id}`, { send_paused: false })
    expect((await send()).status).toBe(201)
  })

  // The member was ignored, and the inbox could send.
  test('an inbox can be created with send_paused', async () => {
    const made = await makeInbox('quiet-at-once', { send_paused: true })
    expect(made.send_paused).toBe(true)
    const mail = { to: 'a@b.test', text_body: 'x' }
    expect((await call('POST', `/inboxes/${made.id}/messages`, mail)).body.error.code).toBe('inbox_paused')
    expect(await receive(made, { subject: 'in', text: 'x' })).toMatchObject({ subject: 'in' })
    expect((await makeInbox('not-quiet', { send_paused: false })).send_paused).toBe(false)
  })
})

describe('messages', () => {
  test('a sent message is returned as it is stored, arrives, and is an AgentMail message too', async () => {
    const from = await makeInbox('sender', { display_name: 'Sender' })
    const to = await makeInbox('recipient')
    const sent = await ok('POST', `/inboxes/${from.id}/messages`, {
      to: [{ email: to.email, name: 'Rec, Ipient' }],
      cc: [{ email: 'carl@example.test' }],
      ...{ subject: 'Hello', text_body: 'Hi there', html_body: '<p>Hi <b>there</b></p>', labels: ['First'] },
    })
    expect(sent).toMatchObject({
      ...{ id: id('msg'), inbox_id: from.id, environment_id: from.environment_id, thread_id: id('thr') },
      ...{ direction: 'outbound', subject: 'Hello', from_address: { email: from.email, name: 'Sender' } },
      to_addresses: [{ email: to.email, name: 'Rec, Ipient' }],
      cc_addresses: [{ email: 'carl@example.test', name: null }],
      ...{ bcc_addresses: [], text_body: 'Hi there', html_body: '<p>Hi <b>there</b></p>', extracted_text: 'Hi there' },
      ...{ has_attachments: false, labels: expect.arrayContaining(['sent', 'first']) },
    })
    expect(await ok('GET', `/messages/${sent.id}`)).toMatchObject({ id: sent.id, text_body: 'Hi there' })
    await expect
      .poll(async () => (await ok('GET', `/inboxes/${to.id}/messages`)).data)
      .toMatchObject([{ subject: 'Hello', direction: 'inbound', from_address: { email: from.email } }])
    const { messages } = await world.agentmail.inboxes.messages.list(to.email)
    expect(messages[0]).toMatchObject({ subject: 'Hello', messageId: sent.header_message_id })
  })

  test('a key that may send and not read gets what is known of its message', async () => {
    const from = await makeInbox('blind')
    const { api_key: key } = (
      await world.request('POST', '/v0/api-keys', { body: { permissions: { message_send: true } } })
    ).body
    const sent = await ok('POST', `/inboxes/${from.id}/messages`, { to: 'a@b.test', subject: 's', text_body: 't' }, key)
    expect(sent).toEqual({
      ...{ id: id('msg'), inbox_id: from.id, thread_id: id('thr'), direction: 'outbound', subject: 's' },
      ...{ text_body: 't', html_body: null, header_message_id: expect.stringMatching(/^<.*>$/) },
    })
    expect((await call('GET', `/messages/${sent.id}`, undefined, key)).status).toBe(403)
  })

  test('an Idempotency-Key returns the first message', async () => {
    const from = await makeInbox('once')
    const send = () =>
      world.request('POST', `/api/v1/inboxes/${from.id}/messages`, {
        body: { to: [{ email: 'a@b.test' }], subject: 's', text_body: 't' },
        headers: { 'idempotency-key': 'once-1' },
      })
    expect((await send()).body.id).toBe((await send()).body.id)
    expect((await ok('GET', `/inboxes/${from.id}/messages`)).data).toHaveLength(1)
  })

  test('labels are added and removed in lower case, with a body on both methods', async () => {
    const inbox = await makeInbox('labels')
    const { id } = await receive(inbox, { text: 'x' })
    expect(await ok('POST', `/messages/${id}/labels`, { labels: ['Urgent', 'billing'] })).toEqual({
      id,
      labels: ['billing', 'received', 'unread', 'urgent'],
    })
    expect(await ok('DELETE', `/messages/${id}/labels`, { labels: ['URGENT', 'unread'] })).toEqual({
      id,
      labels: ['billing', 'received'],
    })
    expect((await ok('GET', `/inboxes/${inbox.id}/messages?labels=billing`)).data).toMatchObject([{ id }])
    expect((await ok('GET', `/inboxes/${inbox.id}/messages?labels=urgent`)).data).toEqual([])
    for (const labels of [[], [''], ['sent']]) {
      expect((await call('POST', `/messages/${id}/labels`, { labels })).status).toBe(400)
    }
  })

  test('replies and forwards stay in the thread of their message', async () => {
    const inbox = await makeInbox('replier')
    const parent = await receive(inbox, { from: 'Ann <ann@example.test>', subject: 'Question', text: 'What?' })
    const reply = await ok('POST', `/messages/${parent.id}/reply`, { text_body: 'That.' })
    expect(reply).toMatchObject({
      ...{ thread_id: parent.thread_id, subject: 'Re: Question', direction: 'outbound' },
      to_addresses: [{ email: 'ann@example.test', name: 'Ann' }],
    })
    const forward = await ok('POST', `/messages/${parent.id}/forward`, { to: 'bob@example.test', text_body: 'See' })
    expect(forward).toMatchObject({ subject: 'Fwd: Question', text_body: expect.stringContaining('What?') })
  })

  test('mail that was not authenticated is listed; spam and trash are not', async () => {
    const inbox = await makeInbox('hidden')
    const one = await receive(inbox, { subject: 'one', text: 'x' })
    await receive(inbox, { subject: 'two', text: 'x' })
    await ok('POST', `/messages/${one.id}/labels`, { labels: ['spam'] })
    expect((await ok('GET', `/inboxes/${inbox.id}/messages`)).data).toMatchObject([{ subject: 'two' }])
    // As the authentication of senders will label it.
    const ofTwo = "where inbox_id = (select id from inboxes where address = 'hidden@mail.localhost')"
    await changeRows(
      world,
      `insert into message_labels (message_id, label) select id, 'unauthenticated' from messages ${ofTwo} and hidden = 0;
       update messages set hidden = 4 ${ofTwo} and hidden = 0;
       update threads set hidden = 4, visible_count = 0 ${ofTwo} and hidden = 0`,
    )
    expect((await world.agentmail.inboxes.messages.list(inbox.email)).messages).toEqual([])
    const { data } = await ok('GET', `/inboxes/${inbox.id}/messages`)
    expect(data).toMatchObject([{ subject: 'two', labels: expect.arrayContaining(['unauthenticated']) }])
    expect((await ok('GET', `/inboxes/${inbox.id}/threads`)).data).toMatchObject([{ subject: 'two' }])
  })

  test('a message is deleted for good', async () => {
    const inbox = await makeInbox('deleter')
    const { id } = await receive(inbox, { text: 'x' })
    expect((await call('DELETE', `/messages/${id}`)).status).toBe(204)
    expect((await call('GET', `/messages/${id}`)).status).toBe(404)
    expect((await call('DELETE', `/messages/${id}`)).status).toBe(404)
  })
})

describe('threads', () => {
  test('header fields join messages, and the same subject does not', async () => {
    const inbox = await makeInbox('threads')
    const first = await receive(inbox, { subject: 'Same', text: '1', messageId: '<t1@x.test>' })
    await receive(inbox, { subject: 'Other', text: '2', inReplyTo: '<t1@x.test>', references: '<t1@x.test>' })
    await receive(inbox, { subject: 'Same', text: '3', messageId: '<t3@x.test>' })
    const { data } = await ok('GET', `/inboxes/${inbox.id}/threads?limit=20`)
    expect(data.map((thread: { message_count: number }) => thread.message_count).sort()).toEqual([1, 2])
    const joined = data.find((thread: { id: string }) => thread.id === first.thread_id)
    expect(joined).toMatchObject({
      ...{ inbox_id: inbox.id, message_count: 2, last_message_at: iso, labels: ['received', 'unread'] },
      participants: expect.arrayContaining(['ann@example.test']),
    })
    const thread = await ok('GET', `/threads/${first.thread_id}`)
    expect(thread.messages.map(({ text_body }: { text_body: string }) => text_body.trim())).toEqual(['1', '2'])
  })

  test('a thread with only sent mail is listed; its labels change as a whole; it is deleted', async () => {
    const inbox = await makeInbox('sentonly')
    const mail = { to: [{ email: 'a@b.test' }], subject: 'Out', text_body: 'x' }
    const sent = await ok('POST', `/inboxes/${inbox.id}/messages`, mail)
    expect((await ok('GET', `/inboxes/${inbox.id}/threads`)).data).toMatchObject([{ id: sent.thread_id }])
    expect(await ok('POST', `/threads/${sent.thread_id}/labels`, { labels: ['Done'] })).toMatchObject({
      id: sent.thread_id,
      labels: expect.arrayContaining(['done']),
    })
    expect((await ok('GET', `/messages/${sent.id}`)).labels).toContain('done')
    const { labels } = await ok('DELETE', `/threads/${sent.thread_id}/labels`, { labels: ['done'] })
    expect(labels).not.toContain('done')
    expect((await call('DELETE', `/threads/${sent.thread_id}`)).status).toBe(204)
    expect((await call('GET', `/threads/${sent.thread_id}`)).status).toBe(404)
  })
})

test('a draft is written, changed, and sent, and becomes a message', async () => {
  const inbox = await makeInbox('drafter')
  const parent = await receive(inbox, { from: 'ann@example.test', subject: 'Ask', text: 'x' })
  const made = await ok('POST', `/inboxes/${inbox.id}/drafts`, {
    ...{ to: [{ email: 'ann@example.test', name: 'Ann' }], subject: 'Plan', text_body: 'One', in_reply_to: parent.id },
  })
  expect(made).toMatchObject({
    ...{ id: id('drf'), inbox_id: inbox.id, thread_id: parent.thread_id, in_reply_to: parent.id, subject: 'Plan' },
    ...{ to_addresses: [{ email: 'ann@example.test', name: 'Ann' }], cc_addresses: [], bcc_addresses: [] },
    ...{ text_body: 'One', html_body: null, attachments_meta: [] },
  })
  expect(await ok('PATCH', `/drafts/${made.id}`, { text_body: 'Two', to: 'bob@example.test' })).toMatchObject({
    ...{ text_body: 'Two', to_addresses: [{ email: 'bob@example.test', name: null }] },
  })
  expect((await ok('GET', `/inboxes/${inbox.id}/drafts`)).data).toMatchObject([{ id: made.id, subject: 'Plan' }])
  const sent = await ok('POST', `/drafts/${made.id}/send`)
  expect(sent).toMatchObject({ text_body: 'Two', thread_id: parent.thread_id, direction: 'outbound' })
  expect((await call('GET', `/drafts/${made.id}`)).status).toBe(404)
  const other = await ok('POST', `/inboxes/${inbox.id}/drafts`, { subject: 'Empty' })
  expect((await call('POST', `/drafts/${other.id}/send`)).body.error.code).toBe('no_recipients')
  expect((await call('DELETE', `/drafts/${other.id}`)).status).toBe(204)
})

describe('attachments', () => {
  const put = (url: string, body: string | FormData, contentType?: string) =>
    fetch(url, { method: 'PUT', body, headers: contentType === undefined ? {} : { 'content-type': contentType } })

  test('one is uploaded, sent by its key, and downloaded', async () => {
    const [from, to] = [await makeInbox('uploader'), await makeInbox('downloader')]
    const wanted = { filename: 'report.csv', mime_type: 'text/csv', size: 5 }
    const { upload_url, key, expires_at } = await ok('POST', '/attachments/upload-url', wanted)
    expect({ key, expires_at }).toEqual({ key: expect.stringMatching(`^uploads/${ULID}$`), expires_at: iso })
    const mail = { to: [{ email: to.email }], subject: 'File', attachments: [{ key }] }
    expect(await call('POST', `/inboxes/${from.id}/messages`, mail)).toMatchObject({
      status: 400,
      body: { error: { code: 'validation_error', field: 'attachments' } },
    })
    expect((await put(upload_url, '1;2;3', 'text/csv')).status).toBe(200)
    const sent = await ok('POST', `/inboxes/${from.id}/messages`, mail)
    expect(sent).toMatchObject({ has_attachments: true, attachments: [{ ...wanted, message_id: sent.id }] })

    await expect.poll(async () => (await ok('GET', `/inboxes/${to.id}/messages`)).data.length).toBe(1)
    const [received] = (await ok('GET', `/inboxes/${to.id}/messages`)).data
    const link = await ok('GET', `/attachments/${received.attachments[0].id}`)
    expect(link).toMatchObject({ ...wanted, message_id: received.id, expires_at: iso })
    const file = await fetch(link.download_url)
    expect(await file.text()).toBe('1;2;3')
    expect(file.headers.get('content-disposition')).toContain('report.csv')

    const draft = await ok('POST', `/inboxes/${from.id}/drafts`, { ...mail, attachments: [{ key, filename: 'b.csv' }] })
    expect(draft.attachments_meta).toMatchObject([{ filename: 'b.csv', mime_type: 'text/csv', size: 5 }])
    const removed = { remove_attachments: [draft.attachments_meta[0].id] }
    expect((await ok('PATCH', `/drafts/${draft.id}`, removed)).attachments_meta).toEqual([])
  })

  test('size and type are checked, a form is accepted, and a wrong link finds nothing', async () => {
    const wanted = { filename: 'a.txt', mime_type: 'text/plain', size: 3 }
    const { upload_url } = await ok('POST', '/attachments/upload-url', wanted)
    expect((await put(upload_url, 'ab', 'text/plain')).status).toBe(400)
    expect((await put(upload_url, 'abcd', 'text/plain')).status).toBe(413)
    expect((await put(upload_url, 'abc', 'text/html')).status).toBe(400)
    expect((await put(`${upload_url}x`, 'abc', 'text/plain')).status).toBe(404)
    const form = new FormData()
    form.append('Content-Type', 'text/plain')
    form.append('file', new Blob(['abc']), 'a.txt')
    expect((await put(upload_url, form)).status).toBe(200)
    expect((await put(upload_url, 'abc', 'text/plain; charset=utf-8')).status).toBe(200)
    for (const wrong of [{ size: -1 }, { size: 26 * 1024 * 1024 }, { mime_type: 'x' }, { filename: '' }]) {
      expect((await call('POST', '/attachments/upload-url', { ...wanted, ...wrong })).status).toBe(400)
    }
  })

  test('a link is checked before the body of the request is read', async () => {
    const wanted = { filename: 'a.txt', mime_type: 'text/plain', size: 3 }
    const { pathname: path } = new URL((await ok('POST', '/attachments/upload-url', wanted)).upload_url)
    const { port } = new URL(world.url)
    for (const [target, bytes, status] of [
      [`${path}x`, 20_000_000, 404],
      ['/attachments/files/no.link', 20_000_000, 404],
      [path, 20_000_000, 413],
    ] as const) {
      const method = target.startsWith('/api') ? 'PUT' : 'POST'
      const socket = connect(Number(port), '127.0.0.1')
      // One byte of the body arrives, and no more.
      socket.write(
        `${method} ${target} HTTP/1.1\r\nHost: h\r\nContent-Type: text/plain\r\nContent-Length: ${bytes}\r\n\r\nx`,
      )
      const [answer] = await once(socket, 'data')
      socket.destroy()
      expect(String(answer), target).toContain(`HTTP/1.1 ${status} `)
    }
  })

  test('a file of another environment is not found', async () => {
    const environment = await ok('POST', '/environments', { name: 'Files', slug: 'files' })
    const { key: apiKey } = await ok('POST', '/api-keys', { environment_id: environment.id })
    const inbox = await makeInbox('filed', { environment_id: environment.id })
    const { upload_url, key } = await ok('POST', '/attachments/upload-url', {
      filename: 'a',
      mime_type: 'a/b',
      size: 1,
    })
    expect((await put(upload_url, 'x', 'a/b')).status).toBe(200)
    const mail = { to: 'a@b.test', text_body: 'x', attachments: [{ key }] }
    expect((await call('POST', `/inboxes/${inbox.id}/messages`, mail, apiKey)).status).toBe(404)
    expect((await call('POST', `/inboxes/${inbox.id}/messages`, mail)).status).toBe(201)
  })
})

describe('the organization', () => {
  test('environments are pods, with a slug, and one is the default', async () => {
    const made = await ok('POST', '/environments', { name: 'Staging', slug: 'staging' })
    expect(made).toEqual({
      ...{ id: id('env'), name: 'Staging', slug: 'staging', is_default: false, created_at: iso, updated_at: iso },
    })
    expect(await ok('GET', `/environments/${made.id}`)).toEqual(made)
    const { data } = await ok('GET', '/environments')
    expect(data.filter((each: { is_default: boolean }) => each.is_default)).toMatchObject([{ slug: 'default' }])
    const inbox = await makeInbox('staged', { environment_id: made.id })
    expect(inbox.environment_id).toBe(made.id)
    expect((await ok('GET', `/inboxes?environment_id=${made.id}`)).data).toEqual([inbox])
    expect((await world.agentmail.pods.list()).pods.map((pod) => pod.clientId)).toContain('staging')
    expect((await call('DELETE', `/environments/${made.id}`)).status).toBe(403)
    const empty = await ok('POST', '/environments', { name: 'Empty', slug: 'empty' })
    expect((await call('DELETE', `/environments/${empty.id}`)).status).toBe(204)
    expect((await call('GET', `/environments/${empty.id}`)).status).toBe(404)
    await ok('DELETE', `/inboxes/${inbox.id}`)
  })

  test('a key of an environment works only there, in every dialect, until it is deleted', async () => {
    const environment = await ok('POST', '/environments', { name: 'Keys', slug: 'keys' })
    const made = await ok('POST', '/api-keys', { name: 'agent', environment_id: environment.id })
    expect(made).toMatchObject({
      ...{ id: id('key'), name: 'agent', environment_id: environment.id, inbox_id: null },
      ...{ key: expect.stringMatching(/^ap_sk_live_[0-9a-f]{64}$/), prefix: made.key.slice(0, 17) },
    })
    expect((await ok('GET', `/api-keys?environment_id=${environment.id}`)).data[0]).not.toHaveProperty('key')
    const inbox = await ok('POST', '/inboxes', { username: 'keyed' }, made.key)
    expect(inbox.environment_id).toBe(environment.id)
    expect((await world.agentmailAs(made.key).inboxes.list()).inboxes).toHaveLength(1)
    const elsewhere = await makeInbox('elsewhere')
    expect((await call('GET', `/inboxes/${elsewhere.id}`, undefined, made.key)).status).toBe(404)
    expect((await call('DELETE', `/api-keys/${made.id}`)).status).toBe(204)
    expect(await call('GET', '/inboxes', undefined, made.key)).toMatchObject({
      status: 401,
      body: { error: { code: 'unknown_api_key' } },
    })
  })

  test('domains are claimed with their DNS records, found and deleted', async () => {
    const made = await ok('POST', '/domains', { domain: 'claimed.example', client_id: 'd-1' })
    expect(made).toMatchObject({
      ...{ id: id('dom'), domain: 'claimed.example', client_id: 'd-1', status: 'pending', verified: false },
      dns_records: expect.arrayContaining([expect.objectContaining({ purpose: 'dkim', type: 'TXT' })]),
    })
    expect(await ok('POST', '/domains', { domain: 'claimed.example', client_id: 'd-1' })).toMatchObject({ id: made.id })
    expect(await ok('GET', `/domains/${made.id}`)).toMatchObject({ id: made.id })
    expect((await ok('GET', '/domains')).data).toMatchObject([{ id: made.id }])
    expect((await call('DELETE', `/domains/${made.id}`)).status).toBe(204)
    expect((await call('GET', `/domains/${made.id}`)).status).toBe(404)
  })

  test('metrics count events by period, and rates are numbers', async () => {
    const inbox = await makeInbox('counted')
    await receive(inbox, { text: 'x' })
    const { data } = await ok('GET', `/metrics?inbox_id=${inbox.id}`)
    expect(data).toEqual([{ type: 'message.received', timestamp: iso, count: 1 }])
    const rates = await ok('GET', `/metrics/rates?inbox_id=${inbox.id}`)
    expect(rates.data[0]).toMatchObject({ type: 'bounce', rate: null, sent: 0 })
    expect((await call('GET', '/metrics?start=yesterday')).status).toBe(400)
  })

  test('the organization is shown; members and scores are not implemented', async () => {
    expect(await ok('GET', '/org')).toMatchObject({ id: id('org'), inbox_count: expect.any(Number) })
    for (const [method, path] of [
      ['POST', '/org/invitations'],
      ['GET', '/org/members'],
      ['GET', '/deliverability/score'],
    ] as const) {
      expect(await call(method, path)).toMatchObject({ status: 501, body: { error: { code: 'not_implemented' } } })
    }
  })
})

test('an id of any form that finds nothing is 404', async () => {
  const unknown = '01ARZ3NDEKTSV4RRFFQ69G5FAV'
  const forms = (prefix: string) => [
    ...[`${prefix}_${unknown}`, `${prefix}_`, `${prefix}_1`, unknown, 'x', '%00', `other_${unknown}`],
    ...[`${prefix}_${unknown.replace('0', '9')}`, `${prefix}_${'U'.repeat(26)}`, 'a'.repeat(500)],
  ]
  for (const [prefix, paths] of [
    ['inb', ['/inboxes/ID', '/inboxes/ID/messages', '/inboxes/ID/threads', '/inboxes/ID/drafts']],
    ['msg', ['/messages/ID']],
    ['thr', ['/threads/ID']],
    ['drf', ['/drafts/ID']],
    ['att', ['/attachments/ID']],
    ['env', ['/environments/ID']],
    ['dom', ['/domains/ID']],
    ['whk', ['/webhooks/ID']],
    ['key', ['/api-keys/ID']],
  ] as const) {
    for (const path of paths) {
      for (const form of forms(prefix)) {
        const answer = await call('GET', path.replace('ID', form))
        expect(answer, `${path} ${form}`).toMatchObject({ status: 404, body: { error: { code: 'not_found' } } })
      }
    }
  }
  expect((await call('GET', '/nothing')).body.error.code).toBe('not_found')
  expect((await call('PUT', '/inboxes')).status).toBe(405)
})

test('bad input gets an error that names the member', async () => {
  const inbox = await makeInbox('bad')
  const path = `/inboxes/${inbox.id}/messages`
  for (const [body, field] of [
    [{ to: [{ email: 'nobody' }], text_body: 'x' }, 'to.0'],
    [{ to: [{ name: 'x' }] }, 'to.0.email'],
    [{ to: 'a@b.test', text_body: 5 }, 'text_body'],
    [{ to: 'a@b.test', labels: 'x' }, 'labels'],
    ['{"to":', undefined],
  ] as const) {
    const { status, body: answer } = await call('POST', path, body)
    expect(status).toBe(400)
    expect(answer.error.message).toEqual(expect.any(String))
    if (field !== undefined) expect(answer.error.field).toBe(field)
  }
  expect((await call('POST', path, {})).body.error.code).toBe('no_recipients')
  expect((await call('GET', '/inboxes?cursor=x')).body.error).toMatchObject({
    code: 'invalid_page_token',
    message: expect.stringContaining('cursor'),
  })
  expect((await call('GET', '/inboxes?limit=0')).status).toBe(400)
  expect((await call('GET', '/inboxes', undefined, '')).body.error.code).toBe('missing_authorization')
})
