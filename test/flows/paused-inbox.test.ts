/** Tests what a paused inbox does with mail: over real SMTP, and with AgentMail's client. */
import { randomBytes } from 'node:crypto'
import { rm } from 'node:fs/promises'
import { expect, test } from 'vitest'
import { startWorld } from '../support/world.ts'

const paused = { statusCode: 403, body: { code: 'inbox_paused', message: 'The inbox ada@mail.localhost is paused' } }

test('a paused inbox sends nothing, and mail for it is deferred until it is active', async () => {
  await using world = await startWorld()
  const { inboxes } = world.agentmail
  const status = async (inboxId: string) => (await world.request('GET', `/v0/inboxes/${inboxId}`)).body.status
  const set = (inboxId: string, body: object) => world.request('PATCH', `/v0/inboxes/${inboxId}`, { body })
  const made = await world.request('POST', '/v0/inboxes', { body: { username: 'ada', status: 'paused' } })
  expect(made).toMatchObject({ status: 200, body: { inbox_id: 'ada@mail.localhost', status: 'paused' } })
  const ada = 'ada@mail.localhost'
  const bob = (await inboxes.create({ username: 'bob' })).inboxId
  expect([await status(ada), await status(bob)]).toEqual(['paused', undefined])
  const socket = await world.subscribe({ eventTypes: ['message.received', 'message.delayed'] })

  await expect(inboxes.messages.send(ada, { to: bob, text: 'x' })).rejects.toMatchObject(paused)
  const refusal = { responseCode: 450, response: '450 4.2.1 The inbox ada+tag@mail.localhost is paused' }
  await expect(world.smtp.send({ to: 'ada+tag@mail.localhost', text: 'x' })).rejects.toMatchObject(refusal)
  // The other recipients of a message get it.
  const { messageId } = await world.smtp.send({ to: [ada, bob], text: 'x' })
  expect((await socket.next('message.received')).message).toMatchObject({ inbox_id: bob, message_id: messageId })

  // Mail of this server waits in the queue.
  for (const to of [ada, 'ada+tag@mail.localhost']) {
    const sent = await inboxes.messages.send(bob, { to, text: 'wait' })
    expect((await socket.next('message.delayed')).delay).toMatchObject({
      message_id: sent.messageId,
      recipients: [to],
      reply: `The inbox ${to} is paused; will retry`,
    })
  }
  expect(await set(ada, { status: 'active' })).toMatchObject({ status: 200, body: { inbox_id: ada } })
  expect(await status(ada)).toBeUndefined()
  for (let count = 0; count < 2; count += 1)
    expect((await socket.next('message.received')).message).toMatchObject({ inbox_id: ada, text: 'wait' })
  await inboxes.messages.send(ada, { to: bob, text: 'x' })

  expect(await set(ada, { display_name: 'Ada' })).toMatchObject({ body: { display_name: 'Ada' } })
  expect((await set(ada, { status: 'paused' })).body).toMatchObject({ status: 'paused', display_name: 'Ada' })
  expect((await set(ada, { status: 'off' })).status).toBe(400)
  expect(await set('postmaster@mail.localhost', { status: 'paused' })).toMatchObject({ status: 403 })
  const { body: key } = await world.request('POST', `/v0/inboxes/${ada}/api-keys`, { body: { permissions: {} } })
  const answer = await world.request('PATCH', `/v0/inboxes/${ada}`, { body: { status: 'active' }, key: key.api_key })
  expect(answer).toMatchObject({ status: 403, body: { code: 'missing_permission' } })
})

// It reserved memory for the whole message that it answers, and loaded it, to be refused then.
test('a reply of a paused inbox has not read the message that it quotes', async () => {
  await using world = await startWorld({ limits: { store: { inlineBytesMax: 1_000 } } })
  const ada = (await world.agentmail.inboxes.create({ username: 'ada' })).inboxId
  await world.smtp.send({ to: ada, text: randomBytes(4_000).toString('hex'), messageId: '<1@x.test>' })
  const path = `/v0/inboxes/${ada}/messages/${encodeURIComponent('<1@x.test>')}/reply`
  const reply = () => world.request('POST', path, { body: { text: 'yes', quote_original: true } })
  await rm(world.shared.blobsDir, { recursive: true })
  // The bytes of the message are lost: what reads them gets 500.
  expect(await reply()).toMatchObject({ status: 500 })
  await world.request('PATCH', `/v0/inboxes/${ada}`, { body: { status: 'paused' } })
  expect(await reply()).toMatchObject({ status: paused.statusCode, body: paused.body })
})

test('with MARTLET_PAUSED_INBOXES=drop, mail for a paused inbox is accepted and not stored', async () => {
  await using world = await startWorld({ env: { MARTLET_PAUSED_INBOXES: 'drop' } })
  const { inboxes } = world.agentmail
  const ada = (await inboxes.create({ username: 'ada' })).inboxId
  const bob = (await inboxes.create({ username: 'bob' })).inboxId
  await world.request('PATCH', `/v0/inboxes/${ada}`, { body: { status: 'paused' } })
  const socket = await world.subscribe({ eventTypes: ['message.received', 'message.delivered'] })

  expect((await world.smtp.send({ to: ada, text: 'x' })).response).toBe('250 2.0.0 Ok')
  await world.smtp.send({ to: [ada, bob], text: 'both' })
  expect((await socket.next('message.received')).message).toMatchObject({ inbox_id: bob, text: 'both' })
  await inboxes.messages.send(bob, { to: ada, text: 'local' })
  expect((await socket.next('message.delivered')).delivery).toMatchObject({ recipients: [ada] })
  await world.request('PATCH', `/v0/inboxes/${ada}`, { body: { status: 'active' } })
  expect((await inboxes.messages.list(ada)).count).toBe(0)
  await world.smtp.send({ to: ada, text: 'again' })
  expect((await inboxes.messages.list(ada)).count).toBe(1)
})
