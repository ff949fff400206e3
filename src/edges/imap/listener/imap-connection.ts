/**
 * One connection of an IMAP client: its socket, TLS, time limits and end. It reads a command (../session/command-reader.ts), has it run
 * (../commands/run-command.ts), and only then reads the next one (RFC 9051 §5.5); what the client sends meanwhile waits.
 *
 * Must not: keep memory for an idle client that a timer, buffer or closure of its own would need. Timeouts are checked for
 * all connections together (imap-listener.ts), and buffers exist while there is something in them.
 */

import { randomBytes } from 'node:crypto'
import type { Socket } from 'node:net'
import { type SecureContext, TLSSocket } from 'node:tls'
import { runIn, type Unit } from '../../../fault-boundary.ts'
import { ipList, isListed } from '../../../formats/address/ip-address.ts'
import type { LimitedConnection } from '../../connection-limits.ts'
import { BrokenLiteral } from '../commands/fetch-contents.ts'
import { runAppend, runCommand } from '../commands/run-command.ts'
import { tagOf } from '../grammar/grammar-context.ts'
import { parseCommand, type TaggedCommand } from '../grammar/imap-command-parser.ts'
import { ImapSyntaxError } from '../grammar/imap-syntax.ts'
import { ByteInput, ConnectionEnded, LineTooLong } from '../session/byte-input.ts'
import { capabilitiesOf } from '../session/capabilities.ts'
import { readCommand } from '../session/command-reader.ts'
import { ImapOutput } from '../session/imap-output.ts'
import { type ImapServices, ImapSession, type SessionPeer } from '../session/imap-session.ts'

const LOOPBACK = ipList(['127.0.0.0/8', '::1'])

/** Shared by the connections of a listener. */
export interface ConnectionNeeds {
  readonly services: ImapServices
  /** For handshakes that start now. */
  readonly secureContext: () => SecureContext
  readonly isImplicitTls: boolean
  /** A client on the same machine may log in without TLS. */
  readonly allowsPlainLoopback: boolean
  readonly onClosed: (connection: ImapConnection) => void
}

export class ImapConnection implements SessionPeer, LimitedConnection, Unit {
  readonly kind = 'IMAP connection'
  readonly id = randomBytes(6).toString('base64url')
  readonly remoteAddress: string
  readonly #needs: ConnectionNeeds
  readonly #session: ImapSession
  #socket: Socket
  #isTls = false
  #ended: AbortController | undefined
  #hasClosed = false
  readonly #acceptedAtMs = performance.now()
  #lastInputAtMs = this.#acceptedAtMs
  /** Why BYE will be sent, when the running command has been answered. */
  #endReason: string | undefined
  /** BYE was sent, or the client has logged out: the socket is about to close. */
  #isClosing = false

  constructor(socket: Socket, needs: ConnectionNeeds) {
    this.#needs = needs
    this.#socket = socket
    this.remoteAddress = socket.remoteAddress ?? ''
    const { outputBytes, outputStalledMs, pipelinedBytesMax } = needs.services.limits.imap
    const input = new ByteInput(
      { pause: () => this.#socket.pause(), resume: () => this.#socket.resume() },
      pipelinedBytesMax,
    )
    const output = new ImapOutput(socket, { outputBytes, stalledMs: outputStalledMs, onStalled: () => this.cut() })
    this.#session = new ImapSession(needs.services, this, input, output)
  }

  /** Greets the client and serves it until it leaves. */
  open(): void {
    this.#socket.on('close', () => this.#onClosed())
    this.#socket.on('error', (error) => this.#onSocketError(error))
    runIn(this, () => {
      if (this.#needs.isImplicitTls) this.startTls()
      else this.#listen()
      void this.#serve()
    })
  }

  isTls(): boolean {
    return this.#isTls
  }

  canStartTls(): boolean {
    return !this.#isTls
  }

  allowsPlainLogin(): boolean {
    return this.#needs.allowsPlainLoopback && isListed(LOOPBACK, this.remoteAddress)
  }

  get ended(): AbortSignal {
    this.#ended ??= new AbortController()
    if (this.#hasClosed) this.#ended.abort()
    return this.#ended.signal
  }

  startTls(): void {
    const plain = this.#socket
    plain.removeAllListeners('data')
    plain.removeAllListeners('drain')
    plain.removeAllListeners('end')
    const secure = new TLSSocket(plain, {
      isServer: true,
      secureContext: this.#needs.secureContext(),
      requestCert: false,
    })
    secure.on('error', (error) => this.#onSocketError(error))
    secure.on('_tlsError', (error: Error) => this.#onSocketError(error)) // of the handshake
    secure.on('close', () => plain.destroy())
    this.#socket = secure
    this.#isTls = true
    this.#session.output.useSocket(secure)
    this.#listen()
  }

  end(reason: string): void {
    this.#endReason ??= reason
    if (!this.#session.isRunning || this.#session.isIdling) this.#sayBye(this.#endReason)
  }

  /** Closes the connection at once. */
  cut(): void {
    this.#socket.destroy()
  }

  /** RFC 9051 §5.4: the autologout. Called now and then. */
  checkTime(nowMs: number): void {
    if (this.#isClosing) {
      this.cut() // the client does not read BYE
      return
    }
    const { idleMs, dataIdleMs, loginMs } = this.#needs.services.limits.imap
    const { account, input, isIdling, isRunning, isMidCommand } = this.#session
    if (!account && nowMs - this.#acceptedAtMs > loginMs) this.#sayBye('login timed out')
    if (!input.isWaiting) return
    const isInside = (isRunning && !isIdling) || isMidCommand || input.hasBytes
    if (nowMs - this.#lastInputAtMs > (isInside ? dataIdleMs : idleMs)) this.#sayBye('idle for too long')
  }

  usage(): ReturnType<LimitedConnection['usage']> {
    return { state: this.#session.account ? 'busy' : 'idle', sinceMs: this.#lastInputAtMs }
  }

  evict(): void {
    this.#sayBye('too many connections')
    this.cut()
  }

  fail(error: unknown): void {
    this.#needs.services.log.error({ err: error, session: this.id }, 'IMAP connection failed')
    this.cut()
  }

  #listen(): void {
    const { input, output } = this.#session
    this.#socket.on('data', (chunk: Buffer) => {
      if (this.#isClosing) return
      this.#lastInputAtMs = performance.now()
      input.push(chunk)
    })
    this.#socket.on('drain', () => output.onDrain())
    this.#socket.on('end', () => {
      input.end()
      if (this.#isClosing) this.#socket.destroySoon()
    })
  }

  async #serve(): Promise<void> {
    const { output } = this.#session
    try {
      output.write(`* OK [CAPABILITY ${capabilitiesOf(this.#session)}] ${this.#needs.services.serverId.name} ready\r\n`)
      await output.flush()
      while (!this.#session.isOver && this.#endReason === undefined) await this.#serveCommand()
      if (this.#endReason !== undefined) this.#sayBye(this.#endReason)
    } catch (error) {
      if (error instanceof LineTooLong) this.#sayBye('command line too long')
      else if (!(error instanceof ConnectionEnded)) this.fail(error)
    }
    this.#finish()
  }

  async #serveCommand(): Promise<void> {
    const session = this.#session
    session.isMidCommand = false
    const read = await readCommand(session)
    if (read.kind === 'fatal') {
      this.#endReason = read.text
      return
    }
    session.isRunning = true
    try {
      await session.services.work.wait()
      if (read.kind === 'refused') this.#refuse(read.tag, read.completion)
      else if (read.kind === 'append') await this.#append(read.start, read.isSynchronising)
      else await this.#run(read.wire)
      await session.output.flush()
    } finally {
      session.isRunning = false
    }
    if (session.badCommands > session.limits.imap.badCommandsMax) this.#endReason ??= 'too many bad commands'
  }

  async #run(wire: string): Promise<void> {
    let parsed: TaggedCommand
    try {
      parsed = parseCommand(wire, this.#session)
    } catch (error) {
      if (!(error instanceof ImapSyntaxError)) throw error
      return this.#refuse(tagOf(wire), `BAD ${error.message}`)
    }
    try {
      await runCommand(this.#session, parsed.tag, parsed.command)
    } catch (error) {
      this.#reportFault(parsed.tag, parsed.command.name, error)
    }
  }

  async #append(...[start, isSynchronising]: [Parameters<typeof runAppend>[1], boolean]): Promise<void> {
    try {
      if (!(await runAppend(this.#session, start, isSynchronising))) this.#endReason = 'message too large'
    } catch (error) {
      this.#reportFault(start.tag, 'APPEND', error)
    }
  }

  /** @param tag undefined: the command has none, so the answer has none either (RFC 9051 §7.1.3) */
  #refuse(tag: string | undefined, completion: string): void {
    if (completion.startsWith('BAD')) this.#session.badCommands += 1
    this.#session.output.write(`${tag ?? '*'} ${tag ? completion : completion.replace(/^NO/, 'BAD')}\r\n`)
  }

  /** A bug or a store that fails: the client may try again, with the same connection if its responses are complete. */
  #reportFault(tag: string, command: string, error: unknown): void {
    if (error instanceof ConnectionEnded || error instanceof LineTooLong || error instanceof BrokenLiteral) throw error
    // The client has left while the command waited for the store.
    if (this.#hasClosed && error === this.#ended?.signal.reason) throw new ConnectionEnded()
    this.#needs.services.log.error({ err: error, session: this.id, command }, 'IMAP command failed')
    this.#session.output.write(`${tag} NO [SERVERBUG] internal error; try again later\r\n`)
  }

  #sayBye(reason: string): void {
    if (this.#isClosing || this.#hasClosed) return
    const { output, input } = this.#session
    output.write(`* BYE ${reason}\r\n`)
    this.#close()
    input.end()
  }

  /** After LOGOUT, BYE, or the last command of a client that has closed its side. */
  #finish(): void {
    if (!this.#isClosing && !this.#hasClosed) this.#close()
    this.#session.close() // not before: a command that runs still uses the account, even if the client is gone
  }

  #close(): void {
    this.#isClosing = true
    this.#session.isOver = true
    this.#session.output.flushAtOnce()
    const socket = this.#socket
    socket.end()
    // What the client still sends is read: the system would answer it with a reset, which can overtake the last response.
    if (socket.readableEnded) socket.destroySoon()
    else socket.resume()
  }

  #onSocketError(error: Error): void {
    this.#needs.services.log.debug({ err: error, session: this.id }, 'IMAP socket error')
    this.cut()
  }

  #onClosed(): void {
    if (this.#hasClosed) return
    this.#hasClosed = true
    this.#session.output.end()
    this.#session.input.end()
    this.#ended?.abort()
    this.#needs.onClosed(this)
  }
}
