/** Returns the scope and permissions of a key; clients call it first. */
import type { HttpApp } from '../dialect.ts'
import { ok } from './wire/shape.ts'
import { Identity, identity } from './wire/tenant.ts'

export function authMeRoutes(app: HttpApp): void {
  const schema = { tags: ['Auth'], summary: 'Scope of the key', response: ok(Identity) }
  app.get('/auth/me', { schema }, async ({ actor }) => identity(actor))
}
