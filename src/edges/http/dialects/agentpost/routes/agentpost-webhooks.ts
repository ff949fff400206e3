/** Webhook routes. Only webhooks that were made here are found here (docs/adr/0050). */
import { Type } from 'typebox'
import type { Webhooks } from '../../../../../mail/webhooks/config/webhooks.ts'
import type { HttpApp } from '../../../server/http-dialect.ts'
import { access } from '../../../server/route-access.ts'
import { readId } from '../prefixed-ids.ts'
import { listOf, pageQuery, readPage } from '../wire/agentpost-shape-wire.ts'
import {
  CreateWebhook,
  readNewWebhook,
  readWebhookChange,
  UpdateWebhook,
  webhook,
  webhookWithSecret,
} from '../wire/agentpost-webhook-wire.ts'
import { withinEnvironment } from './agentpost-inboxes.ts'

const one = '/webhooks/:webhook_id'
const params = Type.Object({ webhook_id: Type.String() })
const querystring = Type.Object({ ...pageQuery, environment_id: Type.Optional(Type.String()) })

export function webhookRoutes(app: HttpApp, { webhooks }: { readonly webhooks: Webhooks }): void {
  app.get('/webhooks', { schema: { querystring }, config: access('webhook_read') }, async ({ actor, query }) =>
    listOf(await webhooks.list(actor, withinEnvironment(query.environment_id), readPage(query)), webhook),
  )

  const create = { schema: { body: CreateWebhook }, config: access(['webhook_create', 'message_read']) }
  app.post('/webhooks', create, async ({ actor, body }, reply) => {
    const made = await webhooks.create(actor, withinEnvironment(body.environment_id), readNewWebhook(body))
    return reply.code(201).send(webhookWithSecret(made))
  })

  app.get(one, { schema: { params }, config: access('webhook_read') }, async ({ actor, params }) =>
    webhook(await webhooks.get(actor, {}, readId('whk', params.webhook_id))),
  )

  const update = access('webhook_update', { conditional: ['message_read'] })
  app.patch(one, { schema: { params, body: UpdateWebhook }, config: update }, async ({ actor, params, body }) =>
    webhook(await webhooks.update(actor, {}, readId('whk', params.webhook_id), readWebhookChange(body))),
  )

  app.delete(one, { schema: { params }, config: access('webhook_delete') }, async ({ actor, params }, reply) => {
    await webhooks.delete(actor, {}, readId('whk', params.webhook_id))
    return reply.code(204).send(null)
  })

  app.post(`${one}/rotate-secret`, { schema: { params }, config: access('webhook_update') }, async (request) => {
    const { actor, params } = request
    return webhookWithSecret(await webhooks.rotateSecret(actor, {}, readId('whk', params.webhook_id), undefined))
  })
}
