/** API keys. A new key has the scope of the key that creates it. */
import { Type } from 'typebox'
import type { ApiKeys } from '../../../../../mail/access/keys/api-keys.ts'
import type { HttpApp } from '../../../server/http-dialect.ts'
import { access } from '../../../server/route-access.ts'
import { pageQuery, readPage } from '../../agentmail/query-parameters.ts'
import { refuseNarrowerScope, scopeRoutes } from '../../agentmail/scope-routes.ts'
import { CreateApiKey, readNewKey } from '../../agentmail/wire/api-key-wire.ts'
import { apiKey, apiKeyList, createdApiKey, KEY_FORM } from '../wire/inboxai-key-wire.ts'

const one = '/api-keys/:key_id'
const params = Type.Object({ key_id: Type.String() })

export function apiKeyRoutes(app: HttpApp, { apiKeys }: { readonly apiKeys: ApiKeys }): void {
  const list = { schema: { querystring: Type.Object(pageQuery) }, config: access('api_key_read') }
  app.get('/api-keys', list, async ({ actor, query }) => apiKeyList(await apiKeys.list(actor, {}, readPage(query))))

  const body = refuseNarrowerScope(CreateApiKey, scopeRoutes.organization, '/api-keys')
  const create = { schema: { body }, config: access('api_key_create') }
  app.post('/api-keys', create, async ({ actor, body }) =>
    createdApiKey(await apiKeys.create(actor, {}, { ...readNewKey(body), form: KEY_FORM })),
  )

  app.get(one, { schema: { params }, config: access('api_key_read') }, async ({ actor, params }) =>
    apiKey(await apiKeys.get(actor, {}, params.key_id)),
  )

  app.delete(one, { schema: { params }, config: access('api_key_delete') }, async ({ actor, params }, reply) => {
    await apiKeys.delete(actor, {}, params.key_id)
    return reply.code(204).send(null)
  })
}
