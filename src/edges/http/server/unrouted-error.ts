/**
 * The errors of requests without a route, before their bodies are read: 405 if another method has one, otherwise 404 with the path that
 * may be meant. Clients with another base URL than they need get there first: without the prefix of a dialect, or with it twice.
 */
import type { FastifyReply, FastifyRequest, HTTPMethods } from 'fastify'
import { MailError } from '../../../errors.ts'
import type { Dialect, HttpApp } from './http-dialect.ts'
import { pathOf } from './requests/request-log.ts'

const METHODS: readonly HTTPMethods[] = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE']

/** Longer paths are not corrected, and neither are more segments. */
const CORRECTED_CHARS_MAX = 400
const CORRECTED_SEGMENTS_MAX = 4

interface UnroutedNeeds {
  readonly app: HttpApp
  readonly dialects: readonly [Dialect, ...Dialect[]]
  readonly dialectOf: (url: string | undefined) => Dialect
}

/**
 * Returns the error for a request without a route, to be thrown before its body is read: another method may have one
 * (RFC 9110 §15.5.6). Routes that reject methods took a quarter of the time in which the HTTP server starts.
 */
export function unroutedError(
  { app, dialects, dialectOf }: UnroutedNeeds,
  request: FastifyRequest,
  reply: FastifyReply,
): MailError {
  const path = pathOf(request.raw.url)
  const allowed = methodsOf(app, path)
  if (allowed) return methodNotAllowed(request, reply, allowed)
  const meant = similarPaths(path, dialects).find((each) => methodsOf(app, each))
  const page = dialectOf(path).pathsPage ?? '/docs'
  return new MailError('not_found', { what: 'Path', fix: meant ? `Call ${meant}.` : `GET ${page} shows the paths.` })
}

export function methodNotAllowed(
  { method }: FastifyRequest,
  reply: FastifyReply,
  allowed: readonly string[],
): MailError {
  reply.header('allow', allowed.join(', '))
  return new MailError('method_not_allowed', { method, allowed: allowed.join(', ') })
}

/**
 * @returns undefined for none, and for all: those are found if a parameter is too long, and where rejectOtherMethods() has added
 *   routes
 */
function methodsOf(app: HttpApp, url: string): HTTPMethods[] | undefined {
  const found = METHODS.filter((method) => app.findRoute({ method, url }) !== null)
  return found.length > 0 && found.length < METHODS.length ? found : undefined
}

/** With the prefix of a dialect once, that of the first one added, and "-" for "_" in one segment. */
function similarPaths(path: string, dialects: UnroutedNeeds['dialects']): string[] {
  if (path.length > CORRECTED_CHARS_MAX) return []
  const doubled = dialects.find(({ prefix }) => prefix !== '' && path.startsWith(`${prefix}${prefix}/`))
  const once = path.slice(doubled?.prefix.length ?? 0)
  return [once, `${dialects[0].prefix}${once}`].flatMap((each) => {
    const segments = each.split('/')
    const corrected = segments.flatMap((segment, index) =>
      /^[a-z]+(?:_[a-z]+)+$/.test(segment) ? [segments.with(index, segment.replaceAll('_', '-')).join('/')] : [],
    )
    return [each, ...corrected.slice(0, CORRECTED_SEGMENTS_MAX)]
  })
}
