/**
 * Tests what allow and block lists, and a paused inbox, do with mail: over real SMTP, with AgentMail's client.
 * test/inboxes/list-rules.test.ts has the cases of the rules.
 */
import { afterAll, beforeAll, expect, test } from 'vitest'
import { startWorld, type World } from '../support/world.ts'

/** One server for all tests: each uses inboxes of its own. */
let world: World
beforeAll(async () => {
  world = await startWorld()
})
afterAll(() => world[Symbol.asyncDispose]())

async function createInbox(username: string) {
  const { podId } = await world.agentmail.pods.create({})
  const { inboxId } = await world.agentmail.pods.inboxes.create(podId, { username })
  return { podId, inboxId, lists: world.agentmail.inboxes.lists, messages: world.agentmail.inboxes.messages }
}

/** Receives a message. @returns its id */
async function receive(to: string, mail: { from: string; inReplyTo?: string; references?: string }): Promise<string> {
  return (await world.smtp.send({ to, subject: 'hi', text: 'hello', ...mail })).messageId
}

/** @returns the labels of a message */
async function labelsOf(inboxId: string, messageId: string): Promise<string[]> {
  return (await world.agentmail.inboxes.messages.get(inboxId, messageId)).labels
}

const arrived = ['received', 'unread']
const blocked = ['blocked', 'received', 'unread']

test('mail from a blocked sender is stored as blocked, with an event of its own', async () => {
  const { inboxId, podId, lists, messages } = await createInbox('ada')
  const standard = await world.subscribe({ inboxIds: [inboxId] })
  const named = await world.subscribe({ inboxIds: [inboxId], eventTypes: ['message.received.blocked'] })
  await world.agentmail.pods.lists.create(podId, 'receive', 'block', { entry: 'spam.test' })
  await lists.create(inboxId, 'receive', 'block', { entry: 'ann@ok.test' })

  const first = await receive(inboxId, { from: 'Eve <eve@Mail.SPAM.test>' })
  const second = await receive(inboxId, { from: 'ann@ok.test' })
  const third = await receive(inboxId, { from: 'bob@ok.test' })
  expect([await labelsOf(inboxId, first), await labelsOf(inboxId, second)]).toEqual([blocked, blocked])
  expect((await standard.next('message.received')).message.message_id).toBe(third)
  for (const id of [first, second]) {
    const { message, thread } = await named.next('message.received.blocked')
    expect(message).toMatchObject({ message_id: id, labels: blocked, text: 'hello' })
    expect(thread).toMatchObject({ message_count: 1, last_message_id: id })
  }
  expect((await messages.list(inboxId)).messages.map(({ messageId }) => messageId)).toEqual([third])
  expect((await messages.list(inboxId, { includeBlocked: true })).count).toBe(3)

  await lists.delete(inboxId, 'receive', 'block', 'ann@ok.test')
  expect(await labelsOf(inboxId, await receive(inboxId, { from: 'ann@ok.test' }))).toEqual(arrived)
})

test('an allow list lets only its senders in, and one message is judged for each of its inboxes', async () => {
  const one = await createInbox('one')
  const two = await createInbox('two')
  await one.lists.create(one.inboxId, 'receive', 'allow', { entry: 'friends.test' })
  const send = async (from: string) => {
    const { messageId } = await world.smtp.send({ from, to: [one.inboxId, two.inboxId], text: 'x' })
    return [await labelsOf(one.inboxId, messageId), await labelsOf(two.inboxId, messageId)]
  }
  expect(await send('ann@friends.test')).toEqual([arrived, arrived])
  expect(await send('ann@others.test')).toEqual([blocked, arrived])
  expect(await send('"Ann <ann@friends.test>" <eve@others.test>')).toEqual([blocked, arrived])
})

test('mail that answers a message of the inbox is compared with the reply lists alone', async () => {
  const { inboxId, lists, messages } = await createInbox('cleo')
  const sent = await messages.send(inboxId, { to: 'ann@far.test', subject: 'hi', text: 'hello' })
  await lists.create(inboxId, 'receive', 'block', { entry: 'far.test' })
  const from = 'ann@far.test'
  const labels = async (mail: { inReplyTo?: string; references?: string }) =>
    labelsOf(inboxId, await receive(inboxId, { from, ...mail }))
  expect(await labels({})).toEqual(blocked)
  expect(await labels({ inReplyTo: sent.messageId })).toEqual(arrived)
  expect(await labels({ inReplyTo: '<other@far.test>', references: `<x@y.test> ${sent.messageId}` })).toEqual(arrived)
  // A message that the inbox has received is not one of its own.
  const received = await receive(inboxId, { from: 'bob@near.test' })
  expect(await labels({ inReplyTo: received })).toEqual(blocked)

  await lists.create(inboxId, 'reply', 'allow', { entry: 'near.test' })
  expect(await labels({ inReplyTo: sent.messageId })).toEqual(blocked)
  await lists.create(inboxId, 'reply', 'allow', { entry: from })
  expect(await labels({ inReplyTo: sent.messageId })).toEqual(arrived)
})

test('a send to a blocked recipient is refused, and the error says how to change that', async () => {
  const { inboxId, podId, lists, messages } = await createInbox('dora')
  const send = (to: string[]) => messages.send(inboxId, { to, subject: 'hi', text: 'hello' })
  const refused = (message: string, fix: string[]) => ({
    statusCode: 403,
    body: {
      name: 'MessageRejectedError',
      code: 'message_rejected',
      message: `Message rejected: Recipient(s) blocked: ${message}`,
      fix: fix.join(' '),
    },
  })
  await lists.create(inboxId, 'send', 'block', { entry: 'ann@a.test' })
  await world.agentmail.pods.lists.create(podId, 'send', 'block', { entry: 'b.test' })
  const atInbox = `/v0/inboxes/${encodeURIComponent(inboxId)}/lists/send`
  await expect(send(['Ann <ann@a.test>', 'cy@c.test', 'bob@x.b.test'])).rejects.toMatchObject(
    refused('ann@a.test (in block list), bob@x.b.test (b.test is in block list)', [
      `Delete the entry ann@a.test from the send block list of the inbox ${inboxId}: DELETE ${atInbox}/block/ann%40a.test.`,
      `Delete the entry b.test from the send block list of the pod ${podId}: DELETE /v0/pods/${podId}/lists/send/block/b.test.`,
    ]),
  )
  expect((await messages.list(inboxId)).count).toBe(0)
  const received = await receive(inboxId, { from: 'ann@a.test' })
  await expect(messages.reply(inboxId, received, { text: 'no' })).rejects.toMatchObject({ statusCode: 403 })

  await lists.delete(inboxId, 'send', 'block', 'ann@a.test')
  await send(['ann@a.test'])
  await lists.create(inboxId, 'send', 'allow', { entry: 'c.test' })
  await expect(send(['ann@a.test', 'cy@c.test'])).rejects.toMatchObject(
    refused('ann@a.test (not in allow list)', [
      `Add ann@a.test to the send allow list of the inbox ${inboxId}: POST ${atInbox}/allow.`,
    ]),
  )
  await send(['cy@c.test'])
})
