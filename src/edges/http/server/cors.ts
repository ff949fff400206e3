/**
 * Lets pages of other origins use the API in a browser: the CORS protocol of the Fetch standard, for every dialect and for every
 * response, also errors, event streams and downloads (docs/adr/0062). MARTLET_CORS_ORIGINS says which origins.
 *
 * It protects only users of browsers: it says which pages may read a response. What a request may do is decided by its
 * key alone; there are no cookies, so a page that has no key can do nothing with those of its visitors.
 */
import type { FastifyReply, FastifyRequest } from 'fastify'
import type { Config } from '../../../config/settings.ts'
import { MailError } from '../../../errors.ts'

export interface Cors {
  /**
   * Adds the header fields with which the page of another origin can read the response. A preflight is answered at once: it has
   * no key, and does no work.
   *
   * @returns whether it was a preflight, which is answered
   */
  begin(request: FastifyRequest, reply: FastifyReply): boolean
  /** Refuses a request of a page, unless the operator has named its origin. @throws forbidden */
  refusePages(request: FastifyRequest): void
}

/** All that a route can have. Which ones a path has is in the response to the request itself. */
const METHODS = 'GET, HEAD, POST, PUT, PATCH, DELETE'

/** Header fields of our responses that a page could not read otherwise. */
const EXPOSED = [
  'Allow',
  'Content-Disposition',
  'ETag',
  'Martlet-Warning',
  'Retry-After',
  'X-RateLimit-Limit',
  'X-RateLimit-Remaining',
  'X-RateLimit-Reset',
  'X-Request-Id',
].join(', ')

/** RFC 9110 §5.6.1 and §5.6.2: a list of tokens. */
const TOKENS = /^[\w!#$%&'*+.^`|~-]+(?:[ \t]*,[ \t]*[\w!#$%&'*+.^`|~-]+)*$/

export function createCors({ corsOrigins, limits }: Pick<Config, 'corsOrigins' | 'limits'>): Cors {
  const isOff = corsOrigins.length === 0
  const listed = new Set(corsOrigins === '*' ? [] : corsOrigins)
  const { preflightHeadersCharsMax, preflightCacheMs } = limits.http
  const maxAge = String(preflightCacheMs / 1_000)

  return {
    begin(request, reply) {
      if (isOff) return false
      // Always: a cache must not give a page the response to a request that had no origin.
      reply.header('vary', 'Origin')
      const { origin } = request.headers
      const allowed =
        origin === undefined ? undefined : corsOrigins === '*' ? '*' : listed.has(origin) ? origin : undefined
      if (allowed === undefined) return false
      reply.header('access-control-allow-origin', allowed)
      if (isPreflight(request)) {
        answerPreflight(request, reply)
        return true
      }
      reply.header('access-control-expose-headers', EXPOSED)
      return false
    },

    refusePages({ headers: { origin } }) {
      if (origin === undefined || listed.has(origin)) return
      throw new MailError('forbidden', {
        detail: 'Pages in a browser may not use this path unless MARTLET_CORS_ORIGINS names their origin',
      })
    },
  }

  function answerPreflight({ headers }: FastifyRequest, reply: FastifyReply): void {
    const wanted = headers['access-control-request-headers']
    // Echoed: `*` would not include Authorization, and applications add header fields of their own to those of the SDKs.
    const isAllowed = wanted !== undefined && wanted.length <= preflightHeadersCharsMax && TOKENS.test(wanted)
    if (isAllowed) reply.header('access-control-allow-headers', wanted)
    reply
      .code(204)
      .headers({
        'access-control-allow-methods': METHODS,
        'access-control-max-age': maxAge,
        vary: 'Origin, Access-Control-Request-Headers',
      })
      .send()
  }
}

/** Fetch standard §3.3.2 (CORS-preflight request). */
function isPreflight({ method, headers }: FastifyRequest): boolean {
  return method === 'OPTIONS' && headers['access-control-request-method'] !== undefined
}
