/**
 * What each route demands of the key: declared with the route, and checked before its body is read. The rules are in
 * mail/access/access.ts, whose `admit` makes the check (docs/adr/0045).
 */
import type { FastifyRequest, RouteOptions } from 'fastify'
import { admit } from '../../../mail/access/access.ts'
import type { KeyActor } from '../../../mail/access/actor.ts'
import type { OperationAccess } from '../../../mail/access/operation-access.ts'
import type { Permission } from '../../../mail/access/permissions.ts'
import type { HttpApp } from './http-dialect.ts'
import { addRateHeaders } from './rate-headers.ts'

declare module 'fastify' {
  interface FastifyContextConfig {
    /** public: the route needs no key. */
    access: OperationAccess | 'public'
  }
}

export const publicRoute = { access: 'public' } as const

/**
 * Declares a route's access: `app.get(path, { schema, config: access('message_read') }, …)`.
 *
 * @param permissions one flag or several, all of which the key needs; an empty list: any key
 */
export function access(
  permissions: Permission | readonly Permission[],
  { narrowestKey = 'inbox', widestKey, conditional }: Partial<Omit<OperationAccess, 'permissions'>> = {},
): { access: OperationAccess } {
  const all = typeof permissions === 'string' ? [permissions] : permissions
  return {
    access: { narrowestKey, permissions: all, ...(widestKey && { widestKey }), ...(conditional && { conditional }) },
  }
}

/** Authenticates each request to the routes of this scope, and admits its key to what its route declares. */
export function requireKey(app: HttpApp, authenticate: (request: FastifyRequest) => Promise<KeyActor>): void {
  app.addHook('onRequest', async (request, reply) => {
    const actor = await authenticate(request)
    request.apiKeyId = actor.apiKeyId
    if (actor.requestRate) addRateHeaders(reply, actor.requestRate)
    const { access } = request.routeOptions.config
    request.actor = access === 'public' ? actor : admit(actor, access)
  })
}

/** A route without a declaration does not start. */
export function assertAccessDeclared({ method, url, config }: RouteOptions): void {
  if (config?.access === undefined) throw new Error(`${method} ${url} does not declare its access (route-access.ts)`)
}
