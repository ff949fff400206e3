/** Returns the scope and permissions of a key; clients call it first. */
import type { HttpApp } from '../../../server/http-dialect.ts'
import { access } from '../../../server/route-access.ts'
import { ok } from '../wire/shape-wire.ts'
import { Identity, identity } from '../wire/tenant-wire.ts'

export function authMeRoutes(app: HttpApp): void {
  const schema = { tags: ['Auth'], summary: 'Get the scope of the API key', response: ok(Identity) }
  app.get('/auth/me', { schema, config: access([]) }, async ({ actor }) => identity(actor))
}
