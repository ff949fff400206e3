/** Programs that answer each other, and mail that goes round in circles, stop by themselves. */
import { afterAll, beforeAll, expect, test } from 'vitest'
import { startWorld, type World } from '../support/world.ts'

const REPLIES_MAX = 3

let world: World
beforeAll(async () => {
  world = await startWorld({ env: { MARTLET_THREAD_REPLIES: String(REPLIES_MAX) } })
})
afterAll(() => world[Symbol.asyncDispose]())

/** A program with AgentMail's SDK that answers every message of its inbox. */
async function startAgent(username: string) {
  const client = world.agentmail
  const { inboxId } = await client.inboxes.create({ username })
  const socket = await client.websockets.connect()
  const answers: Promise<unknown>[] = []
  socket.on('message', (event) => {
    if (event.type !== 'event' || event.eventType !== 'message.received') return
    const { messageId } = event.message
    answers.push(client.inboxes.messages.reply(inboxId, messageId, { text: 'Thank you for your message.' }))
  })
  await socket.waitForOpen()
  socket.sendSubscribe({ type: 'subscribe', inboxIds: [inboxId] })
  return { client, inboxId, answers, [Symbol.dispose]: () => socket.close() }
}

test('two agents that answer each other stop, and a person can let them go on', async () => {
  using ada = await startAgent('ada')
  using bob = await startAgent('bob')
  const held = await world.subscribe({ eventTypes: ['message.held'] })
  await ada.client.inboxes.messages.send(ada.inboxId, { to: bob.inboxId, subject: 'hello', text: 'How are you?' })
  const { event_type } = await held.next()
  expect(event_type).toBe('message.held')

  // Bob answers first, so he is the first who has used up his replies.
  await expect.poll(() => bob.answers.length).toBe(REPLIES_MAX + 1)
  await Promise.all([...ada.answers, ...bob.answers])
  expect(ada.answers).toHaveLength(REPLIES_MAX)
  const { messages } = await bob.client.inboxes.messages.list(bob.inboxId)
  const { messageId } = messages.find(({ labels }) => !labels.includes('received') && !labels.includes('sent'))!
  const path = `/v0/inboxes/${bob.inboxId}/messages/${encodeURIComponent(messageId)}/deliveries`
  const [delivery] = (await world.request('GET', path)).body.deliveries
  expect(delivery).toMatchObject({ state: 'held', history: [{ reply: 'Held by system:reply-loop-guard' }] })

  expect((await world.request('POST', `${path}/release`)).status).toBe(200)
  await expect.poll(() => ada.answers.length).toBe(REPLIES_MAX + 1)
  // The answer of Ada is beyond her budget, too.
  await held.next()
  await Promise.all(ada.answers)
  expect(bob.answers).toHaveLength(REPLIES_MAX + 1)
})

test('the budget is one per thread; forwards and new messages do not count', async () => {
  const { inboxId } = await world.agentmail.inboxes.create({ username: 'cleo' })
  const received = async (subject: string) => {
    const socket = await world.subscribe({ inboxIds: [inboxId] })
    await world.smtp.send({ to: inboxId, subject, text: 'x' })
    return (await socket.next('message.received')).message.message_id as string
  }
  const [first, second] = [await received('one'), await received('two')]
  const send = (parent: string) => world.agentmail.inboxes.messages.reply(inboxId, parent, { text: 'ok' })
  const isSent = async (messageId: string) =>
    (await world.agentmail.inboxes.messages.get(inboxId, messageId)).labels.includes('sent')
  for (let index = 0; index < REPLIES_MAX; index += 1) expect(await isSent((await send(first)).messageId)).toBe(true)
  expect(await isSent((await send(first)).messageId)).toBe(false)
  // A draft whose message is held is gone too, and its event names the message.
  const socket = await world.subscribe({
    inboxIds: [inboxId],
    eventTypes: ['message.held', 'message.sent', 'draft.sent'],
  })
  const { draftId } = await world.agentmail.inboxes.drafts.create(inboxId, { inReplyTo: first, text: 'ok' })
  const { messageId } = await world.agentmail.inboxes.drafts.send(inboxId, draftId, {})
  expect(await socket.next()).toMatchObject({ event_type: 'message.held', hold: { message_id: messageId } })
  const became = { draft_id: draftId, message_id: messageId }
  expect(await socket.next()).toMatchObject({ event_type: 'draft.sent', draft: became })
  expect(await isSent((await send(second)).messageId)).toBe(true)
  const forward = await world.agentmail.inboxes.messages.forward(inboxId, first, { to: ['x@example.test'] })
  expect(await isSent(forward.messageId)).toBe(true)
})

test.each([
  ['Auto-Submitted: auto-replied', 'refused'],
  ['auto-submitted: auto-generated (by a robot)', 'refused'],
  ['Precedence: bulk', 'refused'],
  ['List-Id: <list.example.test>', 'refused'],
  ['X-Auto-Response-Suppress: DR, OOF, AutoReply', 'refused'],
  ['x-auto-response-suppress: all', 'refused'],
  ['X-Auto-Response-Suppress: DR, NDR, RN, NRN', 'sent'],
  ['X-Auto-Response-Suppress: None', 'sent'],
  ['Auto-Submitted: no', 'sent'],
  ['X-Other: auto-replied', 'sent'],
])('an automatic answer to a message with "%s" is %s', async (field, expected) => {
  const username = `auto-${field.replace(/\W+/g, '-').toLowerCase().slice(0, 40)}x`
  const { inboxId } = await world.agentmail.inboxes.create({ username })
  const socket = await world.subscribe({ inboxIds: [inboxId] })
  const raw = `From: ann@example.test\r\nTo: ${inboxId}\r\nSubject: hi\r\n${field}\r\n\r\nhello\r\n`
  await world.smtp.send({ envelope: { from: 'ann@example.test', to: inboxId }, raw })
  const { message } = await socket.next('message.received')
  const path = `/v0/inboxes/${inboxId}/messages/${encodeURIComponent(message.message_id)}/reply`
  const answer = await world.request('POST', path, {
    body: { text: 'x', headers: { 'Auto-Submitted': 'auto-replied' } },
  })
  if (expected === 'sent') return expect(answer.status).toBe(200)
  expect(answer).toMatchObject({ status: 403, body: { code: 'automatic_loop' } })
  // A person, who does not declare it automatic, can answer.
  expect((await world.request('POST', path, { body: { text: 'x' } })).status).toBe(200)
})

test('a message that has gone through more than a hundred servers is refused', async () => {
  const { inboxId } = await world.agentmail.inboxes.create({ username: 'dora' })
  const send = (count: number) =>
    world.smtp.send({
      envelope: { from: 'ann@example.test', to: inboxId },
      raw: `${'Received: from a by b; Mon, 30 Nov 2026 06:00:00 +0000\r\n'.repeat(count)}From: ann@example.test\r\n\r\nx`,
    })
  await send(99) // and ours
  await expect(send(100)).rejects.toThrow('554 5.4.6 Mail loop: the message has gone through more than 100 servers')
})
