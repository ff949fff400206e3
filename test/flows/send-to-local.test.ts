import { expect, test } from 'vitest'
import { sharedByFile } from '../support/shared-by-file.ts'
import { startWorld } from '../support/world.ts'

/** Each test has inboxes of its own. */
const sharedWorld = sharedByFile(() => startWorld())

test('a message to another local inbox goes through the queue and causes events in both inboxes', async () => {
  const world = await sharedWorld()
  const ada = await world.agentmail.inboxes.create({ username: 'ada1', displayName: 'Ada' })
  const bob = await world.agentmail.inboxes.create({ username: 'bob1' })
  const socket = await world.subscribe({ inboxIds: [ada.inboxId, bob.inboxId] })

  const sent = await world.agentmail.inboxes.messages.send(ada.inboxId, {
    to: bob.email,
    subject: 'lunch?',
    text: 'at noon',
    html: '<p>at <b>noon</b></p>',
  })

  expect((await socket.next('message.sent')).send).toMatchObject({
    inbox_id: ada.email,
    message_id: sent.messageId,
    thread_id: sent.threadId,
    recipients: [bob.email],
  })
  const received = await socket.next('message.received')
  expect(received.message).toMatchObject({
    inbox_id: bob.email,
    message_id: sent.messageId,
    from: `Ada <${ada.email}>`,
    subject: 'lunch?',
    text: 'at noon',
    labels: ['received', 'unread'],
  })
  expect((await socket.next('message.delivered')).delivery).toMatchObject({
    inbox_id: ada.email,
    recipients: [bob.email],
  })

  const copy = await world.agentmail.inboxes.messages.get(ada.inboxId, sent.messageId)
  expect(copy.labels).toEqual(['delivered', 'sent'])
  const { body } = await world.request(
    'GET',
    `/v0/inboxes/${ada.email}/messages/${encodeURIComponent(sent.messageId)}/deliveries`,
  )
  expect(body.deliveries).toMatchObject([{ recipient: bob.email, state: 'delivered', attempts: 1 }])
})

test('a message to its own inbox is stored as one message, sent and received', async () => {
  const world = await sharedWorld()
  const ada = await world.agentmail.inboxes.create({ username: 'ada2' })
  const socket = await world.subscribe({ inboxIds: [ada.inboxId] })

  const sent = await world.agentmail.inboxes.messages.send(ada.inboxId, {
    to: ada.email,
    subject: 'note',
    text: 'to self',
  })

  expect((await socket.next('message.received')).message).toMatchObject({ message_id: sent.messageId })
  await socket.next('message.delivered')
  const { messages } = await world.agentmail.inboxes.messages.list(ada.inboxId)
  expect(messages.map(({ messageId, labels }) => ({ messageId, labels }))).toEqual([
    { messageId: sent.messageId, labels: ['delivered', 'received', 'sent', 'unread'] },
  ])
})

test('an unknown local recipient bounces, and the other recipients still get the message', async () => {
  const world = await sharedWorld()
  const ada = await world.agentmail.inboxes.create({ username: 'ada3' })
  const bob = await world.agentmail.inboxes.create({ username: 'bob3' })
  const socket = await world.subscribe({ inboxIds: [ada.inboxId, bob.inboxId] })

  const sent = await world.agentmail.inboxes.messages.send(ada.inboxId, {
    to: ['nobody@mail.localhost', bob.email],
    subject: 'hello',
    text: 'hello',
  })

  expect((await socket.next('message.received')).message.inbox_id).toBe(bob.email)
  expect((await socket.next('message.bounced')).bounce).toMatchObject({
    message_id: sent.messageId,
    type: 'Permanent',
    recipients: [{ address: 'nobody@mail.localhost', status: '5.1.1' }],
  })
  expect((await socket.next('message.delivered')).delivery.recipients).toEqual([bob.email])
  const copy = await world.agentmail.inboxes.messages.get(ada.inboxId, sent.messageId)
  expect(copy.labels).toEqual(['bounced', 'delivered', 'sent'])
})

test('Bcc recipients get the message and are in no header field', async () => {
  const world = await sharedWorld()
  const ada = await world.agentmail.inboxes.create({ username: 'ada4' })
  const bob = await world.agentmail.inboxes.create({ username: 'bob4' })
  const socket = await world.subscribe({ inboxIds: [bob.inboxId] })

  const sent = await world.agentmail.inboxes.messages.send(ada.inboxId, {
    to: 'someone@example.test',
    bcc: [bob.email],
    subject: 'secret',
    text: 'psst',
  })

  const { message } = await socket.next('message.received')
  expect(message.bcc).toBeUndefined()
  const raw = await world.agentmail.inboxes.messages.getRaw(bob.inboxId, message.message_id)
  expect(await (await fetch(raw.downloadUrl)).text()).not.toMatch(/bob4@/)
  const copy = await world.agentmail.inboxes.messages.get(ada.inboxId, sent.messageId)
  expect(copy.bcc).toEqual([bob.email]) // the sender sees Bcc, and finds the message by it
  const found = async (inboxId: string) =>
    (await world.request('GET', `/v0/inboxes/${inboxId}/messages?to=bob4@`)).body.messages.length
  expect([await found(ada.inboxId), await found(bob.inboxId)]).toEqual([1, 0])
})
