/** Tests webhooks of the inboxai dialect with a receiver, which verifies them with the `svix` package. */
import { Webhook as SvixWebhook } from 'svix'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { renderEvent } from '../../../src/edges/http/dialects/inboxai/wire/inboxai-event-wire.ts'
import type { Event } from '../../../src/mail/events/log/event.ts'
import { startWebhookSink, type WebhookSink } from '../../support/webhook-sink.ts'
import { startWorld, type World } from '../../support/world.ts'

let world: World
let sink: WebhookSink
beforeAll(async () => {
  sink = await startWebhookSink()
  // No sender is trusted, so that the received message is unauthenticated.
  const env = { MARTLET_TRUSTED_NETWORKS: 'none', MARTLET_DNS_SERVERS: '127.0.0.1:1' }
  world = await startWorld({ env, limits: { dns: { tryMs: 10, triesMax: 1 } } })
})
afterAll(async () => {
  await world?.[Symbol.asyncDispose]()
  await sink?.[Symbol.asyncDispose]()
})

async function ok(method: string, path: string, body?: unknown) {
  const answer = await world.request(method, `/api/v0${path}`, { ...(body !== undefined && { body }) })
  expect(answer.status, JSON.stringify(answer.body)).toBeLessThan(300)
  return answer.body
}

test('events are signed, have seven types and the ids of this dialect; mail that was not authenticated is received', async () => {
  const inbox = await ok('POST', '/inboxes', { username: 'hooked' })
  const hook = await ok('POST', '/webhooks', { url: `${sink.url}/hook`, inbox_ids: [inbox.email_address] })
  expect(hook).toMatchObject({ inbox_ids: [inbox.inbox_id], secret: expect.stringMatching(/^whsec_/) })
  expect(hook.event_types).toEqual([
    ...['message.received', 'message.sent', 'message.delivered', 'message.bounced', 'message.complained'],
    ...['message.rejected', 'domain.verified'],
  ])
  await world.smtp.send({ to: inbox.email_address, subject: 'in', text: 'x' })
  const [received] = await sink.count(1)
  const { messages } = await ok('GET', `/inboxes/${inbox.inbox_id}/messages`)
  expect(messages[0].labels).toContain('unauthenticated')
  const { message_id, thread_id, header_message_id } = messages[0]
  expect(
    new SvixWebhook(hook.secret).verify(received!.body, received!.headers as Record<string, string>),
  ).toMatchObject({
    ...{ type: 'event', event_type: 'message.received', event_id: expect.stringMatching(/^evt_/) },
    message: { inbox_id: inbox.inbox_id, message_id, thread_id, header_message_id, subject: 'in', text: 'x' },
    thread: { inbox_id: inbox.inbox_id, thread_id, message_count: 1 },
  })
  expect(received!.headers['webhook-signature']).toBe(received!.headers['svix-signature'])

  const sent = await ok('POST', `/inboxes/${inbox.inbox_id}/messages/send`, { to: 'a@b.test', text: 'x' })
  const { event } = (await sink.count(2))[1]!
  expect(event).toMatchObject({ event_type: 'message.sent', send: { inbox_id: inbox.inbox_id, ...sent } })
})

test('lists contain mail that was not authenticated, and no spam', async () => {
  const inbox = await ok('POST', '/inboxes', { username: 'mixed' })
  await world.smtp.send({ to: inbox.email_address, text: 'x' })
  const at = `/inboxes/${inbox.inbox_id}`
  const listed = async () => [(await ok('GET', `${at}/messages`)).count, (await ok('GET', `${at}/threads`)).count]
  expect(await listed()).toEqual([1, 1])
  const [item] = (await ok('GET', `${at}/messages`)).messages
  await ok('PATCH', `${at}/messages/${item.message_id}`, { add_labels: 'spam' })
  expect(await listed()).toEqual([0, 0])
  expect(await ok('GET', `${at}/messages/${item.message_id}`)).toMatchObject({ message_id: item.message_id })
})

test('a webhook is changed, rotated, deleted, and hidden from other dialects', async () => {
  const inbox = await ok('POST', '/inboxes', { username: 'managed' })
  const made = await ok('POST', '/webhooks', { url: sink.url, event_types: ['message.sent'], client_id: 'hook-1' })
  expect(await ok('POST', '/webhooks', { url: sink.url, client_id: 'hook-1' })).toEqual(made)
  expect(await ok('GET', '/webhooks/hook-1')).toEqual(made)
  const at = `/webhooks/${made.webhook_id}`
  const change = { event_types: ['message.received'], inbox_ids: [inbox.inbox_id], enabled: false }
  expect(await ok('PATCH', at, change)).toMatchObject({ ...change, webhook_id: made.webhook_id })
  expect((await ok('GET', '/webhooks')).webhooks[0]).toMatchObject(change)
  expect((await ok('POST', `${at}/rotate-secret`)).secret).not.toBe(made.secret)
  for (const path of ['/v0', '/api/v1']) expect((await world.request('GET', `${path}${at}`)).status).toBe(404)
  const unknown = { url: sink.url, event_types: ['message.received.spam'] }
  expect(await world.request('POST', '/api/v0/webhooks', { body: unknown })).toMatchObject({
    ...{ status: 400, body: { message: expect.stringContaining('message.received.spam') } },
  })
  await ok('DELETE', at)
  expect((await world.request('GET', `/api/v0${at}`)).status).toBe(404)
})

test('a complaint has its data, a verified domain its status, and other types have no form here', () => {
  const uuid = (digit: number) => `${digit}0000000-0000-7000-8000-000000000000`
  const eventOf = (type: string, payload: object): Event => ({
    ...{ seq: 1, cursor: 'c', eventId: uuid(1), at: 0, type, organizationId: uuid(2), podId: uuid(4) },
    ...{ inboxId: uuid(5), messageId: uuid(6) },
    payload: { inboxAddress: 'a@b.test', threadId: uuid(3), apiMessageId: '<1@x.test>', timestamp: 1_000, ...payload },
  })
  const complaint = { complaintType: 'abuse', complaintSubType: '', recipients: ['x@y.test'] }
  expect(renderEvent(eventOf('message.complained', complaint), {})).toMatchObject({
    complaint: {
      ...{ inbox_id: expect.stringMatching(/^5\w{25}|^2\w{25}$/), message_id: expect.stringMatching(/^msg_/) },
      ...{ header_message_id: '<1@x.test>', recipients: ['x@y.test'] },
    },
  })
  for (const type of [
    'message.opened',
    'message.held',
    'label.added',
    'message.received.spam',
    'message.deleted',
    'draft.updated',
  ]) {
    expect(renderEvent(eventOf(type, { labels: [], label: 'x', recipients: [], thread: {} }), {})).toBeUndefined()
  }
})
