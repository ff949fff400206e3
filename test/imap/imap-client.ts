/** An IMAP client that sends exactly the given bytes, correct or not, and returns the responses as they are. */
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { connect as connectTls } from 'node:tls'
import { onTestFinished } from 'vitest'

export interface Answer {
  /** Untagged responses before the tagged one, without "* " and line ends. Literals are inside, after their size. */
  readonly untagged: readonly string[]
  readonly status: 'OK' | 'NO' | 'BAD'
  /** The tagged response after its status. */
  readonly text: string
}

export interface Credentials {
  readonly user: string
  readonly password: string
}

export class ImapClient {
  /** Resolves when the server has closed the connection. */
  closed: Promise<unknown>
  greeting = ''
  #socket: Socket
  #received = ''
  #wake: () => void = () => undefined
  #isClosed = false
  #lastTag = 0

  private constructor(socket: Socket) {
    this.#socket = socket
    this.closed = this.#follow(socket)
  }

  /** Connects and reads the greeting. Without a test, the caller closes it. */
  static async open(
    port: number,
    { isTls = false, isInTest = true, localAddress = '127.0.0.1' } = {},
  ): Promise<ImapClient> {
    const plain = connect({ port, host: '127.0.0.1', localAddress })
    const socket = isTls ? connectTls({ socket: plain, rejectUnauthorized: false }) : plain
    const client = new ImapClient(socket)
    if (isInTest) onTestFinished(() => client.destroy())
    client.greeting = await client.response()
    return client
  }

  static async logIn(port: number, { user, password }: Credentials, options = {}): Promise<ImapClient> {
    const client = await ImapClient.open(port, options)
    await client.ok(`LOGIN ${user} "${password}"`)
    return client
  }

  /** Bytes that were received and not read yet. */
  get unread(): string {
    return this.#received
  }

  get socket(): Socket {
    return this.#socket
  }

  destroy(): void {
    this.#socket.destroy()
  }

  send(bytes: string | Buffer): void {
    this.#socket.write(typeof bytes === 'string' ? Buffer.from(bytes, 'latin1') : bytes)
  }

  /** Sends a command without waiting. @returns its tag */
  begin(command: string): string {
    const tag = `t${++this.#lastTag}`
    this.send(`${tag} ${command}\r\n`)
    return tag
  }

  /** Collects responses up to that with the tag. */
  async end(tag: string): Promise<Answer> {
    const untagged: string[] = []
    for (;;) {
      const response = await this.response()
      if (response.startsWith('* ')) {
        untagged.push(response.slice(2))
        continue
      }
      if (!response.startsWith(`${tag} `)) throw new Error(`expected ${tag}, got ${JSON.stringify(response)}`)
      const [, status, text] = /^(OK|NO|BAD) (.*)$/s.exec(response.slice(tag.length + 1)) ?? []
      return { untagged, status: status as Answer['status'], text: text! }
    }
  }

  command(command: string): Promise<Answer> {
    return this.end(this.begin(command))
  }

  /** @returns the untagged responses of a command that must succeed */
  async ok(command: string): Promise<readonly string[]> {
    const { status, text, untagged } = await this.command(command)
    if (status !== 'OK') throw new Error(`${command.slice(0, 200)}: ${status} ${text}`)
    return untagged
  }

  /** Sends a command whose literals wait for the server. @param parts text, literal, text, … */
  async withLiterals(...parts: readonly string[]): Promise<Answer> {
    const tag = `t${++this.#lastTag}`
    let text = `${tag} ${parts[0]}`
    for (let i = 1; i < parts.length; i += 2) {
      this.send(`${text}{${parts[i]!.length}}\r\n`)
      const response = await this.response()
      if (!response.startsWith('+')) return this.#endAfter(tag, response)
      text = parts[i]! + (parts[i + 1] ?? '')
    }
    this.send(`${text}\r\n`)
    return this.end(tag)
  }

  /** APPEND with a literal that does not wait. */
  append(mailbox: string, message: string, options = ''): Promise<Answer> {
    const tag = `t${++this.#lastTag}`
    this.send(`${tag} APPEND ${mailbox} ${options}{${message.length}+}\r\n${message}\r\n`)
    return this.end(tag)
  }

  /** Returns the next response without its line end, literals included. */
  async response(): Promise<string> {
    let at = 0
    for (;;) {
      const end = this.#received.indexOf('\r\n', at)
      if (end === -1) {
        await this.#more()
        continue
      }
      const [, size] = /\{(\d+)\}$/.exec(this.#received.slice(Math.max(at, end - 20), end)) ?? []
      if (size === undefined) {
        const response = this.#received.slice(0, end)
        this.#received = this.#received.slice(end + 2)
        return response
      }
      while (this.#received.length < end + 2 + Number(size)) await this.#more()
      at = end + 2 + Number(size)
    }
  }

  /** Begins TLS after STARTTLS was answered. */
  async startTls(): Promise<void> {
    this.#socket.removeAllListeners('data')
    this.#socket.removeAllListeners('close')
    this.#socket = connectTls({ socket: this.#socket, rejectUnauthorized: false })
    this.closed = this.#follow(this.#socket)
    await once(this.#socket, 'secureConnect')
  }

  async #endAfter(tag: string, response: string): Promise<Answer> {
    this.#received = `${response}\r\n${this.#received}`
    return this.end(tag)
  }

  async #more(): Promise<void> {
    if (this.#isClosed) throw new Error(`closed; unread: ${JSON.stringify(this.#received.slice(0, 500))}`)
    await new Promise<void>((resolve) => {
      this.#wake = resolve
    })
  }

  #follow(socket: Socket): Promise<unknown> {
    socket.on('data', (chunk: Buffer) => {
      this.#received += chunk.toString('latin1')
      this.#wake()
    })
    socket.on('error', () => undefined) // the close follows
    return new Promise((resolve) => {
      socket.on('close', () => {
        this.#isClosed = true
        this.#wake()
        resolve(undefined)
      })
    })
  }
}
