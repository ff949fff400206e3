/**
 * The HTTP listener: limits, bodies, errors and health checks for all dialects, and the order of a shutdown.
 *
 *   request → rewriteUrl → route of a dialect → key → body → schema → one core call → wire
 *
 * Crash: no state is kept here. Stop: /readyz and new requests get 503, which clients retry, while running requests
 * finish and long polls respond at once. WebSockets and event streams are closed last: their clients reconnect at once,
 * and some of them try only once (docs/compatibility/agentmail.md). Must not: know a dialect's JSON or any business
 * rule.
 */
import { randomUUID } from 'node:crypto'
import { setMaxListeners } from 'node:events'
import type { IncomingMessage } from 'node:http'
import type { AddressInfo } from 'node:net'
import { type FastifyReply, type FastifyRequest, fastify, type RouteOptions } from 'fastify'
import { listenError, localUrl } from '../../../config/listen-address.ts'
import type { Config } from '../../../config/settings.ts'
import { MailError } from '../../../errors.ts'
import type { EventLoop } from '../../../event-loop.ts'
import { runIn } from '../../../fault-boundary.ts'
import type { Log } from '../../../log.ts'
import type { KeyActor } from '../../../mail/access/actor.ts'
import type { Credentials } from '../../../mail/access/keys/credentials.ts'
import type { SenderChallenges } from '../../../mail/receiving/challenges/sender-challenges.ts'
import type { Metrics } from '../../../metrics.ts'
import { createCors } from './cors.ts'
import { type Discovery, discoveryRoutes } from './discovery-routes.ts'
import { createErrorHandler } from './error-handler.ts'
import { frontPageRoutes } from './front-page.ts'
import { healthRoutes, type Probes } from './health.ts'
import type { Dialect, HttpApp } from './http-dialect.ts'
import { createLinger } from './linger.ts'
import { BacklogBudget } from './memory/backlog-budget.ts'
import { createBodyBudget } from './memory/body-budget.ts'
import { createResponseBudget } from './memory/response-budget.ts'
import { WritePacer } from './memory/write-pacer.ts'
import { referencePageRoutes } from './reference-page.ts'
import { createDialectOf, registerDialect } from './register-dialect.ts'
import type { RequestSchema } from './requests/bounded-schema.ts'
import { createClientAddress } from './requests/client-address.ts'
import { rejectEscapedQuery } from './requests/escaped-query.ts'
import { parseInTurns } from './requests/json-body.ts'
import { createPipelining } from './requests/pipelining.ts'
import { declaredLength, readBody } from './requests/read-body.ts'
import { createRequestLog, pathOf } from './requests/request-log.ts'
import { containRequests } from './requests/request-unit.ts'
import { createLongPolls } from './requests/request-wait.ts'
import { rewriteUrl } from './requests/rewrite-url.ts'
import { MEMBERS, reportUnknown, requireNoMisnomer, unknownMembers } from './requests/unknown-members.ts'
import { validatorCompiler } from './requests/validation.ts'
import { senderPageRoutes } from './sender-page.ts'
import { createSseRegistry } from './sse-registry.ts'
import { unroutedError } from './unrouted-error.ts'
import { createUpgrades } from './upgrades.ts'

export interface HttpServerNeeds {
  readonly config: Config
  readonly log: Log
  readonly metrics: Metrics
  readonly eventLoop: Pick<EventLoop, 'connectionAccepted' | 'createWorkQueue' | 'nextTurn'>
  readonly credentials: Pick<Credentials, 'authenticate'>
  readonly requireNoStranger: (actor: KeyActor) => Promise<void>
  readonly probes: Probes
  readonly discovery?: Discovery
  /** Returns further members of the response of /readyz, for operators: a state that is not a failure. */
  readonly readyDetails?: () => Promise<object>
  /** The links in mails to senders; undefined: there are no such pages. */
  readonly senderChallenges?: SenderChallenges
  /** Called during a shutdown when no request is running any more: when no mail arrives either, the feed sends its last events and ends. */
  readonly beforeSocketsClose?: () => Promise<void>
  /** The first dialect responds to paths that belong to no dialect. */
  readonly dialects: readonly [Dialect, ...Dialect[]]
}

export interface HttpServer {
  /**
   * @returns the port that was opened, and the base URL for clients on this machine
   * @throws StartupError if the port cannot be opened
   */
  listen(): Promise<{ port: number; url: string }>
  /**
   * Lets running requests finish within `graceMs`, then closes WebSockets and the listener. Later calls return the
   * first promise.
   */
  stop(graceMs: number): Promise<void>
  /** Requests that are running. */
  runningCount(): number
}

export function createHttpServer(needs: HttpServerNeeds): HttpServer {
  const { config, log, metrics, eventLoop, credentials, requireNoStranger, probes, readyDetails, dialects } = needs
  const { limits } = config
  let url = ''
  let stopped: Promise<void> | undefined
  const stopping = new AbortController()
  setMaxListeners(0, stopping.signal) // one listener per waiting request
  const isStopping = () => stopping.signal.aborted

  const dialectOf = createDialectOf(dialects)
  const bodies = createBodyBudget({ limits })
  const responses = createResponseBudget({ limits, log, bodyBytesOf: bodies.bytesOf })
  const unanswered = (request: FastifyRequest) => {
    bodies.answered(request)
    responses.unanswered(request)
  }
  const errorHandler = createErrorHandler({
    ...{ log, dialectOf, unanswered },
    workQueue: eventLoop.createWorkQueue(),
  })
  const clientAddress = createClientAddress(config.trustedProxies)
  const requests = createRequestLog({ log, metrics, dialectOf, clientAddress })
  const cors = createCors(config)
  const streams = createSseRegistry({ limits, release: requests.release })
  const budget = new BacklogBudget(limits)
  const pacer = new WritePacer(limits)
  const whenFirst = createPipelining(limits)
  const linger = createLinger(limits)
  const workQueue = eventLoop.createWorkQueue()
  const upgrades = createUpgrades({
    limits,
    log,
    metrics,
    budget,
    pacer,
    workQueue,
    dialectOf,
    clientAddress,
    isStopping,
  })

  const app: HttpApp = fastify({
    logger: false, // request-log.ts writes our log lines
    genReqId: () => randomUUID(),
    bodyLimit: limits.http.bodyBytesMax,
    requestTimeout: limits.http.requestMs,
    http: {
      // Node checks for slow requests at this interval, all at once. So it is short: few have become slow since the last
      // check. It never checks if headersTimeout exceeds requestTimeout.
      connectionsCheckingInterval: Math.min(1_000, limits.http.requestMs),
      headersTimeout: Math.min(60_000, limits.http.requestMs),
    },
    // Set at creation: otherwise Fastify loads Ajv before it can be replaced, which costs a tenth of the start time.
    schemaController: {
      compilersFactory: {
        buildValidator: (() => validatorCompiler) as never, // Fastify's type allows only schemas of Ajv
        // Response schemas are documentation. TypeScript checks that wire functions match them.
        buildSerializer: () => () => JSON.stringify,
      },
    },
    exposeHeadRoutes: false, // see answerHead
    routerOptions: { maxParamLength: limits.http.pathParameterCharsMax },
    rewriteUrl: (request) => rewriteUrl(request.url ?? '/'),
    frameworkErrors: (error, request, reply) => {
      requests.begin(request, reply) // hooks do not run for these errors
      if (cors.begin(request, reply)) return
      closeIfUnread(request, reply)
      errorHandler.answer(error, request, reply)
    },
    clientErrorHandler: (error, socket) => errorHandler.answerUnreadable(error, socket),
  })
  app.server.maxConnections = limits.http.connectionsMax
  app.server.on('connection', eventLoop.connectionAccepted)
  app.server.on('upgrade', upgrades.handle)

  app.removeAllContentTypeParsers()
  app.addContentTypeParser('*', async (request: FastifyRequest) => {
    const { headers, routeOptions, unit } = request
    const body = await readBody(request.raw, {
      declaredBytes: declaredLength(headers),
      bytesMax: routeOptions.bodyLimit ?? limits.http.bodyBytesMax,
      reserve: (bytes) => bodies.grow(request, bytes),
    })
    if (routeOptions.config.rawBody) return body
    return runIn(unit, () => parseInTurns(headers, body, limits, eventLoop.nextTurn))
  })
  for (const each of ['actor', 'apiKeyId', 'errorCode']) app.decorateRequest(each)
  app.addHook('onRoute', answerHead)
  app.addHook('onRequest', (request, reply, next) => {
    const { socket } = request.raw
    // One request per connection waits, because whenFirst lets the next one through only after its response.
    const begin = isForOperators(request) ? next : () => workQueue.begin(next)
    if (linger.isEnding(socket)) socket.destroy()
    else whenFirst(socket, reply.raw, begin)
  })
  containRequests(app, errorHandler)
  // Hooks that await nothing use the callback: each promise costs a request one or two microseconds.
  app.addHook('onRequest', (request, reply, next) => {
    requests.begin(request, reply)
    // Not the paths for operators: on this machine, /metrics needs no key.
    if (!isForOperators(request) && cors.begin(request, reply)) return
    if (isStopping() && !isForOperators(request)) throw new MailError('shutting_down', {})
    rejectEscapedQuery(request.raw.url)
    if (request.is404) throw unroutedError({ app, dialects, dialectOf }, request, reply) // before its body is read
    next()
  })
  app.addHook('preParsing', (request, reply, _payload, next) => {
    bodies.admit(request, reply)
    next()
  })
  app.addHook('preValidation', (request, _reply, next) => {
    // A POST without a body and without a Content-Type never reaches a parser.
    if (request.body === undefined) request.body = {}
    next()
  })
  app.addHook('preHandler', (request, reply, next) => {
    const { body, routeOptions } = request
    const schema = routeOptions.schema?.body as RequestSchema | undefined
    const querySchema = routeOptions.schema?.querystring as RequestSchema | undefined
    if (querySchema) requireNoMisnomer(querySchema, request.query)
    if (schema) requireNoMisnomer(schema, body)
    reportUnknown(request, reply, MEMBERS, unknownMembers(schema, body), schema?.refusesUnknown)
    next()
  })
  app.addHook('onSend', (request, reply, payload, next) => {
    bodies.answered(request)
    if (isStopping()) reply.header('connection', 'close')
    closeIfUnread(request, reply)
    const sent = responses.send(request, reply, payload)
    if (sent instanceof Promise) return sent // Fastify waits for it
    next(null, sent)
  })
  app.setErrorHandler((error, request, reply) => errorHandler.answer(error, request, reply))
  app.setNotFoundHandler((request, reply) => {
    throw unroutedError({ app, dialects, dialectOf }, request, reply)
  })

  const monitored = { log, metrics, budget, bodies, responses, credentials, requireNoStranger, probes, readyDetails }
  healthRoutes(app, { ...monitored, isStopping })
  frontPageRoutes(app)
  referencePageRoutes(app)
  if (needs.discovery) discoveryRoutes(app, needs.discovery)
  if (needs.senderChallenges) senderPageRoutes(app, needs.senderChallenges)
  const longPolls = createLongPolls({ limits, stopping: stopping.signal })
  const publicUrl = () => config.publicUrl ?? url
  const context = {
    publicUrl,
    refusePages: cors.refusePages,
    clientAddress,
    longPolls,
    streams,
    budget,
    pacer,
    bodies,
    responses,
  }
  for (const dialect of dialects) registerDialect(app, dialect, { context, errorHandler, limits })

  return {
    async listen() {
      const { host } = config
      const wanted = config.httpPort === 'off' ? 0 : config.httpPort
      try {
        await app.listen({ host, port: wanted, backlog: limits.server.backlogMax })
      } catch (error) {
        throw listenError(error, { host, port: wanted, variable: 'MARTLET_HTTP_PORT' })
      }
      const { port } = app.server.address() as AddressInfo
      url = localUrl(host, port)
      return { port, url }
    },

    stop(graceMs) {
      stopped ??= stop(graceMs)
      return stopped
    },

    runningCount: requests.runningCount,
  }

  /** The client of a rejected body must receive the response, and may send no other request on this connection. */
  function closeIfUnread(request: FastifyRequest, reply: FastifyReply): void {
    if (!hasUnreadBody(request.raw)) return
    reply.header('connection', 'close')
    linger.endWithAnswer(request.raw)
  }

  async function stop(graceMs: number): Promise<void> {
    stopping.abort()
    let timer: NodeJS.Timeout | undefined
    const graceOver = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, graceMs)
    })
    // The port stays open meanwhile: clients retry after a 503, but not after a refused connection.
    await Promise.race([requests.idle(), graceOver])
    clearTimeout(timer)
    // Subscribers get the events of the last requests before their sockets close.
    await needs.beforeSocketsClose?.()
    await Promise.all([upgrades.closeAll(), streams.closeAll()])
    const closed = app.close()
    app.server.closeAllConnections()
    await closed
  }
}

/**
 * The route of a GET also responds to HEAD, unless it has `exposeHeadRoute: false`. Fastify would add a second route for
 * each, and routes are a large part of the time of a start.
 */
function answerHead(route: RouteOptions): void {
  if (route.method === 'GET' && route.exposeHeadRoute !== false) route.method = ['GET', 'HEAD']
}

/**
 * Whether a body is still arriving. A request with a response before the end of its body was rejected, and its
 * connection ends: otherwise the next request would have to wait until the rest of the body has been read.
 */
function hasUnreadBody({ complete, headers }: IncomingMessage): boolean {
  return !complete && declaredLength(headers) !== 0
}

/**
 * Whether operators need the path: health checks and metrics respond until the port closes. The route counts too: `/%6detrics` and
 * `http://host/metrics` lead to it.
 */
function isForOperators({ url, routeOptions }: FastifyRequest): boolean {
  return OPERATORS_PATHS.has(pathOf(url)) || OPERATORS_PATHS.has(routeOptions.url ?? '')
}

const OPERATORS_PATHS: ReadonlySet<string> = new Set(['/healthz', '/readyz', '/metrics'])
