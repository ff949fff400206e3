/** All messages are parsed in threads: what one of them does to its thread, it does not do to others or to the server. */
import { expect, test } from 'vitest'
import { RawClient } from '../smtp/raw-client.ts'
import { readRows } from '../support/test-database.ts'
import { startWorld, type World } from '../support/world.ts'

const MIB = 1024 * 1024

/** With these limits, a header of millions of fields is a small message that ends its thread. */
const POISONOUS = {
  mimeHeaderBytesMax: 64 * MIB,
  mimeHeaderFieldsMax: 64 * MIB,
  heapBytesMax: 32 * MIB,
  smallBytesMax: 8 * MIB,
  batchBytesMax: 8 * MIB,
  keyPauseMs: 0,
  smallTimeoutMs: 30_000,
  timeoutMs: 30_000,
}
const POISON = `From: eve@example.test\r\nMessage-ID: <poison@example.test>\r\nSubject: poison\r\n${'a:\r\n'.repeat(MIB)}\r\n`

async function inboxOf(world: World) {
  const inbox = await world.agentmail.inboxes.create({ username: 'ada' })
  return inbox as { inboxId: string; email: string }
}

function send(world: World, inbox: string, subject = 'sent') {
  return world.request('POST', `/v0/inboxes/${inbox}/messages/send`, {
    body: { to: 'zoe@elsewhere.test', subject, text: 'hello' },
  })
}

test('no message is parsed on the event loop: while no thread can start, none is accepted', async () => {
  await using world = await startWorld({
    limits: { parsing: { threadStartMs: 0, smallTimeoutMs: 4, timeoutMs: 4 } },
  })
  const ada = await inboxOf(world)
  for (const text of ['small', 'large '.repeat(100_000)]) {
    await expect(world.smtp.send({ to: ada.email, text })).rejects.toMatchObject({ responseCode: 451 })
  }
  expect((await send(world, ada.inboxId)).status).toBe(503)
  expect((await world.agentmail.inboxes.messages.list(ada.inboxId)).count).toBe(0)
})

test('a message that ends its thread is stored with its header and recognised when it is sent again; others are parsed', async () => {
  await using world = await startWorld({ limits: { parsing: POISONOUS } })
  const ada = await inboxOf(world)
  const peers = await Promise.all(Array.from({ length: 12 }, () => RawClient.inData(world.smtpPort, ada.email)))
  for (const [index, peer] of peers.entries()) {
    peer.send(
      index === 5 ? POISON : `Subject: honest\r\nMessage-ID: <${index}@example.test>\r\n\r\nYour code is 481516\r\n`,
    )
  }
  const answers = await Promise.all(peers.map((peer) => peer.command('.')))
  for (const answer of answers) expect(answer).toMatch(/^250 /)
  expect((await send(world, ada.inboxId)).status).toBe(200)

  const again = await RawClient.inData(world.smtpPort, ada.email)
  again.send(POISON)
  expect(await again.command('.')).toMatch(/^250 /)

  const { messages } = await world.agentmail.inboxes.messages.list(ada.inboxId, { labels: ['received'], limit: 50 })
  expect(messages.map(({ subject }) => subject).sort()).toEqual([...Array(11).fill('honest'), 'poison'])
  for (const { messageId, subject } of messages) {
    const { body } = await world.request('GET', `/v0/inboxes/${ada.email}/messages/${encodeURIComponent(messageId)}`)
    if (subject === 'poison') expect(body).toMatchObject({ truncated: true, from: 'eve@example.test' })
    else expect(body).toMatchObject({ text: 'Your code is 481516', codes: [{ code: '481516' }] })
  }
})

test('while a large message is being parsed, small ones are received and sent', async () => {
  await using world = await startWorld({ limits: { parsing: { timeoutMs: 60_000 } } })
  const ada = await inboxOf(world)
  const slow = await RawClient.inData(world.smtpPort, ada.email)
  slow.send(`Content-Type: multipart/mixed; boundary=b\r\n\r\n${'--ba\r\n'.repeat(4 * MIB)}`)
  let isParsed = false
  const answer = slow.command('.').finally(() => {
    isParsed = true
  })
  for (let index = 0; index < 10; index += 1) {
    await world.smtp.send({ to: ada.email, text: `${index}` })
    expect((await send(world, ada.inboxId)).status).toBe(200)
  }
  expect(isParsed).toBe(false)
  expect(await answer).toMatch(/^250 /)
})

test('small messages beyond the memory for those that wait are stored unchanged, by way of the disk', async () => {
  await using world = await startWorld({ limits: { parsing: { waitingBytesMax: 20_000 } } })
  const ada = await inboxOf(world)
  const line = `${'x'.repeat(70)}\r\n`
  const peers = await Promise.all(Array.from({ length: 10 }, () => RawClient.inData(world.smtpPort, ada.email)))
  for (const [index, peer] of peers.entries()) peer.send(`Subject: ${index}\r\n\r\n${line.repeat(100)}`) // half a message each
  const answers = await Promise.all(peers.map((peer) => peer.command('.')))
  for (const answer of answers) expect(answer).toMatch(/^250 /)

  const [[inMemory]] = (await readRows(world, 'select count(*) from contents where blob_key is null')) as [[number]]
  const [[onDisk]] = (await readRows(world, 'select count(*) from contents where blob_key is not null')) as [[number]]
  expect(Number(inMemory)).toBeGreaterThanOrEqual(1)
  expect(Number(onDisk)).toBeGreaterThanOrEqual(6)
  const { messages } = await world.agentmail.inboxes.messages.list(ada.inboxId)
  expect(messages.map(({ subject }) => subject).sort()).toEqual(Array.from({ length: 10 }, (_, index) => `${index}`))
  for (const { messageId } of messages) {
    const { body } = await world.request('GET', `/v0/inboxes/${ada.email}/messages/${encodeURIComponent(messageId)}`)
    expect(body.text).toBe(line.repeat(100).replaceAll('\r\n', '\n').trimEnd())
  }
})

test('if too many small messages wait, one more is refused for now and not stored', async () => {
  await using world = await startWorld({ limits: { parsing: { smallWaitingMax: 0 } } })
  const ada = await inboxOf(world)
  await expect(world.smtp.send({ to: ada.email, text: 'small' })).rejects.toMatchObject({ responseCode: 451 })
  expect(await send(world, ada.inboxId)).toMatchObject({ status: 503, body: { code: 'service_unavailable' } })
  expect((await world.agentmail.inboxes.messages.list(ada.inboxId)).count).toBe(0)
})
