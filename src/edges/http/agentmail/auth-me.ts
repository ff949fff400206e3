/** What a key is good for: clients ask before anything else. */
import type { SystemActor } from '../../../mail/access/actor.ts'
import type { Inboxes } from '../../../mail/inboxes/inbox.ts'
import type { HttpApp } from '../dialect.ts'
import { ok } from './wire/shape.ts'
import { Identity, identity } from './wire/tenant.ts'

const SELF: SystemActor = { kind: 'system', name: 'auth-me' }

export function authMeRoutes(app: HttpApp, { inboxes }: { readonly inboxes: Inboxes }): void {
  const schema = { tags: ['Auth'], summary: 'Scope of the key', response: ok(Identity) }
  app.get('/auth/me', { schema }, async ({ actor }) => {
    // A key may know its own scope whatever its flags are: without inbox_read it could not ask for its inbox itself.
    const inbox = actor.inboxId === undefined ? undefined : await inboxes.get(SELF, {}, actor.inboxId)
    return identity(actor, inbox?.address)
  })
}
