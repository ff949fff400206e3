/**
 * The HTTP listener: limits, bodies, errors and health for every dialect, and the order in which it stops.
 *
 *   request → rewriteUrl → route of a dialect → key → body → schema → one core call → wire
 *
 * Crash: nothing is kept here. Stop: /readyz says no and new requests get 503, which clients repeat, while what runs is
 * finished and what waits is answered; WebSockets and event streams are closed last, since their clients dial again at
 * once and some of them only once (docs/compatibility/agentmail.md). Must not: know a dialect's shapes or any rule.
 */
import { randomUUID } from 'node:crypto'
import { setMaxListeners } from 'node:events'
import type { IncomingMessage } from 'node:http'
import type { AddressInfo } from 'node:net'
import { type FastifyRequest, fastify } from 'fastify'
import type { Config } from '../../config.ts'
import { MailError } from '../../errors.ts'
import { runIn } from '../../fault-boundary.ts'
import type { Log } from '../../log.ts'
import type { Credentials } from '../../mail/access/credentials.ts'
import type { Metrics } from '../../metrics.ts'
import { BacklogBudget } from './backlog-budget.ts'
import { createBodyBudget } from './body-budget.ts'
import type { Dialect, HttpApp } from './dialect.ts'
import { createFailures } from './failures.ts'
import { healthRoutes, type Probes } from './health.ts'
import { parseJsonBody } from './json-body.ts'
import { createLinger } from './linger.ts'
import { listenerUrl, startupError } from './listening.ts'
import { createDialectOf, mountDialect } from './mounting.ts'
import { createRequestLog, pathOf } from './request-log.ts'
import { containRequests } from './request-unit.ts'
import { rewriteUrl } from './rewrite-url.ts'
import { createStreams } from './streams.ts'
import { createTurns } from './turns.ts'
import { createUpgrades } from './upgrades.ts'
import { validatorCompiler } from './validation.ts'
import { WritePacer } from './write-pacer.ts'

export interface HttpServerNeeds {
  readonly config: Config
  readonly log: Log
  readonly metrics: Metrics
  readonly credentials: Pick<Credentials, 'authenticate'>
  readonly probes: Probes
  /** Called in a stop when no request runs any more: the feed tells its rest and ends. */
  readonly beforeSocketsClose?: () => Promise<void>
  /** The first one answers for paths that no dialect claims. */
  readonly dialects: readonly [Dialect, ...Dialect[]]
}

export interface HttpServer {
  /**
   * @returns the port that was opened, and the URL under which this machine reaches it
   * @throws StartupError when the port cannot be had
   */
  listen(): Promise<{ port: number; url: string }>
  /** Finishes what runs, for `graceMs` at most, then closes WebSockets and the listener. Later calls join the first. */
  stop(graceMs: number): Promise<void>
}

export function createHttpServer(needs: HttpServerNeeds): HttpServer {
  const { config, log, metrics, credentials, probes, dialects } = needs
  const { limits } = config
  let url = ''
  let stopped: Promise<void> | undefined
  const stopping = new AbortController()
  setMaxListeners(0, stopping.signal) // as many as requests wait
  const isStopping = () => stopping.signal.aborted

  const dialectOf = createDialectOf(dialects)
  const bodies = createBodyBudget({ limits, metrics })
  const failures = createFailures({ limits, log, dialectOf, unanswered: bodies.answered })
  const requests = createRequestLog({ log, metrics, dialectOf })
  const streams = createStreams({ limits, release: requests.release })
  const budget = new BacklogBudget(limits)
  const pacer = new WritePacer(limits)
  const upgrades = createUpgrades({ limits, log, metrics, budget, pacer, dialectOf, isStopping })
  const takeTurn = createTurns(limits)
  const linger = createLinger(limits)

  const app: HttpApp = fastify({
    logger: false, // request-log.ts writes our lines
    genReqId: () => randomUUID(),
    bodyLimit: limits.httpBodyBytesMax,
    requestTimeout: limits.httpRequestMs,
    http: {
      // Node looks for slow requests at this interval, and not at all while headers may take longer than the request.
      connectionsCheckingInterval: Math.min(30_000, limits.httpRequestMs),
      headersTimeout: Math.min(60_000, limits.httpRequestMs),
    },
    // Given at creation: Fastify would load Ajv before a later call could replace it, for a tenth of the start time.
    schemaController: {
      compilersFactory: {
        buildValidator: (() => validatorCompiler) as never, // its type has room for Ajv's schemas only
        // Schemas of answers are documentation: the types hold wire to them.
        buildSerializer: () => () => JSON.stringify,
      },
    },
    routerOptions: { maxParamLength: limits.pathParameterCharsMax },
    rewriteUrl: (request) => rewriteUrl(request.url ?? '/'),
    frameworkErrors: (error, request, reply) => {
      requests.begin(request, reply) // hooks do not run for these
      if (hasUnreadBody(request.raw)) reply.header('connection', 'close')
      failures.answer(error, request, reply)
    },
    clientErrorHandler: (error, socket) => failures.answerUnreadable(error, socket),
  })
  app.server.maxConnections = limits.httpConnectionsMax
  app.server.on('upgrade', upgrades.handle)

  app.removeAllContentTypeParsers()
  app.addContentTypeParser('*', { parseAs: 'buffer' }, (request: FastifyRequest, body: Buffer) =>
    runIn(request.unit, async () => parseJsonBody(request.headers, body, limits)),
  )
  app.decorateRequest('actor')
  app.addHook('onRequest', ({ raw: { socket } }, reply, begin) => {
    if (linger.isEnding(socket)) socket.destroy()
    else takeTurn(socket, reply.raw, begin)
  })
  containRequests(app, failures)
  app.addHook('onRequest', async (request, reply) => {
    requests.begin(request, reply)
    if (isStopping() && !isForOperators(request)) throw new MailError('shutting_down', {})
    if (request.is404) throw pathNotFound() // here, so that no body is read for it
  })
  app.addHook('preParsing', async (request, reply, payload) => bodies.admit(request, reply, payload))
  app.addHook('preValidation', async (request) => {
    // A POST without a body and without a Content-Type never reaches a parser.
    if (request.body === undefined) request.body = {}
  })
  app.addHook('onSend', async (request, reply) => {
    bodies.answered(request)
    const isRefused = hasUnreadBody(request.raw)
    if (isRefused) linger.endWithAnswer(request.raw)
    if (isRefused || isStopping()) reply.header('connection', 'close')
  })
  app.setErrorHandler((error, request, reply) => failures.answer(error, request, reply))
  app.setNotFoundHandler(() => {
    throw pathNotFound()
  })

  healthRoutes(app, { log, metrics, budget, credentials, probes, isStopping })
  const surroundings = { publicUrl: () => config.publicUrl ?? url, stopping: stopping.signal, streams, budget, pacer }
  for (const dialect of dialects) mountDialect(app, dialect, { surroundings, failures, limits })

  return {
    async listen() {
      const wanted = config.httpPort === 'off' ? 0 : config.httpPort
      try {
        await app.listen({ host: config.host, port: wanted })
      } catch (error) {
        throw startupError(error, config)
      }
      const { port } = app.server.address() as AddressInfo
      url = listenerUrl(config.host, port)
      return { port, url }
    },

    stop(graceMs) {
      stopped ??= stop(graceMs)
      return stopped
    },
  }

  async function stop(graceMs: number): Promise<void> {
    stopping.abort()
    let timer: NodeJS.Timeout | undefined
    const graceOver = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, graceMs)
    })
    // The port stays open meanwhile: a 503 is repeated by clients, a refused connection is not.
    await Promise.race([requests.idle(), graceOver])
    clearTimeout(timer)
    // Whoever listens hears what the last requests did, before its socket closes.
    await needs.beforeSocketsClose?.()
    await Promise.all([upgrades.closeAll(), streams.closeAll()])
    const closed = app.close()
    app.server.closeAllConnections()
    await closed
  }
}

function pathNotFound(): MailError {
  return new MailError('not_found', { what: 'Path' })
}

/**
 * Whether a body is still arriving. A request that is answered before that was refused, and its connection ends: the next
 * request would have to wait until the rest has been read.
 */
function hasUnreadBody({ complete, headers }: IncomingMessage): boolean {
  return !complete && (headers['transfer-encoding'] !== undefined || Number(headers['content-length'] ?? 0) > 0)
}

/** Health and counts are told to the last moment. */
function isForOperators(request: FastifyRequest): boolean {
  return ['/healthz', '/readyz', '/metrics'].includes(pathOf(request.url))
}
