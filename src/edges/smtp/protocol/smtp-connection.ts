/**
 * One SMTP connection: our subclass of the library's (docs/adr/0002-smtp-connection-subclass.md).
 *
 * It reads one command at a time, passes it to its session, and does what the returned step says. It enforces the limits
 * of a connection (command-quota.ts, peer-activity.ts, connection-limits.ts). The session knows the commands
 * (smtp-session.ts); it is passed in.
 *
 * The library provides the socket handling, the STARTTLS upgrade and its certificates. We replace the greeting, to
 * avoid the library's fixed wait, the parser (command-stream.ts), the commands, the replies with their enhanced codes,
 * and the clean close. Names that begin with "_" belong to the library; its version is pinned.
 *
 * Crash or cut: an incomplete message fails with PeerGone and is not stored. A peer that got no 250 keeps its message
 * (RFC 5321 §6.1). Stop: see `shutDown` and `cut`.
 */
import type { Socket } from 'node:net'
import { TLSSocket } from 'node:tls'
import { SMTPConnection, type SMTPConnectionOptions } from 'smtp-server/lib/smtp-connection.js'
import type { SMTPServer } from 'smtp-server/lib/smtp-server.js'
import type { Config } from '../../../config/settings.ts'
import { runIn, type Unit } from '../../../fault-boundary.ts'
import type { Log } from '../../../log.ts'
import type { Metrics } from '../../../metrics.ts'
import type { ConnectionLimits, LimitedConnection } from '../../connection-limits.ts'
import { CommandQuota } from './command-quota.ts'
import { CommandStream } from './command-stream.ts'
import { MailData } from './mail-data.ts'
import { PeerActivity } from './peer-activity.ts'
import { formatReply, type Reply, replies } from './replies.ts'

/** What the connection knows about its peer. */
export interface Peer {
  /** Id of the connection, for the log. */
  readonly connectionId: string
  readonly remoteAddress: string
  /** Aborts when the connection closes or is about to close: what the session waits for is no longer needed. */
  readonly ended: AbortSignal
  /** "TLSv1.3 TLS_AES_256_GCM_SHA384", or undefined in clear text. */
  tls(): string | undefined
  /** Sends this 421 and closes: at once when idle, otherwise after the reply that the peer waits for. */
  end(reply: Reply): void
}

/** A reply, and what the connection does after it. */
export interface Step {
  readonly reply: Reply
  readonly next?: 'close' | 'startTls'
  /**
   * Exists if the reply is 354: receives the message that follows, and returns the reply to it. Never rejects. `data`
   * fails with PeerGone if the connection closes before the message is complete. The receiver may close it; the rest of
   * the message is then discarded.
   */
  readonly receiveMailData?: (data: MailData) => Promise<Reply>
}

/** The commands of one listener, and the state of the mail transaction. */
export interface Session {
  /** Whether a mail transaction has begun and DATA has not been accepted. */
  readonly isInTransaction: boolean
  /**
   * @param line one command without its line end; anything a peer can send
   * @returns a promise only if the step has to wait
   */
  handle(line: Buffer | 'too long'): Step | Promise<Step>
  /** Called when TLS has become active. RFC 3207 §4.2: commands before it no longer count. */
  restart(): void
}

export interface SmtpConnectionNeeds {
  readonly config: Pick<Config, 'hostname' | 'limits'>
  readonly log: Log
  readonly metrics: Metrics
  readonly connectionLimits: ConnectionLimits
  /** TLS begins with the first byte (RFC 8314 §3). */
  readonly isImplicitTls: boolean
  openSession(peer: Peer): Session
  /** Called once, when the socket has closed. */
  onClosed(connection: SmtpConnection): void
}

export class SmtpConnection extends SMTPConnection implements LimitedConnection {
  declare _parser: CommandStream | false
  readonly #needs: SmtpConnectionNeeds
  readonly #session: Session
  #isAdmitted = false
  /** Sent before the connection closes; undefined while it may stay. */
  #lastReply: Reply | undefined
  readonly #ended = new AbortController()
  #isEvicted = false
  /** From DATA to the reply to the message. */
  #isInMessage = false
  readonly #quota: CommandQuota
  readonly #activity: PeerActivity
  #isWaitingForDrain = false
  /** Replies that are not written yet. */
  #unsent = ''
  /** The TLS socket if one exists, even during its handshake: destroying the socket below it would crash Node. */
  #topSocket: Socket
  /** An unhandled error cuts this connection; the peer keeps a message that has no 250 yet. */
  readonly #unit: Unit = { kind: 'SMTP connection', fail: () => this.cut() }

  constructor(server: SMTPServer, socket: Socket, options: SMTPConnectionOptions | null, needs: SmtpConnectionNeeds) {
    super(server, socket, options)
    this.#needs = needs
    this.#topSocket = socket
    this.#quota = new CommandQuota(needs.config.limits)
    this.#activity = new PeerActivity(needs.config.limits)
    this.#session = needs.openSession({
      connectionId: this.id,
      remoteAddress: this.remoteAddress,
      ended: this.#ended.signal,
      tls: () => this.#tls(),
      end: (reply) => this.#end(reply),
    })
  }

  /**
   * Starts reading, and greets one turn of the event loop later: see `#greet`. With implicit TLS, the connection counts
   * from the beginning, and has a time limit, but is greeted after the handshake.
   */
  override init(): void {
    const { isImplicitTls, connectionLimits, metrics } = this.#needs
    if (!isImplicitTls) this.#startReading()
    this._setListeners(() => {
      this.#isAdmitted = connectionLimits.enter(this)
      if (!this.#isAdmitted) return isImplicitTls ? this.cut() : this.#closeWith(replies.tooManyConnections)
      metrics.smtpConnections.inc()
      if (isImplicitTls)
        this.upgrade(
          () => undefined,
          () => this.#greet(),
        )
      else setImmediate(() => this.#greet())
    })
  }

  /** Sends 421 and closes: at once when idle, otherwise after the reply that the peer waits for (RFC 5321 §3.8). */
  shutDown(): void {
    this.#end(replies.shuttingDown)
  }

  #end(reply: Reply): void {
    this.#lastReply ??= reply
    this.#ended.abort()
    if (this._upgrading) this.cut()
    else if (this._closing || !this.#isBusy()) this.#closeWith(this.#lastReply)
  }

  /** Ends the connection without a reply; an incomplete message fails. */
  cut(): void {
    this.#topSocket.destroy()
  }

  usage(): ReturnType<LimitedConnection['usage']> {
    const isInUse = !this._closing && (this.#isInMessage || this.#session.isInTransaction)
    if (!isInUse) return { state: 'idle', sinceMs: this.#activity.lastCommandAtMs }
    return { state: 'busy', sinceMs: this.#isPeerWaiting() ? performance.now() : this.#activity.progressedAtMs }
  }

  /**
   * Sends 421 (RFC 5321 §3.8), unless the peer does not read. Closes at once, because a new connection needs the slot.
   */
  evict(): void {
    this.#isEvicted = true
    if (this._upgrading || this._closing || this._socket.writableNeedDrain) this.cut()
    else this.#closeWith(replies.evicted)
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
    else this.#closeWith(replies.earlyTalker)
  }

  /** Call it once per parser: the library creates a second one for the bytes inside TLS. */
  #startReading(): void {
    const parser = this._parser
    if (parser) runIn(this.#unit, () => this.#answerLines(parser)).catch((error) => this.#fail(error))
  }

  /**
   * Reads and answers one line after the other, until the peer ends its side, the connection closes, or TLS begins. A peer may end
   * its side with its last command, and still waits for the replies: Exim does, after the message and QUIT.
   *
   * It awaits only promises: most commands of a message take less time than the promises of an `await`.
   */
  async #answerLines(parser: CommandStream): Promise<void> {
    for (;;) {
      const read = parser.readLine()
      const line = read instanceof Promise ? await read : read
      if (line === undefined) break
      const wasInTransaction = this.#session.isInTransaction
      const handled = this.#handleCommand(line)
      const step = handled instanceof Promise ? await handled : handled
      if (!wasInTransaction && this.#session.isInTransaction) this.#mailBegan()
      const answered = step.receiveMailData
        ? this.#receiveMessage(step.reply, step.receiveMailData, parser)
        : this.#answer(step.reply)
      if (answered) await answered
      if (step.next) this.#afterReply(step.next)
    }
    if (this._parser === parser && !this._closing) this.close()
  }

  #handleCommand(line: Buffer | 'too long'): Step | Promise<Step> {
    this.#quota.commandReceived()
    this.#activity.commandReceived()
    const refusal = this.#refuseCommand()
    return refusal ? { reply: refusal } : this.#session.handle(line)
  }

  #afterReply(next: NonNullable<Step['next']>): void {
    if (next === 'close') {
      this.close()
      return
    }
    this.#flush() // the reply must be written in clear text, before TLS has the socket
    this.upgrade(() => undefined)
  }

  /** Sends 354, receives the message, and sends the reply to it. */
  async #receiveMessage(
    startMail: Reply,
    receiveMailData: NonNullable<Step['receiveMailData']>,
    parser: CommandStream,
  ): Promise<void> {
    this.#isInMessage = true
    const started = this.#answer(startMail)
    if (started) await started
    const mailData = new MailData()
    const replying = receiveMailData(mailData)
    const isComplete = await parser.readMailData(mailData)
    if (!isComplete && !this._closing && !this._closed) this.close() // nothing is answered
    const reply = await replying
    if (reply.code < 400) this.#activity.messageAccepted()
    const answered = isComplete ? this.#answer(reply) : undefined
    if (answered) await answered
    this.#isInMessage = false
  }

  #mailBegan(): void {
    this.#activity.mailBegan()
    const { idleTimeoutMs } = this.#activity
    // Each call makes a new timer; the one that runs begins again with each byte.
    if (this._socket.timeout !== idleTimeoutMs) this._socket.setTimeout(idleTimeoutMs)
  }

  /** Returns the reply to a command that is not passed to the session. */
  #refuseCommand(): Reply | undefined {
    if (!this._ready) return replies.earlyTalker
    return this.#lastReply ?? this.#quota.refusal()
  }

  /** @returns undefined, without a promise, if the next reply can be written at once */
  #answer(reply: Reply): Promise<void> | undefined {
    this.#send(reply)
    return this._socket.writableNeedDrain ? this.#drained() : undefined
  }

  #send(reply: Reply): void {
    if (reply.isDropped) {
      this.cut()
      return
    }
    this.#quota.replied(reply)
    const isLast = reply.code === 421 // RFC 5321 §3.8
    if (!isLast) this.#write(reply)
    const last = isLast ? reply : this.#lastReply
    if (last) this.#closeWith(last)
  }

  /** Resolves when the socket can be written: a peer that never reads must not fill our memory. */
  async #drained(): Promise<void> {
    this.#isWaitingForDrain = true
    await new Promise<void>((resolve) => this._whenWritable(resolve))
    this.#isWaitingForDrain = false
  }

  #closeWith(reply: Reply): void {
    if (!this._closing && !this._closed) this.#write(reply)
    this.#abandonInput()
    this.close() // ends our side; the peer may still send for five seconds, so that it receives the reply
    const mustCloseNow = this.#lastReply !== undefined || !this.#isAdmitted || this.#isEvicted
    if (mustCloseNow) this.#topSocket.destroySoon()
  }

  /**
   * Replies to pipelined commands are sent together (RFC 2920 §3.2), in one segment and with one system call: they wait
   * until everything has run that waits for no I/O.
   */
  #write(reply: Reply): void {
    if (reply.code >= 400) this.#countRefusal(reply)
    if (this.#unsent === '') process.nextTick(() => this.#flush())
    this.#unsent += formatReply(reply)
  }

  #flush(): void {
    const unsent = this.#unsent
    this.#unsent = ''
    if (unsent !== '' && this._socket.writable) this._socket.write(unsent)
  }

  #countRefusal(reply: Reply): void {
    const reason = reply.reason ?? 'other'
    this.#needs.metrics.smtpRefusals.inc({ code: reply.code, reason })
    this.#needs.log.info(
      { session: this.id, remoteAddress: this.remoteAddress, code: reply.code, reason, text: reply.text },
      'SMTP refusal',
    )
  }

  #abandonInput(): void {
    if (this._parser) this._parser.abandon()
  }

  #isBusy(): boolean {
    return this.#isInMessage || (this._parser !== false && this._parser.isWorking)
  }

  /** Whether the peer waits for us: its message may be waiting for our disk. */
  #isPeerWaiting(): boolean {
    return this._parser !== false && this._parser.isWorking && !this.#isWaitingForDrain
  }

  #fail(error: unknown): void {
    this.#needs.log.error({ err: error, session: this.id }, 'SMTP connection failed')
    this.cut()
  }

  #tls(): string | undefined {
    if (!this.secure || !(this._socket instanceof TLSSocket)) return undefined
    return `${this._socket.getProtocol()} ${this._socket.getCipher().standardName}`
  }

  // Methods that the library calls, too.

  override close(): void {
    this.#flush()
    super.close()
  }

  /** Called from the library's constructor, before our own fields exist, so only the callbacks may use them. */
  override _createParser(): CommandStream {
    const { maxCommandLength } = this._server.options
    const parser = new CommandStream(maxCommandLength!, (sizeBytes) => this.#activity.received(sizeBytes))
    parser.on('error', (error) => this.#fail(error))
    return parser
  }

  /** Called when TLS has become active. */
  override _resetSession(): void {
    super._resetSession()
    this.#session.restart()
    this.#startReading()
  }

  /** Called with each new socket: the plain one, and the TLS socket. */
  override _armTimeout(socket: Socket = this._socket): void {
    if (socket !== this.#topSocket) socket.once('end', () => this._upgrading && this.cut()) // it will send no handshake
    this.#topSocket = socket
    super._armTimeout(socket)
    socket.setTimeout(this.#activity.idleTimeoutMs) // the library has one timeout for all states
  }

  /** The timeout applies only while we wait for the peer (RFC 5321 §4.5.3.2). */
  override _onTimeout(): void {
    if (this._closing || this._upgrading) this.cut()
    else if (this.#isPeerWaiting()) this._armTimeout()
    else this.#closeWith(replies.idle)
  }

  /** Peers that disconnect and failed handshakes are normal: they are logged and are not errors of the server. */
  override _onError(error: Error): void {
    this.#needs.log.debug({ err: error, session: this.id, remoteAddress: this.remoteAddress }, 'SMTP socket error')
    this.close()
  }

  override _onClose(): void {
    const isFirst = !this._closed
    this.#ended.abort()
    this.#abandonInput()
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
