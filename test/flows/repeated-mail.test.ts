import { expect, test } from 'vitest'
import { sharedByFile } from '../support/shared-by-file.ts'
import { startWorld } from '../support/world.ts'

/** Each test has inboxes of its own. */
const sharedWorld = sharedByFile(() => startWorld())

test('a repeated message is stored once, and another one with its Message-ID under a new one', async () => {
  const world = await sharedWorld()
  const ada = await world.agentmail.inboxes.create({ username: 'ada1' })
  const mail = { to: ada.email, messageId: '<name@x.test>', date: new Date(0), subject: 'one', text: 'first' }

  await world.smtp.send(mail)
  await world.smtp.send(mail) // as if its 250 had been lost
  await world.smtp.send({ ...mail, text: 'second' })
  await world.smtp.send({ ...mail, text: 'second' })

  const { messages } = await world.agentmail.inboxes.messages.list(ada.inboxId)
  expect(messages.map(({ preview }) => preview)).toEqual(['second', 'first'])
  expect(messages[1]!.messageId).toBe('<name@x.test>')
  expect(messages[0]!.messageId).not.toBe('<name@x.test>')
})

// Message-IDs used to be compared with the first hundred messages only: once there were more, every further one failed.
test('no message is lost or stored twice, even if a hundred messages have the same Message-ID', async () => {
  const world = await sharedWorld()
  const ada = await world.agentmail.inboxes.create({ username: 'ada2' })
  const mail = (text: string) => ({ to: ada.email, messageId: '<name@x.test>', date: new Date(0), text })
  for (let index = 0; index < 103; index += 1) await world.smtp.send(mail(`${index}`))
  await world.agentmail.inboxes.messages.delete(ada.inboxId, '<name@x.test>')

  await world.smtp.send(mail('new'))
  await world.smtp.send(mail('newer'))
  await world.smtp.send(mail('102')) // the same as the last message of the loop

  const { messages } = await world.agentmail.inboxes.messages.list(ada.inboxId, { limit: 500 })
  expect(messages).toHaveLength(104)
})

test('a repeated reply returns its first result, even if its parent has been deleted', async () => {
  const world = await sharedWorld()
  const ada = await world.agentmail.inboxes.create({ username: 'ada3' })
  await world.smtp.send({ to: ada.email, messageId: '<parent@x.test>', text: 'hello' })
  const reply = () =>
    world.request('POST', `/v0/inboxes/${ada.email}/messages/${encodeURIComponent('<parent@x.test>')}/reply`, {
      body: { text: 'yes' },
      headers: { 'idempotency-key': 'once' },
    })

  const first = await reply()
  await world.agentmail.inboxes.messages.delete(ada.inboxId, '<parent@x.test>')

  expect(first.status).toBe(200)
  expect(await reply()).toMatchObject({ status: 200, body: first.body })
})

test('a large message that one recipient already has is stored for the other, and both can read it', async () => {
  const world = await sharedWorld()
  const [ada, bob] = [
    await world.agentmail.inboxes.create({ username: 'ada4' }),
    await world.agentmail.inboxes.create({ username: 'bob4' }),
  ]
  const text = 'a line of a large mail\n'.repeat(20_000)
  const mail = {
    messageId: '<large@x.test>',
    date: new Date(0),
    subject: 'large',
    text,
    headers: { To: 'team@x.test' },
  }
  await world.smtp.send({ ...mail, envelope: { from: 'ann@x.test', to: [ada.email] } })
  await world.smtp.send({ ...mail, envelope: { from: 'ann@x.test', to: [ada.email, bob.email] } })

  for (const { inboxId } of [ada, bob]) {
    const { messages } = await world.agentmail.inboxes.messages.list(inboxId)
    expect(messages).toHaveLength(1)
    const message = await world.agentmail.inboxes.messages.get(inboxId, '<large@x.test>')
    expect(message.text?.length).toBeGreaterThan(400_000)
    const { downloadUrl } = await world.agentmail.inboxes.messages.getRaw(inboxId, '<large@x.test>')
    expect((await (await fetch(downloadUrl)).text()).length).toBeGreaterThan(400_000)
  }
})

test('a message id that would change the path of a request is escaped in the id that clients see', async () => {
  const world = await sharedWorld()
  const ada = await world.agentmail.inboxes.create({ username: 'ada5' })
  const socket = await world.subscribe({ inboxIds: [ada.inboxId] })
  const headerId = `<a/../../../${ada.email}?x=@y>`
  const mail = { to: ada.email, text: 'x', messageId: headerId, date: new Date(0) }
  await world.smtp.send(mail)
  await world.smtp.send(mail)
  expect((await world.agentmail.inboxes.messages.list(ada.inboxId)).count).toBe(1)
  const { message } = await socket.next('message.received')
  expect(message.message_id).toBe(`<a~2F~..~2F~..~2F~..~2F~${ada.email}~3F~x=@y>`)

  // As clients send it that do not escape "/" and "?".
  const path = `/v0/inboxes/${ada.email}/messages/${message.message_id}`
  expect((await world.request('DELETE', path)).status).toBe(204)
  expect((await world.agentmail.inboxes.list()).inboxes.map(({ email }) => email)).toContain(ada.email)
})

test('a sent message that a stranger sends back stays as it is', async () => {
  const world = await sharedWorld()
  const ada = await world.agentmail.inboxes.create({ username: 'ada6' })
  const bob = await world.agentmail.inboxes.create({ username: 'bob6' })
  const socket = await world.subscribe({ eventTypes: ['message.received'], inboxIds: [ada.inboxId, bob.inboxId] })
  await world.agentmail.inboxes.messages.send(ada.inboxId, { to: bob.email, text: 'Please send the report.' })
  const received = (await socket.next('message.received')).message
  const { downloadUrl } = await world.agentmail.inboxes.messages.getRaw(bob.inboxId, received.message_id)
  const raw = Buffer.from(await (await fetch(downloadUrl)).arrayBuffer())

  await world.smtp.send({ envelope: { from: 'eve@example.test', to: ada.email }, raw })

  await world.smtp.send({ to: ada.email, text: 'next', subject: 'next' })
  expect((await socket.next('message.received')).message.subject).toBe('next')
  const { messages } = await world.agentmail.inboxes.messages.list(ada.inboxId)
  expect(messages.map(({ labels }) => labels)).toEqual([
    ['received', 'unread'],
    ['delivered', 'sent'],
  ])
})
