/** The API description, generated from the schemas of the routes, so that it matches the validation. */
import swagger from '@fastify/swagger'
import type { OperationAccess } from '../../../../mail/access/operation-access.ts'
import type { HttpApp } from '../../server/http-dialect.ts'
import { publicRoute } from '../../server/route-access.ts'

/** Call this before the routes that it describes are registered. */
export async function describeRoutes(app: HttpApp): Promise<void> {
  await app.register(swagger, {
    openapi: {
      openapi: '3.1.0',
      info: { title: 'Martlet, AgentMail-compatible API', version: '0' },
      components: { securitySchemes: { bearer: { type: 'http', scheme: 'bearer' } } },
      security: [{ bearer: [] }],
    },
    transform: ({ schema, url, route }) => ({ schema: { ...schema, ...accessOf(route.config?.access) }, url }),
  })
}

/** Describes what a route demands of the key, for readers and as a member for programs. */
function accessOf(access: OperationAccess | 'public' | undefined): object {
  if (access === undefined || access === 'public') return {}
  const { narrowestKey, permissions, conditional } = access
  return { 'x-martlet-access': { narrowest_key: narrowestKey, permissions, conditional } }
}

export function openApiRoute(app: HttpApp): void {
  let text: string | undefined // the routes do not change once the server listens
  app.get('/openapi.json', { schema: { hide: true }, config: publicRoute }, async (_request, reply) => {
    text ??= JSON.stringify(withoutHead(app.swagger() as object))
    return reply.type('application/json; charset=utf-8').send(text)
  })
}

/** Every GET also responds to HEAD (http-server.ts), which the description need not repeat. */
function withoutHead(description: object): object {
  const { paths } = description as { readonly paths: Readonly<Record<string, object>> }
  const shown = Object.entries(paths).map(([path, operations]) => [path, { ...operations, head: undefined }])
  return { ...description, paths: Object.fromEntries(shown) }
}
