/** Quotas of inboxes, and how long they keep messages: through SMTP, the API and events. All tests share one server. */
import { afterAll, beforeAll, expect, test } from 'vitest'
import { startWorld, type World } from '../support/world.ts'

const DAY = 24 * 60 * 60 * 1_000
let now = Date.now()
let world: World
beforeAll(async () => {
  world = await startWorld({
    clock: () => now,
    env: { MARTLET_INBOX_MESSAGES_MAX: '3', MARTLET_RETENTION: '30d' },
    limits: { policy: { retentionCheckMs: 20, refusalFlushMs: 20 } },
  })
})
afterAll(() => world[Symbol.asyncDispose]())

const patch = (inbox: string, body: object, key?: string) =>
  world.request('PATCH', `/v0/inboxes/${inbox}`, { body, ...(key !== undefined && { key }) })
const full = (inbox: string) => `452 4.2.2 The inbox ${inbox} is full`

test('mail for an inbox that is full is deferred, and accepted when it has space', async () => {
  const { inboxes } = world.agentmail
  const ada = (await inboxes.create({ username: 'ada' })).inboxId
  const bob = (await inboxes.create({ username: 'bob' })).inboxId
  const socket = await world.subscribe({ eventTypes: ['message.refused', 'message.delayed', 'message.received'] })
  for (let count = 0; count < 3; count += 1) await world.smtp.send({ to: ada, text: `${count}` })
  await expect(world.smtp.send({ to: ada, text: 'x' })).rejects.toThrow(full(ada))
  expect((await socket.next('message.refused')).refusal).toMatchObject({ inbox_id: ada, code: 'inbox_full', count: 1 })
  // Mail of this server waits in the queue.
  await inboxes.messages.send(bob, { to: ada, text: 'local' })
  expect((await socket.next('message.delayed')).delay.reply).toBe(`The inbox ${ada} is full; will retry`)

  const made = await patch(ada, { quota_bytes: 3_000 })
  expect(made).toMatchObject({ status: 200, body: { quota_bytes: 3_000 } })
  const { messages } = await inboxes.messages.list(ada)
  for (const { messageId } of messages) await inboxes.messages.delete(ada, messageId)
  await world.smtp.send({ to: ada, text: 'small' })
  // RFC 1870 §6.1: what the client announces counts.
  const announced = { envelope: { from: 'a@x.test', to: ada, size: 4_000 }, raw: 'Subject: x\r\n\r\nx' }
  await expect(world.smtp.send(announced as object)).rejects.toThrow(full(ada))
})

test("the postmaster's inbox is never full", async () => {
  for (let count = 0; count < 4; count += 1) await world.smtp.send({ to: 'abuse@mail.localhost', text: `${count}` })
})

test('a tenant can lower what the operator has set; only the root key can raise it', async () => {
  const { inboxes } = world.agentmail
  const cy = (await inboxes.create({ username: 'cy' })).inboxId
  const key = (await world.request('POST', '/v0/api-keys', { body: { name: 'tenant' } })).body.api_key
  expect((await patch(cy, { quota_messages: 2, retention_days: 7 }, key)).status).toBe(200)
  for (const body of [{ quota_messages: 4 }, { quota_messages: 0 }, { retention_days: 31 }, { retention_days: 0 }])
    expect((await patch(cy, body, key)).status).toBe(403)
  expect((await patch(cy, { quota_messages: 4 })).body).toMatchObject({ quota_messages: 4, retention_days: 7 })
  expect((await patch(cy, { quota_messages: null })).body).not.toHaveProperty('quota_messages')
  for (const body of [{ quota_bytes: -1 }, { retention_days: 1.5 }, { quota_messages: 'many' }])
    expect((await patch(cy, body)).status).toBe(400)
})

test('a key of the inbox itself cannot change its limits, and its retention needs the permission to delete', async () => {
  const { inboxId } = await world.agentmail.inboxes.create({ username: 'fay' })
  const keyOf = async (body: object, path = '/v0/api-keys') =>
    (await world.request('POST', path, { body })).body.api_key
  const own = await keyOf({ name: 'own' }, `/v0/inboxes/${inboxId}/api-keys`)
  expect((await patch(inboxId, { display_name: 'Fay' }, own)).status).toBe(200)
  for (const body of [{ quota_messages: 2 }, { quota_bytes: null }, { retention_days: 1 }])
    expect((await patch(inboxId, body, own)).body).toMatchObject({ name: 'ForbiddenError' })
  const updating = await keyOf({ name: 'updates', permissions: { inbox_read: true, inbox_update: true } })
  expect((await patch(inboxId, { quota_messages: 2 }, updating)).status).toBe(200)
  expect((await patch(inboxId, { retention_days: 1 }, updating)).status).toBe(403)
  const creating = await keyOf({ name: 'creates', permissions: { inbox_create: true } })
  const create = (body: object) => world.request('POST', '/v0/inboxes', { key: creating, body })
  for (const retention_days of [1, 0]) {
    const refused = await create({ retention_days })
    expect([refused.status, refused.body.code, refused.body.fix]).toEqual([
      403,
      'missing_permission',
      expect.stringContaining('message_delete'),
    ])
  }
  expect((await create({ quota_messages: 2, retention_days: null })).status).toBe(200)
  const unlimited = (await world.request('GET', `/v0/inboxes/${inboxId}`)).body
  expect([unlimited.quota_messages, unlimited.retention_days]).toEqual([2, undefined])
})

test('messages are deleted when they are older than their inbox keeps them', async () => {
  const { inboxes } = world.agentmail
  const [dan, eve] = [await inboxes.create({ username: 'dan' }), await inboxes.create({ username: 'eve' })]
  await patch(dan.inboxId, { retention_days: 2 })
  const socket = await world.subscribe({
    inboxIds: [dan.inboxId, eve.inboxId],
    eventTypes: ['message.expired', 'message.received'],
  })
  const { messageId } = await world.smtp.send({ to: [dan.inboxId, eve.inboxId], text: 'old' })
  now += 2 * DAY + 1
  expect((await socket.next('message.expired')).expiry).toMatchObject({
    ...{ inbox_id: dan.inboxId, message_id: messageId, labels: ['received', 'unread'] },
  })
  expect((await inboxes.messages.list(dan.inboxId)).count).toBe(0)
  expect((await inboxes.messages.list(eve.inboxId)).count).toBe(1)
  now += 29 * DAY
  expect((await socket.next('message.expired')).expiry).toMatchObject({ inbox_id: eve.inboxId })
})
