/** A server that gets more mail than it can store: it says so to new connections. */
import { expect, test } from 'vitest'
import { RawClient } from '../smtp/raw-client.ts'
import { startWorld } from '../support/world.ts'

// No 421 was ever sent: connections beyond the capacity waited for a greeting until they gave up.
test('while a message waits too long, new connections get 421', async () => {
  await using world = await startWorld({
    limits: { receiving: { underWayMax: 0, waitMs: 500 }, server: { shutdownGraceMs: 50 } },
  })
  await world.request('POST', '/v0/inboxes', { body: { username: 'ada' } })
  const sender = await RawClient.inData(world.smtpPort, 'ada@mail.localhost')
  sender.send('Subject: waits\r\n\r\n.\r\n')
  const greeting = async () => {
    const client = new RawClient(world.smtpPort)
    const reply = await client.reply()
    client.socket.destroy()
    return reply
  }
  expect(await greeting()).toMatch(/^220 /)
  await expect.poll(greeting, { interval: 10 }).toBe('421 4.4.5 The server is overloaded; try again later')
})
