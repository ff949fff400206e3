/** A message between its connection and its reader: order, back-pressure, and an early end by either side. */
import { expect, test } from 'vitest'
import { MailData } from '../../src/edges/smtp/protocol/mail-data.ts'

const LARGE = Buffer.alloc(40 * 1024)

test('the reader gets what was written before and after it began, in order', async () => {
  const data = new MailData()
  data.write(Buffer.from('a'))
  const read = readAll(data)
  await Promise.resolve()
  data.write(Buffer.from('b'))
  await Promise.resolve()
  data.write(Buffer.from('c'))
  data.end()
  expect((await read).join('')).toBe('abc')
})

test('a writer that is ahead waits until the reader takes a chunk', async () => {
  const data = new MailData()
  expect(data.write(Buffer.from('a'))).toBe(false)
  await data.drained()
  expect(data.write(LARGE)).toBe(true)
  let isDrained = false
  const drained = data.drained().then(() => {
    isDrained = true
  })
  await Promise.resolve()
  expect(isDrained).toBe(false)
  const reader = data[Symbol.asyncIterator]()
  await reader.next()
  await reader.next()
  await drained
  expect(data.write(Buffer.from('b'))).toBe(false)
})

test('an error reaches the reader at once, also one that waits', async () => {
  const waiting = new MailData()
  const read = readAll(waiting)
  await Promise.resolve()
  waiting.fail(new Error('gone'))
  await expect(read).rejects.toThrow('gone')

  const unread = new MailData()
  unread.write(LARGE)
  unread.fail(new Error('gone'))
  await unread.drained()
  await expect(readAll(unread)).rejects.toThrow('gone')
  expect(unread.error?.message).toBe('gone')
})

test.each([
  [
    'stops after a chunk',
    async (data: MailData) => {
      for await (const _chunk of data) break
    },
  ],
  ['closes it', async (data: MailData) => data.close()],
])('a reader that %s makes no writer wait', async (_name, stop) => {
  const data = new MailData()
  data.write(LARGE)
  await stop(data)
  await data.drained()
  expect(data.isClosed).toBe(true)
  expect(data.write(LARGE)).toBe(false)
  data.fail(new Error('too late'))
  expect(data.error).toBeUndefined()
})

test('a second reader fails: it would get a part of the message', async () => {
  const data = new MailData()
  data.end()
  await readAll(data)
  await expect(readAll(data)).rejects.toThrow('a message is read once')
})

async function readAll(data: MailData): Promise<Buffer[]> {
  const chunks: Buffer[] = []
  for await (const chunk of data) chunks.push(chunk)
  return chunks
}
