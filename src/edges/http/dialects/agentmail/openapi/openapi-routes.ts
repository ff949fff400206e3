/** Collects the routes of the dialect, for the API description and for the list of what this version can do. */
import type { RouteOptions } from 'fastify'
import type { Limits } from '../../../../../config/limits.ts'
import { packageVersion } from '../../../../../package-root.ts'
import type { HttpApp, HttpContext } from '../../../server/http-dialect.ts'
import { publicRoute } from '../../../server/route-access.ts'
import type { DescribedRoute } from './openapi-document.ts'

/** @returns the routes that are registered after this call, without those that are no operation of the API */
export function collectRoutes(app: HttpApp): () => readonly DescribedRoute[] {
  const collected: RouteOptions[] = []
  app.addHook('onRoute', (route) => void collected.push(route))
  return () =>
    collected
      .filter(({ schema }) => schema !== undefined && !schema.hide)
      .map(({ method, url, schema, config }) => ({
        method: [method].flat()[0]!, // beside GET only HEAD (http-server.ts), which needs no description
        url,
        schema: schema!,
        access: config!.access,
      }))
}

interface OpenApiNeeds extends Pick<HttpContext, 'publicUrl'> {
  readonly limits: Limits
  readonly routes: () => readonly DescribedRoute[]
}

export function openApiRoute(app: HttpApp, { publicUrl, limits, routes }: OpenApiNeeds): void {
  let text: Promise<string> | undefined // the routes do not change once the server listens
  app.get('/openapi.json', { schema: { hide: true }, config: publicRoute }, async (_request, reply) => {
    text ??= render()
    return reply.type('application/json; charset=utf-8').send(await text)
  })

  async function render(): Promise<string> {
    const { openApiDocument } = await import('./openapi-document.ts')
    const needs = { prefix: app.prefix, publicUrl: publicUrl(), version: packageVersion(), limits }
    return JSON.stringify(openApiDocument({ routes: routes(), ...needs }))
  }
}
