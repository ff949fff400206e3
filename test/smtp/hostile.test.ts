/** Peers that are broken, impatient, or not mail servers. None of them may affect other connections. */
import { describe, expect, test } from 'vitest'
import { type Listener, startListener } from './listener.ts'
import { createGate } from './memory-receiving.ts'
import { RawClient } from './raw-client.ts'

/** Expects that the listener still accepts a message from a correct peer. */
async function expectAlive({ port, receiving }: Listener): Promise<void> {
  const before = receiving.filed.length
  const client = await RawClient.inData(port)
  expect(await client.command('x\r\n.')).toMatch(/^250 /)
  expect(receiving.filed).toHaveLength(before + 1)
}

test('a peer that sends before the greeting gets 421 and no greeting', async () => {
  const listener = await startListener()
  const client = new RawClient(listener.port, 'EHLO spam.test\r\nMAIL FROM:<>\r\n')
  expect(await client.reply()).toBe('421 4.7.0 Wait for the greeting before you send')
  expect(await client.rest()).toBe('')
  await expectAlive(listener)
})

test('a partial line before the greeting counts too', async () => {
  const { port } = await startListener()
  expect(await new RawClient(port, 'EHLO').reply()).toMatch(/^421 4\.7\.0 /)
})

describe('commands that are not text', () => {
  const cases: [string, Buffer][] = [
    ['NUL', Buffer.from('NOOP \0\r\n')],
    ['a bare CR', Buffer.from('NOOP\rRSET\r\n')],
    ['an escape sequence', Buffer.from('\u001b[2J\r\n')],
    ['bytes that are not UTF-8', Buffer.from([0x4d, 0xff, 0xfe, 0x0d, 0x0a])],
    ['a C1 control character', Buffer.from('NOOP \u0085\r\n')],
  ]
  test.each(cases)('%s gets 500 5.5.2', async (_name, bytes) => {
    const { port } = await startListener()
    const client = await RawClient.open(port)
    client.send(bytes)
    expect(await client.reply()).toBe('500 5.5.2 Commands are UTF-8 text without control characters')
    expect(await client.command('NOOP')).toBe('250 2.0.0 Ok')
  })
})

test('binary garbage ends with 421, and other sessions continue', async () => {
  const listener = await startListener()
  const client = await RawClient.open(listener.port)
  const garbage = Buffer.alloc(1 << 20)
  for (let index = 0; index < garbage.length; index++) garbage[index] = (index * 7919 + (index >> 8)) & 0xff
  client.send(garbage)
  expect(await client.rest()).toMatch(/421 4\.7\.0 Too many errors in one connection\r\n$/)
  await expectAlive(listener)
})

test('an HTTP client is disconnected at its first line, so its body is never read as commands', async () => {
  const listener = await startListener()
  const client = await RawClient.open(listener.port)
  client.send('POST / HTTP/1.1\r\nHost: x\r\n\r\nEHLO x\r\nMAIL FROM:<>\r\n')
  expect(await client.reply()).toMatch(/^421 4\.7\.0 /)
  expect(await client.rest()).toBe('')
})

test('a message whose peer disconnects in the middle is not stored', async () => {
  const listener = await startListener()
  const { gate, reached, open } = createGate()
  listener.receiving.beforeRead = gate
  const client = await RawClient.inData(listener.port)
  client.send('Subject: half\r\n\r\nof it')
  await reached
  open()
  client.socket.destroy()
  await listener.receiving.firstFailure
  expect(listener.receiving.filed).toEqual([])
  expect(listener.logged.some((line) => line.includes('SMTP command failed'))).toBe(false) // a normal event, not an error
  listener.receiving.beforeRead = () => undefined
  await expectAlive(listener)
  expect((await listener.metrics.smtpRefusals.get()).values).toEqual([]) // nothing is replied to a peer that is gone
})

test('a message whose peer half-closes in the middle is not stored', async () => {
  const listener = await startListener()
  const client = await RawClient.inData(listener.port)
  client.socket.end('Subject: half\r\n\r\nof it')
  await listener.receiving.firstFailure
  expect(listener.receiving.filed).toEqual([])
})

test('a peer that resets before the core reads affects no other connection', async () => {
  const listener = await startListener()
  const { gate, reached, open } = createGate()
  listener.receiving.beforeRead = gate
  const client = await RawClient.inData(listener.port)
  client.send('x'.repeat(1_000))
  await reached
  client.socket.resetAndDestroy()
  await listener.untilLogged('SMTP connection closed')
  open()
  await listener.receiving.firstFailure
  expect(listener.receiving.filed).toEqual([])
  listener.receiving.beforeRead = () => undefined
  await expectAlive(listener)
})

test.each(['beforeRead', 'beforeCommit'] as const)(
  'a message whose peer disconnects after its last byte is stored once (%s)',
  async (step) => {
    const listener = await startListener()
    const { gate, reached, open } = createGate()
    listener.receiving[step] = gate
    const client = await RawClient.inData(listener.port)
    client.send('whole\r\n.\r\n')
    await reached
    client.socket.destroy()
    open() // it may still wait for the reply: the end of its side looks the same (pipelining.test.ts)
    await listener.untilLogged('SMTP connection closed')
    expect(listener.receiving.texts).toEqual(['whole\r\n'])
  },
)

test('a last line without a line end is not a command', async () => {
  const { port, metrics, untilLogged } = await startListener()
  const client = await RawClient.open(port)
  client.socket.end('NOOP\r\nXYZZY')
  await untilLogged('SMTP connection closed')
  expect(await client.rest()).toBe('250 2.0.0 Ok\r\n')
  expect((await metrics.smtpRefusals.get()).values).toEqual([]) // XYZZY would be refused
})

test('a peer that sends commands and never reads the replies is throttled and then disconnected', async () => {
  const listener = await startListener({ smtp: { idleMs: 200, commandsMax: 1_000_000 } })
  const client = await RawClient.open(listener.port, 'greedy.test')
  client.socket.pause()
  // Enough to exceed limits.smtp.commandsMax if the server read on without waiting until its replies are sent.
  client.send('HELP\r\n'.repeat(1_100_000))
  await listener.untilLogged('SMTP connection closed')
  const reasons = (await listener.metrics.smtpRefusals.get()).values.map(({ labels }) => labels.reason)
  expect(reasons).toEqual(['idle'])
})

test('input after the close of a refused session is ignored', async () => {
  const { port, receiving } = await startListener({ smtp: { errorsMax: 1 } })
  const client = await RawClient.open(port)
  client.send('XYZZY\r\nNOOP\r\nEHLO x\r\nMAIL FROM:<>\r\nRCPT TO:<ada@mail.example.test>\r\nDATA\r\nx\r\n.\r\n')
  await client.closed
  expect(receiving.filed).toEqual([])
})
