/** Sends of the AgentPost dialect that are repeated, and what their responses and errors show. */
import { afterAll, beforeAll, expect, test } from 'vitest'
import { startWorld, type World } from '../../support/world.ts'

let world: World
beforeAll(async () => {
  world = await startWorld({ startPaused: true })
})
afterAll(() => world[Symbol.asyncDispose]())

interface CallOptions {
  readonly key?: string
  readonly once?: string
}

async function call(method: string, path: string, body?: object, { key, once }: CallOptions = {}) {
  return world.request(method, `/api/v1${path}`, {
    ...(body && { body }),
    ...(key !== undefined && { key }),
    ...(once !== undefined && { headers: { 'idempotency-key': once } }),
  })
}

async function ok(...request: Parameters<typeof call>) {
  const { status, body } = await call(...request)
  expect(status, JSON.stringify(body)).toBeLessThan(300)
  return body
}

async function receive(inbox: { id: string; email: string }) {
  await world.smtp.send({ to: inbox.email, text: 'x', attachments: [{ filename: 'a', content: 'a' }] })
  return (await ok('GET', `/inboxes/${inbox.id}/messages?limit=1`)).data[0]
}

// It was 404: the draft is gone, and with it the inbox to which the key belongs.
test('sending a draft again with its Idempotency-Key returns the first message', async () => {
  const inbox = await ok('POST', '/inboxes', { username: 'drafts' })
  const { id } = await ok('POST', `/inboxes/${inbox.id}/drafts`, { to: 'a@b.test', text_body: 'once' })
  const send = (draft: string, options: CallOptions) => call('POST', `/drafts/${draft}/send`, undefined, options)
  const first = await send(id, { once: 'draft-1' })
  expect(first).toMatchObject({ status: 201, body: { text_body: 'once' } })
  expect(await send(id, { once: 'draft-1' })).toMatchObject({ status: 201, body: first.body })

  const notFound = { status: 404, body: { error: { message: 'Draft not found' } } }
  expect(await send(id, {})).toMatchObject(notFound)
  expect(await send(id, { once: 'unused' })).toMatchObject(notFound)
  const other = await ok('POST', `/inboxes/${inbox.id}/drafts`, { to: 'a@b.test', text_body: 'other' })
  expect(await send(other.id, { once: 'draft-1' })).toMatchObject({ status: 409 })
  // Keys of other scopes have no effect, and are not revealed.
  const environment = await ok('POST', '/environments', { name: 'Others', slug: 'others' })
  const { key } = await ok('POST', '/api-keys', { environment_id: environment.id })
  expect(await send(id, { once: 'draft-1', key })).toMatchObject(notFound)
  expect((await ok('GET', `/inboxes/${inbox.id}/messages`)).data).toHaveLength(1)
})

// The first send was in the scope of the organization: only the inbox of the second key says which one it was.
test('a key of an inbox gets the first message of another key of this inbox, and of no other inbox', async () => {
  const inbox = await ok('POST', '/inboxes', { username: 'shared-key' })
  const draft = await ok('POST', `/inboxes/${inbox.id}/drafts`, { to: 'a@b.test', text_body: 'once' })
  const agentKey = async (inbox_id: string) => (await ok('POST', '/api-keys', { inbox_id })).key as string
  const send = (options: CallOptions) => call('POST', `/drafts/${draft.id}/send`, undefined, options)
  const first = await send({ once: 'shared' })
  expect(first.status).toBe(201)
  const [one, two] = [await agentKey(inbox.id), await agentKey(inbox.id)]
  for (const key of [one, two]) {
    expect(await send({ once: 'shared', key })).toMatchObject({ status: 201, body: { id: first.body.id } })
    expect(await send({ once: 'unused', key })).toMatchObject({ status: 404 })
  }
  const other = await ok('POST', '/inboxes', { username: 'not-shared' })
  expect(await send({ once: 'shared', key: await agentKey(other.id) })).toMatchObject({
    ...{ status: 404, body: { error: { message: 'Draft not found' } } },
  })
  expect((await ok('GET', `/inboxes/${inbox.id}/messages`)).data).toHaveLength(1)
})

test.each(['reply', 'forward'])(
  'a repeated %s returns the first message after its parent was deleted',
  async (action) => {
    const inbox = await ok('POST', '/inboxes', { username: action })
    const parent = await receive(inbox)
    const body = action === 'reply' ? { text_body: 'y' } : { to: 'c@d.test', text_body: 'y' }
    const send = (more: CallOptions, changed = body) => call('POST', `/messages/${parent.id}/${action}`, changed, more)
    const first = await send({ once: action })
    expect(first.status, JSON.stringify(first.body)).toBe(201)
    expect((await call('DELETE', `/messages/${parent.id}`)).status).toBe(204)
    expect(await send({ once: action })).toMatchObject({ status: 201, body: { id: first.body.id } })
    expect(await send({ once: action }, { ...body, text_body: 'z' })).toMatchObject({ status: 409 })
    expect(await send({ once: 'unused' })).toMatchObject({
      status: 404,
      body: { error: { message: 'Message not found' } },
    })
    expect(await send({})).toMatchObject({ status: 404 })
  },
)

// It said "Inbox not found", with the id of that inbox: so the object exists.
test('a message or draft outside the scope of a key is not found in the same words as one that does not exist', async () => {
  const inbox = await ok('POST', '/inboxes', { username: 'foreign' })
  const message = await receive(inbox)
  const draft = await ok('POST', `/inboxes/${inbox.id}/drafts`, { to: 'a@b.test' })
  const own = await ok('POST', '/inboxes', { username: 'own' })
  const { key } = await ok('POST', '/api-keys', { inbox_id: own.id })
  const [attachment] = message.attachments
  const missing = (id: string) => id.replace(/(_)(.{2})/, '$100') // of the year 1970
  const calls: [method: string, path: (id: string) => string, id: string, body?: object][] = [
    ['GET', (id) => `/messages/${id}`, message.id],
    ['DELETE', (id) => `/messages/${id}`, message.id],
    ['POST', (id) => `/messages/${id}/labels`, message.id, { labels: ['x'] }],
    ['POST', (id) => `/messages/${id}/reply`, message.id, { text_body: 'x' }],
    ['POST', (id) => `/messages/${id}/forward`, message.id, { to: 'a@b.test' }],
    ['GET', (id) => `/attachments/${id}`, attachment.id],
    ['GET', (id) => `/threads/${id}`, message.thread_id],
    ['GET', (id) => `/drafts/${id}`, draft.id],
    ['PATCH', (id) => `/drafts/${id}`, draft.id, { text_body: 'x' }],
    ['DELETE', (id) => `/drafts/${id}`, draft.id],
    ['POST', (id) => `/drafts/${id}/send`, draft.id],
  ]
  for (const [method, path, id, body] of calls) {
    const absent = await call(method, path(missing(id)), body, { key })
    expect(absent.status, path(id)).toBe(404)
    expect(await call(method, path(id), body, { key }), path(id)).toMatchObject({ status: 404, body: absent.body })
  }
})

test('the response of a send has the id of its inbox, also if the key may not read the message', async () => {
  const inbox = await ok('POST', '/inboxes', { username: 'blind' })
  const permissions = { message_send: true }
  const key = (await world.request('POST', '/v0/api-keys', { body: { permissions } })).body.api_key
  for (const ref of [inbox.id, inbox.email]) {
    const mail = { to: 'a@b.test', text_body: 'x' }
    const sent = await ok('POST', `/inboxes/${encodeURIComponent(ref)}/messages`, mail, { key })
    expect(sent).toMatchObject({ inbox_id: inbox.id, direction: 'outbound' })
    expect(sent).not.toHaveProperty('labels')
  }
})

// Both are date-times, and no JavaScript date: SQLite compared with NULL, and PostgreSQL failed with 500.
test.each(['2026-12-01T10:00:00+01:00[Europe/Paris]', '2026-12-31T23:59:60Z', '2026-12-31T24:00:01Z', 'yesterday', ''])(
  'the time %j is refused in every filter',
  async (time) => {
    const inbox = await ok('POST', '/inboxes', { random_suffix: true })
    const filters = [
      ...['before', 'after'].flatMap((name) => [
        [`/inboxes/${inbox.id}/messages`, name],
        [`/inboxes/${inbox.id}/threads`, name],
      ]),
      ...['start', 'end'].flatMap((name) => [
        ['/metrics', name],
        ['/metrics/rates', name],
      ]),
    ]
    for (const [path, name] of filters) {
      const answer = await call('GET', `${path}?${name}=${encodeURIComponent(time)}`)
      expect(answer, `${path} ${name}`).toMatchObject({
        status: 400,
        body: { error: { code: 'validation_error', field: name } },
      })
    }
  },
)
