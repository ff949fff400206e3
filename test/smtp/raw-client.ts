/** An SMTP peer that sends exactly the given bytes, correct or not, and reads replies one by one. */
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { type TLSSocket, connect as tlsConnect } from 'node:tls'
import { onTestFinished } from 'vitest'

export class RawClient {
  socket: Socket
  /** Resolves when the server has closed the connection. */
  readonly closed: Promise<unknown>
  #received = ''
  #wake: () => void = () => undefined
  #isClosed = false

  /**
   * @param early        bytes to send with the connection, before any greeting
   * @param localAddress the loopback address to connect from
   */
  constructor(port: number, early = '', localAddress?: string) {
    this.socket = connect({ port, host: '127.0.0.1', ...(localAddress !== undefined && { localAddress }) })
    if (early) this.socket.write(early)
    this.closed = this.#follow(this.socket)
    onTestFinished(() => void this.socket.destroy())
  }

  /** Connects and reads the greeting; with a name also sends EHLO. */
  static async open(port: number, hello?: string, localAddress?: string): Promise<RawClient> {
    const client = new RawClient(port, '', localAddress)
    await client.reply()
    if (hello !== undefined) await client.command(`EHLO ${hello}`)
    return client
  }

  /** Returns a client that has read the 354 of DATA. */
  static async inData(port: number, recipient = 'ada@mail.example.test'): Promise<RawClient> {
    const client = await RawClient.open(port, 'peer.test')
    await client.command('MAIL FROM:<ann@example.test>')
    await client.command(`RCPT TO:<${recipient}>`)
    await client.command('DATA')
    return client
  }

  /** The received text that has not been read yet. */
  get unread(): string {
    return this.#received
  }

  send(bytes: string | Buffer): void {
    this.socket.write(typeof bytes === 'string' ? Buffer.from(bytes, 'latin1') : bytes)
  }

  /** @returns the whole reply without its last line end, lines joined by "\n" */
  async reply(): Promise<string> {
    for (;;) {
      const match = /^(?:\d{3}-[^\r\n]*\r\n)*\d{3} [^\r\n]*\r\n/.exec(this.#received)
      if (match) {
        this.#received = this.#received.slice(match[0].length)
        return match[0].trimEnd().replaceAll('\r\n', '\n')
      }
      if (this.#isClosed) throw new Error(`closed; unread: ${JSON.stringify(this.#received)}`)
      await new Promise<void>((resolve) => {
        this.#wake = resolve
      })
    }
  }

  /** @param text in UTF-8, without its line end */
  async command(text: string): Promise<string> {
    this.send(Buffer.from(`${text}\r\n`))
    return this.reply()
  }

  async replies(count: number): Promise<string[]> {
    const all: string[] = []
    while (all.length < count) all.push(await this.reply())
    return all
  }

  /** @returns the text that arrives until the server closes the connection */
  async rest(): Promise<string> {
    await this.closed
    return this.#received
  }

  /**
   * Sends STARTTLS and performs the handshake.
   *
   * @param injected bytes to send in clear text, in the same segment
   */
  async startTls(injected = ''): Promise<TLSSocket> {
    this.send(`STARTTLS\r\n${injected}`)
    const answer = await this.reply()
    if (!answer.startsWith('220')) throw new Error(answer)
    this.socket.removeAllListeners('data')
    const secure = tlsConnect({ socket: this.socket, rejectUnauthorized: false })
    await once(secure, 'secureConnect')
    this.socket = secure
    this.#follow(secure)
    return secure
  }

  async #follow(socket: Socket): Promise<void> {
    socket.on('data', (chunk) => {
      this.#received += chunk.toString()
      this.#wake()
    })
    socket.on('error', () => undefined) // a reset closes too, see `closed`
    await new Promise((resolve) => socket.once('close', resolve))
    this.#isClosed = true
    this.#wake()
  }
}
