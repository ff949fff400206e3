import { createHash } from 'node:crypto'
import { expect, test } from 'vitest'
import { startWorld } from '../world.ts'

// The worker thread that parses large messages used to receive only the first one: the second never got its 250.
test('large messages, in sequence or in parallel, are stored with unchanged attachments', async () => {
  await using world = await startWorld()
  const ada = await world.agentmail.inboxes.create({ username: 'ada' })
  const socket = await world.subscribe()
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

test('a large message that cannot be parsed in time is stored with what the parsing of its start found', async () => {
  await using world = await startWorld({ limits: { readingMs: 0 } })
  const ada = await world.agentmail.inboxes.create({ username: 'ada' })
  const socket = await world.subscribe()

  await world.smtp.send({ to: ada.email, subject: 'hostile', text: 'word '.repeat(200_000) })

  const { message } = await socket.next('message.received')
  expect(message.subject).toBe('hostile')
  const raw = await world.agentmail.inboxes.messages.getRaw(ada.inboxId, message.message_id)
  expect((await (await fetch(raw.downloadUrl)).arrayBuffer()).byteLength).toBe(raw.size) // nothing of it is lost
})

test('a message over the size limit is refused with 552 and not stored', async () => {
  await using world = await startWorld({ env: { MARTLET_MESSAGE_BYTES_MAX: '300000' } })
  const ada = await world.agentmail.inboxes.create({ username: 'ada' })

  const sending = world.smtp.send({ to: ada.email, text: 'word '.repeat(100_000) })

  await expect(sending).rejects.toMatchObject({ responseCode: 552 })
  expect((await world.agentmail.inboxes.messages.list(ada.inboxId)).count).toBe(0)
})

function sha256(bytes: Buffer): string {
  return createHash('sha256').update(bytes).digest('hex')
}
