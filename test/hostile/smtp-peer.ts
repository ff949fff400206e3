/** An SMTP client that sends exactly the bytes it is given, and checks the replies. */
import { connect, type Socket } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'
import { ATTACKERS, scale, type Target } from './attack.ts'

/**
 * RFC 5321 §4.2: code, separator and text without control characters; one enhanced code, but for 220, 221, 250 of EHLO,
 * 3xx.
 */
const REPLY_LINE = /^[2-5]\d\d[ -](?:[245]\.\d{1,3}\.\d{1,3} )?[^\p{Cc}]*$/u

const QUIET_MS = 200

export class SmtpPeer {
  readonly socket: Socket
  /** Resolves when the connection has closed. */
  readonly closed: Promise<void>
  #received = ''
  #read = 0
  #isClosed = false
  #wake: () => void = () => undefined

  constructor({ smtpPort }: Pick<Target, 'smtpPort'>, localAddress = ATTACKERS[1]!) {
    this.socket = connect({ port: smtpPort, host: '127.0.0.1', localAddress })
    this.socket.on('data', (chunk) => {
      this.#received += chunk.toString()
      this.#wake()
    })
    this.socket.on('error', () => undefined) // "close" follows
    this.closed = new Promise((resolve) => {
      this.socket.on('close', () => {
        this.#isClosed = true
        this.#wake()
        resolve()
      })
    })
  }

  /** Connects, reads the greeting and sends EHLO. */
  static async greeted(target: Pick<Target, 'smtpPort'>, localAddress?: string): Promise<SmtpPeer> {
    const peer = new SmtpPeer(target, localAddress)
    await peer.reply()
    await peer.command('EHLO peer.test')
    return peer
  }

  /** Opens a session up to the reply that permits the data of a message to this inbox. */
  static async inData(target: Pick<Target, 'smtpPort'>, recipient: string, localAddress?: string): Promise<SmtpPeer> {
    const peer = await SmtpPeer.greeted(target, localAddress)
    await peer.command('MAIL FROM:<eve@example.test>')
    await peer.command(`RCPT TO:<${recipient}>`)
    await peer.command('DATA')
    return peer
  }

  /** Resolves when the kernel has taken the bytes, or the connection has closed. */
  async send(bytes: string | Buffer): Promise<void> {
    if (this.#isClosed || this.socket.write(bytes)) return
    await Promise.race([new Promise<void>((resolve) => this.socket.once('drain', resolve)), this.closed])
  }

  async command(line: string): Promise<string> {
    await this.send(`${line}\r\n`)
    return this.reply()
  }

  /** @returns the next complete reply, or "closed" at the end. @throws Error when it does not arrive in time */
  async reply(): Promise<string> {
    const until = performance.now() + scale.answerTimeoutMs
    for (;;) {
      const match = /^(?:\d{3}-[^\n]*\n)*\d{3} [^\n]*\n/.exec(this.#received.slice(this.#read))
      if (match) {
        this.#read += match[0].length
        return match[0].trimEnd()
      }
      if (this.#isClosed) return 'closed'
      const leftMs = until - performance.now()
      if (leftMs <= 0) throw new Error(`no reply within ${scale.answerTimeoutMs} ms`)
      const woken = new Promise<void>((resolve) => {
        this.#wake = resolve
      })
      await Promise.race([woken, delay(leftMs, undefined, { ref: false })])
    }
  }

  /** Resolves when the server has handled what was sent: it sends nothing more for a moment, or has closed. */
  async quiet(): Promise<void> {
    await this.reply()
    for (let before = -1; before !== this.#received.length && !this.#isClosed; await delay(QUIET_MS)) {
      before = this.#received.length
    }
  }

  /**
   * Disconnects, and checks all replies.
   *
   * @returns the codes of the last reply, for the statistics
   * @throws Error for a line that is no reply, or that reports a server error
   */
  leave(): string {
    this.socket.destroy()
    const lines = this.#received.split('\r\n').slice(0, -1)
    const broken = lines.find((line) => !REPLY_LINE.test(line))
    if (broken !== undefined) throw new Error(`not a reply: ${JSON.stringify(broken.slice(0, 200))}`)
    const failed = lines.find((line) => /^451 4\.3\.0 Internal error/.test(line))
    if (failed !== undefined) throw new Error(`the server failed: ${failed}`)
    return `SMTP ${/^\d{3}(?:[ -][245]\.\d+\.\d+)?/.exec(lines.at(-1) ?? '')?.[0] ?? 'nothing'}`
  }
}
