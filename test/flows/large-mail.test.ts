import { createHash } from 'node:crypto'
import { expect, test } from 'vitest'
import { RawClient } from '../smtp/raw-client.ts'
import { sharedByFile } from '../support/shared-by-file.ts'
import { readRows } from '../support/test-database.ts'
import { startWorld, type World } from '../support/world.ts'

/** For tests that need no special settings. Each has inboxes of its own. */
const sharedWorld = sharedByFile(() => startWorld())

// The worker thread that parses large messages used to receive only the first one: the second never got its 250.
test('large messages, in sequence or in parallel, are stored with unchanged attachments', async () => {
  const world = await sharedWorld()
  const ada = await world.agentmail.inboxes.create({ username: 'attachments' })
  const socket = await world.subscribe({ inboxIds: [ada.inboxId] })
  const bytes = Buffer.alloc(600_000, 'some bytes of a large attachment. ')
  const mail = (subject: string) => ({
    to: ada.email,
    subject,
    text: 'large',
    attachments: [{ filename: 'l.bin', content: bytes }],
  })

  await world.smtp.send(mail('one'))
  await world.smtp.send(mail('two'))
  await Promise.all(['three', 'four', 'five'].map((subject) => world.smtp.send(mail(subject))))

  for (let count = 0; count < 5; count += 1) {
    const { message } = await socket.next('message.received')
    const [attachment] = message.attachments
    const link = await world.agentmail.inboxes.messages.getAttachment(
      ada.inboxId,
      message.message_id,
      attachment.attachment_id,
    )
    const downloaded = Buffer.from(await (await fetch(link.downloadUrl)).arrayBuffer())
    expect(sha256(downloaded)).toBe(sha256(bytes))
    expect(message.text).toBe('large')
  }
})

test('a large message that cannot be parsed in time is stored with its header fields', async () => {
  await using world = await startWorld({ limits: { parsing: { timeoutMs: 0 } } })
  const ada = await world.agentmail.inboxes.create({ username: 'ada' })
  const socket = await world.subscribe()

  await world.smtp.send({ to: ada.email, subject: 'hostile', text: 'word '.repeat(200_000) })

  const { message } = await socket.next('message.received')
  expect(message.subject).toBe('hostile')
  const raw = await world.agentmail.inboxes.messages.getRaw(ada.inboxId, message.message_id)
  expect((await (await fetch(raw.downloadUrl)).arrayBuffer()).byteLength).toBe(raw.size) // all its bytes are stored
})

// One mail of 14 KB with 1,000 addresses to 99 inboxes used to write 198,000 rows.
test('addresses are stored once for all inboxes, and threads list a limited number of them', async () => {
  await using world = await startWorld({ limits: { messages: { participantsMax: 20 } } })
  const inboxes = await Promise.all(
    ['ada', 'bob', 'cleo'].map((username) => world.agentmail.inboxes.create({ username })),
  )
  const recipients = Array.from({ length: 300 }, (_, index) => `zoe${index}@a.test`)
  await world.smtp.send({
    envelope: { from: 'ann@example.test', to: inboxes.map(({ email }) => email!) },
    raw: ['From: ann@example.test', `To: ${recipients.join(',\r\n ')}`, '', 'hello'].join('\r\n'),
  })
  const rows = async () => {
    const [[addresses]] = (await readRows(world, 'select count(*) from content_addresses')) as [[number]]
    const [[participants]] = (await readRows(world, 'select count(*) from thread_participants')) as [[number]]
    return { addresses, participants }
  }
  expect(await rows()).toEqual({ addresses: 301, participants: 3 * 20 })

  for (const { inboxId } of inboxes) {
    const { messages } = await world.agentmail.inboxes.messages.list(inboxId, { to: ['zoe299@a.test'] } as never)
    expect(messages[0]!.to).toEqual(recipients)
    const { threads } = await world.agentmail.inboxes.threads.list(inboxId)
    expect([threads[0]!.senders, threads[0]!.recipients]).toEqual([
      ['ann@example.test'],
      recipients.toSorted().slice(0, 19),
    ])
    expect(await rows()).toMatchObject({ addresses: 301 })
    await world.agentmail.inboxes.messages.delete(inboxId, messages[0]!.messageId)
  }
  expect(await rows()).toEqual({ addresses: 0, participants: 0 })
})

test('a message with thousands of addresses, references and attachments is stored in each of its inboxes', async () => {
  const world = await sharedWorld()
  const ada = await world.agentmail.inboxes.create({ username: 'many1' })
  const bob = await world.agentmail.inboxes.create({ username: 'many2' })
  const socket = await world.subscribe({ inboxIds: [bob.inboxId] })
  const many = (piece: (index: number) => string) => Array.from({ length: 2_000 }, (_, index) => piece(index))

  await world.smtp.send({
    envelope: { from: 'ann@example.test', to: [ada.email!, bob.email!] },
    raw: [
      ...['From: ann@example.test', 'Message-ID: <many@example.test>'],
      `To: ${many((index) => `zoe${index}@a.test`).join(',\r\n ')}`,
      `References: ${many((index) => `<${index}@a.test>`).join('\r\n ')}`,
      ...['Content-Type: multipart/mixed; boundary=b', ''],
      ...many((index) => `--b\r\nContent-Disposition: attachment; filename=${index}\r\n\r\nx`),
      '--b--',
    ].join('\r\n'),
  })

  expect((await socket.next('message.received')).thread.recipients).toHaveLength(99)
  for (const inbox of [ada, bob]) {
    const { messages } = await world.agentmail.inboxes.messages.list(inbox.inboxId)
    const [message] = messages
    expect(message!.to).toHaveLength(999)
    expect(message!.references).toHaveLength(100)
    expect(message!.attachments).toHaveLength(999)
    const { threads } = await world.agentmail.inboxes.threads.list(inbox.inboxId)
    expect(threads[0]!.recipients).toHaveLength(99)
  }
})

test('a message over the size limit is refused with 552 and not stored', async () => {
  await using world = await startWorld({ env: { MARTLET_MESSAGE_BYTES_MAX: '300000' } })
  const ada = await world.agentmail.inboxes.create({ username: 'ada' })

  const sending = world.smtp.send({ to: ada.email, text: 'word '.repeat(100_000) })

  await expect(sending).rejects.toMatchObject({ responseCode: 552 })
  expect((await world.agentmail.inboxes.messages.list(ada.inboxId)).count).toBe(0)
})

const MIB = 1024 * 1024
const LARGE = 'word '.repeat(100_000)

function sendOverHttp(world: World, inbox: string, text: string) {
  return world.request('POST', `/v0/inboxes/${inbox}/messages/send`, { body: { to: 'zoe@elsewhere.test', text } })
}

// All messages of one peer used to be parsed before those of the others.
test('a large message does not wait for all the large messages of another peer', async () => {
  const world = await sharedWorld()
  const ada = await world.agentmail.inboxes.create({ username: 'peers' })
  const peers = await Promise.all(Array.from({ length: 6 }, () => RawClient.inData(world.smtpPort, ada.email)))
  // Each line has to be compared with the boundary.
  const slow = `Content-Type: multipart/mixed; boundary=b\r\n\r\n${'--ba\r\n'.repeat(350_000)}`
  for (const peer of peers) peer.send(slow)

  const answered: string[] = []
  const flood = peers.map(async (peer) => {
    expect(await peer.command('.')).toMatch(/^250 /)
    answered.push('flood')
  })
  await Promise.race(flood) // now the others wait
  expect(await sendOverHttp(world, ada.inboxId, LARGE)).toMatchObject({ status: 200 })
  answered.push('honest')
  await Promise.all(flood)
  expect(answered.indexOf('honest')).toBeLessThanOrEqual(3)
})

test('if too many large messages are waiting, one more is temporarily refused and not stored; small ones are accepted', async () => {
  await using world = await startWorld({ limits: { parsing: { waitingPerSenderMax: 0 } } })
  const ada = await world.agentmail.inboxes.create({ username: 'ada' })

  await expect(world.smtp.send({ to: ada.email, text: LARGE })).rejects.toMatchObject({
    responseCode: 451,
    response: expect.stringMatching(/^451 4\.3\.2 Too many messages are waiting to be parsed/),
  })
  const { status, body, headers } = await sendOverHttp(world, ada.inboxId, LARGE)
  expect({ status, code: body.code, retryAfter: headers.get('retry-after') }).toEqual({
    ...{ status: 503, code: 'service_unavailable', retryAfter: '1' },
  })
  await world.smtp.send({ to: ada.email, subject: 'small', text: 'word' })
  expect((await world.agentmail.inboxes.messages.list(ada.inboxId)).messages.map(({ subject }) => subject)).toEqual([
    'small',
  ])
})

test('of a message that exceeds the heap of its thread only the header is read, its peer waits, and a restart parses nothing again', async () => {
  // Without the other limits each field takes a hundred bytes of heap.
  const limits = {
    parsing: { mimeHeaderBytesMax: 64 * MIB, mimeHeaderFieldsMax: 64 * MIB, heapBytesMax: 32 * MIB, waitMs: 500 },
  }
  await using world = await startWorld({ limits })
  const ada = await world.agentmail.inboxes.create({ username: 'ada' })
  const readInPart = async () => {
    const { body } = await world.request('GET', '/metrics')
    return /^martlet_messages_parsed_in_part_total.*$/m.exec(body)?.[0]
  }

  const peer = await RawClient.inData(world.smtpPort, ada.email)
  peer.send(`Subject: hostile\r\n${'a:\r\n'.repeat(MIB)}\r\n`)
  expect(await peer.command('.')).toMatch(/^250 /)
  expect(await readInPart()).toBe('martlet_messages_parsed_in_part_total{cause="memory"} 1')

  await expect(world.smtp.send({ to: ada.email, text: LARGE })).rejects.toMatchObject({ responseCode: 451 })
  expect(await sendOverHttp(world, ada.inboxId, LARGE)).toMatchObject({ status: 200 })
  expect(await readInPart()).toBe('martlet_messages_parsed_in_part_total{cause="memory"} 1')

  await world.restart()
  const { messages } = await world.agentmail.inboxes.messages.list(ada.inboxId, { labels: ['received'] })
  expect(messages.map(({ subject }) => subject)).toEqual(['hostile'])
  const hostile = `/v0/inboxes/${ada.email}/messages/${encodeURIComponent(messages[0]!.messageId)}`
  expect((await world.request('GET', hostile)).body).toMatchObject({ subject: 'hostile', truncated: true })
  expect(await readInPart()).toBeUndefined()
})

test('a message with 30 MB of attachments is sent over the API, and arrives unchanged', async () => {
  const world = await sharedWorld()
  const inboxes = [await world.agentmail.inboxes.create(), await world.agentmail.inboxes.create()]
  const [from, to] = inboxes.map(({ inboxId }) => inboxId) as [string, string]
  const socket = await world.subscribe({ inboxIds: [to] })
  const bytes = Buffer.alloc(30_000_000, 'some bytes of a large attachment. ')
  await world.agentmail.inboxes.messages.send(from, {
    ...{ to, subject: 'large', text: 'see attachment' },
    attachments: [{ filename: 'l.bin', content: bytes.toString('base64') }],
  })
  const { message } = await socket.next('message.received')
  const [attachment] = message.attachments
  expect(attachment).toMatchObject({ filename: 'l.bin', size: bytes.length })
  const found = await world.agentmail.inboxes.messages.getAttachment(to, message.message_id, attachment.attachment_id)
  expect(sha256(Buffer.from(await (await fetch(found.downloadUrl)).arrayBuffer()))).toBe(sha256(bytes))
})

function sha256(bytes: Buffer): string {
  return createHash('sha256').update(bytes).digest('hex')
}

// All of them used to share one commit, which every other write of the server waited for.
test('a write of another pod does not wait for all messages to many inboxes that arrive at once', async () => {
  await using world = await startWorld({ limits: { store: { groupMs: 5 } } })
  const inboxes = await Promise.all(
    Array.from({ length: 8 }, (_, index) => world.agentmail.inboxes.create({ username: `box${index}` })),
  )
  const { podId } = await world.agentmail.pods.create({ name: 'other' })
  const to = Array.from({ length: 400 }, (_, index) => `zoe${index}@a.test`).join(',\r\n ')
  const answered: string[] = []
  const flood = Array.from({ length: 8 }, async (_, index) => {
    await world.smtp.send({
      envelope: { from: 'ann@example.test', to: inboxes.map(({ email }) => email!) },
      raw: ['From: ann@example.test', `Subject: ${index}`, `To: ${to}`, '', 'hello'].join('\r\n'),
    })
    answered.push('flood')
  })
  await Promise.race(flood) // now the others wait
  await world.agentmail.pods.inboxes.create(podId, { username: 'zoe' })
  answered.push('other pod')
  await Promise.all(flood)
  expect(answered.indexOf('other pod')).toBeLessThanOrEqual(5)
})
