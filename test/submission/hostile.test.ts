/** Tests that clients which are slow, or send nonsense, cost bounded memory and time, on both ports. */

import { once } from 'node:events'
import { connect } from 'node:net'
import { connect as connectTls } from 'node:tls'
import { afterAll, beforeAll, expect, test } from 'vitest'
import {
  openLoggedIn,
  openSecure,
  type Sender,
  type SubmissionWorld,
  sendRaw,
  startSubmission,
} from './submission-world.ts'

let server: SubmissionWorld
let ada: Sender

beforeAll(async () => {
  server = await startSubmission({
    smtp: { idleMs: 1_000, idleBeforeMailMs: 1_000, connectionsMax: 20, errorsMax: 5 },
    parsing: { waitingBytesMax: 100_000 },
    server: { shutdownGraceMs: 50 },
  })
  const { email } = await server.world.agentmail.inboxes.create({ username: 'ada' })
  ada = { user: email, pass: server.world.rootKey }
})
afterAll(() => server?.[Symbol.asyncDispose]())

test('a client that never begins the handshake of implicit TLS is disconnected, and garbage too', async () => {
  const { submissionsPort } = server.world
  const silent = connect({ host: '127.0.0.1', port: submissionsPort })
  await once(silent.resume(), 'close')
  const talker = connect({ host: '127.0.0.1', port: submissionsPort })
  talker.on('error', () => undefined)
  talker.write('EHLO client.test\r\n'.repeat(10))
  await once(talker.resume(), 'close')
})

test('handshakes that are under way count as connections, and idle ones make room for new ones', async () => {
  const { submissionsPort, submissionPort } = server.world
  const silent = Array.from({ length: 30 }, () => connect({ host: '127.0.0.1', port: submissionsPort }))
  for (const socket of silent) socket.on('error', () => undefined).resume()
  await Promise.all(silent.slice(0, 10).map((socket) => once(socket, 'close')))
  const client = await openLoggedIn(server.world, ada)
  expect(submissionPort).not.toBe(submissionsPort)
  expect(await client.command('NOOP')).toBe('250 2.0.0 Ok')
  client.socket.destroy()
  for (const socket of silent) socket.destroy()
})

test('a client that speaks before the greeting inside TLS gets 421', async () => {
  const secure = connectTls({ host: '127.0.0.1', port: server.world.submissionsPort, rejectUnauthorized: false })
  secure.write('EHLO early.test\r\n')
  const [data] = await once(secure, 'data')
  expect(String(data)).toMatch(/^(421 4\.7\.0|220) /)
  secure.destroy()
})

test('bytes that follow STARTTLS in clear text are discarded, also a login', async () => {
  const { RawClient } = await import('../smtp/raw-client.ts')
  const client = await RawClient.open(server.world.submissionPort, 'victim.test')
  const credentials = Buffer.from(`\0${ada.user}\0${ada.pass}`).toString('base64')
  await client.startTls(`EHLO evil.test\r\nAUTH PLAIN ${credentials}\r\n`)
  expect(await client.command(`MAIL FROM:<${ada.user}>`)).toBe('503 5.5.1 Send EHLO first')
  await client.command('EHLO victim.test')
  expect(await client.command(`MAIL FROM:<${ada.user}>`)).toBe('530 5.7.0 Authentication is required')
})

test('a connection with too many refusals is closed', async () => {
  const client = await openSecure(server.world)
  for (let count = 0; count < 5; count++) expect(await client.command('AUTH LOGIN x')).toMatch(/^501 /)
  expect(await client.command('NOOP')).toBe('421 4.7.0 Too many errors in one connection')
})

test('a client that stops inside its message is disconnected, and nothing is sent', async () => {
  const { world } = server
  const client = await openLoggedIn(world, ada)
  for (const command of [`MAIL FROM:<${ada.user}>`, 'RCPT TO:<bob@a.test>', 'DATA']) await client.command(command)
  client.send(`From: ${ada.user}\r\n\r\nunfinished`)
  expect(await client.rest()).toMatch(/^421 4\.4\.2 /)
  expect((await world.agentmail.inboxes.messages.list(ada.user)).messages).toEqual([])
})

test('messages that arrive while the memory for them is used up are sent all the same', async () => {
  const { world } = server
  const clients = await Promise.all(Array.from({ length: 5 }, () => openLoggedIn(world, ada)))
  const raw = `From: ${ada.user}\nSubject: many\n\n${'x'.repeat(70)}\n`.concat(`${'y'.repeat(70)}\n`.repeat(1_000))
  const replies = await Promise.all(
    clients.map((client) => sendRaw(client, { from: ada.user, to: ['bob@a.test'], raw })),
  )
  for (const reply of replies) expect(reply).toMatch(/^250 /)
  for (const client of clients) client.socket.destroy()
})
