/**
 * One SMTP session as a client, over a connection that is open already: greeting, EHLO, TLS, login, and then mails, each
 * with an answer for every recipient. The protocol is nodemailer's; the time that each step may take, what is known
 * when a session breaks, and when a session may be used again are ours.
 *
 * Every wait is bounded: greeting and TLS handshake, each reply, the reply to the whole mail, and the whole.
 * Must not: choose a server, decide what a failure means for a mail, or put a password into an error.
 */
import type { Socket } from 'node:net'
import { Readable } from 'node:stream'
import { TLSSocket } from 'node:tls'
import SMTPConnection, { type SMTPEnvelope } from 'nodemailer/lib/smtp-connection'
import type { Limits } from '../limits.ts'

/** Where a session was when it broke. */
export type SmtpStage =
  | 'greeting' // up to the answer to EHLO
  | 'tls'
  | 'login'
  | 'envelope' // up to the permission to send the mail
  | 'mail'
  | 'sent' // the whole mail is on its way: whether it was taken is not known

export interface SmtpReply {
  readonly code: number
  /** RFC 3463, where the server says one. */
  readonly enhancedCode?: string
  /** As the server wrote it, on one line, with the codes. */
  readonly text: string
}

/** A session that ended, or did not begin. */
export class SmtpFailure extends Error {
  override readonly name = 'SmtpFailure'
  readonly stage: SmtpStage
  /** The server's last words, if it had any. */
  readonly reply: SmtpReply | undefined
  /** That it refused; undefined where the connection broke or ran out of time. */
  readonly command: string | undefined
  readonly isTimeout: boolean

  constructor(
    stage: SmtpStage,
    message: string,
    more: { reply?: SmtpReply; command?: string | undefined; isTimeout?: boolean; cause?: unknown } = {},
  ) {
    super(message, { cause: more.cause })
    this.stage = stage
    this.reply = more.reply
    this.command = more.command === 'CONN' ? undefined : more.command
    this.isTimeout = more.isTimeout ?? false
  }
}

export interface SmtpMail {
  /** "" for a bounce. */
  readonly sender: string
  readonly recipients: readonly string[]
  readonly sizeBytes: number
  /** BODY=8BITMIME (RFC 6152) and SMTPUTF8 (RFC 6531) are asked for; the caller has looked whether they are offered. */
  readonly isEightBit: boolean
  readonly isSmtpUtf8: boolean
  read(): AsyncIterable<Buffer>
}

/** What became of one recipient: the server's word, with the command that it answered; or a session that broke before. */
export type SmtpResult =
  | { readonly reply: SmtpReply; readonly command: 'MAIL' | 'RCPT' | 'DATA' }
  | { readonly failure: SmtpFailure }

export interface SessionOptions {
  /** Connected. The session owns it from now on. */
  readonly socket: Socket
  /** The server's name, which its certificate should have. */
  readonly hostname: string
  /** Our own, for EHLO. */
  readonly clientName: string
  /**
   * "opportunistic": STARTTLS where offered, whatever the certificate (RFC 7435); "required": STARTTLS, verified;
   * "implicit": from the first byte, verified; "none": for a server whose STARTTLS is broken.
   */
  readonly tls: 'opportunistic' | 'required' | 'implicit' | 'none'
  readonly auth?: { readonly user: string; readonly password: string } | undefined
  readonly limits: Pick<
    Limits,
    | 'deliveryConnectMs'
    | 'deliveryGreetingMs'
    | 'deliveryCommandMs'
    | 'deliveryDataMs'
    | 'deliveryMs'
    | 'deliveryReplyCharsMax'
  >
}

/** A server that has said more than this without an end of line or of reply says nothing that we want to know. */
const REPLY_BYTES_MAX = 64 * 1024
/** For the server to close its side after we have. */
const CLOSE_MS = 1_000

/** What nodemailer's connection knows and its declarations leave out. Its version is pinned; tests would notice. */
interface Inside {
  readonly _supportedExtensions: readonly string[]
  readonly _maxAllowedSize: number
  readonly _supportedAuth: readonly string[]
  _sendCommand(command: string, logged?: string): void
}

class Connection extends SMTPConnection {
  isSmtpUtf8 = false

  /** nodemailer asks for SMTPUTF8 by the envelope alone; header fields may need it too (RFC 6531 §3.4). */
  _sendCommand(command: string, logged?: string): void {
    const isLacking = this.isSmtpUtf8 && /^MAIL FROM:/.test(command) && !/> (?:.* )?SMTPUTF8\b/.test(command)
    const inside = SMTPConnection.prototype as unknown as Inside
    inside._sendCommand.call(this, isLacking ? `${command} SMTPUTF8` : command, logged)
  }
}

export class SmtpSession {
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
      greetingTimeout: limits.deliveryGreetingMs,
      connectionTimeout: 2 * limits.deliveryGreetingMs, // it counts greeting and handshake together
      socketTimeout: limits.deliveryCommandMs,
      socketCloseTimeout: CLOSE_MS,
      maxResponseSize: REPLY_BYTES_MAX,
    })
    this.#inside = this.#connection as unknown as Inside
    this.#connection.on('error', (error) => this.#fail?.(error))
    // Deferred: where a reply ends the session, the one who waits is told of the reply first.
    this.#connection.on('end', () => setImmediate(() => this.#fail?.(new Error('the connection was closed'))))
  }

  /**
   * @returns a session that takes mail
   * @throws SmtpFailure, the signal's reason; the session has ended then
   */
  static async open(options: SessionOptions, signal: AbortSignal): Promise<SmtpSession> {
    const session = new SmtpSession(options)
    await session.#during(signal, (done) => session.#connection.connect(done))
    session.#serverName = /^250[ -](\S+)/.exec(session.#connection.lastServerResponse || '')?.[1]?.toLowerCase() ?? ''
    if (options.auth) await session.#login(options.auth, signal)
    return session
  }

  /** Whether the server announced the extension. */
  offers(extension: '8BITMIME' | 'SMTPUTF8'): boolean {
    return this.#inside._supportedExtensions.includes(extension)
  }

  /** RFC 1870 §4: what the server says it takes at most; 0 when it does not say. */
  get sizeBytesMax(): number {
    return this.#inside._maxAllowedSize
  }

  /** The name by which the server answered EHLO (RFC 5321 §4.1.1.1), lower-case. */
  get serverName(): string {
    return this.#serverName
  }

  /** As `Outcome.tls`: "TLSv1.3", "TLSv1.2 (unverified)"; undefined without TLS. */
  get tls(): string | undefined {
    const socket = this.#connection._socket
    if (!(socket instanceof TLSSocket)) return undefined
    return `${socket.getProtocol()}${socket.authorized ? '' : ' (unverified)'}`
  }

  /** Whether another mail can be sent. */
  get isOpen(): boolean {
    return !this.#isEnding && !this.#connection.destroyed
  }

  /**
   * Sends one mail. No recipient's failure is another's: each has an answer of its own.
   *
   * @returns one result a recipient, in their order. Unless some recipient got the mail, the session has ended.
   * @throws what reading the mail threw, the signal's reason; the session has ended then
   */
  async send(mail: SmtpMail, signal: AbortSignal): Promise<SmtpResult[]> {
    const { deliveryCommandMs, deliveryDataMs } = this.#options.limits
    this.#stage = 'envelope'
    this.#connection.isSmtpUtf8 = mail.isSmtpUtf8
    // nodemailer keeps the answers to RCPT in the envelope that it is given: they are known however the session ends.
    const envelope: SMTPEnvelope & { rejectedErrors?: RejectedError[] } = {
      from: mail.sender === '' ? false : mail.sender,
      to: [...mail.recipients],
      size: mail.sizeBytes,
      use8BitMime: mail.isEightBit,
    }
    const body = Readable.from(this.#watched(mail.read(), deliveryDataMs), { objectMode: false })
    this.#limitSilence(deliveryCommandMs)
    let last: SmtpResult
    try {
      const info = await this.#during<{ response: string }>(signal, (done) =>
        this.#connection.send(envelope, body, (error, sent) => done(error, sent)),
      )
      last = { command: 'DATA', reply: this.#parse(info.response) }
      this.#stage = 'envelope'
    } catch (error) {
      body.destroy()
      if (!(error instanceof SmtpFailure)) throw error
      last = answered(error)
    }
    // Where the sender was refused, answers to RCPT that was sent along with it mean nothing (RFC 2920 §3.1).
    const isSenderRefused = 'command' in last && last.command === 'MAIL'
    const refused = new Map(
      isSenderRefused ? [] : envelope.rejectedErrors?.map((each) => [each.recipient, each.response]),
    )
    return mail.recipients.map((recipient) => {
      const response = refused.get(recipient)
      return response === undefined ? last : { command: 'RCPT', reply: this.#parse(response) }
    })
  }

  /** Asks the server whether it is still there (RSET, RFC 5321 §4.1.1.5). A session that gives no answer is closed. */
  async isAnswering(signal: AbortSignal): Promise<boolean> {
    this.#limitSilence(this.#options.limits.deliveryConnectMs)
    try {
      await this.#during(signal, (done) => this.#connection.reset(done))
      return true
    } catch {
      signal.throwIfAborted()
      return false // whatever it said instead: there are other sessions
    }
  }

  /** Says goodbye, without waiting for the answer longer than a moment. */
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
      throw new SmtpFailure('login', 'it offers no way to log in that is known here (PLAIN, LOGIN, CRAM-MD5)')
    }
    await this.#during(signal, (done) => this.#connection.login({ user, pass: password, method: known }, done))
  }

  /** The mail as it is read; when its last byte was read, the server has the longer time to answer (RFC 5321 §4.5.3.2). */
  async *#watched(mail: AsyncIterable<Buffer>, deliveryDataMs: number): AsyncGenerator<Buffer> {
    this.#stage = 'mail'
    yield* mail
    this.#stage = 'sent'
    this.#limitSilence(deliveryDataMs)
  }

  #limitSilence(timeoutMs: number): void {
    const socket = this.#connection._socket
    if (socket) socket.setTimeout(timeoutMs)
  }

  /** One step, with a callback as nodemailer has them; ends with it, or with the session, the signal or the time. */
  async #during<T>(signal: AbortSignal, act: (done: (error?: unknown, result?: unknown) => void) => void): Promise<T> {
    let timer: NodeJS.Timeout | undefined
    let giveUp: (() => void) | undefined
    try {
      return await new Promise<T>((resolve, reject) => {
        signal.throwIfAborted()
        giveUp = () => reject(signal.reason)
        signal.addEventListener('abort', giveUp)
        const { deliveryMs } = this.#options.limits
        timer = setTimeout(
          () => reject(Object.assign(new Error('the whole took too long'), { code: 'ETIMEDOUT' })),
          deliveryMs,
        )
        this.#fail = reject
        act((error, result) => (error ? reject(error) : resolve(result as T)))
      })
    } catch (error) {
      const failure = signal.aborted ? error : this.#failure(error)
      // A refusal is answered with QUIT (RFC 5321 §4.1.1.10): some would need RSET, others cannot be relied upon.
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
    if (code === 'ESTREAM') return error // ours: the mail could not be read
    const stage = this.#connection.upgrading || code === 'ETLS' ? 'tls' : this.#stage
    return new SmtpFailure(stage, message, {
      ...(response && { reply: this.#parse(response) }),
      isTimeout: code === 'ETIMEDOUT',
      command,
      cause: error,
    })
  }

  #parse(response: string): SmtpReply {
    return parseReply(withoutSecrets(response, this.#options.auth), this.#options.limits.deliveryReplyCharsMax)
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

/** A refusal of the whole mail is an answer; a session that broke is none. */
function answered(failure: SmtpFailure): SmtpResult {
  const { reply, command } = failure
  if (!reply || command === undefined) return { failure }
  return { command: command === 'MAIL FROM' ? 'MAIL' : command === 'RCPT TO' ? 'RCPT' : 'DATA', reply }
}

/** RFC 5321 §4.2 and RFC 3463 §2; several lines become one. */
/** Some servers repeat the command that they refuse, and AUTH holds the password. */
function withoutSecrets(response: string, auth: SessionOptions['auth']): string {
  if (!auth) return response
  const { user, password } = auth
  const base64 = (text: string) => Buffer.from(text).toString('base64')
  return [password, base64(password), base64(`\0${user}\0${password}`)].reduce(
    (text, secret) => text.replaceAll(secret, '…'),
    response,
  )
}

export function parseReply(response: string, charsMax: number): SmtpReply {
  const lines = response.split(/\r?\n/)
  const code = Number(/^\d{3}/.exec(lines[0] ?? '')?.[0] ?? 0)
  const enhancedCode = /^\d{3}[ -]([245]\.\d{1,3}\.\d{1,3})\b/.exec(lines[0] ?? '')?.[1]
  const prefix =
    enhancedCode === undefined ? /^\d{3}[ -]?/ : new RegExp(`^\\d{3}[ -]?(?:${enhancedCode.replaceAll('.', '\\.')} ?)?`)
  // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what must go
  const words = lines.map((line) => line.replace(prefix, '').replace(/[\x00-\x1f\x7f-\x9f]+/g, ' '))
  const said = words.join(' ').replace(/ {2,}/g, ' ').trim()
  const text = [code || '', enhancedCode ?? '', said]
    .filter((part) => part !== '')
    .join(' ')
    .slice(0, charsMax)
  return { code, ...(enhancedCode !== undefined && { enhancedCode }), text }
}
