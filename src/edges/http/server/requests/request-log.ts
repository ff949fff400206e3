/**
 * Follows every request from its first hook to the end of its response: counts running requests, so that a shutdown can
 * wait for them, and writes one log line and one metric per request.
 *
 * The line of a failed request has the code of its error. Each has the id of the key, if the key is valid.
 *
 * The log line contains no secret from the URL. It has no query string, which could contain a key. A path that is
 * itself a secret (a signed link) is logged as the pattern of its route, for any method. A path without a route could
 * be such a link with an extra slash, or contain a key in the wrong place, so only its lower-case words are logged.
 */
import type { FastifyReply, FastifyRequest } from 'fastify'
import type { ErrorCode } from '../../../../errors.ts'
import type { Log } from '../../../../log.ts'
import type { Metrics } from '../../../../metrics.ts'
import type { Dialect } from '../http-dialect.ts'
import type { ClientAddress } from './client-address.ts'

declare module 'fastify' {
  interface FastifyRequest {
    /** For the log: the valid key of the request, also if it may not do what it asks for. `actor` is set only for what may. */
    apiKeyId: string | undefined
    /** For the log: the error of the response. */
    errorCode: ErrorCode | undefined
  }
  interface FastifyContextConfig {
    /** The path contains a secret: log the pattern of the route instead. */
    secretPath?: boolean
    /** Monitoring systems request it every few seconds: log it at level debug. */
    quiet?: boolean
  }
}

export interface RequestLog {
  begin(request: FastifyRequest, reply: FastifyReply): void
  /** Excludes a response that stays open, such as an event stream, from `idle`. It is still logged when it ends. */
  release(reply: FastifyReply): void
  /** Resolves when no request is running: at once, or after the last response has ended. */
  idle(): Promise<void>
  runningCount(): number
}

interface RequestLogNeeds {
  readonly log: Log
  readonly metrics: Metrics
  readonly dialectOf: (url: string | undefined) => Dialect
  readonly clientAddress: ClientAddress
}

export function createRequestLog({ log, metrics, dialectOf, clientAddress }: RequestLogNeeds): RequestLog {
  const openResponses = new Set<FastifyReply['raw']>()
  let waiting: (() => void)[] = []

  return {
    begin(request, reply) {
      const started = performance.now()
      const client = clientAddress(request.raw) // a closed socket has none
      openResponses.add(reply.raw)
      // "close" is emitted after "finish", and also if the client disconnects before the response.
      reply.raw.once('close', () => end(request, reply, client, performance.now() - started))
    },

    release: (reply) => settle(reply),
    runningCount: () => openResponses.size,

    idle() {
      return openResponses.size === 0 ? Promise.resolve() : new Promise((resolve) => waiting.push(resolve))
    },
  }

  function end(request: FastifyRequest, reply: FastifyReply, client: string, ms: number): void {
    const { method, id: requestId, raw } = request
    const status = reply.raw.statusCode
    metrics.httpRequests.inc({ dialect: dialectOf(raw.url).name, status })
    // Fields that are undefined are not written.
    log[request.routeOptions?.config?.quiet ? 'debug' : 'info'](
      {
        requestId,
        method,
        path: loggedPath(request),
        status,
        code: request.errorCode,
        ms: Math.round(ms * 10) / 10,
        client,
        apiKeyId: request.apiKeyId,
        aborted: reply.raw.writableFinished ? undefined : true,
      },
      'request',
    )
    settle(reply)
  }

  function settle(reply: FastifyReply): void {
    openResponses.delete(reply.raw)
    if (openResponses.size > 0) return
    for (const resolve of waiting) resolve()
    waiting = []
  }
}

/** Returns the path without secrets, for the log. */
export function loggedPath({ routeOptions, raw }: FastifyRequest): string {
  const pattern = routeOptions?.url
  if (pattern === undefined) return maskedPath(raw.url)
  return routeOptions.config.secretPath ? pattern : withoutKeys(pathOf(raw.url))
}

/**
 * Returns the path for the log. Keeps lower-case words and versions, which are shorter than any key or token
 * (MARTLET_ROOT_KEY has at least 20 characters), and replaces other segments with "*".
 */
export function maskedPath(url: string | undefined): string {
  const segments = pathOf(url).split('/').slice(0, SEGMENTS_LOGGED_MAX)
  return segments.map((segment) => (/^(?:[a-z_-]{0,19}|v\d)$/.test(segment) ? segment : '*')).join('/')
}

/** Segments of a path without a route that are logged. Further ones say nothing more about the request. */
const SEGMENTS_LOGGED_MAX = 10

/** Removes keys: a client may have sent one instead of an id, or may have escaped the "?" before its query string. */
function withoutKeys(path: string): string {
  return path.replace(/%3F.*$/i, '').replace(/(?:am|ap_sk|inai)_\w{17,}/g, '*')
}

/** Returns the URL without its query string. */
export function pathOf(url: string | undefined): string {
  if (url === undefined) return ''
  const end = url.indexOf('?')
  return end < 0 ? url : url.slice(0, end)
}
