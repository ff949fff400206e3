/** Peers that are broken, in a hurry, or no mail servers at all. None may hurt the others. */
import { describe, expect, test } from 'vitest'
import { type Listener, startListener } from './listener.ts'
import { createGate } from './memory-receiving.ts'
import { RawClient } from './raw-client.ts'

/** The listener still takes a mail from an honest peer. */
async function expectAlive({ port, receiving }: Listener): Promise<void> {
  const before = receiving.filed.length
  const client = await RawClient.inData(port)
  expect(await client.command('x\r\n.')).toMatch(/^250 /)
  expect(receiving.filed).toHaveLength(before + 1)
}

test('a peer that talks before the greeting hears 421 and no greeting', async () => {
  const listener = await startListener()
  const client = new RawClient(listener.port, 'EHLO spam.test\r\nMAIL FROM:<>\r\n')
  expect(await client.reply()).toBe('421 4.7.0 Wait for the greeting before you talk')
  expect(await client.rest()).toBe('')
  await expectAlive(listener)
})

test('half a line before the greeting counts as well', async () => {
  const { port } = await startListener()
  expect(await new RawClient(port, 'EHLO').reply()).toMatch(/^421 4\.7\.0 /)
})

describe('commands that are no text', () => {
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

test('binary garbage ends in 421, and other sessions go on', async () => {
  const listener = await startListener()
  const client = await RawClient.open(listener.port)
  const garbage = Buffer.alloc(1 << 20)
  for (let index = 0; index < garbage.length; index++) garbage[index] = (index * 7919 + (index >> 8)) & 0xff
  client.send(garbage)
  expect(await client.rest()).toMatch(/421 4\.7\.0 Too many errors in one connection\r\n$/)
  await expectAlive(listener)
})

test('a browser is turned away at its first line, before its body could be read as commands', async () => {
  const listener = await startListener()
  const client = await RawClient.open(listener.port)
  client.send('POST / HTTP/1.1\r\nHost: x\r\n\r\nEHLO x\r\nMAIL FROM:<>\r\n')
  expect(await client.reply()).toMatch(/^421 4\.7\.0 /)
  expect(await client.rest()).toBe('')
})

test('a peer that vanishes in the middle of a mail files nothing', async () => {
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
  expect(listener.logged.some((line) => line.includes('receiving failed'))).toBe(false) // weather, not an error
  listener.receiving.beforeRead = () => undefined
  await expectAlive(listener)
})

test('a peer that half-closes in the middle of a mail files nothing', async () => {
  const listener = await startListener()
  const client = await RawClient.inData(listener.port)
  client.socket.end('Subject: half\r\n\r\nof it')
  await listener.receiving.firstFailure
  expect(listener.receiving.filed).toEqual([])
})

test('a peer that resets before the core has begun to read ends nobody else', async () => {
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

test('a peer that leaves after its last byte has its mail filed once', async () => {
  const listener = await startListener()
  const { gate, reached, open } = createGate()
  listener.receiving.beforeCommit = gate
  const client = await RawClient.inData(listener.port)
  client.send('whole\r\n.\r\n')
  await reached
  client.socket.destroy()
  await listener.untilLogged('SMTP connection closed')
  open()
  await RawClient.open(listener.port) // some turns of the event loop
  expect(listener.receiving.texts).toEqual(['whole\r\n'])
})

test('a peer that sends commands and never reads the answers is stopped, not buffered for', async () => {
  const listener = await startListener({ smtpIdleMs: 200, smtpCommandsMax: 1_000_000 })
  const client = await RawClient.open(listener.port, 'greedy.test')
  client.socket.pause()
  client.send('HELP\r\n'.repeat(1_100_000)) // a reader that does not wait for the answers to leave meets the other limit
  await listener.untilLogged('SMTP connection closed')
  const reasons = (await listener.metrics.smtpReplies.get()).values.map(({ labels }) => labels.error)
  expect(reasons).toEqual(['idle'])
})

test('bytes after the close of a refused session run nothing', async () => {
  const { port, receiving } = await startListener({ smtpErrorsMax: 1 })
  const client = await RawClient.open(port)
  client.send('XYZZY\r\nNOOP\r\nEHLO x\r\nMAIL FROM:<>\r\nRCPT TO:<ada@mail.example.test>\r\nDATA\r\nx\r\n.\r\n')
  await client.closed
  expect(receiving.filed).toEqual([])
})
