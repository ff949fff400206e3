/** The webhook of an agent: one URL that gets each received message. */
import { Type } from 'typebox'
import { MailError } from '../../../../../errors.ts'
import { inboxOf } from '../../../../../mail/access/access.ts'
import { getWebhook, putWebhook } from '../../../../../mail/webhooks/config/named-webhook.ts'
import type { Webhooks } from '../../../../../mail/webhooks/config/webhooks.ts'
import type { HttpApp } from '../../../server/http-dialect.ts'
import { access } from '../../../server/route-access.ts'
import { shownWebhook } from '../wire/assmbl-webhook-wire.ts'

/** Its client_id: webhooks of this dialect with another one belong to rules of notifications. */
const NAME = 'agent'

const put = {
  body: Type.Object({
    url: Type.String(),
    enabled: Type.Optional(Type.Boolean()),
    rotate_secret: Type.Optional(Type.Boolean()),
  }),
}
const narrow = { widestKey: 'inbox' } as const

export function webhookRoutes(app: HttpApp, { webhooks }: { readonly webhooks: Webhooks }): void {
  app.get('/webhook', { config: access('webhook_read', narrow) }, async ({ actor }) => {
    const webhook = await getWebhook(webhooks, actor, inboxOf(actor), NAME)
    if (!webhook) throw new MailError('not_found', { what: 'Webhook' })
    return shownWebhook(webhook)
  })

  const config = access(['webhook_read', 'webhook_create', 'webhook_update', 'message_read'], narrow)
  app.put('/webhook', { schema: put, config }, async ({ actor, body }) => {
    const { url, enabled = true, rotate_secret } = body
    const change = { url, isEnabled: enabled, rotateSecret: rotate_secret }
    const { webhook, isSecretNew } = await putWebhook(webhooks, actor, inboxOf(actor), NAME, change)
    return shownWebhook(webhook, isSecretNew)
  })

  app.delete('/webhook', { config: access('webhook_delete', narrow) }, async ({ actor }) => {
    await webhooks.delete(actor, { inbox: inboxOf(actor) }, NAME)
    return { deleted: true }
  })
}
