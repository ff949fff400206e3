/** Webhook routes. Only webhooks that were made here are found here (docs/adr/0050). */
import { Type } from 'typebox'
import type { Webhooks } from '../../../../../mail/webhooks/config/webhooks.ts'
import type { HttpApp } from '../../../server/http-dialect.ts'
import { access } from '../../../server/route-access.ts'
import { pageQuery, readPage } from '../../agentmail/query-parameters.ts'
import { RotateSecret, readWebhookId } from '../../agentmail/wire/webhook-wire.ts'
import {
  CreateWebhook,
  readNewWebhook,
  readWebhookChange,
  UpdateWebhook,
  webhook,
  webhookList,
} from '../wire/inboxai-webhook-wire.ts'

const one = '/webhooks/:webhook_id'
const params = Type.Object({ webhook_id: Type.String() })

export function webhookRoutes(app: HttpApp, { webhooks }: { readonly webhooks: Webhooks }): void {
  const list = { schema: { querystring: Type.Object(pageQuery) }, config: access('webhook_read') }
  app.get('/webhooks', list, async ({ actor, query }) => webhookList(await webhooks.list(actor, {}, readPage(query))))

  const create = access(['webhook_create', 'message_read'], { conditional: ['webhook_read'] })
  app.post('/webhooks', { schema: { body: CreateWebhook }, config: create }, async ({ actor, body }) =>
    webhook(await webhooks.create(actor, {}, readNewWebhook(body))),
  )

  app.get(one, { schema: { params }, config: access('webhook_read') }, async ({ actor, params }) =>
    webhook(await webhooks.get(actor, {}, readWebhookId(params.webhook_id))),
  )

  const update = access('webhook_update', { conditional: ['message_read', 'webhook_read'] })
  app.patch(one, { schema: { params, body: UpdateWebhook }, config: update }, async ({ actor, params, body }) =>
    webhook(await webhooks.update(actor, {}, readWebhookId(params.webhook_id), readWebhookChange(body))),
  )

  app.delete(one, { schema: { params }, config: access('webhook_delete') }, async ({ actor, params }, reply) => {
    await webhooks.delete(actor, {}, readWebhookId(params.webhook_id))
    return reply.code(204).send(null)
  })

  const rotate = { schema: { params, body: Type.Optional(RotateSecret) }, config: access('webhook_update') }
  app.post(`${one}/rotate-secret`, rotate, async ({ actor, params, body }) =>
    webhook(await webhooks.rotateSecret(actor, {}, readWebhookId(params.webhook_id), body?.secret)),
  )
}
