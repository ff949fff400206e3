/**
 * Sees every request from its first hook to the end of its response: counts those under way, so that a stop can wait for
 * them, and writes one log line and one metric each.
 *
 * No secret of a URL gets into the line. It has no query string, since keys travel there. A path that is itself a secret (a
 * signed link) is logged as its route's pattern, whatever the method. A path without a route could be such a link with a
 * slash too many, or a key in the wrong place: only its words are logged.
 */
import type { FastifyReply, FastifyRequest } from 'fastify'
import type { Log } from '../../log.ts'
import type { Metrics } from '../../metrics.ts'
import type { Dialect } from './dialect.ts'

declare module 'fastify' {
  interface FastifyContextConfig {
    /** The path holds a secret: log the route's pattern instead. */
    secretPath?: boolean
    /** Asked by machines every few seconds: log it only when debugging. */
    quiet?: boolean
  }
}

export interface RequestLog {
  begin(request: FastifyRequest, reply: FastifyReply): void
  /** It stays open by its nature: nobody waits for its end. It is logged and counted when it ends all the same. */
  release(reply: FastifyReply): void
  /** Resolves when no request is under way: at once, or after the last response has ended. */
  idle(): Promise<void>
}

interface RequestLogNeeds {
  readonly log: Log
  readonly metrics: Metrics
  readonly dialectOf: (url: string | undefined) => Dialect
}

export function createRequestLog({ log, metrics, dialectOf }: RequestLogNeeds): RequestLog {
  const underWay = new Set<FastifyReply['raw']>()
  let waiting: (() => void)[] = []

  return {
    begin(request, reply) {
      const started = performance.now()
      underWay.add(reply.raw)
      // "close" comes after "finish", and also when the client has gone before the response.
      reply.raw.once('close', () => end(request, reply, performance.now() - started))
    },

    release: (reply) => settle(reply),

    idle() {
      return underWay.size === 0 ? Promise.resolve() : new Promise((resolve) => waiting.push(resolve))
    },
  }

  function end(request: FastifyRequest, reply: FastifyReply, ms: number): void {
    const { method, id: requestId, raw } = request
    const status = reply.raw.statusCode
    metrics.httpRequests.inc({ dialect: dialectOf(raw.url).name, status })
    log[request.routeOptions?.config?.quiet ? 'debug' : 'info'](
      {
        requestId,
        method,
        path: loggedPath(request),
        status,
        ms: Math.round(ms * 10) / 10,
        ...(request.actor && { apiKeyId: request.actor.apiKeyId }),
        ...(!reply.raw.writableFinished && { aborted: true }),
      },
      'request',
    )
    settle(reply)
  }

  function settle(reply: FastifyReply): void {
    underWay.delete(reply.raw)
    if (underWay.size > 0) return
    for (const resolve of waiting) resolve()
    waiting = []
  }
}

/** The path as the log may have it. */
export function loggedPath({ routeOptions, raw }: FastifyRequest): string {
  const pattern = routeOptions?.url
  if (pattern === undefined) return wordsOfPath(raw.url)
  return routeOptions.config.secretPath ? pattern : withoutKeys(pathOf(raw.url))
}

/**
 * Lower-case words and versions, shorter than any key or token (MARTLET_ROOT_KEY has at least 20 characters); other segments
 * become "*".
 */
export function wordsOfPath(url: string | undefined): string {
  const segments = pathOf(url).split('/').slice(0, SEGMENTS_LOGGED_MAX)
  return segments.map((segment) => (/^(?:[a-z_-]{0,19}|v\d)$/.test(segment) ? segment : '*')).join('/')
}

/** Segments of a path without a route: what follows says nothing more about what was asked for. */
const SEGMENTS_LOGGED_MAX = 10

/** An id may have been confused with a key, or a "?" may have been escaped with the rest of a URL. */
function withoutKeys(path: string): string {
  return path.replace(/%3F.*$/i, '').replace(/am_\w{17,}/g, '*')
}

/** Without the query string. */
export function pathOf(url: string | undefined): string {
  return (url ?? '').split('?', 1)[0]!
}
