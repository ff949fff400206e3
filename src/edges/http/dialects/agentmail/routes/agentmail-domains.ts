/** Routes of domains, for the organization and for a pod. */
import { Type } from 'typebox'
import type { TenantDomains } from '../../../../../mail/domains/tenant-domains.ts'
import type { HttpApp } from '../../../server/http-dialect.ts'
import { access } from '../../../server/route-access.ts'
import { pageQuery, readPage } from '../query-parameters.ts'
import { paramsOf, refuseNarrowerScope, type ScopeRoute, scopeRoutes, withinOf } from '../scope-routes.ts'
import {
  CreateDomain,
  Domain,
  DomainList,
  domain,
  domainList,
  readNewDomain,
  readSwitches,
  UpdateDomain,
} from '../wire/domain-wire.ts'
import { named, nothing, ok } from '../wire/shape-wire.ts'

const tags = ['Domains']
const keys = { narrowestKey: 'pod' } as const

interface DomainsNeeds {
  readonly domains: TenantDomains
}

export function domainRoutes(app: HttpApp, needs: DomainsNeeds): void {
  for (const scopeRoute of [scopeRoutes.organization, scopeRoutes.pod]) addRoutes(app, scopeRoute, needs)
  setupLinkRoute(app, needs)
}

function addRoutes(app: HttpApp, scopeRoute: ScopeRoute, { domains }: DomainsNeeds): void {
  const all = `${scopeRoute.path}/domains`
  const one = `${all}/:domain_id`
  const params = paramsOf(scopeRoute, {})
  const domainParams = paramsOf<{ domain_id: string }>(scopeRoute, {
    domain_id: Type.String({ description: 'The domain, or its client_id.' }),
  })

  const list = { tags, summary: 'List domains', params, querystring: Type.Object(pageQuery), response: ok(DomainList) }
  app.get(all, { schema: list, config: access('domain_read', keys) }, async ({ actor, params, query }) =>
    domainList(await domains.list(actor, withinOf(params), readPage(query))),
  )

  const create = {
    tags,
    summary: 'Claim a domain',
    params,
    body: refuseNarrowerScope(CreateDomain, scopeRoute, '/domains', [scopeRoutes.pod]),
    response: ok(Domain),
    errors: [
      'resource_taken',
      'conflicting_provider',
      'limit_exceeded',
      'organization_unverified',
      'not_implemented',
      'too_many_at_once',
      'not_found',
    ] as const,
    rules: [
      '… is a public suffix: …',
      '… is the shared domain of this server: …',
      'domain can have at most … labels',
      'domain must be a domain name like example.com',
    ],
  }
  const creating = access('domain_create', { ...keys, conditional: ['domain_read'] })
  app.post(all, { schema: create, config: creating }, async ({ actor, params, body }) => {
    return domain(await domains.create(actor, withinOf(params), readNewDomain(body)))
  })

  const get = { tags, summary: 'Get a domain with its DNS records', params: domainParams, response: ok(Domain) }
  app.get(one, { schema: get, config: access('domain_read', keys) }, async ({ actor, params }) =>
    domain(await domains.get(actor, withinOf(params), params.domain_id)),
  )

  const update = {
    tags,
    summary: 'Change a domain',
    params: domainParams,
    body: UpdateDomain,
    response: ok(Domain),
    errors: ['not_implemented', 'conflicting_provider'] as const,
    rules: ['Send inbound_enabled, feedback_enabled, subdomains_enabled, tracking_enabled or catch_all_inbox'],
  }
  app.patch(one, { schema: update, config: access('domain_update', keys) }, async ({ actor, params, body }) =>
    domain(
      await domains.update(actor, withinOf(params), params.domain_id, {
        ...readSwitches(body),
        catchAllInbox: body.catch_all_inbox,
      }),
    ),
  )

  const remove = {
    tags,
    summary: 'Delete a domain; its inboxes keep their mail',
    params: domainParams,
    response: nothing,
  }
  app.delete(one, { schema: remove, config: access('domain_delete', keys) }, async ({ actor, params }, reply) => {
    await domains.delete(actor, withinOf(params), params.domain_id)
    return reply.code(204).send(null)
  })

  const verify = {
    tags,
    summary: 'Check the DNS records of a domain now',
    params: domainParams,
    response: nothing,
    errors: ['domain_check_failed', 'too_many_at_once'] as const,
  }
  app.post(`${one}/verify`, { schema: verify, config: access('domain_update', keys) }, async (request, reply) => {
    await domains.verify(request.actor, withinOf(request.params), request.params.domain_id)
    return reply.code(204).send(null)
  })

  const zone = {
    tags,
    summary: 'Get the DNS records of a domain as lines of a zone file',
    params: domainParams,
    response: { 200: Type.String({ description: 'Lines of a zone file.', contentMediaType: 'text/plain' }) },
  }
  app.get(
    `${one}/zone-file`,
    { schema: zone, config: access('domain_read', keys) },
    async ({ actor, params }, reply) => {
      const text = await domains.zoneFile(actor, withinOf(params), params.domain_id)
      return reply
        .type('text/plain; charset=utf-8')
        .serializer((each: string) => each)
        .send(text)
    },
  )
}

/** AgentMail can set up some DNS providers by itself. Martlet has no contract with any. */
function setupLinkRoute(app: HttpApp, { domains }: DomainsNeeds): void {
  const params = Type.Object({ domain_id: Type.String({ description: 'The domain, or its client_id.' }) })
  const response = ok(named('GetSetupLinkResponse', { supported: Type.Boolean() }))
  const schema = { tags, summary: 'Get a link that sets up DNS; there is none', params, response }
  app.get('/domains/:domain_id/setup-link', { schema, config: access('domain_read', keys) }, async (request) => {
    await domains.get(request.actor, {}, request.params.domain_id)
    return { supported: false }
  })
}
