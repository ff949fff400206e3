/**
 * A fake mail server (MX) of another domain, on its own loopback address. It accepts messages, or misbehaves at each
 * command as the test specifies. It implements SMTP itself, so that every fault is one that the test chose.
 */
import { once } from 'node:events'
import { createServer, type Server, type Socket } from 'node:net'
import { TLSSocket } from 'node:tls'

/** A misbehaviour instead of a reply: send nothing more, close the connection, or reset it. */
export type Misdeed = 'hang' | 'close' | 'reset'

export interface Behaviour {
  readonly name?: string
  readonly greeting?: string | Misdeed
  /** Extensions announced after EHLO. */
  readonly extensions?: readonly string[]
  /** With it, STARTTLS is offered; 'broken': the handshake fails. */
  readonly tls?: { readonly cert: string; readonly key: string } | 'broken'
  /** TLS starts with the first byte of the connection. */
  readonly isImplicitTls?: boolean
  /** The `user:password` that AUTH PLAIN accepts. */
  readonly auth?: string
  /**
   * Returns the reply to this command line ("." is the end of a message), or a misbehaviour; undefined: the usual
   * reply.
   */
  readonly on?: (line: string, connection: number) => string | Misdeed | undefined
}

export interface AcceptedMail {
  readonly from: string
  readonly to: readonly string[]
  /** The message after dot-unstuffing. */
  readonly data: string
  /** The bytes as they were on the wire, without the end mark. */
  readonly wire: Buffer
  readonly isTls: boolean
  /** The number of the connection, counted from 1. */
  readonly connection: number
}

export class FakeMx implements AsyncDisposable {
  readonly messages: AcceptedMail[] = []
  /** The commands of all connections, such as "EHLO a.test". */
  readonly commands: string[] = []
  behaviour: Behaviour
  connections = 0
  readonly #server: Server
  readonly #sockets = new Set<Socket>()
  #waiting: (() => void)[] = []

  constructor(behaviour: Behaviour) {
    this.behaviour = behaviour
    this.#server = createServer((socket) => this.#serve(socket))
  }

  get port(): number {
    return (this.#server.address() as { port: number }).port
  }

  async listen(address: string, port: number): Promise<void> {
    this.#server.listen(port, address)
    await once(this.#server, 'listening')
  }

  get openConnections(): number {
    return this.#sockets.size
  }

  /** Resolves with the message of this number, counted from 1, when it has arrived. */
  async mail(number = 1): Promise<AcceptedMail> {
    await this.until(() => this.messages.length >= number)
    return this.messages[number - 1]!
  }

  /** Resolves when the condition is true; it is checked after each command, message and connection. */
  async until(isSo: () => boolean): Promise<void> {
    while (!isSo()) await new Promise<void>((resolve) => this.#waiting.push(resolve))
  }

  /** Closes all open connections, as a server does when it restarts. */
  hangUp(): void {
    for (const socket of this.#sockets) socket.destroy()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.hangUp()
    await new Promise((resolve) => this.#server.close(resolve))
  }

  #received(): void {
    for (const resolve of this.#waiting.splice(0)) resolve()
  }

  #serve(socket: Socket): void {
    this.connections += 1
    this.#sockets.add(socket)
    socket.on('close', () => {
      this.#sockets.delete(socket)
      this.#received()
    })
    socket.on('error', () => socket.destroy())
    const { isImplicitTls, tls } = this.behaviour
    const secured =
      isImplicitTls && typeof tls === 'object' ? new TLSSocket(socket, { isServer: true, ...tls }) : socket
    secured.on('error', () => socket.destroy())
    this.#talk(socket, secured, this.connections)
    this.#received()
  }

  #talk(raw: Socket, first: Socket, connection: number): void {
    let socket = first
    let pending = Buffer.alloc(0)
    let from = ''
    let to: string[] = []
    let isData = false
    const { greeting = '220 ready', name = 'mx.test' } = this.behaviour

    const answer = (reply: string | Misdeed): void => {
      if (reply === 'hang') return
      if (reply === 'close') return void socket.end()
      if (reply === 'reset') return void raw.resetAndDestroy()
      socket.write(`${reply}\r\n`)
      if (reply.startsWith('421')) socket.end()
    }
    const take = (chunk: Buffer): void => {
      pending = Buffer.concat([pending, chunk])
      for (;;) {
        if (isData) {
          const end = pending.indexOf('\r\n.\r\n')
          if (end < 0) return
          const wire = pending.subarray(0, end + 2)
          pending = pending.subarray(end + 5)
          isData = false
          const reply = this.behaviour.on?.('.', connection) ?? '250 2.0.0 taken'
          if (/^2/.test(reply)) {
            const data = wire.toString('latin1').replace(/^\.\./gm, '.')
            this.messages.push({ from, to, data, wire, isTls: socket !== raw, connection })
          }
          answer(reply)
          this.#received()
          continue
        }
        const end = pending.indexOf('\r\n')
        if (end < 0) return
        const line = pending.subarray(0, end).toString()
        pending = pending.subarray(end + 2)
        this.commands.push(line)
        obey(line)
        this.#received()
      }
    }
    const obey = (line: string): void => {
      const scripted = this.behaviour.on?.(line, connection)
      const verb = line.split(/[ :]/)[0]!.toUpperCase()
      if (scripted !== undefined) {
        answer(scripted)
        if (!/^[23]/.test(scripted)) return
      }
      const say = (reply: string) => scripted ?? answer(reply)
      if (verb === 'EHLO' || verb === 'HELO') say(this.#ehlo(name, socket !== raw))
      else if (verb === 'STARTTLS') startTls()
      else if (verb === 'AUTH') {
        const [, , given = ''] = line.split(' ')
        const [, user, password] = Buffer.from(given, 'base64').toString().split('\0')
        say(`${user}:${password}` === this.behaviour.auth ? '235 2.7.0 welcome' : '535 5.7.8 who are you?')
      } else if (verb === 'MAIL') {
        from = line.slice('MAIL FROM:'.length)
        to = []
        say('250 2.1.0 ok')
      } else if (verb === 'RCPT') {
        to.push(/<(.*)>/.exec(line)?.[1] ?? '')
        say('250 2.1.5 ok')
      } else if (verb === 'DATA') {
        isData = to.length > 0
        say(isData ? '354 go on' : '503 5.5.1 nobody to send to')
      } else if (verb === 'RSET' || verb === 'NOOP') say('250 2.0.0 ok')
      else if (verb === 'QUIT') {
        answer('221 2.0.0 bye')
        socket.end()
      } else answer('500 5.5.2 what?')
    }
    const startTls = (): void => {
      const { tls } = this.behaviour
      answer(tls ? '220 2.0.0 go on' : '454 4.7.0 no')
      if (!tls) return
      if (tls === 'broken') {
        raw.removeAllListeners('data')
        raw.once('data', () => raw.end('this is no TLS\r\n'))
        return
      }
      raw.removeAllListeners('data')
      socket = new TLSSocket(raw, { isServer: true, ...tls })
      socket.on('error', () => raw.destroy())
      socket.on('data', take)
    }
    socket.on('data', take)
    answer(greeting)
  }

  #ehlo(name: string, isTls: boolean): string {
    const { extensions = ['8BITMIME'], tls, auth } = this.behaviour
    const lines = [
      `${name} hello`,
      ...extensions,
      ...(tls && !isTls ? ['STARTTLS'] : []),
      ...(auth === undefined ? [] : ['AUTH PLAIN']),
    ]
    return lines.map((line, index) => `250${index === lines.length - 1 ? ' ' : '-'}${line}`).join('\r\n')
  }
}

/**
 * Starts several fake servers, all on one port, each on its own address: the first on 127.0.0.2, and so on.
 *
 * @returns the servers, and the port for MARTLET_OUTBOUND_PORT
 */
export async function startMxs<const B extends readonly Behaviour[]>(
  ...behaviours: B
): Promise<{ mxs: { [K in keyof B]: FakeMx }; port: number } & AsyncDisposable> {
  const mxs = behaviours.map((behaviour) => new FakeMx(behaviour))
  let port = 0
  for (const [index, mx] of mxs.entries()) {
    await mx.listen(mxAddress(index), port)
    port = mx.port
  }
  return {
    mxs: mxs as unknown as { [K in keyof B]: FakeMx },
    port,
    async [Symbol.asyncDispose]() {
      for (const mx of mxs) await mx[Symbol.asyncDispose]()
    },
  }
}

export function mxAddress(index: number): string {
  return `127.0.0.${index + 2}`
}
