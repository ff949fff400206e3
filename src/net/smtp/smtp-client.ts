/**
 * One SMTP client session over an open connection: greeting, EHLO, TLS, login, and then messages, each with one result
 * per recipient. nodemailer implements the protocol. This file adds a timeout for each step, reports in which step a
 * session broke, and decides whether a session may be reused.
 *
 * Every wait is bounded: greeting and TLS handshake, each reply, the reply after the message, and the total.
 * Must not: choose a server, decide what a failure means for a message, or put a password into an error.
 */
import type { Socket } from 'node:net'
import { Readable } from 'node:stream'
import { TLSSocket } from 'node:tls'
import SMTPConnection, { type SMTPEnvelope } from 'nodemailer/lib/smtp-connection'
import type { Limits } from '../../config/limits.ts'
import { answered, SmtpFailure, type SmtpResult, type SmtpStage } from './smtp-failure.ts'
import { parseReply, type SmtpReply, withoutSecrets } from './smtp-reply.ts'

export interface SmtpMail {
  /** The envelope sender; "" for a bounce. */
  readonly sender: string
  readonly recipients: readonly string[]
  readonly sizeBytes: number
  /** Send BODY=8BITMIME (RFC 6152) and SMTPUTF8 (RFC 6531); the caller has checked that the server offers them. */
  readonly isEightBit: boolean
  readonly isSmtpUtf8: boolean
  read(): AsyncIterable<Buffer>
}

export interface SessionOptions {
  /** An open connection. From now on the session owns it. */
  readonly socket: Socket
  /** The server's name, which its certificate should contain. */
  readonly hostname: string
  /** Our own name, for EHLO. */
  readonly clientName: string
  /**
   * "opportunistic": STARTTLS if offered, with any certificate (RFC 7435); "required": STARTTLS with a verified
   * certificate; "implicit": TLS from the first byte, verified; "none": no TLS, for a server whose STARTTLS is broken.
   */
  readonly tls: 'opportunistic' | 'required' | 'implicit' | 'none'
  readonly auth?: { readonly user: string; readonly password: string } | undefined
  readonly limits: Limits
}

/** The maximum size of a reply or line; a server that sends more without an end is cut off. */
const REPLY_BYTES_MAX = 64 * 1024
/** The time for the server to close its side after we have closed ours. */
const CLOSE_MS = 1_000

/** Private members of nodemailer's connection that its types omit. The version is pinned; tests notice a change. */
interface Inside {
  readonly _supportedExtensions: readonly string[]
  readonly _maxAllowedSize: number
  readonly _supportedAuth: readonly string[]
  _sendCommand(command: string, logged?: string): void
}

class Connection extends SMTPConnection {
  isSmtpUtf8 = false

  /** nodemailer sends SMTPUTF8 only if the envelope needs it; header fields may need it too (RFC 6531 §3.4). */
  _sendCommand(command: string, logged?: string): void {
    const isLacking = this.isSmtpUtf8 && /^MAIL FROM:/.test(command) && !/> (?:.* )?SMTPUTF8\b/.test(command)
    const inside = SMTPConnection.prototype as unknown as Inside
    inside._sendCommand.call(this, isLacking ? `${command} SMTPUTF8` : command, logged)
  }
}

export class SmtpClientSession {
  readonly #options: SessionOptions
  readonly #connection: Connection
  readonly #inside: Inside
  #stage: SmtpStage = 'greeting'
  #serverName = ''
  #isEnding = false
  #fail: ((error: unknown) => void) | undefined

  private constructor(options: SessionOptions) {
    const { socket, hostname, clientName, tls, limits } = options
    this.#options = options
    this.#connection = new Connection({
      connection: socket,
      host: hostname,
      name: clientName,
      secure: tls === 'implicit',
      requireTLS: tls === 'required',
      ignoreTLS: tls === 'none',
      opportunisticTLS: tls === 'opportunistic',
      tls: { rejectUnauthorized: tls === 'required' || tls === 'implicit' },
      greetingTimeout: limits.delivery.greetingMs,
      connectionTimeout: 2 * limits.delivery.greetingMs, // nodemailer counts greeting and handshake together
      socketTimeout: limits.delivery.commandMs,
      socketCloseTimeout: CLOSE_MS,
      maxResponseSize: REPLY_BYTES_MAX,
    })
    this.#inside = this.#connection as unknown as Inside
    this.#connection.on('error', (error) => this.#fail?.(error))
    // Deferred: if a reply ends the session, the waiting call must get the reply first.
    this.#connection.on('end', () => setImmediate(() => this.#fail?.(new Error('the connection was closed'))))
  }

  /**
   * @returns a session that is ready for a message
   * @throws SmtpFailure, or the signal's reason; the session has then ended
   */
  static async open(options: SessionOptions, signal: AbortSignal): Promise<SmtpClientSession> {
    const session = new SmtpClientSession(options)
    await session.#during(signal, (done) => session.#connection.connect(done))
    session.#serverName = /^250[ -](\S+)/.exec(session.#connection.lastServerResponse || '')?.[1]?.toLowerCase() ?? ''
    if (options.auth) await session.#login(options.auth, signal)
    return session
  }

  /** Whether the server announced the extension. */
  offers(extension: '8BITMIME' | 'SMTPUTF8'): boolean {
    return this.#inside._supportedExtensions.includes(extension)
  }

  /** The maximum message size that the server announced (RFC 1870 §4); 0 when it announced none. */
  get sizeBytesMax(): number {
    return this.#inside._maxAllowedSize
  }

  /** The name in the server's reply to EHLO (RFC 5321 §4.1.1.1), in lower case. */
  get serverName(): string {
    return this.#serverName
  }

  /** As `Outcome.tls`: "TLSv1.3", "TLSv1.2 (unverified)"; undefined without TLS. */
  get tls(): string | undefined {
    const socket = this.#connection._socket
    if (!(socket instanceof TLSSocket)) return undefined
    return `${socket.getProtocol()}${socket.authorized ? '' : ' (unverified)'}`
  }

  /** Whether another message can be sent. */
  get isOpen(): boolean {
    return !this.#isEnding && !this.#connection.destroyed
  }

  /**
   * Sends one message. Each recipient has its own result: the failure of one does not affect the others.
   *
   * @returns one result per recipient, in the same order. If no recipient got the message, the session has ended
   * @throws the error of reading the message, or the signal's reason; the session has then ended
   */
  async send(mail: SmtpMail, signal: AbortSignal): Promise<SmtpResult[]> {
    const { commandMs, dataMs } = this.#options.limits.delivery
    this.#stage = 'envelope'
    this.#connection.isSmtpUtf8 = mail.isSmtpUtf8
    // nodemailer stores the replies to RCPT in this envelope object, so they are known even if the session breaks.
    const envelope: SMTPEnvelope & { rejectedErrors?: RejectedError[] } = {
      from: mail.sender === '' ? false : mail.sender,
      to: [...mail.recipients],
      size: mail.sizeBytes,
      use8BitMime: mail.isEightBit,
    }
    const rawMessage = Readable.from(this.#watched(mail.read(), dataMs), { objectMode: false })
    this.#limitSilence(commandMs)
    let last: SmtpResult
    try {
      const info = await this.#during<{ response: string }>(signal, (done) =>
        this.#connection.send(envelope, rawMessage, (error, sent) => done(error, sent)),
      )
      last = { command: 'DATA', reply: this.#parse(info.response) }
      this.#stage = 'envelope'
    } catch (error) {
      rawMessage.destroy()
      if (!(error instanceof SmtpFailure)) throw error
      last = answered(error)
    }
    // If the sender was rejected, replies to a pipelined RCPT have no meaning (RFC 2920 §3.1).
    const isSenderRejected = 'command' in last && last.command === 'MAIL'
    const rejected = new Map(
      isSenderRejected ? [] : envelope.rejectedErrors?.map((each) => [each.recipient, each.response]),
    )
    return mail.recipients.map((recipient) => {
      const response = rejected.get(recipient)
      return response === undefined ? last : { command: 'RCPT', reply: this.#parse(response) }
    })
  }

  /** Checks with RSET whether the server still replies (RFC 5321 §4.1.1.5). Closes the session if it does not. */
  async isAnswering(signal: AbortSignal): Promise<boolean> {
    this.#limitSilence(this.#options.limits.delivery.connectMs)
    try {
      await this.#during(signal, (done) => this.#connection.reset(done))
      return true
    } catch {
      signal.throwIfAborted()
      return false // whatever the failure: the caller uses another session
    }
  }

  /** Sends QUIT, and closes the connection after CLOSE_MS at the latest. */
  quit(): void {
    if (!this.isOpen) return
    this.#isEnding = true
    this.#connection.quit()
    setTimeout(() => this.#connection.close(), CLOSE_MS).unref()
  }

  close(): void {
    this.#connection.close()
  }

  async #login({ user, password }: NonNullable<SessionOptions['auth']>, signal: AbortSignal): Promise<void> {
    this.#stage = 'login'
    const known = ['PLAIN', 'LOGIN', 'CRAM-MD5'].find((method) => this.#inside._supportedAuth.includes(method))
    if (known === undefined) {
      this.close()
      throw new SmtpFailure('login', 'it offers no supported authentication method (PLAIN, LOGIN, CRAM-MD5)')
    }
    await this.#during(signal, (done) => this.#connection.login({ user, pass: password, method: known }, done))
  }

  /** Passes the message through. After its last byte, the longer timeout for the reply applies (RFC 5321 §4.5.3.2). */
  async *#watched(mail: AsyncIterable<Buffer>, dataMs: number): AsyncGenerator<Buffer> {
    this.#stage = 'mail'
    yield* mail
    this.#stage = 'sent'
    this.#limitSilence(dataMs)
  }

  #limitSilence(timeoutMs: number): void {
    const socket = this.#connection._socket
    if (socket) socket.setTimeout(timeoutMs)
  }

  /** Runs one step with a nodemailer callback. The end of the session, the signal and the time limit also end it. */
  async #during<T>(signal: AbortSignal, act: (done: (error?: unknown, result?: unknown) => void) => void): Promise<T> {
    let timer: NodeJS.Timeout | undefined
    let giveUp: (() => void) | undefined
    try {
      return await new Promise<T>((resolve, reject) => {
        signal.throwIfAborted()
        giveUp = () => reject(signal.reason)
        signal.addEventListener('abort', giveUp)
        const { attemptMs } = this.#options.limits.delivery
        timer = setTimeout(
          () => reject(Object.assign(new Error('the session took too long'), { code: 'ETIMEDOUT' })),
          attemptMs,
        )
        this.#fail = reject
        act((error, result) => (error ? reject(error) : resolve(result as T)))
      })
    } catch (error) {
      const failure = signal.aborted ? error : this.#failure(error)
      // After a rejection, send QUIT (RFC 5321 §4.1.1.10): some servers would need RSET, others are not reliable after
      // it.
      if (failure instanceof SmtpFailure && failure.command !== undefined) this.quit()
      else this.close()
      throw failure
    } finally {
      clearTimeout(timer)
      if (giveUp) signal.removeEventListener('abort', giveUp)
      this.#fail = undefined
    }
  }

  #failure(error: unknown): unknown {
    const { code, response, message, command } = error as NodemailerError
    if (code === 'ESTREAM') return error // our own failure: the message could not be read
    const stage = this.#connection.upgrading || code === 'ETLS' ? 'tls' : this.#stage
    return new SmtpFailure(stage, message, {
      ...(response && { reply: this.#parse(response) }),
      isTimeout: code === 'ETIMEDOUT',
      command,
      cause: error,
    })
  }

  #parse(response: string): SmtpReply {
    return parseReply(withoutSecrets(response, this.#options.auth), this.#options.limits.delivery.replyCharsMax)
  }
}

interface NodemailerError extends Error {
  readonly code?: string
  readonly response?: string
  readonly command?: string
}

interface RejectedError {
  readonly recipient: string
  readonly response: string
}
