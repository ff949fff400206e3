/**
 * Tests manual changes of the queue in a whole server: held recipients are released, held again, or cancelled
 * permanently.
 */
import { expect, test } from 'vitest'
import { startDns } from '../support/dns-server.ts'
import { FakeMx, mxAddress, startMxs } from '../support/fake-mx.ts'
import { startWorld, type World, type WorldOptions } from '../support/world.ts'

async function startHeld(options: WorldOptions = {}) {
  const world = await startWorld(options)
  const ada = await world.agentmail.inboxes.create({ username: 'ada' })
  const socket = await world.subscribe({
    eventTypes: ['message.held', 'message.released', 'message.cancelled', 'message.sent', 'message.delivered'],
  })
  const sent = await world.agentmail.inboxes.messages.send(ada.inboxId, { to: 'ann@a.test', text: 'hello' })
  await socket.next('message.held')
  return { world, ada, socket, sent }
}

async function deliveryOf(world: World, inbox: string, messageId: string) {
  const path = `/v0/inboxes/${inbox}/messages/${encodeURIComponent(messageId)}/deliveries`
  return (await world.request('GET', path)).body.deliveries[0]
}

test('a released message is sent to the relay, and its history says who released it', async () => {
  await using relay = new FakeMx({})
  await relay.listen('127.0.0.1', 0)
  const { world, ada, socket, sent } = await startHeld({
    env: { MARTLET_RELAY_URL: `smtp://127.0.0.1:${relay.port}` },
  })
  await using _world = world
  const { body } = await world.request('POST', '/v0/queue/release', { body: { domain: 'a.test' } })
  expect(body).toEqual({ changed: 1 })
  expect((await socket.next('message.released')).release.message_id).toBe(sent.messageId)
  expect((await relay.mail()).to).toEqual(['ann@a.test'])
  await socket.next('message.delivered')
  expect(await deliveryOf(world, ada.email, sent.messageId)).toMatchObject({
    state: 'delivered',
    attempts: 1,
    history: [
      { attempt: 1, target: 'capture', outcome: 'held' },
      { attempt: 2, target: 'queue', outcome: 'released', reply: expect.stringMatching(/^Released by key:/) },
      { attempt: 3, target: 'relay', outcome: 'delivered' },
    ],
  })
})

test('without a relay, a released message goes to the mail server of the domain', async () => {
  const { mxs, port, [Symbol.asyncDispose]: closeMxs } = await startMxs({})
  const dns = await startDns({
    'a.test': { MX: [{ preference: 10, exchange: 'mx.a.test' }] },
    'mx.a.test': { A: [mxAddress(0)] },
  })
  const { world, ada, socket, sent } = await startHeld({
    env: { MARTLET_OUTBOUND_PORT: `${port}`, MARTLET_DNS_SERVERS: dns.address },
  })
  try {
    await world.request('POST', '/v0/queue/release', { body: { all: true } })
    expect((await mxs[0]!.mail()).to).toEqual(['ann@a.test'])
    await socket.next('message.delivered')
    const { history } = await deliveryOf(world, ada.email, sent.messageId)
    expect(history.at(-1)).toMatchObject({ target: 'direct', outcome: 'delivered' })
  } finally {
    await world[Symbol.asyncDispose]()
    await dns[Symbol.asyncDispose]()
    await closeMxs.call(undefined)
  }
})

test('a message that waits for a retry can be held and then released', async () => {
  let answers = 0
  await using relay = new FakeMx({
    on: (line) => (line.startsWith('RCPT') && ++answers === 1 ? '451 4.7.1 come back later' : undefined),
  })
  await relay.listen('127.0.0.1', 0)
  await using world = await startWorld({
    env: { MARTLET_OUTBOUND: 'relay', MARTLET_RELAY_URL: `smtp://127.0.0.1:${relay.port}` },
  })
  const ada = await world.agentmail.inboxes.create({ username: 'ada' })
  const socket = await world.subscribe({ eventTypes: ['message.delayed', 'message.held', 'message.delivered'] })
  const { messageId } = await world.agentmail.inboxes.messages.send(ada.inboxId, { to: 'ann@a.test', text: 'hello' })
  expect((await socket.next('message.delayed')).delay.reply).toContain('come back later')

  const path = `/v0/inboxes/${ada.email}/messages/${encodeURIComponent(messageId)}/deliveries`
  expect((await world.request('POST', `${path}/hold`)).body).toEqual({ changed: 1 })
  await socket.next('message.held')
  expect((await world.request('POST', `${path}/retry`)).body).toEqual({ changed: 0 }) // it is held, not queued
  expect((await world.request('POST', `${path}/release`)).body).toEqual({ changed: 1 })
  await socket.next('message.delivered')
  expect((await relay.mail()).to).toEqual(['ann@a.test'])
})

test('a cancelled message stays cancelled after a restart, and is not sent', async () => {
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

test('the held recipients of a message are removed with it', async () => {
  const { world, ada, sent } = await startHeld()
  await using _world = world
  await world.agentmail.inboxes.messages.delete(ada.inboxId, sent.messageId)
  expect((await world.request('GET', '/v0/queue')).body).toMatchObject({ count: 0, recipients: [] })
})
