/**
 * A listener of SMTP, for every role (mx/mx-server.ts, submission/submission-server.ts): its port, its certificate, and the
 * stop.
 *
 * smtp-connection.ts (socket, limits) reads from command-stream.ts (bytes to lines and messages), and passes each command
 * to smtp-session.ts, which asks the rules of the role.
 *
 * Stop: the port closes. Idle connections get 421 and are closed at once. A message that is being received may finish
 * within `graceMs` and gets its reply, and then its connection is closed. The remaining connections are cut, and their senders
 * retry.
 */
import { strict as assert } from 'node:assert'
import { once } from 'node:events'
import type { AddressInfo, Socket } from 'node:net'
import { createSecureContext } from 'node:tls'
import { SMTPServer } from 'smtp-server'
import type { SMTPConnectionOptions } from 'smtp-server/lib/smtp-connection.js'
import type { Limits } from '../../../config/limits.ts'
import { type ListenAddress, listenError } from '../../../config/listen-address.ts'
import type { Config } from '../../../config/settings.ts'
import type { EventLoop } from '../../../event-loop.ts'
import type { Log } from '../../../log.ts'
import type { Metrics } from '../../../metrics.ts'
import { type ConnectionLimits, createConnectionLimits } from '../../connection-limits.ts'
import type { TlsSource } from '../../tls.ts'
import { formatReply, replies } from './replies.ts'
import { type Peer, SmtpConnection, type SmtpConnectionNeeds } from './smtp-connection.ts'
import { type SessionRules, SmtpSession } from './smtp-session.ts'

/** RFC 8996 §4, §5: nothing below TLS 1.2. */
const TLS_MIN = 'TLSv1.2'

/** An option of Node's server, to which the library passes them all: the end of the peer's side does not end ours. */
const HALF_OPEN = { allowHalfOpen: true }

export interface SmtpListener {
  /**
   * @returns the port; the system chooses it if that of `address` is 0
   * @throws StartupError if the port cannot be opened
   */
  listen(): Promise<{ port: number }>
  /** undefined until it listens. */
  port(): number | undefined
  /** Resolves when every connection has closed, at the latest after `graceMs`. Later calls return the first promise. */
  stop(graceMs: number): Promise<void>
  /** Connections that are open. */
  runningCount(): number
}

/** What every listener needs. */
export interface SmtpListenerNeeds {
  readonly config: Config
  readonly log: Log
  readonly metrics: Metrics
  readonly eventLoop: Pick<EventLoop, 'connectionAccepted'>
  readonly tls: TlsSource
}

/** What a role is. */
export interface SmtpRole {
  /** For the log. */
  readonly name: string
  readonly address: ListenAddress
  /** TLS begins with the first byte (RFC 8314 §3), not with STARTTLS. */
  readonly isImplicitTls: boolean
  /** Roles that share it have their limits together. */
  readonly connectionLimits: ConnectionLimits
  /** Whether a new connection is refused. */
  isOverloaded(): boolean
  createRules(peer: Peer): SessionRules
}

export function createSmtpConnectionLimits(limits: Limits): ConnectionLimits {
  const { connectionsMax, connectionsPerNetworkMax, stalledMs } = limits.smtp
  return createConnectionLimits({ connectionsMax, connectionsPerNetworkMax, stalledMs, clock: () => performance.now() })
}

export function createSmtpListener(needs: SmtpListenerNeeds, role: SmtpRole): SmtpListener {
  const { config, log, metrics, eventLoop, tls } = needs
  const { limits } = config
  const open = new Set<SmtpConnection>()
  let isStopping = false
  let stopped: Promise<void> | undefined

  const server = new LibraryServer(
    {
      ...tls.current(),
      minVersion: TLS_MIN,
      logger: false, // the library would log each line; our log has the session and the outcome
      maxCommandLength: limits.smtp.commandBytesMax,
      socketTimeout: limits.smtp.idleMs,
      ...HALF_OPEN,
    },
    (socket, options) => {
      if (role.isOverloaded()) return refuse(socket)
      const connection = new SmtpConnection(server, socket, options, connectionNeeds)
      open.add(connection)
      connection.init()
      if (isStopping) connection.shutDown() // accepted just before the port closed
    },
  )
  const connectionNeeds: SmtpConnectionNeeds = {
    config,
    log,
    metrics,
    connectionLimits: role.connectionLimits,
    isImplicitTls: role.isImplicitTls,
    openSession: (peer) => new SmtpSession(needs, peer, role.createRules(peer)),
    onClosed: (connection) => open.delete(connection),
  }
  // Before the library's own listener, which hands the socket over one turn later.
  server.server.prependListener('connection', eventLoop.connectionAccepted)
  server.on('error', (error) => {
    // Without a port, listen() rejects with a sentence for the operator.
    if (server.server.listening) log.error({ err: error, listener: role.name }, 'SMTP listener failed')
  })
  const stopRenewal = tls.onChange(renewCertificate)

  const port = () => (server.server.address() as AddressInfo | null)?.port
  return { listen, port, stop, runningCount: () => open.size }

  async function listen(): Promise<{ port: number }> {
    const { host, port: wanted } = role.address
    assert(wanted !== 'off', 'server/listeners.ts starts no listener whose port is off')
    const listening = once(server.server, 'listening')
    server.server.listen({ port: wanted, host, backlog: limits.server.backlogMax })
    try {
      await listening
    } catch (error) {
      throw listenError(error, role.address)
    }
    const { port } = server.server.address() as AddressInfo
    log.info({ host, port }, `${role.name} server is listening`)
    return { port }
  }

  /** Costs a tenth of a connection that is greeted. */
  function refuse(socket: Socket): void {
    const { code, text, reason = 'other' } = replies.overloaded
    metrics.smtpRefusals.inc({ code, reason })
    log.info({ remoteAddress: socket.remoteAddress, code, reason, text }, 'SMTP refusal')
    socket.on('error', (error) => log.debug({ err: error, remoteAddress: socket.remoteAddress }, 'SMTP socket error'))
    socket.end(formatReply(replies.overloaded), () => socket.destroy())
  }

  /** Keeps the old certificate if the new one cannot be used. */
  function renewCertificate(): void {
    try {
      // Not the library's updateSecureContext, which deletes the old context before it creates the new one.
      server.secureContext.set('*', createSecureContext({ ...tls.current(), minVersion: TLS_MIN }))
    } catch (error) {
      log.error({ err: error }, 'the new certificate cannot be used for SMTP; the old one stays')
    }
  }

  function stop(graceMs: number): Promise<void> {
    stopped ??= stopNow(graceMs)
    return stopped
  }

  async function stopNow(graceMs: number): Promise<void> {
    isStopping = true
    stopRenewal()
    if (!server.server.listening) return
    const closed = once(server.server, 'close')
    server.server.close() // not the library's close(), which leaves idle sessions for 30 s
    for (const connection of open) connection.shutDown()
    const cut = setTimeout(() => {
      for (const connection of open) connection.cut()
    }, graceMs)
    await closed
    clearTimeout(cut)
  }
}

type OnSocket = (socket: Socket, options: SMTPConnectionOptions | null) => void

/** The library's listener, with our connection class. */
class LibraryServer extends SMTPServer {
  readonly #onSocket: OnSocket

  constructor(options: ConstructorParameters<typeof SMTPServer>[0], onSocket: OnSocket) {
    super(options)
    this.#onSocket = onSocket
  }

  override connect(socket: Socket, options: SMTPConnectionOptions | null = null): void {
    this.#onSocket(socket, options)
  }
}
