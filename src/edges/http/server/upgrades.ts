/**
 * WebSocket handshakes: finds the dialect of the path, authenticates the caller, limits its sockets, and passes the
 * socket to the dialect. Keeps all open sockets, so that a shutdown can close them last, with the close code after
 * which each client reconnects.
 */
import type { IncomingMessage } from 'node:http'
import type { Duplex } from 'node:stream'
import { type WebSocket, WebSocketServer } from 'ws'
import type { Limits } from '../../../config/limits.ts'
import { waitAtMost } from '../../../deadline.ts'
import { MailError } from '../../../errors.ts'
import type { WorkQueue } from '../../../event-loop.ts'
import type { Log } from '../../../log.ts'
import type { Metrics } from '../../../metrics.ts'
import { keyOf, toMailError, writeFailure } from './error-handler.ts'
import type { Dialect, StopCode } from './http-dialect.ts'
import type { BacklogBudget } from './memory/backlog-budget.ts'
import { createRoundRobin } from './memory/round-robin.ts'
import type { WritePacer } from './memory/write-pacer.ts'
import { PerKeyLimit } from './per-key-limit.ts'
import type { ClientAddress } from './requests/client-address.ts'
import { maskedPath, pathOf } from './requests/request-log.ts'

interface UpgradesNeeds {
  readonly limits: Limits
  readonly log: Log
  readonly metrics: Metrics
  readonly budget: BacklogBudget
  readonly pacer: WritePacer
  /** Handshakes begin in turn with requests. */
  readonly workQueue: Pick<WorkQueue, 'wait'>
  /** Returns the dialect that a path belongs to. */
  readonly dialectOf: (url: string | undefined) => Dialect
  readonly clientAddress: ClientAddress
  readonly isStopping: () => boolean
}

export interface Upgrades {
  /** For the HTTP server's "upgrade" event. */
  handle(request: IncomingMessage, socket: Duplex, head: Buffer): void
  /** Closes every socket and resolves when all are closed. */
  closeAll(): Promise<void>
}

interface OpenSocket {
  readonly code: StopCode
  /** Resolves when all events that the feed delivered before its end are written. */
  readonly finish: () => Promise<void>
}

export function createUpgrades({
  limits,
  log,
  metrics,
  budget,
  pacer,
  workQueue,
  dialectOf,
  clientAddress,
  isStopping,
}: UpgradesNeeds): Upgrades {
  // No compression: each compressed socket costs ten times the memory of a plain one, and frames are small.
  // No synchronous events: one read can contain thousands of frames, which would block the event loop.
  // No automatic pongs: pings are counted first (frame-intake.ts).
  const server = new WebSocketServer({
    noServer: true,
    clientTracking: false,
    maxPayload: limits.sockets.messageBytesMax,
    maxFragments: limits.sockets.messagePartsMax,
    maxBufferedChunks: limits.sockets.messagePartsMax,
    allowSynchronousEvents: false,
    autoPong: false,
    perMessageDeflate: false,
  })
  // Without a listener, ws responds to a handshake that it rejects (RFC 6455 §4.2.1) with plain text.
  server.on('wsClientError', (error, socket, request) =>
    refuse(request, socket, new MailError('validation_error', { detail: error.message }, { cause: error })),
  )
  const perKey = new PerKeyLimit('WebSockets', limits.sockets.perKeyMax)
  const roundRobin = createRoundRobin()
  const open = new Map<WebSocket, OpenSocket>()

  return {
    handle(request, socket, head) {
      socket.on('error', (error) => log.debug({ err: error }, 'upgrade socket error')) // the peer has disconnected
      void handshake(request, socket, head)
    },

    async closeAll() {
      // Reading the data of a frame may take a moment. Subscribed sockets close themselves after their last frame.
      await waitAtMost(limits.sockets.closeMs, Promise.all([...open.values()].map(({ finish }) => finish())))
      const closed = [...open].map(([socket, { code }]) => {
        if (socket.readyState === socket.OPEN) metrics.socketsClosed.inc({ code })
        const gone = new Promise<void>((resolve) => socket.once('close', () => resolve()))
        socket.close(code, 'stopping')
        return gone
      })
      const timer = setTimeout(() => {
        for (const socket of open.keys()) socket.terminate()
      }, limits.sockets.closeMs) // short: a restart must take less than a second, since some clients reconnect only once
      await Promise.all(closed)
      clearTimeout(timer)
    },
  }

  async function handshake(request: IncomingMessage, socket: Duplex, head: Buffer): Promise<void> {
    const dialect = dialectOf(request.url)
    const line = lineOf(request)
    let apiKeyId: string | undefined
    try {
      await workQueue.wait()
      if (isStopping()) throw new MailError('shutting_down', {})
      const live = liveOf(dialect, request)
      const actor = await live.authenticate(request)
      apiKeyId = actor.apiKeyId
      if (isStopping()) throw new MailError('shutting_down', {})
      if (socket.destroyed) return
      socket.once('close', perKey.add(actor.apiKeyId))
      server.handleUpgrade(request, socket, head, (webSocket) => {
        log.info({ ...line, status: 101, apiKeyId }, 'request')
        metrics.httpRequests.inc({ dialect: dialect.name, status: 101 })
        const code = stopCodeFor(request)
        const disconnect = (error: Error) => void socket.destroy(error)
        webSocket.once('close', () => open.delete(webSocket))
        try {
          const finish = live.serve(webSocket, actor, { stopCode: code, disconnect, budget, pacer, roundRobin })
          open.set(webSocket, { code, finish })
        } catch (error) {
          // After the upgrade, the client would read an HTTP response as a frame.
          log.error({ ...line, err: error }, 'websocket session could not be started')
          webSocket.close(1011)
        }
      })
    } catch (error) {
      refuse(request, socket, error, apiKeyId)
    }
  }

  function lineOf(request: IncomingMessage): object {
    return { method: request.method, path: maskedPath(request.url), client: clientAddress(request) }
  }

  function refuse(request: IncomingMessage, socket: Duplex, error: unknown, apiKeyId?: string): void {
    const dialect = dialectOf(request.url)
    const line = lineOf(request)
    const known = toMailError(error)
    if (known.kind === 'internal') log.error({ ...line, err: error }, 'websocket upgrade failed')
    const status = writeFailure(socket, dialect, known)
    log.info({ ...line, status, code: known.code, apiKeyId: apiKeyId ?? keyOf(known) }, 'request')
    metrics.httpRequests.inc({ dialect: dialect.name, status })
  }
}

function liveOf(dialect: Dialect, request: IncomingMessage): NonNullable<Dialect['live']> {
  if (request.headers.upgrade?.toLowerCase() !== 'websocket') {
    // Java's HTTP client offers h2c with its first request. RFC 9110 §7.8 would let us ignore that, but Node has
    // already passed us the bare connection.
    throw new MailError('validation_error', {
      detail: 'Only upgrades to WebSocket are supported; omit the Upgrade header',
    })
  }
  if (dialect.live?.path !== pathOf(request.url)) throw new MailError('not_found', { what: 'Path' })
  return dialect.live
}

/** Returns the close code after which this client reconnects. Fern's Python clients send their language in a header. */
function stopCodeFor(request: IncomingMessage): StopCode {
  return request.headers['x-fern-language'] === 'Python' ? 1001 : 1012
}
