import { expect, test } from 'vitest'
import { startWorld } from '../support/world.ts'

test('a message sent over SMTP reaches the WebSocket with its text', async () => {
  await using world = await startWorld()
  const inbox = await world.agentmail.inboxes.create({ username: 'ada' })
  const socket = await world.subscribe({ inboxIds: [inbox.inboxId] })

  await world.smtp.send({ to: inbox.email, subject: 'hello', text: 'grüße' })

  const event = await socket.next('message.received')
  expect(event.message).toMatchObject({ subject: 'hello', text: 'grüße', labels: ['received', 'unread'] })
})

test('an event frame never exceeds 1 MB (the limit of Python clients), even with long subjects or names', async () => {
  await using world = await startWorld()
  await world.agentmail.inboxes.create({ username: 'ada' })
  const socket = await world.subscribe()
  const bytes: number[] = []
  socket.raw.on('message', (data: Buffer) => bytes.push(data.length))
  // Each decoded character needs six in JSON, and the subject is in both the message and the thread.
  const word = `=?utf-8?B?${Buffer.from('\u0001'.repeat(45)).toString('base64')}?=`
  const words = Array(2_900).fill(word).join('\r\n ')
  const file = (name: string) =>
    `--b\r\nContent-Type: application/octet-stream; name="${name}"\r\nContent-Disposition: attachment\r\n\r\nx\r\n`
  const files = Array.from({ length: 120 }, (_, index) => file(`${index}${'\u0001'.repeat(3_000)}`)).join('')
  const messages = [
    `From: eve@example.test\r\nSubject: ${words}\r\n\r\nx`,
    `From: ${words} <eve@example.test>\r\nSubject: x\r\n\r\nx`,
    `From: eve@example.test\r\nSubject: ${words}\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n${files}--b--\r\n`,
  ]
  for (const raw of messages) {
    await world.smtp.send({ envelope: { from: 'eve@example.test', to: 'ada@mail.localhost' }, raw })
    const { message, thread } = await socket.next('message.received')
    expect(message).toMatchObject({ inbox_id: 'ada@mail.localhost', thread_id: thread.thread_id })
  }
  expect(Math.max(...bytes)).toBeLessThanOrEqual(1_000_000)
})
