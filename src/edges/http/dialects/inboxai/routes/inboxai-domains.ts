/** Domain routes. A domain is named by its name. */
import { Type } from 'typebox'
import type { TenantDomains } from '../../../../../mail/domains/tenant-domains.ts'
import type { HttpApp } from '../../../server/http-dialect.ts'
import { access } from '../../../server/route-access.ts'
import { pageQuery, readPage } from '../../agentmail/query-parameters.ts'
import { refuseNarrowerScope, scopeRoutes } from '../../agentmail/scope-routes.ts'
import { CreateDomain, readNewDomain } from '../../agentmail/wire/domain-wire.ts'
import { domain, domainList } from '../wire/inboxai-domain-wire.ts'

const keys = { narrowestKey: 'pod' } as const
const one = '/domains/:domain_id'
const params = Type.Object({ domain_id: Type.String() })

export function domainRoutes(app: HttpApp, { domains }: { readonly domains: TenantDomains }): void {
  const list = { schema: { querystring: Type.Object(pageQuery) }, config: access('domain_read', keys) }
  app.get('/domains', list, async ({ actor, query }) => domainList(await domains.list(actor, {}, readPage(query))))

  const create = {
    schema: { body: refuseNarrowerScope(CreateDomain, scopeRoutes.organization, '/domains', [scopeRoutes.pod]) },
    config: access('domain_create', { ...keys, conditional: ['domain_read'] }),
  }
  app.post('/domains', create, async ({ actor, body }) => domain(await domains.create(actor, {}, readNewDomain(body))))

  app.get(one, { schema: { params }, config: access('domain_read', keys) }, async ({ actor, params }) =>
    domain(await domains.get(actor, {}, params.domain_id)),
  )

  app.post(`${one}/verify`, { schema: { params }, config: access('domain_update', keys) }, async ({ actor, params }) =>
    domain(await domains.verify(actor, {}, params.domain_id)),
  )

  app.delete(one, { schema: { params }, config: access('domain_delete', keys) }, async ({ actor, params }, reply) => {
    await domains.delete(actor, {}, params.domain_id)
    return reply.code(204).send(null)
  })
}
