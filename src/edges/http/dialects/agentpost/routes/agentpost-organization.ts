/** Routes of the organization: environments, API keys and domains. */
import { Type } from 'typebox'
import type { ApiKeys } from '../../../../../mail/access/keys/api-keys.ts'
import type { TenantDomains } from '../../../../../mail/domains/tenant-domains.ts'
import type { Organizations } from '../../../../../mail/tenants/organizations.ts'
import type { Pods } from '../../../../../mail/tenants/pods.ts'
import type { HttpApp } from '../../../server/http-dialect.ts'
import { readTime } from '../../../server/requests/read-time.ts'
import { access } from '../../../server/route-access.ts'
import { readId, readInboxId } from '../prefixed-ids.ts'
import { listOf, pageQuery, readPage } from '../wire/agentpost-shape-wire.ts'
import { apiKey, domain, domainItem, environment, organization } from '../wire/organization-wire.ts'
import { withinEnvironment } from './agentpost-inboxes.ts'

interface OrganizationNeeds {
  readonly organizations: Organizations
  readonly pods: Pods
  readonly apiKeys: ApiKeys
  readonly domains: TenantDomains
}

/** How keys that are made here begin. All keys work in all dialects. */
const KEY_FORM = { prefix: 'ap_sk_live_' }

const podKeys = { narrowestKey: 'pod' } as const
const organizationKeys = { narrowestKey: 'organization' } as const
const listQuery = Type.Object(pageQuery)
const scopedQuery = Type.Object({ ...pageQuery, environment_id: Type.Optional(Type.String()) })

export function organizationRoutes(app: HttpApp, needs: OrganizationNeeds): void {
  app.get('/org', { config: access([], organizationKeys) }, async ({ actor }) =>
    organization(await needs.organizations.get(actor)),
  )
  environmentRoutes(app, needs)
  keyRoutes(app, needs)
  domainRoutes(app, needs)
}

function environmentRoutes(app: HttpApp, { pods }: OrganizationNeeds): void {
  const one = '/environments/:environment_id'
  const params = Type.Object({ environment_id: Type.String() })
  const body = Type.Object({ name: Type.String(), slug: Type.Optional(Type.String()) })

  app.get(
    '/environments',
    { schema: { querystring: listQuery }, config: access('pod_read', podKeys) },
    async (request) => listOf(await pods.list(request.actor, readPage(request.query)), environment),
  )

  const create = { schema: { body }, config: access('pod_create', organizationKeys) }
  app.post('/environments', create, async ({ actor, body }, reply) => {
    const made = await pods.create(actor, { name: body.name, clientId: body.slug })
    return reply.code(201).send(environment(made))
  })

  app.get(one, { schema: { params }, config: access('pod_read', podKeys) }, async ({ actor, params }) =>
    environment(await pods.get(actor, readId('env', params.environment_id))),
  )

  app.delete(one, { schema: { params }, config: access('pod_delete', podKeys) }, async ({ actor, params }, reply) => {
    await pods.delete(actor, readId('env', params.environment_id))
    return reply.code(204).send(null)
  })
}

function keyRoutes(app: HttpApp, { apiKeys }: OrganizationNeeds): void {
  const one = '/api-keys/:api_key_id'
  const params = Type.Object({ api_key_id: Type.String() })
  const members = {
    name: Type.Optional(Type.String()),
    environment_id: Type.Optional(Type.String()),
    inbox_id: Type.Optional(Type.String()),
    expires_at: Type.Optional(Type.String()),
  }
  // Without it, the key could do everything in its scope.
  const misnamed = { permissions: "keys of this API have none; make the key with AgentMail's API" }
  const body = Type.Object(members, { misnamed })

  app.get('/api-keys', { schema: { querystring: scopedQuery }, config: access('api_key_read') }, async (request) => {
    const { actor, query } = request
    return listOf(await apiKeys.list(actor, withinEnvironment(query.environment_id), readPage(query)), apiKey)
  })

  app.post('/api-keys', { schema: { body }, config: access('api_key_create') }, async ({ actor, body }, reply) => {
    const { name, environment_id, inbox_id } = body
    const within = inbox_id === undefined ? withinEnvironment(environment_id) : { inbox: readInboxId(inbox_id) }
    const expiresAt = readTime('expires_at', body.expires_at)
    const made = await apiKeys.create(actor, within, { name, expiresAt, form: KEY_FORM })
    return reply.code(201).send({ ...apiKey(made), key: made.key })
  })

  app.get(one, { schema: { params }, config: access('api_key_read') }, async ({ actor, params }) =>
    apiKey(await apiKeys.get(actor, {}, readId('key', params.api_key_id))),
  )

  app.delete(one, { schema: { params }, config: access('api_key_delete') }, async ({ actor, params }, reply) => {
    await apiKeys.delete(actor, {}, readId('key', params.api_key_id))
    return reply.code(204).send(null)
  })
}

function domainRoutes(app: HttpApp, { domains }: OrganizationNeeds): void {
  const one = '/domains/:domain_id'
  const params = Type.Object({ domain_id: Type.String() })
  const body = Type.Object({
    domain: Type.String(),
    client_id: Type.Optional(Type.String()),
    environment_id: Type.Optional(Type.String()),
  })

  app.get(
    '/domains',
    { schema: { querystring: scopedQuery }, config: access('domain_read', podKeys) },
    async (request) => {
      const { actor, query } = request
      return listOf(await domains.list(actor, withinEnvironment(query.environment_id), readPage(query)), domainItem)
    },
  )

  app.post(
    '/domains',
    { schema: { body }, config: access('domain_create', { ...podKeys, conditional: ['domain_read'] }) },
    async ({ actor, body }, reply) => {
      const { domain: name, client_id: clientId, environment_id } = body
      const made = await domains.create(actor, withinEnvironment(environment_id), { domain: name, clientId })
      return reply.code(201).send(domain(made))
    },
  )

  app.get(one, { schema: { params }, config: access('domain_read', podKeys) }, async ({ actor, params }) =>
    domain(await domains.get(actor, {}, readId('dom', params.domain_id))),
  )

  app.delete(
    one,
    { schema: { params }, config: access('domain_delete', podKeys) },
    async ({ actor, params }, reply) => {
      await domains.delete(actor, {}, readId('dom', params.domain_id))
      return reply.code(204).send(null)
    },
  )

  app.post(`${one}/verify`, { schema: { params }, config: access('domain_update', podKeys) }, async (request) =>
    domain(await domains.verify(request.actor, {}, readId('dom', request.params.domain_id))),
  )
}
