/** Start and stop: which sessions are closed at once, which may finish, and which are aborted. */
import { expect, test } from 'vitest'
import { loadConfig } from '../../src/config/settings.ts'
import { createMxServer } from '../../src/edges/smtp/mx/mx-server.ts'
import { StartupError } from '../../src/errors.ts'
import { createEventLoop } from '../../src/event-loop.ts'
import { createLog } from '../../src/log.ts'
import { createMetrics } from '../../src/metrics.ts'
import { startListener } from './listener.ts'
import { createGate } from './memory-receiving.ts'
import { RawClient } from './raw-client.ts'

const LONG_MS = 60_000 // longer than any test: a stop that waits for it fails

test('idle sessions get 421 4.3.2 and are closed at once, even within a transaction', async () => {
  const { port, mx } = await startListener()
  const greeted = await RawClient.open(port)
  const inTransaction = await RawClient.open(port, 'peer.test')
  await inTransaction.command('MAIL FROM:<>')
  await mx.stop(LONG_MS)
  for (const client of [greeted, inTransaction]) {
    expect(await client.reply()).toBe('421 4.3.2 The server is shutting down; try again in a moment')
    expect(await client.rest()).toBe('')
  }
})

test('a session that has sent QUIT and does not close does not delay the stop', async () => {
  const { port, mx } = await startListener()
  const client = await RawClient.open(port)
  client.socket.allowHalfOpen = true
  await client.command('QUIT')
  await mx.stop(LONG_MS)
})

test('a message in progress is finished and answered, then its session is closed', async () => {
  const { port, mx, receiving } = await startListener()
  const client = await RawClient.inData(port)
  client.send('Subject: slow\r\n\r\nfirst half, ')
  const stopped = mx.stop(LONG_MS)
  client.send('second half\r\n.\r\n')
  expect(await client.reply()).toBe('250 2.0.0 Ok: filed as m1')
  expect(await client.reply()).toMatch(/^421 4\.3\.2 /)
  await stopped
  expect(receiving.texts).toEqual(['Subject: slow\r\n\r\nfirst half, second half\r\n'])
})

// Receiving used to begin before 354 was written, so a stop in between cut the message off.
test('a message is finished if the stop begins right after its 354', async () => {
  const { port, mx, receiving } = await startListener()
  let stopped: Promise<void> | undefined
  receiving.beforeRead = () => {
    stopped = mx.stop(LONG_MS)
  }
  const client = await RawClient.inData(port)
  client.send('x\r\n.\r\n')
  expect(await client.reply()).toBe('250 2.0.0 Ok: filed as m1')
  expect(await client.reply()).toMatch(/^421 4\.3\.2 /)
  await stopped
})

test('a command in progress is answered before the 421', async () => {
  const { port, mx, receiving } = await startListener()
  const { gate, reached, open } = createGate()
  receiving.beforeAccept = gate
  const client = await RawClient.open(port, 'peer.test')
  await client.command('MAIL FROM:<>')
  client.send('RCPT TO:<ada@mail.example.test>\r\nDATA\r\n')
  await reached
  const stopped = mx.stop(LONG_MS)
  open()
  expect(await client.reply()).toMatch(/^250 /)
  expect(await client.reply()).toMatch(/^421 4\.3\.2 /)
  await stopped
})

test('a message that is not finished within the grace period is aborted and not stored', async () => {
  const { port, mx, receiving } = await startListener()
  const client = await RawClient.inData(port)
  client.send('never ends')
  await mx.stop(10)
  await client.closed
  expect(receiving.filed).toEqual([])
})

test('a handshake in progress does not delay the stop', async () => {
  const { port, mx } = await startListener()
  const client = await RawClient.open(port, 'peer.test')
  await client.command('STARTTLS')
  await mx.stop(LONG_MS)
  expect(await client.rest()).toBe('') // no 421 in clear text either: the peer expects TLS records now
})

test('connections are refused after the stop', async () => {
  const { port, mx } = await startListener()
  await mx.stop(LONG_MS)
  await expect(new RawClient(port).reply()).rejects.toThrow('closed')
})

test('an MX server that never listened can be stopped', async () => {
  const { mx } = await startListener()
  await mx.stop(0)
  await mx.stop(0)
})

test('an error about a port in use, or a foreign address, names the setting', async () => {
  const { port, receiving, tls } = await startListener()
  const listen = async (env: Readonly<Record<string, string>>) => {
    const config = loadConfig({ MARTLET_SMTP_PORT: String(port), ...env })
    const eventLoop = createEventLoop(config.limits)
    const mx = createMxServer({ config, log: createLog('silent'), metrics: createMetrics(), eventLoop, receiving, tls })
    const error = await mx.listen().catch((reason: unknown) => reason)
    expect(error).toBeInstanceOf(StartupError)
    return (error as Error).message
  }
  const used = `127.0.0.1:${port} is in use; stop the process that uses it, or set MARTLET_SMTP_PORT`
  expect(await listen({})).toBe(used)
  expect(await listen({ MARTLET_HOST: '192.0.2.1' })).toBe('MARTLET_HOST=192.0.2.1 is not an address of this machine')
})
