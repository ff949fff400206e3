/** Tests how the body of a request is read: whole, with little work per chunk, and within its limits. */
import { once } from 'node:events'
import { createServer, type IncomingMessage } from 'node:http'
import { type AddressInfo, connect } from 'node:net'
import { expect, test } from 'vitest'
import { declaredLength, readBody } from '../../../src/edges/http/server/requests/read-body.ts'
import { MailError } from '../../../src/errors.ts'

const BYTES_MAX = 100_000

interface Read {
  /** The body, or the code of the error. */
  readonly result: string
  /** Bytes that were reserved for a body in chunks. */
  readonly reserved: number
  /** Chunks that a stream had to handle. */
  readonly events: number
  /** The most that was read of the connection in one turn of the event loop. */
  readonly turnBytesMax: number
}

/** Sends one request and returns what `readBody` makes of its body. */
async function readFrom(request: string, { refuseAt = Number.POSITIVE_INFINITY, cut = false } = {}): Promise<Read> {
  let reserved = 0
  let events = 0
  let turnBytesMax = 0
  const server = createServer()
  const arrived = once(server, 'request')
  await once(server.listen(0, '127.0.0.1'), 'listening')
  const client = connect((server.address() as AddressInfo).port, '127.0.0.1')
  const end = request.indexOf('\r\n\r\n') + 4
  client.on('error', () => undefined).write(request.slice(0, end))
  const [message] = (await arrived) as [IncomingMessage]
  const body = readBody(message, {
    declaredBytes: declaredLength(message.headers),
    bytesMax: BYTES_MAX,
    reserve(bytes) {
      if (reserved + bytes > refuseAt) throw new Error('no room')
      reserved += bytes
    },
  })
  message.on('data', () => {
    events += 1
  })
  let readBytes = message.socket.bytesRead
  let isRead = false
  const watch = () => {
    turnBytesMax = Math.max(turnBytesMax, message.socket.bytesRead - readBytes)
    readBytes = message.socket.bytesRead
    if (!isRead) setImmediate(watch)
  }
  setImmediate(watch)
  if (cut) client.destroy()
  else client.write(request.slice(end))
  const result = await body.then(String, (error) =>
    error instanceof MailError ? error.code : (error as Error).message,
  )
  isRead = true
  client.destroy()
  server.close()
  return { result, reserved, events, turnBytesMax }
}

const CHUNKED = 'POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n'
const chunksOf = (text: string, size: number) =>
  (text.match(new RegExp(`.{1,${size}}`, 'gs')) ?? [])
    .map((chunk) => `${Buffer.byteLength(chunk).toString(16)}\r\n${chunk}\r\n`)
    .join('')

test.each([1, 2, 7, 5_000])('a body in chunks of %d characters is read whole, past the stream', async (size) => {
  const text = 'Grüße 验证码 '.repeat(1_000)
  const { result, reserved, events } = await readFrom(`${CHUNKED}${chunksOf(text, size)}0\r\n\r\n`)
  expect(result).toBe(text)
  expect(reserved).toBeGreaterThanOrEqual(Buffer.byteLength(text))
  expect(reserved).toBeLessThanOrEqual(BYTES_MAX)
  expect(events).toBe(0) // otherwise Node does not call the replaced `push`, and each chunk costs three times as much
})

// libuv reads a socket 32 times in a turn: 900,000 chunks of one byte blocked the event loop for 0.3 s at a time.
test('a body in tiny chunks is read in several turns of the event loop', async () => {
  const text = 'x'.repeat(BYTES_MAX)
  const { result, turnBytesMax } = await readFrom(`${CHUNKED}${chunksOf(text, 1)}0\r\n\r\n`)
  expect(result).toBe(text)
  expect(turnBytesMax).toBeGreaterThan(0)
  expect(turnBytesMax).toBeLessThanOrEqual(2 * 65_536) // two reads of the socket
})

test('a body with a Content-Length is read whole; nothing is reserved for it', async () => {
  const read = await readFrom(`POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 50000\r\n\r\n${'x'.repeat(50_000)}`)
  expect(read).toMatchObject({ result: 'x'.repeat(50_000), reserved: 0 })
})

test('a request without a body has an empty one', async () => {
  expect(await readFrom('POST / HTTP/1.1\r\nHost: x\r\n\r\n')).toMatchObject({ result: '' })
  expect(await readFrom(`${CHUNKED}0\r\n\r\n`)).toMatchObject({ result: '' })
})

test.each([
  ['declared', `POST / HTTP/1.1\r\nHost: x\r\nContent-Length: ${BYTES_MAX + 1}\r\n\r\n`],
  ['in chunks', `${CHUNKED}${chunksOf('x'.repeat(BYTES_MAX + 1), 1_000)}`],
])('a body above the limit, %s, is rejected before it is complete', async (_how, request) => {
  expect(await readFrom(request)).toMatchObject({ result: 'body_too_large' })
})

test('a body for which there is no room is rejected as it grows', async () => {
  const read = await readFrom(`${CHUNKED}${chunksOf('x'.repeat(30_000), 100)}`, { refuseAt: 20_000 })
  expect(read).toMatchObject({ result: 'no room', reserved: 16_384 })
})

test.each([
  ['declared', 'POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nx'],
  ['in chunks', `${CHUNKED}1\r\nx\r\n`],
])('a client that disconnects before the end of its body, %s, causes no internal error', async (_how, request) => {
  expect(await readFrom(request, { cut: true })).toMatchObject({ result: 'validation_error' })
})
