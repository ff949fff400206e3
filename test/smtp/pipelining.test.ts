/** RFC 2920: commands may arrive in one segment with others, and with the end of a message. */
import { Socket } from 'node:net'
import { expect, onTestFinished, test, vi } from 'vitest'
import { startListener } from './listener.ts'
import { createGate } from './memory-receiving.ts'
import { RawClient } from './raw-client.ts'

const envelope = 'MAIL FROM:<ann@example.test>\r\nRCPT TO:<ada@mail.example.test>\r\nDATA\r\n'
const codes = (replies: string[]) => replies.map((reply) => reply.slice(0, 3))

test('a whole session in one segment is answered in order', async () => {
  const { port, receiving } = await startListener()
  const client = await RawClient.open(port)
  client.send(`EHLO peer.test\r\n${envelope}one\r\n.\r\n${envelope}two\r\n.\r\nNOOP\r\nQUIT\r\n`)
  expect(codes(await client.replies(11))).toEqual([
    '250',
    '250',
    '250',
    '354',
    '250',
    '250',
    '250',
    '354',
    '250',
    '250',
    '221',
  ])
  expect(receiving.texts).toEqual(['one\r\n', 'two\r\n'])
})

test('the replies to commands of one segment are written together', async () => {
  const { port } = await startListener()
  const client = await RawClient.open(port, 'peer.test')
  const write = vi.spyOn(Socket.prototype, '_write')
  const writev = vi.spyOn(Socket.prototype, '_writev')
  onTestFinished(() => void vi.restoreAllMocks())
  client.send(envelope) // one of the two writes
  expect(codes(await client.replies(3))).toEqual(['250', '250', '354'])
  expect([write.mock.calls.length, writev.mock.calls.length]).toEqual([2, 0])
})

test('a refused recipient in a batch does not affect the others', async () => {
  const { port, receiving } = await startListener()
  const client = await RawClient.open(port, 'peer.test')
  client.send('MAIL FROM:<>\r\nRCPT TO:<nobody@mail.example.test>\r\nRCPT TO:<ada@mail.example.test>\r\nDATA\r\n')
  expect(codes(await client.replies(4))).toEqual(['250', '550', '250', '354'])
  await client.command('x\r\n.')
  expect(receiving.filed[0]?.envelope.recipients).toEqual(['ada@mail.example.test'])
})

test('commands after the end of a message wait until the message is answered', async () => {
  const { port, receiving } = await startListener()
  const { gate, reached, open } = createGate()
  receiving.beforeCommit = gate
  const client = await RawClient.inData(port)
  client.send('one\r\n.\r\nNOOP\r\nRSET\r\n')
  await reached
  expect(client.unread).toBe('')
  open()
  expect(await client.replies(3)).toEqual(['250 2.0.0 Ok: filed as m1', '250 2.0.0 Ok', '250 2.0.0 Ok'])
})

test('commands that arrive byte by byte are read', async () => {
  const { port, receiving } = await startListener()
  const client = await RawClient.open(port)
  for (const byte of `EHLO peer.test\r\n${envelope}x\r\n.\r\n`) client.send(byte)
  expect(codes(await client.replies(5))).toEqual(['250', '250', '250', '354', '250'])
  expect(receiving.texts).toEqual(['x\r\n'])
})

test('no command runs after QUIT', async () => {
  const { port, receiving } = await startListener()
  const client = await RawClient.open(port, 'peer.test')
  client.send(`QUIT\r\n${envelope}x\r\n.\r\n`)
  expect(await client.reply()).toMatch(/^221 /)
  expect(await client.rest()).toBe('')
  expect(receiving.filed).toEqual([])
})

// Exim ends its side with QUIT, which it sends with the end of the message. It got no reply, and delivered every message twice.
test('a client that ends its side with its last command gets all replies', async () => {
  const { port, receiving } = await startListener()
  const { gate, reached, open } = createGate()
  receiving.beforeCommit = gate
  const client = await RawClient.inData(port)
  client.socket.end('one\r\n.\r\nQUIT\r\n')
  await reached
  await new Promise(setImmediate) // the end has been read
  open()
  expect(await client.rest()).toMatch(/^250 2\.0\.0 Ok: filed as m1\r\n221 /)
})

test('a client that ends its side in the middle of a message is disconnected, and nothing is stored', async () => {
  const { port, receiving } = await startListener()
  const client = await RawClient.inData(port)
  client.socket.end('one\r\n')
  expect(await client.rest()).toBe('')
  expect(receiving.filed).toEqual([])
})

test('a client that ends its side after STARTTLS is disconnected', async () => {
  const { port } = await startListener()
  const client = await RawClient.open(port, 'peer.test')
  client.socket.end('STARTTLS\r\n')
  expect(await client.rest()).toMatch(/^220 /)
})

test('thousands of pipelined commands do not delay other connections', async () => {
  const { port } = await startListener()
  const flooding = await RawClient.open(port, 'flood.test')
  flooding.send('NOOP\r\n'.repeat(9_000))
  const other = await RawClient.open(port, 'other.test')
  expect(await other.command('NOOP')).toMatch(/^250 /)
  expect(flooding.unread.length).toBeLessThan(9_000 * '250 2.0.0 Ok\r\n'.length) // not all are answered yet
  expect(await flooding.replies(9_000)).toHaveLength(9_000)
})
