/**
 * nodemailer's SMTP connection, with promises. Every operation ends when nodemailer calls back, when the connection fails
 * or is closed, when the signal aborts, or after `limits.delivery.attemptMs`. It also contains what we need of
 * nodemailer's private members: its version is pinned, and tests notice a change.
 *
 * Must not: decide what a failure means, or whether the connection is used again (smtp-client.ts does).
 */
import type { Socket } from 'node:net'
import type { Readable } from 'node:stream'
import SMTPConnection, { type SMTPEnvelope } from 'nodemailer/lib/smtp-connection'
import type { Limits } from '../../config/limits.ts'

export interface NodemailerOptions {
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
  readonly limits: Limits
}

/** nodemailer adds the rejected recipients to it while it sends, so they are known even if the connection breaks. */
export interface Envelope extends SMTPEnvelope {
  rejectedErrors?: RejectedError[]
}

interface RejectedError {
  readonly recipient: string
  readonly response: string
}

/** An error that nodemailer passes to a callback. */
export interface NodemailerError extends Error {
  readonly code?: string
  readonly response?: string
  readonly command?: string
}

/** The maximum size of a reply or line; a server that sends more without an end is cut off. */
const REPLY_BYTES_MAX = 64 * 1024
/** The time for the server to close its side after we have closed ours. */
export const CLOSE_MS = 1_000

/** Private members that the types of nodemailer omit. */
interface PrivateMembers {
  readonly _supportedExtensions: readonly string[]
  readonly _maxAllowedSize: number
  readonly _supportedAuth: readonly string[]
  _sendCommand(command: string, logged?: string): void
}

type Callback = (error?: unknown, result?: unknown) => void

class Connection extends SMTPConnection {
  isSmtpUtf8 = false

  /** nodemailer sends SMTPUTF8 only if the envelope needs it; header fields may need it too (RFC 6531 §3.4). */
  _sendCommand(command: string, logged?: string): void {
    const isLacking = this.isSmtpUtf8 && /^MAIL FROM:/.test(command) && !/> (?:.* )?SMTPUTF8\b/.test(command)
    const members = SMTPConnection.prototype as unknown as PrivateMembers
    members._sendCommand.call(this, isLacking ? `${command} SMTPUTF8` : command, logged)
  }
}

export class NodemailerConnection {
  readonly #connection: Connection
  readonly #members: PrivateMembers
  readonly #limits: Limits
  /** Rejects the operation that runs. */
  #fail: ((error: unknown) => void) | undefined

  constructor({ socket, hostname, clientName, tls, limits }: NodemailerOptions) {
    this.#limits = limits
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
    this.#members = this.#connection as unknown as PrivateMembers
    this.#connection.on('error', (error) => this.#fail?.(error))
    // Deferred: if a reply ends the session, the waiting call must get the reply first.
    this.#connection.on('end', () => setImmediate(() => this.#fail?.(new Error('the connection was closed'))))
  }

  get extensions(): readonly string[] {
    return this.#members._supportedExtensions
  }

  get authMethods(): readonly string[] {
    return this.#members._supportedAuth
  }

  /** The maximum message size that the server announced (RFC 1870 §4); 0 when it announced none. */
  get sizeBytesMax(): number {
    return this.#members._maxAllowedSize
  }

  get lastReply(): string {
    return this.#connection.lastServerResponse || ''
  }

  /** The socket, or the TLS socket above it. */
  get socket(): Socket | undefined {
    return this.#connection._socket || undefined
  }

  get isClosed(): boolean {
    return this.#connection.destroyed
  }

  /** Whether the handshake after STARTTLS is in progress. */
  get isUpgrading(): boolean {
    return this.#connection.upgrading === true
  }

  /** Reads the greeting, sends EHLO, and starts TLS. */
  connect(signal: AbortSignal): Promise<void> {
    return this.#run(signal, (done) => this.#connection.connect(done))
  }

  login(user: string, password: string, method: string, signal: AbortSignal): Promise<void> {
    return this.#run(signal, (done) => this.#connection.login({ user, pass: password, method }, done))
  }

  /** Sends one message. @returns the reply after DATA */
  async send(envelope: Envelope, message: Readable, isSmtpUtf8: boolean, signal: AbortSignal): Promise<string> {
    this.#connection.isSmtpUtf8 = isSmtpUtf8
    const { response } = await this.#run<{ response: string }>(signal, (done) =>
      this.#connection.send(envelope, message, (error, sent) => done(error, sent)),
    )
    return response
  }

  quit(): void {
    this.#connection.quit()
  }

  close(): void {
    this.#connection.close()
  }

  /** Sets the time for which the server may send and read nothing. */
  setIdleTimeout(timeoutMs: number): void {
    this.socket?.setTimeout(timeoutMs)
  }

  async #run<T>(signal: AbortSignal, act: (done: Callback) => void): Promise<T> {
    let timer: NodeJS.Timeout | undefined
    let abort: (() => void) | undefined
    try {
      return await new Promise<T>((resolve, reject) => {
        signal.throwIfAborted()
        abort = () => reject(signal.reason)
        signal.addEventListener('abort', abort)
        timer = setTimeout(
          () => reject(Object.assign(new Error('the session took too long'), { code: 'ETIMEDOUT' })),
          this.#limits.delivery.attemptMs,
        )
        this.#fail = reject
        act((error, result) => (error ? reject(error) : resolve(result as T)))
      })
    } finally {
      clearTimeout(timer)
      if (abort) signal.removeEventListener('abort', abort)
      this.#fail = undefined
    }
  }
}
