/** Organization route: the organization of the key. */
import type { Organizations } from '../../../../../mail/tenants/organizations.ts'
import type { HttpApp } from '../../../server/http-dialect.ts'
import { access } from '../../../server/route-access.ts'
import { ok } from '../wire/shape-wire.ts'
import { Organization, organization } from '../wire/tenant-wire.ts'

export function organizationRoutes(app: HttpApp, { organizations }: { readonly organizations: Organizations }): void {
  const schema = { tags: ['Organizations'], summary: 'Get the organization', response: ok(Organization) }
  app.get('/organizations', { schema, config: access([], { narrowestKey: 'organization' }) }, async ({ actor }) =>
    organization(await organizations.get(actor)),
  )
}
