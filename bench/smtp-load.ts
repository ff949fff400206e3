/**
 * An SMTP client with very low cost, so that the benchmark measures the server: it pipelines, with one socket per
 * session.
 */
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { connect as connectTls } from 'node:tls'
import type { NextMail } from './mail-pool.ts'

/** Returns a message of about 5 KB with text and HTML alternatives, like a typical message from an agent. */
export function sampleMail(id: string, subject = 'A message of about five kilobytes'): Buffer {
  const line = 'The quick brown fox jumps over the lazy dog while the mail server files what it says.'
  const text = `${`${line}\r\n`.repeat(20)}`
  const html = `<html><body>${`<p>${line}</p>\r\n`.repeat(28)}</body></html>`
  return Buffer.from(
    [
      `From: Ann Example <ann@example.test>`,
      `To: load@mail.localhost`,
      `Subject: ${subject}`,
      `Message-ID: <${id}@example.test>`,
      'Date: Sat, 21 Nov 2026 10:00:00 +0000',
      'MIME-Version: 1.0',
      'Content-Type: multipart/alternative; boundary="b1"',
      '',
      '--b1',
      'Content-Type: text/plain; charset=utf-8',
      '',
      text,
      '--b1',
      'Content-Type: text/html; charset=utf-8',
      '',
      html,
      '--b1--',
      '',
    ].join('\r\n'),
  )
}

/** One SMTP connection. */
export class Session {
  readonly #socket: Socket
  #buffered = ''
  #waiting: ((reply: string) => void)[] = []
  #replies: string[] = []

  private constructor(socket: Socket) {
    this.#socket = socket
    socket.setNoDelay(true)
    socket.on('data', (bytes) => this.#read(bytes.toString('latin1')))
    socket.on('error', () => socket.destroy()) // 'close' follows; Postfix resets a connection that ends with QUIT
    socket.on('close', () => {
      for (const resolve of this.#waiting.splice(0)) resolve('421 the connection was closed\r\n')
    })
  }

  static async open(port: number): Promise<Session> {
    const session = new Session(connect(port, '127.0.0.1'))
    await session.#reply()
    await session.#say('EHLO bench.example\r\n')
    return session
  }

  /** Logs in with AUTH PLAIN after STARTTLS. */
  static async openLoggedIn(port: number, user: string, password: string): Promise<Session> {
    const plain = await Session.open(port)
    await plain.#say('STARTTLS\r\n')
    plain.#socket.removeAllListeners('data')
    const secure = connectTls({ socket: plain.#socket, rejectUnauthorized: false })
    await once(secure, 'secureConnect')
    const session = new Session(secure)
    await session.#say('EHLO bench.example\r\n')
    const credentials = Buffer.from(`\0${user}\0${password}`).toString('base64')
    const answer = await session.#say(`AUTH PLAIN ${credentials}\r\n`)
    if (!answer.startsWith('235')) throw new Error(answer)
    return session
  }

  /** Resolves with the reply to the whole message. */
  async deliver(from: string, to: string | readonly string[], mail: Buffer): Promise<string> {
    const recipients = [to].flat()
    const rcpts = recipients.map((each) => `RCPT TO:<${each}>\r\n`).join('')
    this.#socket.write(`MAIL FROM:<${from}>\r\n${rcpts}DATA\r\n`)
    await this.#reply()
    for (let count = recipients.length; count > 0; count -= 1) {
      const rcpt = await this.#reply()
      if (!rcpt.startsWith('250')) throw new Error(rcpt)
    }
    const data = await this.#reply()
    if (!data.startsWith('354')) throw new Error(data)
    this.#socket.write(Buffer.concat([mail, Buffer.from('\r\n.\r\n')]))
    const answer = await this.#reply()
    if (!answer.startsWith('250')) throw new Error(answer)
    return answer
  }

  async quit(): Promise<void> {
    const closed = new Promise((resolve) => this.#socket.once('close', resolve)) // once() would reject with the reset
    this.#socket.end('QUIT\r\n')
    await closed
  }

  async #say(line: string): Promise<string> {
    this.#socket.write(line)
    return this.#reply()
  }

  #reply(): Promise<string> {
    const reply = this.#replies.shift()
    if (reply !== undefined) return Promise.resolve(reply)
    return new Promise((resolve) => this.#waiting.push(resolve))
  }

  #read(text: string): void {
    this.#buffered += text
    for (;;) {
      const match = /^(?:\d{3}-.*\r\n)*\d{3} .*\r\n/.exec(this.#buffered)
      if (!match) return
      this.#buffered = this.#buffered.slice(match[0].length)
      const waiting = this.#waiting.shift()
      if (waiting) waiting(match[0])
      else this.#replies.push(match[0])
    }
  }
}

export interface Load {
  readonly port: number
  /** Recipients, in turn. */
  readonly to: readonly string[]
  /** Each message goes to all of them at once. */
  readonly isForAll?: boolean
  readonly nextMail: NextMail
  readonly sessions: number
  /** Opens a new connection for each message, as unrelated servers do. */
  readonly isFresh: boolean
  readonly durationMs: number
}

/** @returns messages per second, each counted at its 250 */
export async function load({
  port,
  to,
  isForAll = false,
  nextMail,
  sessions,
  isFresh,
  durationMs,
}: Load): Promise<{ perSecond: number; count: number }> {
  const end = performance.now() + durationMs
  const start = performance.now()
  let [started, count] = [0, 0]
  await Promise.all(
    Array.from({ length: sessions }, async () => {
      let session = isFresh ? undefined : await Session.open(port)
      while (performance.now() < end) {
        const current = session ?? (await Session.open(port))
        const recipient = to[started++ % to.length]!
        await current.deliver('ann@example.test', isForAll ? to : recipient, nextMail(recipient))
        count += 1
        if (isFresh) await current.quit()
      }
      await session?.quit()
      session = undefined
    }),
  )
  return { perSecond: count / ((performance.now() - start) / 1000), count }
}
