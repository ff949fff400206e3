/** API keys of the organization, of a pod and of an inbox. */
import { Type } from 'typebox'
import type { ApiKeys } from '../../../../../mail/access/keys/api-keys.ts'
import type { HttpApp } from '../../../server/http-dialect.ts'
import { access } from '../../../server/route-access.ts'
import { pageQuery, readPage } from '../query-parameters.ts'
import { paramsOf, refuseNarrowerScope, type ScopeRoute, scopeRoutes, withinOf } from '../scope-routes.ts'
import {
  ApiKey,
  ApiKeyList,
  apiKey,
  apiKeyList,
  CreateApiKey,
  CreatedApiKey,
  createdApiKey,
  readKeyChange,
  readNewKey,
  UpdateApiKey,
} from '../wire/api-key-wire.ts'
import { nothing, ok } from '../wire/shape-wire.ts'

const tags = ['API keys']

export function apiKeyRoutes(app: HttpApp, needs: { readonly apiKeys: ApiKeys }): void {
  for (const scopeRoute of Object.values(scopeRoutes)) addRoutes(app, scopeRoute, needs)
}

function addRoutes(app: HttpApp, scopeRoute: ScopeRoute, { apiKeys }: { readonly apiKeys: ApiKeys }): void {
  const all = `${scopeRoute.path}/api-keys`
  const one = `${all}/:api_key_id`
  const scopeParams = paramsOf(scopeRoute, {})
  const params = paramsOf<{ api_key_id: string }>(scopeRoute, { api_key_id: Type.String({ description: 'Id.' }) })
  // Public keys are not supported yet, so all keys are bearer keys.
  const querystring = Type.Object({ ...pageQuery, type: Type.Optional(Type.Enum(['bearer'])) })

  const list = { tags, summary: 'List API keys', params: scopeParams, querystring, response: ok(ApiKeyList) }
  app.get(all, { schema: list, config: access('api_key_read', scopeRoute) }, async ({ actor, params, query }) =>
    apiKeyList(await apiKeys.list(actor, withinOf(params), readPage(query))),
  )

  const create = {
    tags,
    summary: 'Create an API key',
    params: scopeParams,
    body: refuseNarrowerScope(CreateApiKey, scopeRoute, '/api-keys'),
    response: ok(CreatedApiKey),
    errors: ['limit_exceeded', 'permission_escalation', 'unrestricted_key_required', 'forbidden'] as const,
    rules: ['expires_at must be in the future'],
  }
  app.post(all, { schema: create, config: access('api_key_create', scopeRoute) }, async ({ actor, params, body }) =>
    createdApiKey(await apiKeys.create(actor, withinOf(params), readNewKey(body))),
  )

  // AgentMail gets keys of the organization only.
  const isOurs = scopeRoute !== scopeRoutes.organization
  const get = { tags, summary: 'Get an API key', params, response: ok(ApiKey), isOurs }
  app.get(one, { schema: get, config: access('api_key_read', scopeRoute) }, async ({ actor, params }) =>
    apiKey(await apiKeys.get(actor, withinOf(params), params.api_key_id)),
  )

  const update = {
    tags,
    summary: 'Rename an API key or change its permissions',
    params,
    body: UpdateApiKey,
    response: ok(ApiKey),
    errors: ['permission_escalation', 'unrestricted_key_required', 'forbidden', 'cannot_delete'] as const,
  }
  app.patch(one, { schema: update, config: access('api_key_update', scopeRoute) }, async ({ actor, params, body }) =>
    apiKey(await apiKeys.update(actor, withinOf(params), params.api_key_id, readKeyChange(body))),
  )

  const remove = { tags, summary: 'Delete an API key; it stops working at once', params, response: nothing }
  app.delete(
    one,
    { schema: remove, config: access('api_key_delete', scopeRoute) },
    async ({ actor, params }, reply) => {
      await apiKeys.delete(actor, withinOf(params), params.api_key_id)
      return reply.code(204).send(null)
    },
  )
}
