/** Requests that only clients and documentation of 2024 and 2025 send, as they are on the wire. */
import { afterAll, beforeAll, expect, test } from 'vitest'
import { startWorld, type World } from '../../support/world.ts'

let world: World
beforeAll(async () => {
  world = await startWorld({ startPaused: true })
})
afterAll(() => world[Symbol.asyncDispose]())

test('a message is sent with a POST to the list, with the label that older clients add', async () => {
  const { inboxId } = await world.agentmail.inboxes.create({ username: 'ada' })
  const messages = `/v0/inboxes/${encodeURIComponent(inboxId)}/messages`
  const attachments = [{ filename: 'a.txt', content: 'YQ==', content_type: 'text/plain' }]
  const body = { to: ['bob@example.test'], subject: 'Hi', text: 'Hello', labels: ['sent', 'own'], attachments }
  const { status, body: sent } = await world.request('POST', messages, { body })
  expect({ status, sent }).toEqual({
    status: 200,
    sent: { message_id: expect.stringMatching(/^<.+>$/), thread_id: expect.any(String) },
  })
  expect((await world.agentmail.inboxes.messages.get(inboxId, sent.message_id)).labels).toEqual(['own', 'sent'])
  const thread = (await world.request('GET', `/v0/threads/${sent.thread_id}`)).body
  expect(thread).toMatchObject({
    participants: [inboxId, 'bob@example.test'],
    last_message_at: thread.timestamp,
    message_count: 1,
  })
})

test('a webhook is changed with a PUT of all its members', async () => {
  const body = { url: 'https://example.com/a', event_types: ['message.received'], enabled: true }
  const { body: made } = await world.request('POST', '/v0/webhooks', { body })
  const put = { url: 'https://example.com/b', event_types: ['message.sent'], inbox_ids: [], enabled: false }
  const { status, body: changed } = await world.request('PUT', `/v0/webhooks/${made.webhook_id}`, { body: put })
  expect(status).toBe(200)
  expect(changed).toMatchObject({
    webhook_id: made.webhook_id,
    url: put.url,
    event_types: put.event_types,
    enabled: false,
  })
})

test('an error also has the nested object, with the code in capitals and the field', async () => {
  const { status, body } = await world.request('POST', '/v0/inboxes', { body: { username: 7 } })
  expect(status).toBe(400)
  expect(body).toEqual({
    ...{ name: 'ValidationError', code: 'validation_error', message: body.message },
    errors: [{ path: ['username'], message: body.message }],
    error: {
      ...{ type: 'validation_error', message: body.message },
      details: { code: 'VALIDATION_ERROR', field: 'username' },
    },
  })
  const missing = (await world.request('GET', '/v0/inboxes/none@example.test')).body
  expect(missing.error).toEqual({ type: 'not_found', message: 'Inbox not found', details: { code: 'NOT_FOUND' } })
})

test('bare /metrics is /metrics/events, last_key is page_token, and flags for threads are ignored', async () => {
  const { inboxId } = await world.agentmail.inboxes.create()
  const { podId } = await world.agentmail.inboxes.get(inboxId)
  for (const level of ['', `/pods/${podId}`, `/inboxes/${encodeURIComponent(inboxId)}`]) {
    const query = 'period=3600&event_types=message.sent,message.delayed'
    const [older, newer] = await Promise.all(
      ['metrics', 'metrics/events'].map((name) => world.request('GET', `/v0${level}/${name}?${query}`)),
    )
    expect(older!.status, level).toBe(200)
    expect(older!.body, level).toEqual(newer!.body)
  }
  const first = (await world.request('GET', '/v0/inboxes?limit=1')).body
  const second = (await world.request('GET', `/v0/inboxes?limit=1&last_key=${first.next_page_token}`)).body
  expect(second.inboxes[0].inbox_id).not.toBe(first.inboxes[0].inbox_id)
  const permissions = { message_read: true, thread_read: true, thread_delete: true }
  const { body: key } = await world.request('POST', '/v0/api-keys', { body: { permissions } })
  expect(key.permissions).toEqual({ message_read: true })
})
