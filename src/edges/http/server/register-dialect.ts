/** Registers dialects on one server, each below its own path prefix. */
import type { HTTPMethods, RouteOptions } from 'fastify'
import type { Limits } from '../../../config/limits.ts'
import type { ErrorHandler } from './error-handler.ts'
import type { Dialect, HttpApp, HttpContext } from './http-dialect.ts'
import { boundRequest } from './requests/bounded-schema.ts'
import { pathOf } from './requests/request-log.ts'
import { assertAccessDeclared, publicRoute } from './route-access.ts'
import { methodNotAllowed } from './unrouted-error.ts'

declare module 'fastify' {
  interface FastifyContextConfig {
    /** The path exists only to say that it is not built, and needs no route that rejects other methods. */
    isUnbuilt?: boolean
  }
}

/**
 * @param dialects the first one also gets the paths that belong to no dialect
 * @returns a function that finds the dialect of a path
 */
export function createDialectOf(dialects: readonly [Dialect, ...Dialect[]]): (url: string | undefined) => Dialect {
  const beginnings = dialects.flatMap((dialect) =>
    (dialect.paths ?? [dialect.prefix]).map((beginning) => ({ beginning, below: `${beginning}/`, dialect })),
  )
  const longestFirst = beginnings.toSorted((one, other) => other.beginning.length - one.beginning.length)
  return (url) => {
    const path = pathOf(url)
    const isOf = ({ beginning, below, dialect }: (typeof beginnings)[number]) =>
      path === beginning || path.startsWith(below) || path === dialect.live?.path
    return longestFirst.find(isOf)?.dialect ?? dialects[0]
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
        assertAccessDeclared(route)
        routes.set(route.url, [...(routes.get(route.url) ?? []), route])
        if (route.schema) route.schema = boundRequest(route.schema, route.bodyLimit ?? limits.http.bodyBytesMax, limits)
      })
      scope.setErrorHandler((error, request, reply) => errorHandler.answer(error, request, reply))
      await dialect.routes(scope as unknown as HttpApp, context)
      const patterns = new Set([...routes.keys()].map(withoutNames))
      for (const [url, known] of [...routes]) if (needsRejections(url, known)) rejectOtherMethods(url, known)

      /**
       * Most paths have no route for the methods that they do not support: methodNotAllowed() answers those requests.
       * A link with a secret needs one, so that the log has its pattern, and so does /messages/wait, because DELETE
       * would find /messages/:message_id.
       */
      function needsRejections(url: string, known: readonly RouteOptions[]): boolean {
        if (known.some(({ config }) => config?.secretPath)) return true
        if (known.every(({ config }) => config?.isUnbuilt)) return false
        const segments = withoutNames(url).split('/')
        return segments.some((segment, index) => segment !== ':' && patterns.has(segments.with(index, ':').join('/')))
      }

      function rejectOtherMethods(url: string, known: readonly RouteOptions[]): void {
        const allowed = known.flatMap(({ method }) => method)
        const rejected = (scope.supportedMethods as HTTPMethods[]).filter((method) => !allowed.includes(method))
        if (rejected.length === 0) return
        scope.route({
          method: rejected,
          url: url.slice(dialect.prefix.length),
          schema: { hide: true },
          config: { ...publicRoute, secretPath: known[0]?.config?.secretPath ?? false },
          onRequest: async (request, reply) => {
            throw methodNotAllowed(request, reply, allowed)
          },
          handler: () => undefined,
        })
      }
    },
    { prefix: dialect.prefix },
  )
}

function withoutNames(url: string): string {
  return url.replace(/:\w+/g, ':')
}
