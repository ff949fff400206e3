/**
 * The IMAP listeners: one with STARTTLS, one with implicit TLS (RFC 8314 §3.2). They serve any MailStore and share their limits.
 *
 * Stop: the ports close, and idle sessions get BYE at once. A command that runs may finish within `graceMs` and is answered before
 * BYE. The remaining connections are cut.
 */
import { once } from 'node:events'
import { type AddressInfo, createServer, type Socket } from 'node:net'
import { createSecureContext } from 'node:tls'
import type { Limits } from '../../../config/limits.ts'
import { type ListenAddress, listenError } from '../../../config/listen-address.ts'
import type { EventLoop } from '../../../event-loop.ts'
import type { Log } from '../../../log.ts'
import type { Metrics } from '../../../metrics.ts'
import { type ConnectionLimits, createConnectionLimits } from '../../connection-limits.ts'
import type { TlsSource } from '../../tls.ts'
import type { ImapServices } from '../session/imap-session.ts'
import type { MailStore } from '../session/mail-store.ts'
import { type ConnectionNeeds, ImapConnection } from './imap-connection.ts'

/** RFC 8996 §4, §5: nothing below TLS 1.2. */
const TLS_MIN = 'TLSv1.2'
/** TCP keepalive detects a peer that is gone, so that its connection does not stay in IDLE for half an hour. */
const KEEP_ALIVE_MS = 5 * 60_000

export interface ImapListener {
  /**
   * @returns the port; the system chooses it if that of the address is 0
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

export interface ImapServersNeeds {
  readonly store: MailStore
  readonly limits: Limits
  readonly log: Log
  readonly metrics: Metrics
  readonly eventLoop: Pick<EventLoop, 'connectionAccepted' | 'createWorkQueue'>
  readonly tls: TlsSource
  /** With STARTTLS, and with implicit TLS; a port can be off. */
  readonly imap: ListenAddress
  readonly imaps: ListenAddress
  /** The largest message that APPEND accepts. */
  readonly messageBytesMax: number
  /** A client on the same machine may log in without TLS. */
  readonly allowsPlainLoopback: boolean
  /** The answer to ID (RFC 2971). */
  readonly serverId: Readonly<Record<string, string>>
}

export interface ImapServers {
  /** undefined: the port is off. */
  readonly imap: ImapListener | undefined
  readonly imaps: ImapListener | undefined
}

export function createImapServers(needs: ImapServersNeeds): ImapServers {
  const { limits, log, eventLoop, store, messageBytesMax, serverId } = needs
  const { connectionsMax, connectionsPerNetworkMax, idleMs: stalledMs } = limits.imap
  const services: ImapServices = {
    ...{ store, log, limits, messageBytesMax, serverId },
    work: eventLoop.createWorkQueue(),
    accounts: createAccountLimits(limits),
  }
  const connectionLimits = createConnectionLimits({
    ...{ connectionsMax, connectionsPerNetworkMax, stalledMs },
    clock: () => performance.now(),
  })
  const open = (address: ListenAddress, isImplicitTls: boolean) =>
    address.port === 'off'
      ? undefined
      : createImapListener(needs, { services, connectionLimits, address, isImplicitTls })
  return { imap: open(needs.imap, false), imaps: open(needs.imaps, true) }
}

interface Role {
  readonly services: ImapServices
  readonly connectionLimits: ConnectionLimits
  readonly address: ListenAddress
  readonly isImplicitTls: boolean
}

function createImapListener(needs: ImapServersNeeds, role: Role): ImapListener {
  const { log, metrics, eventLoop, tls, limits } = needs
  const name = role.isImplicitTls ? 'IMAPS' : 'IMAP'
  const open = new Set<ImapConnection>()
  let isStopping = false
  let stopped: Promise<void> | undefined
  let secureContext = createSecureContext({ ...tls.current(), minVersion: TLS_MIN })
  let sweep: NodeJS.Timeout | undefined

  const server = createServer({
    // A client may send its last commands and close its side; it still gets the answers.
    allowHalfOpen: true,
    noDelay: true,
    keepAlive: true,
    keepAliveInitialDelay: KEEP_ALIVE_MS,
  })
  server.on('connection', accept)
  server.on('error', (error) => {
    // Without a port, listen() rejects with a sentence for the operator.
    if (server.listening) log.error({ err: error, listener: name }, 'IMAP listener failed')
  })
  const stopRenewal = tls.onChange(renewCertificate)
  const connectionNeeds: ConnectionNeeds = {
    services: role.services,
    isImplicitTls: role.isImplicitTls,
    allowsPlainLoopback: needs.allowsPlainLoopback,
    secureContext: () => secureContext,
    onClosed(connection) {
      open.delete(connection)
      role.connectionLimits.leave(connection)
      metrics.imapConnections.dec()
    },
  }

  return { listen, port: () => (server.address() as AddressInfo | null)?.port, stop, runningCount: () => open.size }

  async function listen(): Promise<{ port: number }> {
    const { host, port: wanted } = role.address
    const listening = once(server, 'listening')
    server.listen({ port: Number(wanted), host, backlog: limits.server.backlogMax })
    try {
      await listening
    } catch (error) {
      throw listenError(error, role.address)
    }
    sweep = setInterval(checkTimes, limits.imap.sweepMs)
    const { port } = server.address() as AddressInfo
    log.info({ host, port }, `${name} server is listening`)
    return { port }
  }

  function accept(socket: Socket): void {
    eventLoop.connectionAccepted()
    const connection = new ImapConnection(socket, connectionNeeds)
    if (isStopping || !role.connectionLimits.enter(connection)) {
      refuse(socket)
      return
    }
    open.add(connection)
    metrics.imapConnections.inc()
    connection.open()
  }

  /** In clear text also on the port with TLS: a handshake would cost more than the connection. */
  function refuse(socket: Socket): void {
    log.info({ remoteAddress: socket.remoteAddress, listener: name }, 'IMAP connection refused: too many connections')
    socket.on('error', (error) => log.debug({ err: error, remoteAddress: socket.remoteAddress }, 'IMAP socket error'))
    if (role.isImplicitTls) socket.destroy()
    else socket.end('* BYE [UNAVAILABLE] too many connections\r\n', () => socket.destroy())
  }

  function checkTimes(): void {
    const nowMs = performance.now()
    for (const connection of open) connection.checkTime(nowMs)
  }

  /** Keeps the old certificate if the new one cannot be used. */
  function renewCertificate(): void {
    try {
      secureContext = createSecureContext({ ...tls.current(), minVersion: TLS_MIN })
    } catch (error) {
      log.error({ err: error }, 'the new certificate cannot be used for IMAP; the old one stays')
    }
  }

  function stop(graceMs: number): Promise<void> {
    stopped ??= stopNow(graceMs)
    return stopped
  }

  async function stopNow(graceMs: number): Promise<void> {
    isStopping = true
    stopRenewal()
    if (!server.listening) return
    const closed = once(server, 'close')
    server.close()
    for (const connection of open) connection.end('[UNAVAILABLE] the server is shutting down')
    const cut = setTimeout(() => {
      for (const connection of open) connection.cut()
    }, graceMs)
    await closed
    clearTimeout(cut)
    clearInterval(sweep)
  }
}

/** Connections per account, over all listeners. */
function createAccountLimits(limits: Limits): ImapServices['accounts'] {
  const { connectionsPerAccountMax } = limits.imap
  const open = new Map<string, number>()
  return {
    enter(name) {
      const count = open.get(name) ?? 0
      if (count >= connectionsPerAccountMax) return false
      open.set(name, count + 1)
      return true
    },

    leave(name) {
      const count = open.get(name)! - 1
      if (count === 0) open.delete(name)
      else open.set(name, count)
    },
  }
}
