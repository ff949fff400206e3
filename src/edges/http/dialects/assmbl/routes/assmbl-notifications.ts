/** The rules by which an agent reports its received messages. A put replaces them all. */
import { inboxOf } from '../../../../../mail/access/access.ts'
import type { Notifications } from '../../../../../mail/notifications/notifications.ts'
import type { HttpApp } from '../../../server/http-dialect.ts'
import { access } from '../../../server/route-access.ts'
import { RulesBody, readRules, shownRules } from '../wire/assmbl-notification-wire.ts'

const narrow = { widestKey: 'inbox' } as const

export function notificationRoutes(app: HttpApp, needs: { readonly notifications: Notifications }): void {
  const { notifications } = needs
  app.get('/notifications', { config: access('message_read', narrow) }, async ({ actor }) =>
    shownRules(await notifications.list(actor, inboxOf(actor))),
  )

  const config = access(['message_read', 'webhook_read', 'webhook_create', 'webhook_update', 'webhook_delete'], {
    ...narrow,
    conditional: ['message_send'],
  })
  app.put('/notifications', { schema: { body: RulesBody }, config }, async ({ actor, body }) => {
    const { rules, secrets } = await notifications.replace(actor, inboxOf(actor), readRules(body))
    return shownRules(rules, secrets)
  })
}
