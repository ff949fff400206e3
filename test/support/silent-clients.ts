/**
 * Subscribers of a whole server that read nothing until the test asks them to read everything, and messages that are
 * large enough to fill the operating system's buffers of a connection.
 */
import { once } from 'node:events'
import { connect } from 'node:net'
import { createTransport } from 'nodemailer'
import { onTestFinished } from 'vitest'
import { openEventSource, StreamParser } from './event-source.ts'
import { ROOT_KEY } from './root-key.ts'
import { openSocket, type TestSocket } from './socket-client.ts'

/** A header field of 200 KB. It is part of the event, and costs less to parse than a text of the same length. */
const FILL = `X-Fill: ${'x'.repeat(950)}${`\r\n ${'x'.repeat(970)}`.repeat(205)}`
/** This number of messages is more than an operating system buffers for a connection that is not read. */
export const MANY = 45

export interface Server {
  readonly url: string
  readonly smtpPort: number
}

/** A reader of one inbox that reads nothing until the test asks it to read everything. */
interface SilentClient {
  /** Cursors of the events in the order of their arrival, over as many connections as needed. */
  readAll(count: number): Promise<string[]>
}

export async function silentStream({ url }: Server, inbox: string): Promise<SilentClient> {
  const path = `/v0/events/stream?inbox_ids=${inbox}`
  const socket = connect(Number(new URL(url).port), '127.0.0.1')
  onTestFinished(() => void socket.destroy())
  socket.on('error', () => undefined)
  socket.write(`GET ${path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${ROOT_KEY}\r\n\r\n`)
  await once(socket, 'readable') // and nothing is read

  return {
    async readAll(count) {
      const parser = new StreamParser('')
      const decoder = new ChunkDecoder()
      const cursors = () => parser.events.filter(({ type }) => type === 'message').map((event) => event.lastEventId)
      await new Promise<void>((resolve) => {
        socket.on('close', resolve).on('data', (data) => {
          parser.feed(decoder.decode(data))
          if (cursors().length === count) resolve()
        })
      })
      const read = cursors()
      if (read.length === count) return read
      await using again = await openEventSource(`${url}${path}`, {
        key: ROOT_KEY,
        lastEventId: parser.lastEventId,
      })
      while (read.length < count) read.push((await again.next('message')).lastEventId)
      return read
    },
  }
}

export async function silentSocket({ url }: Server, inbox: string): Promise<SilentClient> {
  const socket = await subscribe(url, { inbox })
  const { cursor: start } = await socket.nextFrame(({ type }) => type === 'subscribed')
  socket.raw.pause()

  return {
    async readAll(count) {
      const read: string[] = []
      socket.raw.resume()
      try {
        while (read.length < count) read.push((await socket.next()).cursor)
      } catch {
        await socket.closed
        for (const frame of socket.pending) read.push(frame.cursor)
        const again = await subscribe(url, { inbox, after: read.at(-1) ?? start })
        while (read.length < count) read.push((await again.next()).cursor)
      }
      return read
    },
  }
}

export async function subscribe(url: string, eventFilter: { inbox: string; after?: string }): Promise<TestSocket> {
  const socket = await openSocket(`${url.replace('http', 'ws')}/v0`, ROOT_KEY)
  onTestFinished(() => socket.close())
  socket.send({
    type: 'subscribe',
    inbox_ids: [eventFilter.inbox],
    ...(eventFilter.after && { after: eventFilter.after }),
  })
  return socket
}

/** Sends messages to all of these inboxes, over one connection. */
export async function send({ smtpPort }: Server, to: readonly string[], count = MANY): Promise<void> {
  const transport = createTransport({
    host: '127.0.0.1',
    port: smtpPort,
    pool: true,
    tls: { rejectUnauthorized: false },
  })
  for (let number = 0; number < count; number++) {
    const raw = `From: ann@example.test\r\nMessage-ID: <${number}@example.test>\r\n${FILL}\r\n\r\nhello\r\n`
    await transport.sendMail({ envelope: { from: 'ann@example.test', to: [...to] }, raw })
  }
  transport.close()
}

export async function request({ url }: Server, method: string, path: string, body?: object) {
  const response = await fetch(`${url}${path}`, {
    method,
    headers: { authorization: `Bearer ${ROOT_KEY}`, 'content-type': 'application/json' },
    ...(body && { body: JSON.stringify(body) }),
  })
  return { status: response.status, text: await response.text() }
}

export async function metric(server: Server, name: string): Promise<number> {
  const { text } = await request(server, 'GET', '/metrics')
  const line = text.split('\n').find((each) => each.startsWith(`${name} `))
  return Number(line?.split(' ')[1] ?? 0)
}

/** Returns the cursors of an inbox's events from the list. */
export async function cursorsOf(server: Server, inbox: string): Promise<string[]> {
  const cursors: string[] = []
  for (let after = 'earliest'; ; ) {
    const page = JSON.parse((await request(server, 'GET', `/v0/events?inbox_ids=${inbox}&after=${after}`)).text)
    if (page.count === 0) return cursors
    for (const { cursor } of page.events) cursors.push(cursor)
    after = page.cursor
  }
}

export async function readAll(socket: TestSocket, count: number): Promise<string[]> {
  const cursors: string[] = []
  while (cursors.length < count) cursors.push((await socket.next()).cursor)
  return cursors
}

/** Decodes the chunks of one response (RFC 9112 §7.1), for a client that must not read before the test asks it to. */
class ChunkDecoder {
  #rest = Buffer.alloc(0)
  #isBody = false

  /** @returns the complete chunks of the body so far */
  decode(bytes: Buffer): string {
    this.#rest = Buffer.concat([this.#rest, bytes])
    if (!this.#isBody) {
      const end = this.#rest.indexOf('\r\n\r\n')
      if (end < 0) return ''
      this.#isBody = true
      this.#rest = this.#rest.subarray(end + 4)
    }
    let text = ''
    for (;;) {
      const lineEnd = this.#rest.indexOf('\r\n')
      const size = lineEnd < 0 ? Number.NaN : Number.parseInt(this.#rest.subarray(0, lineEnd).toString(), 16)
      const end = lineEnd + 2 + size
      if (!(this.#rest.length >= end + 2)) return text
      text += this.#rest.subarray(lineEnd + 2, end).toString()
      this.#rest = this.#rest.subarray(end + 2)
    }
  }
}
