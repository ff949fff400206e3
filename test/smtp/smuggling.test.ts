/**
 * SMTP smuggling (SEC Consult, December 2023): if the receiving server accepts an end of data that the sending server
 * does not, an attacker can put a second message, with any sender, inside the first. Each variant is sent over a real
 * socket, in one segment and byte by byte. One message must be stored, with the smuggled one inside it.
 */
import { describe, expect, test } from 'vitest'
import { startListener } from './listener.ts'
import { RawClient } from './raw-client.ts'

const sequences = [
  '\n.\n',
  '\n.\r\n',
  '\n.\r',
  '\r\n.\n',
  '\r\n.\r',
  '\r.\r',
  '\r.\n',
  '\r.\r\n',
  '\r\n\0.\r\n',
  '\r\n.\0\r\n',
  '\r\n.\r\r\n',
  '\r\n..\r\n',
  '\r\n. \r\n',
  '\n\n.\r\n',
  '\r\r\n\n.\r\n',
]
const smuggled = 'MAIL FROM:<ceo@bank.test>\r\nRCPT TO:<ada@mail.example.test>\r\nDATA\r\nSubject: smuggled\r\n\r\nboo'

describe.each(sequences)('%j', (sequence) => {
  const mail = `Subject: first\r\n\r\nhello${sequence}${smuggled}\r\n.\r\n`

  test.each([
    ['in one segment', [mail]],
    ['byte by byte', [...mail]],
  ])('does not end a message, %s', async (_name, writes) => {
    const { port, receiving } = await startListener()
    const client = await RawClient.inData(port)
    for (const write of writes) client.send(write)
    expect(await client.reply()).toBe('250 2.0.0 Ok: filed as m1')
    expect(await client.command('NOOP')).toBe('250 2.0.0 Ok') // no reply to a second message was sent in between
    expect(receiving.filed).toHaveLength(1)
    expect(receiving.filed[0]?.envelope.sender).toBe('ann@example.test')
    expect(receiving.texts[0]).toContain('Subject: smuggled')
    expect(receiving.texts[0]).not.toMatch(/(?<!\r)\n/) // no bare LF is passed on to the next server either
  })
})

test('lines of dots are unchanged after a round trip', async () => {
  const { port, receiving } = await startListener()
  const text = 'Subject: dots\r\n\r\n.\r\n..\r\n...\r\n.a\r\na.\r\n\r\n. \r\nend.\r\n'
  const client = await RawClient.inData(port)
  client.send(`${text.replace(/^\./gm, '..')}.\r\n`)
  expect(await client.reply()).toMatch(/^250 /)
  expect(receiving.texts).toEqual([text])
})

test('every byte value is unchanged', async () => {
  const { port, receiving } = await startListener()
  const bytes = Buffer.from(Array.from({ length: 256 }, (_, value) => value).filter((value) => value !== 0x0a))
  const client = await RawClient.inData(port)
  client.send(Buffer.concat([bytes, Buffer.from('\r\n.\r\n')]))
  expect(await client.reply()).toMatch(/^250 /)
  expect(receiving.filed[0]?.raw).toEqual(Buffer.concat([bytes, Buffer.from('\r\n')]))
})

test('a message of many short stuffed lines is read quickly', async () => {
  // The library's parser needed one turn of the event loop per stuffed dot.
  const { port, receiving } = await startListener()
  const client = await RawClient.inData(port)
  client.send(`${'..\r\n'.repeat(200_000)}.\r\n`)
  expect(await client.reply()).toMatch(/^250 /)
  expect(receiving.filed[0]?.raw).toHaveLength(600_000)
})
