import { expect, test } from 'vitest'
import { startWorld } from '../support/world.ts'

test('after a restart everything is still stored, and a subscriber resumes at its cursor', async () => {
  await using world = await startWorld()
  const ada = await world.agentmail.inboxes.create({ username: 'ada', clientId: 'ada-1' })
  const socket = await world.subscribe({ eventTypes: ['message.received'] })
  await world.smtp.send({ to: ada.email, subject: 'one', text: 'first' })
  const one = await socket.next()

  await world.smtp.send({ to: ada.email, subject: 'two', text: 'second' })
  await socket.next() // received, but the client "forgets" it and reconnects with the older cursor
  await world.restart()

  const again = await world.subscribe({ eventTypes: ['message.received'], after: one.cursor })
  expect((await again.next()).message.subject).toBe('two')
  await world.smtp.send({ to: ada.email, subject: 'three', text: 'third' })
  expect((await again.next()).message.subject).toBe('three')

  const { messages } = await world.agentmail.inboxes.messages.list(ada.inboxId)
  expect(messages.map(({ subject }) => subject)).toEqual(['three', 'two', 'one'])
  expect((await world.agentmail.inboxes.create({ clientId: 'ada-1' })).inboxId).toBe(ada.inboxId)
})
