/**
 * The queue by hand, in a whole server. Its only way out is the shelf of what is held, so a release is seen by its coming
 * back to it; what happens at a remote, and to a mail under way, is in test/sending/queue.test.ts.
 */
import { expect, test } from 'vitest'
import { startWorld, type World } from '../world.ts'

async function startHeld() {
  const world = await startWorld()
  const ada = await world.agentmail.inboxes.create({ username: 'ada' })
  const socket = await world.subscribe({
    eventTypes: ['message.held', 'message.released', 'message.cancelled', 'message.sent'],
  })
  const sent = await world.agentmail.inboxes.messages.send(ada.inboxId, { to: 'ann@example.test', text: 'hello' })
  await socket.next('message.held')
  return { world, ada, socket, sent }
}

async function deliveryOf(world: World, inbox: string, messageId: string) {
  const path = `/v0/inboxes/${inbox}/messages/${encodeURIComponent(messageId)}/deliveries`
  return (await world.request('GET', path)).body.deliveries[0]
}

test('a released mail is tried at once, and its history tells who let it go', async () => {
  const { world, ada, socket, sent } = await startHeld()
  await using _world = world
  const { body } = await world.request('POST', '/v0/queue/release', { body: { domain: 'example.test' } })
  expect(body).toEqual({ changed: 1 })
  expect((await socket.next('message.released')).release.message_id).toBe(sent.messageId)
  expect((await socket.next('message.held')).hold.message_id).toBe(sent.messageId)
  expect(await deliveryOf(world, ada.email, sent.messageId)).toMatchObject({
    state: 'held',
    attempts: 1,
    history: [
      { attempt: 1, target: 'capture', outcome: 'held' },
      { attempt: 2, target: 'queue', outcome: 'released', reply: expect.stringMatching(/^Released by key:/) },
      { attempt: 3, target: 'capture', outcome: 'held' },
    ],
  })
})

test('a cancelled mail stays cancelled through a restart, and nothing is sent to anybody', async () => {
  const { world, ada, sent } = await startHeld()
  await using _world = world
  await world.request('POST', '/v0/queue/cancel', { body: { inbox_id: ada.email } })
  await world.restart()
  expect(await deliveryOf(world, ada.email, sent.messageId)).toMatchObject({ state: 'cancelled' })
  expect((await world.request('GET', '/v0/queue')).body.count).toBe(0)
  const { messages } = await world.agentmail.inboxes.messages.list(ada.inboxId)
  expect(messages.map(({ messageId, labels }) => ({ messageId, labels }))).toEqual([
    { messageId: sent.messageId, labels: ['sent'] },
  ])
})

test('what is held goes with its message', async () => {
  const { world, ada, sent } = await startHeld()
  await using _world = world
  await world.agentmail.inboxes.messages.delete(ada.inboxId, sent.messageId)
  expect((await world.request('GET', '/v0/queue')).body).toMatchObject({ count: 0, recipients: [] })
})
