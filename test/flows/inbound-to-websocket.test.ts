import { expect, test } from 'vitest'
import { startWorld } from '../world.ts'

test('a mail sent over SMTP reaches the WebSocket with the text it carried', async () => {
  await using world = await startWorld()
  const inbox = await world.agentmail.inboxes.create({ username: 'ada' })
  const socket = await world.subscribe({ inboxIds: [inbox.inboxId] })

  await world.smtp.send({ to: inbox.email, subject: 'hello', text: 'grüße' })

  const event = await socket.next('message.received')
  expect(event.message).toMatchObject({ subject: 'hello', text: 'grüße', labels: ['received', 'unread'] })
})
