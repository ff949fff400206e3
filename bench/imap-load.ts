/**
 * An IMAP client with very low cost, so that the benchmark measures the server: it looks only for the ends of answers, and
 * counts messages by what every FETCH response begins with.
 */
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { connect as connectTls } from 'node:tls'

export interface ImapTarget {
  readonly port: number
  readonly isTls?: boolean
  readonly user: string
  readonly password: string
  /** The address of the client on loopback: servers limit the connections of one address. */
  readonly localAddress?: string
}

/** An answer ends in a line of this form. */
const TAGGED = /(?:^|\r\n)(?:a\d+ (OK|NO|BAD)|(\+) )[^\r\n]*\r\n$/
/** Longer than a tagged line, with its code and text. */
const TAIL_BYTES = 2_000

export class ImapSession {
  readonly #socket: Socket
  #tag = 0
  #chunks: Buffer[] = []
  #finish: ((answer: Buffer) => void) | undefined
  /** Gets the data while no command runs. */
  onUnsolicited: ((text: string) => void) | undefined

  private constructor(socket: Socket) {
    this.#socket = socket
    socket.setNoDelay(true)
    socket.on('data', (bytes) => this.#read(bytes))
    socket.on('error', () => undefined) // the command that runs fails by its text
    socket.on('close', () => this.#end())
  }

  static async open({ port, isTls = false, user, password, localAddress }: ImapTarget): Promise<ImapSession> {
    const to = { port, host: '127.0.0.1', ...(localAddress !== undefined && { localAddress }) }
    let socket: Socket = connect(to)
    if (isTls) {
      await once(socket, 'connect')
      socket = connectTls({ socket, rejectUnauthorized: false })
    }
    await once(socket, isTls ? 'secureConnect' : 'connect')
    await once(socket, 'data')
    const session = new ImapSession(socket)
    await session.command(`LOGIN ${user} ${password}`)
    return session
  }

  /** @returns everything up to the tagged line @throws if that is not OK */
  async command(text: string): Promise<Buffer> {
    return this.#send(`a${++this.#tag} ${text}\r\n`)
  }

  /** With a literal that need not be announced (LITERAL+, RFC 7888). */
  async append(mailbox: string, mail: Buffer): Promise<void> {
    const begin = Buffer.from(`a${++this.#tag} APPEND ${mailbox} {${mail.length}+}\r\n`)
    await this.#send(Buffer.concat([begin, mail, Buffer.from('\r\n')]))
  }

  /** Resolves when the server waits. */
  async idle(): Promise<void> {
    await this.command('IDLE')
  }

  /** Reads nothing any more. */
  pause(): void {
    this.#socket.pause()
  }

  close(): void {
    this.#socket.destroy()
  }

  async #send(bytes: string | Buffer): Promise<Buffer> {
    const answer = new Promise<Buffer>((resolve) => {
      this.#finish = resolve
    })
    this.#socket.write(bytes)
    const whole = await answer
    const tail = whole.toString('latin1', Math.max(0, whole.length - TAIL_BYTES))
    const found = TAGGED.exec(tail)
    if (found?.[1] !== 'OK' && found?.[2] !== '+') throw new Error(`${String(bytes).slice(0, 80)}: ${tail}`)
    return whole
  }

  #read(bytes: Buffer): void {
    if (!this.#finish) {
      this.onUnsolicited?.(bytes.toString('latin1'))
      return
    }
    this.#chunks.push(bytes)
    if (bytes.at(-1) !== 0x0a) return
    if (TAGGED.test(this.#tail())) this.#end()
  }

  #tail(): string {
    let text = ''
    for (let index = this.#chunks.length - 1; index >= 0 && text.length < TAIL_BYTES; index--)
      text = this.#chunks[index]!.toString('latin1').slice(-TAIL_BYTES) + text
    return text
  }

  #end(): void {
    const answer = Buffer.concat(this.#chunks)
    this.#chunks = []
    const finish = this.#finish
    this.#finish = undefined
    finish?.(answer)
  }
}
