/**
 * One SMTP connection: our subclass of the library's (docs/adr/0002-smtp-connection-subclass.md).
 *
 * The library provides the socket handling, the STARTTLS upgrade and its certificates. We replace the greeting, to
 * avoid the library's fixed wait, the parser (command-stream.ts), the session (smtp-session.ts), the replies with their
 * enhanced codes, all limits of a connection, and the clean close. Names that begin with "_" belong to the library; its
 * version is pinned.
 *
 * Crash or cut: a message that has no 250 yet fails in `receive` and is not stored; the peer keeps it (RFC 5321 §6.1).
 * Stop: see `shutDown` and `cut`.
 */
import type { Socket } from 'node:net'
import { TLSSocket } from 'node:tls'
import { SMTPConnection, type SMTPConnectionOptions } from 'smtp-server/lib/smtp-connection.js'
import type { SMTPServer } from 'smtp-server/lib/smtp-server.js'
import { runIn, type Unit } from '../../../fault-boundary.ts'
import type { Metrics } from '../../../metrics.ts'
import { CommandStream, type MailSink } from '../protocol/command-stream.ts'
import { formatReply, type Reply, replies } from '../protocol/replies.ts'
import type { ConnectionLimits, LimitedConnection } from './connection-limits.ts'
import { SmtpSession, type SmtpSessionNeeds, type Step } from './smtp-session.ts'

export interface ConnectionNeeds extends SmtpSessionNeeds {
  readonly metrics: Metrics
  readonly connectionLimits: ConnectionLimits
  /** Called once, when the socket has closed. */
  onClosed(connection: Connection): void
}

export class Connection extends SMTPConnection implements LimitedConnection {
  readonly #needs: ConnectionNeeds
  readonly #session: SmtpSession
  #isAdmitted = false
  #isShuttingDown = false
  #isEvicted = false
  #hasBegunMail = false
  /** Time of the last command. */
  #heardAtMs = performance.now()
  #progressedAtMs = performance.now()
  #bytesSinceProgress = 0
  /** Whether the next MAIL counts as progress: the first one does, and the first one after each accepted message. */
  #mailIsProgress = true
  #isWaitingForDrain = false
  #commands = 0
  #refusals = 0
  /** The TLS socket if there is one, even during its handshake: destroying the socket below it would crash Node. */
  #topSocket: Socket
  /** An unhandled error cuts this connection; the peer keeps a message that has no 250 yet. */
  readonly #unit: Unit = { kind: 'SMTP connection', fail: () => this.cut() }

  constructor(server: SMTPServer, socket: Socket, options: SMTPConnectionOptions | null, needs: ConnectionNeeds) {
    super(server, socket, options)
    this.#needs = needs
    this.#topSocket = socket
    this.#session = new SmtpSession(needs, {
      session: this.id,
      remoteAddress: this.remoteAddress,
      tls: () => this.#tls(),
    })
  }

  /** Starts reading, and greets one turn of the event loop later: see `#greet`. */
  override init(): void {
    this._setListeners(() => {
      this.#isAdmitted = this.#needs.connectionLimits.enter(this)
      if (!this.#isAdmitted) return this.#leave(replies.tooManyConnections)
      this.#needs.metrics.smtpConnections.inc()
      setImmediate(() => this.#greet())
    })
  }

  /** Sends 421 and closes: at once when idle, otherwise after the reply that the peer waits for (RFC 5321 §3.8). */
  shutDown(): void {
    this.#isShuttingDown = true
    if (this._upgrading) this.cut()
    else if (this._closing || !this.#isBusy()) this.#leave(replies.shuttingDown)
  }

  /** Ends the connection without a reply; a message under way fails. */
  cut(): void {
    this.#topSocket.destroy()
  }

  usage(): ReturnType<LimitedConnection['usage']> {
    const isInMail = this._parser instanceof CommandStream && this._parser.isInMail
    const isBusy = !this._closing && (isInMail || this.#session.isInTransaction)
    if (!isBusy) return { state: 'idle', sinceMs: this.#heardAtMs }
    return { state: 'busy', sinceMs: this.#isOurTurn() ? performance.now() : this.#progressedAtMs }
  }

  /**
   * Sends 421 (RFC 5321 §3.8), unless the peer does not read. Closes at once, because a new connection needs the slot.
   */
  evict(): void {
    this.#isEvicted = true
    if (this._upgrading || this._closing || this._socket.writableNeedDrain) this.cut()
    else this.#leave(replies.evicted)
  }

  /**
   * A peer that sends before the greeting is not a mail server (RFC 5321 §4.3.1). The library waits 100 ms to detect
   * it. We check the bytes that arrived with the connection: this detects programs that send without reading, and does
   * not delay other peers.
   */
  #greet(): void {
    if (this._closing || this._closed) return
    this._ready = this._socket.bytesRead === 0
    if (this._ready) this.#write(replies.greeting(this.#needs.config.hostname))
    else this.#leave(replies.talkedEarly)
  }

  async #command(line: Buffer): Promise<MailSink | undefined> {
    this.#commands += 1
    this.#heardAtMs = performance.now()
    const wasInTransaction = this.#session.isInTransaction
    const step = this.#refuseByLimit() ?? (await this.#session.handle(line))
    if (!wasInTransaction && this.#session.isInTransaction) this.#mailBegan()
    await this.#answer(step.reply)
    if (step.next === 'close') this.close()
    if (step.next === 'startTls') this.upgrade(() => undefined)
    return step.mail && this.#sink(step.mail)
  }

  #sink(mail: NonNullable<Step['mail']>): MailSink {
    const finish = async () => {
      const reply = await mail.reply
      if (reply.code < 400) {
        this.#progressed()
        this.#mailIsProgress = true
      }
      await this.#answer(reply)
    }
    return { stream: mail.stream, finish }
  }

  #mailBegan(): void {
    if (!this.#hasBegunMail) {
      this.#hasBegunMail = true
      this._socket.setTimeout(this.#idleMs())
    }
    if (this.#mailIsProgress) this.#progressed()
    this.#mailIsProgress = false
  }

  #received(sizeBytes: number): void {
    this.#bytesSinceProgress += sizeBytes
    if (this.#bytesSinceProgress >= this.#needs.config.limits.smtp.progressBytes) this.#progressed()
  }

  #progressed(): void {
    this.#bytesSinceProgress = 0
    this.#progressedAtMs = performance.now()
  }

  #idleMs(): number {
    const { idleMs, idleBeforeMailMs } = this.#needs.config.limits.smtp
    return this.#hasBegunMail ? idleMs : Math.min(idleMs, idleBeforeMailMs)
  }

  #refuseByLimit(): Step | undefined {
    const { commandsMax, errorsMax } = this.#needs.config.limits.smtp
    if (!this._ready) return { reply: replies.talkedEarly }
    if (this.#isShuttingDown) return { reply: replies.shuttingDown }
    if (this.#commands > commandsMax) return { reply: replies.tooManyCommands }
    if (this.#refusals >= errorsMax) return { reply: replies.tooManyErrors }
    return undefined
  }

  /** Resolves when the next reply can be written: a peer that never reads must not fill our memory. */
  async #answer(reply: Reply): Promise<void> {
    if (reply.isSilence) return this.cut()
    // Only permanent refusals count: 452 for the 101st recipient is not misbehaviour.
    if (reply.code >= 500) this.#refusals += 1
    if (reply.code === 421) return this.#leave(reply) // RFC 5321 §3.8
    this.#write(reply)
    if (this.#isShuttingDown) return this.#leave(replies.shuttingDown)
    if (!this._socket.writableNeedDrain) return
    this.#isWaitingForDrain = true
    await new Promise<void>((resolve) => this._whenWritable(resolve))
    this.#isWaitingForDrain = false
  }

  #leave(reply: Reply): void {
    if (!this._closing && !this._closed) this.#write(reply)
    this.#abandonMail()
    this.close() // ends our side; the peer may still send for five seconds, so that it receives the reply
    const hasNoTime = this.#isShuttingDown || !this.#isAdmitted || this.#isEvicted
    if (hasNoTime) this.#topSocket.destroySoon()
  }

  #write(reply: Reply): void {
    if (reply.code >= 400) this.#countRefusal(reply)
    if (this._socket.writable) this._socket.write(formatReply(reply))
  }

  #countRefusal(reply: Reply): void {
    const reason = reply.reason ?? 'other'
    this.#needs.metrics.smtpReplies.inc({ code: reply.code, error: reason })
    this.#needs.log.info(
      { session: this.id, remoteAddress: this.remoteAddress, code: reply.code, reason, text: reply.text },
      'SMTP refusal',
    )
  }

  #abandonMail(): void {
    if (this._parser instanceof CommandStream) this._parser.abandon()
  }

  #isBusy(): boolean {
    return this._parser instanceof CommandStream && (this._parser.isInMail || this._parser.isWorking)
  }

  /** Whether the peer waits for us: its message may be waiting for our disk. */
  #isOurTurn(): boolean {
    return this._parser instanceof CommandStream && this._parser.isWorking && !this.#isWaitingForDrain
  }

  #tls(): string | undefined {
    if (!this.secure || !(this._socket instanceof TLSSocket)) return undefined
    return `${this._socket.getProtocol()} ${this._socket.getCipher().standardName}`
  }

  // Methods that the library calls.

  /** Called from the library's constructor, before our own fields exist, so only the callbacks may use them. */
  override _createParser(): CommandStream {
    const parser = new CommandStream(this._server.options.maxCommandLength!, {
      command: (line) => runIn(this.#unit, () => this.#command(line)),
      lineTooLong: () => this.#answer(this.#refuseByLimit()?.reply ?? replies.lineTooLong),
      received: (sizeBytes) => this.#received(sizeBytes),
    })
    parser.on('error', (error) => {
      this.#needs.log.error({ err: error, session: this.id }, 'SMTP connection failed')
      this.cut()
    })
    return parser
  }

  /** Called when TLS has become active. */
  override _resetSession(): void {
    super._resetSession()
    this.#session.forget()
  }

  /** Called with each new socket: the plain one, and the TLS socket. */
  override _armTimeout(socket: Socket = this._socket): void {
    this.#topSocket = socket
    super._armTimeout(socket)
    socket.setTimeout(this.#idleMs()) // the library has one timeout for all states
  }

  /** The timeout applies only while we wait for the peer (RFC 5321 §4.5.3.2). */
  override _onTimeout(): void {
    if (this._closing || this._upgrading) this.cut()
    else if (this.#isOurTurn()) this._armTimeout()
    else this.#leave(replies.idle)
  }

  /** Peers that disconnect and failed handshakes are normal: they are logged and are not errors of the server. */
  override _onError(error: Error): void {
    this.#needs.log.debug({ err: error, session: this.id, remoteAddress: this.remoteAddress }, 'SMTP socket error')
    this.close()
  }

  override _onClose(): void {
    const isFirst = !this._closed
    this.#abandonMail()
    super._onClose()
    if (!isFirst) return
    if (this.#isAdmitted) {
      this.#needs.connectionLimits.leave(this)
      this.#needs.metrics.smtpConnections.dec()
    }
    this.#needs.log.debug({ session: this.id, remoteAddress: this.remoteAddress }, 'SMTP connection closed')
    this.#needs.onClosed(this)
  }
}
