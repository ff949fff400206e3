/** Registers dialects on one server, each below its own path prefix. */
import type { FastifyReply, FastifyRequest, HTTPMethods, RouteOptions } from 'fastify'
import type { Limits } from '../../../config/limits.ts'
import { MailError } from '../../../errors.ts'
import type { ErrorHandler } from './error-handler.ts'
import type { Dialect, HttpApp, HttpContext } from './http-dialect.ts'
import { boundRequest } from './requests/bounded-schema.ts'
import { pathOf } from './requests/request-log.ts'

declare module 'fastify' {
  interface FastifyContextConfig {
    /** The path exists only to say that it is not built: its other methods are unknown paths, which costs no routes. */
    isUnbuilt?: boolean
  }
}

const METHODS: readonly HTTPMethods[] = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE']

/**
 * @param dialects the first one also gets the paths that belong to no dialect
 * @returns a function that finds the dialect of a path
 */
export function createDialectOf(dialects: readonly [Dialect, ...Dialect[]]): (url: string | undefined) => Dialect {
  const longestFirst = dialects.toSorted((one, other) => other.prefix.length - one.prefix.length)
  return (url) => {
    const path = pathOf(url)
    return longestFirst.find(({ prefix }) => path === prefix || path.startsWith(`${prefix}/`)) ?? dialects[0]
  }
}

interface RegisterDialectNeeds {
  readonly context: HttpContext
  readonly errorHandler: ErrorHandler
  readonly limits: Limits
}

/**
 * Registers a dialect in a separate Fastify scope: its hooks and its rendering of errors apply only below its prefix.
 */
export function registerDialect(
  app: HttpApp,
  dialect: Dialect,
  { context, errorHandler, limits }: RegisterDialectNeeds,
): void {
  app.register(
    async (scope) => {
      const routes = new Map<string, RouteOptions[]>()
      scope.addHook('onRoute', (route) => {
        routes.set(route.url, [...(routes.get(route.url) ?? []), route])
        if (route.schema) route.schema = boundRequest(route.schema, route.bodyLimit ?? limits.http.bodyBytesMax, limits)
      })
      scope.setErrorHandler((error, request, reply) => errorHandler.answer(error, request, reply))
      await dialect.routes(scope as unknown as HttpApp, context)
      for (const [url, known] of [...routes]) rejectOtherMethods(url, known)

      /** Rejects the methods that a known path does not support (RFC 9110 §15.5.6), before the body is read. */
      function rejectOtherMethods(url: string, known: readonly RouteOptions[]): void {
        if (known.every(({ config }) => config?.isUnbuilt)) return
        const allowed = known.flatMap(({ method }) => method)
        const rejected = METHODS.filter((method) => !allowed.includes(method))
        if (rejected.length === 0) return
        scope.route({
          method: rejected,
          url: url.slice(dialect.prefix.length),
          schema: { hide: true },
          config: { secretPath: known[0]?.config?.secretPath ?? false },
          onRequest: async ({ method }: FastifyRequest, reply: FastifyReply) => {
            reply.header('allow', allowed.join(', '))
            throw new MailError('method_not_allowed', { method, allowed: allowed.join(', ') })
          },
          handler: () => undefined,
        })
      }
    },
    { prefix: dialect.prefix },
  )
}
