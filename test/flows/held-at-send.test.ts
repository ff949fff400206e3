/**
 * Tests mail that is sent with `hold: true`: it waits in the queue until a person releases or cancels it, and counts as
 * sent only from its release on. Each test would fail if a message left early: the local recipient would have it.
 */
import { afterAll, beforeAll, expect, test } from 'vitest'
import { startWorld, type World } from '../support/world.ts'

let world: World
beforeAll(async () => {
  world = await startWorld()
})
afterAll(() => world[Symbol.asyncDispose]())

const TYPES = ['message.held', 'message.released', 'message.cancelled', 'message.sent', 'message.delivered']

async function startWithTwo(name: string) {
  const ada = (await world.agentmail.inboxes.create({ username: `${name}-ada` })).inboxId
  const bob = (await world.agentmail.inboxes.create({ username: `${name}-bob` })).inboxId
  const socket = await world.subscribe({ inboxIds: [ada], eventTypes: TYPES })
  const at = `/v0/inboxes/${ada}/messages`
  const post = (path: string, body: object, headers = {}) => world.request('POST', `${at}${path}`, { body, headers })
  const of = (messageId: string) => `/${encodeURIComponent(messageId)}`
  const labelsOf = async (messageId: string) => (await world.agentmail.inboxes.messages.get(ada, messageId)).labels
  return { ada, bob, socket, post, of, labelsOf }
}

test('a held message is sent at its release: event, label and delivery come then', async () => {
  const { ada, bob, socket, post, of, labelsOf } = await startWithTwo('release')
  const carol = 'carol@example.test'
  const headers = { 'idempotency-key': 'held-1' }
  const message = { to: [bob, carol], subject: 'x', text: 'x', labels: ['mine'], hold: true }
  const { status, body } = await post('/send', message, headers)
  expect(status).toBe(200)
  const id = body.message_id as string
  expect((await socket.next()).hold).toMatchObject({ message_id: id, recipients: [bob, carol] })
  expect(await labelsOf(id)).toEqual(['mine'])
  const deliveries = (await world.request('GET', `/v0/inboxes/${ada}/messages${of(id)}/deliveries`)).body.deliveries
  expect(deliveries).toMatchObject([
    {
      ...{ recipient: bob, state: 'held', attempts: 0, last_reply: expect.stringMatching(/^Held by key:/) },
      history: [{ target: 'queue', outcome: 'held' }],
    },
    { recipient: carol, state: 'held' },
  ])
  expect((await post('/send', message, headers)).body).toEqual(body)
  expect((await post('/send', { ...message, hold: false }, headers)).status).toBe(409)
  const thread = await world.agentmail.inboxes.threads.get(ada, body.thread_id)
  expect(thread).not.toHaveProperty('sentTimestamp')

  await post(`${of(id)}/deliveries/release`, { recipients: [bob] })
  expect(await socket.next()).toMatchObject({ event_type: 'message.sent', send: { recipients: [bob, carol] } })
  expect(await socket.next()).toMatchObject({ event_type: 'message.released' })
  expect(await socket.next()).toMatchObject({ event_type: 'message.delivered', delivery: { recipients: [bob] } })
  expect(await labelsOf(id)).toEqual(['delivered', 'mine', 'sent'])
  expect((await world.agentmail.inboxes.messages.list(bob)).count).toBe(1)
  const { sentTimestamp, labels } = await world.agentmail.inboxes.threads.get(ada, body.thread_id)
  expect([sentTimestamp, labels]).toEqual([expect.any(Date), ['delivered', 'mine', 'sent']])

  // The second release is not sent again.
  await post(`${of(id)}/deliveries/release`, {})
  expect(await socket.next()).toMatchObject({ event_type: 'message.released', release: { recipients: [carol] } })
})

test('a held message that is cancelled was never sent', async () => {
  const { bob, socket, post, of, labelsOf } = await startWithTwo('cancel')
  const { message_id: id } = (await post('/send', { to: bob, text: 'x', hold: true })).body
  await socket.next('message.held')
  await post(`${of(id)}/deliveries/cancel`, {})
  expect(await socket.next()).toMatchObject({ event_type: 'message.cancelled' })
  expect(await labelsOf(id)).toEqual([])
  const next = (await post('/send', { to: bob, text: 'y' })).body
  expect(await socket.next()).toMatchObject({ event_type: 'message.sent', send: { message_id: next.message_id } })
})

test('a reply, a reply to all and a forward can be held too, also of a held message', async () => {
  const { ada, bob, post, of, labelsOf } = await startWithTwo('reply')
  const { message_id: id } = (await post('/send', { to: bob, text: 'x', hold: true })).body
  const held = { text: 'y', hold: true }
  const answers = [
    await post(`${of(id)}/reply`, held),
    await post(`${of(id)}/reply-all`, held),
    await post(`${of(id)}/forward`, { ...held, to: bob }),
  ]
  for (const { status, body } of answers) {
    expect(status).toBe(200)
    expect(await labelsOf(body.message_id)).toEqual([])
  }
  const { body } = await world.request('GET', `/v0/inboxes/${ada}/queue?state=held`)
  expect(body.recipients.map((each: { recipient: string }) => each.recipient)).toEqual([bob, bob, bob, bob])
  await world.request('POST', '/v0/queue/release', { body: { inbox_id: ada } })
  await expect.poll(async () => (await world.agentmail.inboxes.messages.list(bob)).count).toBe(4)
})

test('a received message counts as replied when the held answer is released', async () => {
  const { ada, post, of, labelsOf } = await startWithTwo('replied')
  const received = await world.subscribe({ inboxIds: [ada] })
  await world.smtp.send({ to: ada, subject: 'question', text: 'x' })
  const id = (await received.next('message.received')).message.message_id
  const { body } = await post(`${of(id)}/reply`, { text: 'y', hold: true })
  expect(await labelsOf(id)).not.toContain('replied')
  await post(`${of(body.message_id)}/deliveries/release`, {})
  expect(await labelsOf(id)).toContain('replied')
})

test('the clients drop hold from a body, and pass it as a header field; a draft is not held too', async () => {
  const { ada, bob, socket, post, of } = await startWithTwo('header')
  const { messages, drafts } = world.agentmail.inboxes
  const headers = { 'Martlet-Hold': 'true' }
  const { messageId } = await messages.send(ada, { to: bob, text: 'x' }, { headers })
  expect((await socket.next()).hold).toMatchObject({ message_id: messageId })
  const reply = await messages.reply(ada, messageId, { text: 'x' }, { headers })
  expect((await socket.next()).hold).toMatchObject({ message_id: reply.messageId })
  expect((await messages.list(bob)).count).toBe(0)
  expect((await post('/send', { to: bob, text: 'x' }, { 'martlet-hold': 'yes' })).status).toBe(400)

  const { draftId } = await drafts.create(ada, { to: [bob], text: 'x' })
  const path = `/v0/inboxes/${ada}/drafts/${draftId}/send`
  const refused = { status: 400, body: { code: 'validation_error' } }
  expect(await world.request('POST', path, { body: { hold: true } })).toMatchObject(refused)
  expect(await world.request('POST', path, { body: {}, headers })).toMatchObject(refused)
  await post(`${of(messageId)}/deliveries/release`, {})
  await socket.next('message.delivered')
  expect((await messages.list(bob)).count).toBe(1)
})
