/** Every limit of a connection, and the reply when it is exceeded. */
import { expect, test } from 'vitest'
import { MailError } from '../../src/errors.ts'
import { startListener } from './listener.ts'
import { createGate } from './memory-receiving.ts'
import { RawClient } from './raw-client.ts'

test('a command line that is too long is refused, and the next one is read', async () => {
  const { port } = await startListener({ smtpCommandBytesMax: 512 })
  const client = await RawClient.open(port)
  expect(await client.command(`NOOP ${'x'.repeat(512 - 'NOOP \r\n'.length)}`)).toBe('250 2.0.0 Ok')
  expect(await client.command(`NOOP ${'x'.repeat(513 - 'NOOP \r\n'.length)}`)).toBe('500 5.5.2 Line too long')
  client.send('x'.repeat(300_000))
  expect(await client.command('')).toBe('500 5.5.2 Line too long')
  expect(await client.command('NOOP')).toBe('250 2.0.0 Ok')
})

test('one recipient too many is refused temporarily, and those before it get the message', async () => {
  const { port, receiving } = await startListener({ smtpRecipientsMax: 2, smtpErrorsMax: 2 })
  const client = await RawClient.open(port, 'peer.test')
  await client.command('MAIL FROM:<>')
  const answers: string[] = []
  for (const name of ['a', 'b', 'c', 'd', 'e', 'f', 'a']) {
    answers.push(await client.command(`RCPT TO:<${name}@mail.example.test>`))
  }
  const full = '452 4.5.3 Too many recipients; send the rest in another transaction'
  const taken = '250 2.1.5 Recipient ok'
  expect(answers).toEqual([taken, taken, full, full, full, full, taken])
  await client.command('DATA')
  expect(await client.command('x\r\n.')).toMatch(/^250 /)
  expect(receiving.filed[0]?.envelope.recipients).toEqual(['a@mail.example.test', 'b@mail.example.test'])
})

test('a connection with too many refusals is closed with 421', async () => {
  const { port } = await startListener({ smtpErrorsMax: 3 })
  const client = await RawClient.open(port)
  client.send('XYZZY\r\n'.repeat(5))
  const unknown = '500 5.5.1 Command not recognized'
  expect(await client.replies(4)).toEqual([unknown, unknown, unknown, '421 4.7.0 Too many errors in one connection'])
  expect(await client.rest()).toBe('')
})

test('a connection with too many commands is closed with 421', async () => {
  const { port } = await startListener({ smtpCommandsMax: 3 })
  const client = await RawClient.open(port)
  client.send('NOOP\r\n'.repeat(5))
  expect((await client.replies(4)).at(-1)).toBe('421 4.7.0 Too many commands in one connection')
  expect(await client.rest()).toBe('')
})

test('an idle connection gets 421 4.4.2', async () => {
  const { port } = await startListener({ smtpIdleMs: 200 })
  const client = await RawClient.open(port)
  expect(await client.reply()).toBe('421 4.4.2 Nothing heard for too long; closing')
  expect(await client.rest()).toBe('')
})

test('a message that stops in the middle is aborted and not stored', async () => {
  const { port, receiving } = await startListener({ smtpIdleMs: 200 })
  const client = await RawClient.inData(port)
  client.send('Subject: half')
  expect(await client.reply()).toMatch(/^421 4\.4\.2 /)
  expect(await receiving.firstFailure).toMatchObject({ name: 'PeerGone' })
  expect(receiving.filed).toEqual([])
})

test('time that the server itself needs does not count as idle time of the peer', async () => {
  const { port, receiving } = await startListener({ smtpIdleMs: 200 })
  const { gate, reached, open } = createGate()
  receiving.beforeCommit = gate
  const client = await RawClient.inData(port)
  client.send('x\r\n.\r\n')
  await reached
  await new RawClient(port).closed // by now another connection has reached the idle limit
  open()
  expect(await client.reply()).toMatch(/^250 /)
})

test('one connection too many gets 421 4.7.0, and the next is accepted when another closes', async () => {
  const { port, metrics, untilLogged, logged } = await startListener({ smtpConnectionsMax: 2 })
  const first = await RawClient.open(port)
  await RawClient.open(port)
  const refused = new RawClient(port)
  expect(await refused.reply()).toBe('421 4.7.0 Too many connections; try again later')
  expect(await refused.rest()).toBe('')
  expect((await metrics.smtpConnections.get()).values[0]?.value).toBe(2)

  logged.length = 0 // also ignores the close of the refused connection
  await first.command('QUIT')
  await untilLogged('SMTP connection closed')
  expect(await new RawClient(port).reply()).toMatch(/^220 /)
})

test('one address cannot use all connections', async () => {
  const { port } = await startListener({ smtpConnectionsPerAddressMax: 1 })
  await RawClient.open(port)
  expect(await new RawClient(port).reply()).toMatch(/^421 4\.7\.0 /)
})

test('a message that is too large is read to its end and refused with 552, and the connection continues', async () => {
  const { port, receiving } = await startListener()
  receiving.bytesMax = 100_000
  const client = await RawClient.inData(port)
  client.send(`${'x'.repeat(998)}\r\n`.repeat(5_000))
  client.send('.\r\n')
  expect(await client.reply()).toBe('552 5.3.4 The message is larger than 100000 bytes')
  expect(receiving.filed).toEqual([])

  await client.command('MAIL FROM:<>')
  await client.command('RCPT TO:<ada@mail.example.test>')
  await client.command('DATA')
  expect(await client.command('small\r\n.')).toMatch(/^250 /)
  expect(receiving.texts).toEqual(['small\r\n'])
})

test('if the core fails before it reads, the message is still read and then refused', async () => {
  const { port, receiving } = await startListener()
  receiving.beforeRead = () => {
    throw new MailError('disk_full', {})
  }
  const client = await RawClient.inData(port)
  client.send(`${'x'.repeat(998)}\r\n`.repeat(5_000))
  client.send('.\r\n')
  expect(await client.reply()).toMatch(/^452 4\.3\.1 /)
  expect(await client.command('NOOP')).toMatch(/^250 /)
})

test('a slow core slows the peer down instead of filling memory', async () => {
  const { port, receiving } = await startListener()
  const { gate, reached, open } = createGate()
  receiving.beforeRead = gate
  const client = await RawClient.inData(port)
  const block = Buffer.alloc(1 << 20, 'x')
  for (let sent = 0; sent < 32; sent++) client.send(block)
  client.send('\r\n.\r\n')
  await reached
  const other = await RawClient.open(port, 'other.test')
  // Long enough for an unlimited reader to read everything.
  for (let turn = 0; turn < 500; turn++) await other.command('NOOP')
  // The kernel's buffers are full, and the rest waits in the client.
  expect(client.socket.writableLength).toBeGreaterThan(8 << 20)
  open()
  expect(await client.reply()).toMatch(/^250 /)
  expect(receiving.filed[0]?.raw).toHaveLength((32 << 20) + 2)
})

test('refusals are counted by code and reason', async () => {
  const { port, metrics } = await startListener()
  const client = await RawClient.open(port, 'peer.test')
  await client.command('MAIL FROM:<>')
  await client.command('RCPT TO:<nobody@mail.example.test>')
  await client.command('XYZZY')
  const counted = (await metrics.smtpReplies.get()).values.map(({ labels, value }) => [
    labels.code,
    labels.error,
    value,
  ])
  expect(counted).toEqual([
    [550, 'unknown_recipient', 1],
    [500, 'syntax', 1],
  ])
})
