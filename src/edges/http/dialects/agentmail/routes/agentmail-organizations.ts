/** Organization routes: the organization of the key, and its labs. */
import type { Organizations } from '../../../../../mail/tenants/organizations.ts'
import type { HttpApp } from '../../../server/http-dialect.ts'
import { access } from '../../../server/route-access.ts'
import { ok } from '../wire/shape-wire.ts'
import { Labs, labs, Organization, organization } from '../wire/tenant-wire.ts'

const tags = ['Organizations']
const config = access([], { narrowestKey: 'organization' })

export function organizationRoutes(app: HttpApp, { organizations }: { readonly organizations: Organizations }): void {
  const get = { tags, summary: 'Get the organization', response: ok(Organization) }
  app.get('/organizations', { schema: get, config }, async ({ actor }) => organization(await organizations.get(actor)))

  const getLabs = { tags, summary: 'Get the state of labs: there are none', response: ok(Labs) }
  app.get('/organizations/labs', { schema: getLabs, config }, ({ actor }) => labs(organizations.labs(actor)))

  const joinLabs = {
    tags,
    summary: 'Join labs: there are none',
    description: 'Always 403, as AgentMail answers where it offers none.',
    refused: 'Labs',
    response: ok(Labs),
    errors: ['forbidden', 'unrestricted_key_required', 'organization_unverified'] as const,
  }
  app.post('/organizations/labs', { schema: joinLabs, config }, async ({ actor }) =>
    labs(await organizations.joinLabs(actor)),
  )
}
