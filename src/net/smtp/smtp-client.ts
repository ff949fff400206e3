/**
 * One SMTP client session over an open connection: greeting, EHLO, TLS, login, and then messages, each with one result
 * per recipient. nodemailer implements the protocol (nodemailer-connection.ts). This file reports in which step a session
 * broke, and decides whether a session may be reused.
 *
 * Every wait is bounded: greeting and TLS handshake, each reply, the reply after the message, and the total.
 * Must not: choose a server, decide what a failure means for a message, or put a password into an error.
 */
import { Readable } from 'node:stream'
import { TLSSocket } from 'node:tls'
import {
  CLOSE_MS,
  type Envelope,
  NodemailerConnection,
  type NodemailerError,
  type NodemailerOptions,
} from './nodemailer-connection.ts'
import { resultOfFailure, SmtpFailure, type SmtpResult, type SmtpStage } from './smtp-failure.ts'
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

export interface SessionOptions extends NodemailerOptions {
  readonly auth?: { readonly user: string; readonly password: string } | undefined
}

export class SmtpClientSession {
  readonly #options: SessionOptions
  readonly #connection: NodemailerConnection
  #stage: SmtpStage = 'greeting'
  #serverName = ''
  #isEnding = false
  #isUsedUp = false
  #hasSent = false

  private constructor(options: SessionOptions) {
    this.#options = options
    this.#connection = new NodemailerConnection(options)
  }

  /**
   * @returns a session that is ready for a message
   * @throws SmtpFailure, or the signal's reason; the session has then ended
   */
  static async open(options: SessionOptions, signal: AbortSignal): Promise<SmtpClientSession> {
    const session = new SmtpClientSession(options)
    await session.#runStep(signal, session.#connection.connect(signal))
    session.#serverName = /^250[ -](\S+)/.exec(session.#connection.lastReply)?.[1]?.toLowerCase() ?? ''
    if (options.auth) await session.#login(options.auth, signal)
    return session
  }

  /** Whether the server announced the extension. */
  offers(extension: '8BITMIME' | 'SMTPUTF8'): boolean {
    return this.#connection.extensions.includes(extension)
  }

  /** The maximum message size that the server announced (RFC 1870 §4); 0 when it announced none. */
  get sizeBytesMax(): number {
    return this.#connection.sizeBytesMax
  }

  /** The name in the server's reply to EHLO (RFC 5321 §4.1.1.1), in lower case. */
  get serverName(): string {
    return this.#serverName
  }

  /** As `Outcome.tls`: "TLSv1.3", "TLSv1.2 (unverified)"; undefined without TLS. */
  get tls(): string | undefined {
    const { socket } = this.#connection
    if (!(socket instanceof TLSSocket)) return undefined
    return `${socket.getProtocol()}${socket.authorized ? '' : ' (unverified)'}`
  }

  /** Whether another message can be sent. */
  get isOpen(): boolean {
    return !this.#isEnding && !this.#connection.isClosed
  }

  /**
   * Whether the server accepts no more messages on this session, although it may on another one: instead of the last one, it has
   * ended the session, or rejected MAIL for now, as servers do that limit the messages of a session; or the session has had a
   * message before, and the server no longer answers.
   */
  get isUsedUp(): boolean {
    return this.#isUsedUp
  }

  /**
   * Sends one message. Each recipient has its own result: the failure of one does not affect the others.
   *
   * @returns one result per recipient, in the same order. If no recipient got the message, the session has ended
   * @throws the error of reading the message, or the signal's reason; the session has then ended
   */
  async send(mail: SmtpMail, signal: AbortSignal): Promise<SmtpResult[]> {
    const { commandMs, connectMs } = this.#options.limits.delivery
    const isKept = this.#hasSent
    this.#hasSent = true
    this.#stage = 'envelope'
    const envelope: Envelope = {
      from: mail.sender === '' ? false : mail.sender,
      to: [...mail.recipients],
      size: mail.sizeBytes,
      use8BitMime: mail.isEightBit,
    }
    const rawMessage = Readable.from(this.#mailBytes(mail.read()), { objectMode: false })
    // The network may have dropped a connection that was idle, so the server gets no more time to answer than a new connection to open.
    this.#connection.setIdleTimeout(isKept ? Math.min(connectMs, commandMs) : commandMs)
    let last: SmtpResult
    try {
      const sending = this.#connection.send(envelope, rawMessage, mail.isSmtpUtf8, signal)
      last = { command: 'DATA', reply: this.#parse(await this.#runStep(signal, sending)) }
      this.#stage = 'envelope'
    } catch (error) {
      rawMessage.destroy()
      if (!(error instanceof SmtpFailure)) throw error
      last = resultOfFailure(error)
      this.#isUsedUp = isEndOfSession(error, last, isKept)
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
    const method = ['PLAIN', 'LOGIN', 'CRAM-MD5'].find((each) => this.#connection.authMethods.includes(each))
    if (method === undefined) {
      this.close()
      throw new SmtpFailure('login', 'it offers no supported authentication method (PLAIN, LOGIN, CRAM-MD5)')
    }
    await this.#runStep(signal, this.#connection.login(user, password, method, signal))
  }

  /** Passes the message through. After its last byte, the longer timeout for the reply applies (RFC 5321 §4.5.3.2). */
  async *#mailBytes(mail: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
    const { commandMs, dataMs } = this.#options.limits.delivery
    this.#stage = 'mail'
    this.#connection.setIdleTimeout(commandMs)
    yield* mail
    this.#stage = 'sent'
    this.#connection.setIdleTimeout(dataMs)
  }

  /** Waits for one step. If it fails, ends the session. */
  async #runStep<T>(signal: AbortSignal, step: Promise<T>): Promise<T> {
    try {
      return await step
    } catch (error) {
      const failure = signal.aborted ? error : this.#failure(error)
      // After a rejection, send QUIT (RFC 5321 §4.1.1.10): some servers would need RSET, others are not reliable after
      // it.
      if (failure instanceof SmtpFailure && failure.command !== undefined) this.quit()
      else this.close()
      throw failure
    }
  }

  #failure(error: unknown): unknown {
    const { code, response, message, command } = error as NodemailerError
    if (code === 'ESTREAM') return error // our own failure: the message could not be read
    const stage = this.#connection.isUpgrading || code === 'ETLS' ? 'tls' : this.#stage
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

/** @param failure of a message @param result the same for its recipients @param isKept whether it was not the first message */
function isEndOfSession({ stage, isTimeout }: SmtpFailure, result: SmtpResult, isKept: boolean): boolean {
  if (stage !== 'envelope') return false
  if ('failure' in result) return isKept || !isTimeout
  const { command, reply } = result
  return reply.code === 421 || (command === 'MAIL' && reply.code < 500) // RFC 5321 §3.8
}
