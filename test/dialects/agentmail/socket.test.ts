/** Tests the WebSocket event stream of the whole program, with the SDK's client and with bare sockets. */
import { expect, test } from 'vitest'
import { sharedByFile } from '../../support/shared-by-file.ts'
import { startWorld } from '../../support/world.ts'
import { openSocket } from './raw-socket.ts'

const sharedWorld = sharedByFile(() => startWorld())

test("the SDK's client connects, subscribes and receives a message with its bodies", async () => {
  const world = await sharedWorld()
  const { inboxId } = await world.agentmail.inboxes.create({ username: 'ada' })
  const socket = await world.agentmail.websockets.connect()
  try {
    const frames: unknown[] = []
    let notify = () => undefined as unknown
    socket.on('message', (frame) => {
      frames.push(frame)
      notify()
    })
    const next = async () => {
      while (frames.length === 0) await new Promise<unknown>((resolve) => (notify = () => resolve(undefined)))
      return frames.shift()!
    }
    socket.sendSubscribe({ type: 'subscribe', eventTypes: ['message.received'], inboxIds: [inboxId] })
    expect(await next()).toMatchObject({ type: 'subscribed', eventTypes: ['message.received'], inboxIds: [inboxId] })

    await world.smtp.send({ from: 'Ann <ann@example.test>', to: inboxId, subject: 'hello', text: 'grüße' })
    expect(await next()).toMatchObject({
      type: 'event',
      eventType: 'message.received',
      eventId: expect.stringMatching(/^evt_/),
      message: { inboxId, from: 'Ann <ann@example.test>', text: 'grüße', timestamp: expect.any(Date) },
      thread: { inboxId, messageCount: 1, senders: ['Ann <ann@example.test>'] },
    })
  } finally {
    socket.close()
  }
})

test('a message between two inboxes creates the events message.sent, message.received and message.delivered', async () => {
  const world = await sharedWorld()
  const ada = (await world.agentmail.inboxes.create({ username: 'bea' })).inboxId
  const bob = (await world.agentmail.inboxes.create({ username: 'bob' })).inboxId
  const socket = await world.subscribe({ inboxIds: [ada, bob] })
  const sent = await world.agentmail.inboxes.messages.send(ada, { to: bob, subject: 's', text: 'x' })
  const about = { inbox_id: ada, message_id: sent.messageId, thread_id: sent.threadId }
  expect(await socket.next('message.sent')).toMatchObject({ send: { ...about, recipients: [bob] } })
  expect(await socket.next('message.received')).toMatchObject({ message: { inbox_id: bob } })
  expect(await socket.next('message.delivered')).toMatchObject({ delivery: { ...about, recipients: [bob] } })
})

test('optional event types are sent only to subscribers that name them', async () => {
  const world = await sharedWorld()
  const ada = (await world.agentmail.inboxes.create({ username: 'cat' })).inboxId
  const named = await world.subscribe({ eventTypes: ['label.added', 'message.held', 'inbox.created'] })
  const standard = await world.subscribe({ inboxIds: [ada] })
  const { messageId } = await world.agentmail.inboxes.messages.send(ada, { to: 'cy@example.test', text: 'x' })
  expect(await named.next('message.held')).toMatchObject({ hold: { recipients: ['cy@example.test'] } })
  await world.agentmail.inboxes.messages.update(ada, messageId, { addLabels: 'vip' })
  expect(await named.next('label.added')).toMatchObject({ label: { message_id: messageId, label: 'vip' } })
  await world.agentmail.inboxes.create({ username: 'dot' })
  expect(await named.next('inbox.created')).toMatchObject({ inbox: { inbox_id: 'dot@mail.localhost' } })

  await world.smtp.send({ to: ada, text: 'y' })
  expect(await standard.next()).toMatchObject({ event_type: 'message.sent' })
  expect(await standard.next()).toMatchObject({ event_type: 'message.received' })
})

test('a subscribe that the key does not permit is refused with an error frame', async () => {
  const world = await sharedWorld()
  const ada = (await world.agentmail.inboxes.create({ username: 'eva' })).inboxId
  const bob = (await world.agentmail.inboxes.create({ username: 'flo' })).inboxId
  const { body } = await world.request('POST', `/v0/inboxes/${ada}/api-keys`, {
    body: { permissions: { message_read: true } },
  })
  await using socket = await openSocket(`${world.url}/v0`, { authorization: `Bearer ${body.api_key}` })
  const ask = async (frame: object) => {
    socket.send({ type: 'subscribe', ...frame })
    return socket.next()
  }
  expect(await ask({ inbox_ids: [bob] })).toMatchObject({
    ...{ type: 'error', name: 'NotFoundError', message: 'Inbox not found' },
    fix: `There is no inbox ${bob} in the scope of this key.`,
  })
  expect(await ask({ pod_ids: ['none'] })).toMatchObject({ type: 'error' })
  expect(await ask({ event_types: ['message.received.spam'] })).toMatchObject({
    type: 'error',
    name: 'ForbiddenError',
    message: 'label_spam_read is forbidden',
  })
  expect(await ask({ event_types: ['message.eaten'] })).toMatchObject({ type: 'error', code: 'validation_error' })
  expect(await ask({ event_types: ['key.revoked'] })).toMatchObject({ type: 'error', code: 'validation_error' })
  expect(await ask({ after: 'nonsense' })).toMatchObject({ type: 'error', code: 'validation_error' })
  expect(await ask({})).toEqual({ type: 'subscribed', cursor: expect.any(String) })

  await world.smtp.send({ to: bob, text: 'not for ada', messageId: '<1@x.test>' })
  await world.smtp.send({ to: ada, text: 'for ada', messageId: '<2@x.test>' })
  expect(await socket.next()).toMatchObject({ message: { message_id: '<2@x.test>' } })
})

test('a deleted key closes its sockets with 1008, and cannot reconnect', async () => {
  const world = await sharedWorld()
  const { body: key } = await world.request('POST', '/v0/api-keys', { body: {} })
  const socket = await world.subscribe({ key: key.api_key })
  await world.agentmail.apiKeys.delete(key.api_key_id)
  expect(await socket.closed).toEqual({ code: 1008, reason: 'revoked' })
  await expect(openSocket(`${world.url}/v0?api_key=${key.api_key}`)).rejects.toThrow(/^401 .*unknown_api_key/)
})

test('a client that reconnects with a cursor gets every missed event once, in order, even after a restart', async () => {
  await using world = await startWorld()
  const ada = (await world.agentmail.inboxes.create({ username: 'ada' })).inboxId
  const first = await world.subscribe({ inboxIds: [ada] })
  await world.smtp.send({ to: ada, subject: '1', text: 'x' })
  const { cursor } = await first.next('message.received')
  first.close()
  await world.smtp.send({ to: ada, subject: '2', text: 'x' })
  await world.restart()
  const second = await world.subscribe({ inboxIds: [ada], after: cursor })
  await world.smtp.send({ to: ada, subject: '3', text: 'x' })
  expect((await second.next()).message.subject).toBe('2')
  expect((await second.next()).message.subject).toBe('3')
  const all = await world.subscribe({ inboxIds: [ada], after: 'earliest' })
  for (const subject of ['1', '2', '3']) expect((await all.next()).message.subject).toBe(subject)
})

test('a stop closes sockets with a code that makes clients reconnect', async () => {
  await using world = await startWorld()
  const node = await world.subscribe()
  await using python = await openSocket(`${world.url}/v0`, {
    authorization: `Bearer ${world.rootKey}`,
    'x-fern-language': 'Python',
  })
  await world.stop()
  expect(await node.closed).toMatchObject({ code: 1012 })
  expect(await python.closed).toMatchObject({ code: 1001 })
})

test('a message too large for a Python client is sent without its bodies, which the API returns', async () => {
  const world = await sharedWorld()
  const ada = (await world.agentmail.inboxes.create({ username: 'gil' })).inboxId
  const socket = await world.subscribe({ inboxIds: [ada] })
  let bytes = 0
  socket.raw.on('message', (data) => {
    bytes = Math.max(bytes, (data as Buffer).length)
  })
  const text = 'grüße '.repeat(200_000)
  await world.smtp.send({ to: ada, subject: 'long', text, messageId: '<1@x.test>' })
  const event = await socket.next('message.received')
  expect(event).toMatchObject({
    truncated: true,
    message: { message_id: '<1@x.test>', subject: 'long' },
    thread: { subject: 'long' },
  })
  expect(event.message).not.toHaveProperty('text')
  expect(bytes).toBeLessThanOrEqual(1_000_000)
  expect((await world.agentmail.inboxes.messages.get(ada, '<1@x.test>')).text?.trim()).toBe(text.trim())
})

test('a deleted key also closes a socket that has not subscribed', async () => {
  await using world = await startWorld()
  const { body } = await world.request('POST', '/v0/api-keys', { body: { name: 'short' } })
  const headers = { authorization: `Bearer ${body.api_key}` }
  const connect = () => openSocket(`${world.url.replace('http', 'ws')}/v0`, headers)
  await using silent = await connect()
  await using subscribed = await connect()
  subscribed.send({ type: 'subscribe' })
  expect(await subscribed.next()).toMatchObject({ type: 'subscribed' })
  const { body: metrics } = await world.request('GET', '/metrics')
  expect(metrics).toContain('martlet_event_subscriptions 2') // the socket that has subscribed is counted once
  await world.agentmail.apiKeys.delete(body.api_key_id)
  expect(await silent.closed).toEqual({ code: 1008, reason: 'revoked' })
  expect(await subscribed.closed).toEqual({ code: 1008, reason: 'revoked' })
})
