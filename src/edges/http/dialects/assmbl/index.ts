/**
 * The Assmbl dialect: an agent is an inbox, and a key of that inbox is its token, so no path names an inbox
 * (docs/compatibility/assmbl.md).
 */
import type { Config } from '../../../../config/settings.ts'
import type { Log } from '../../../../log.ts'
import type { Credentials } from '../../../../mail/access/keys/credentials.ts'
import type { Labels } from '../../../../mail/messages/labels/labels.ts'
import type { Messages } from '../../../../mail/messages/messages.ts'
import type { SenderTrust } from '../../../../mail/messages/sender-trust.ts'
import type { Notifications } from '../../../../mail/notifications/notifications.ts'
import type { Sending } from '../../../../mail/sending/sending.ts'
import type { Uploads } from '../../../../mail/sending/uploads/uploads.ts'
import type { Webhooks } from '../../../../mail/webhooks/config/webhooks.ts'
import type { Dialect } from '../../server/http-dialect.ts'
import { authenticateHeader } from '../../server/requests/http-credentials.ts'
import { checkQueries } from '../../server/requests/query-check.ts'
import { requireKey } from '../../server/route-access.ts'
import { renderError } from './assmbl-errors.ts'
import { attachmentRoutes, fileRoutes } from './routes/assmbl-attachments.ts'
import { inboxRoutes } from './routes/assmbl-inbox.ts'
import { messageRoutes } from './routes/assmbl-messages.ts'
import { notificationRoutes } from './routes/assmbl-notifications.ts'
import { sendingRoutes } from './routes/assmbl-sending.ts'
import { unbuiltRoutes } from './routes/assmbl-unbuilt.ts'
import { webhookRoutes } from './routes/assmbl-webhook.ts'

export interface AssmblNeeds {
  readonly config: Config
  readonly credentials: Pick<Credentials, 'authenticate'>
  readonly messages: Messages
  readonly labels: Labels
  readonly senderTrust: SenderTrust
  readonly sending: Sending
  readonly uploads: Uploads
  readonly webhooks: Webhooks
  readonly notifications: Notifications
  readonly log: Log
}

/** First segments of its paths; `unbuilt` ones answer that they are not implemented. */
const paths = [
  ...['/send', '/inbox', '/messages', '/attachments', '/webhook', '/notifications'],
  ...['/directory', '/peers', '/billing', '/marketplace', '/public'],
]

export function assmbl(needs: AssmblNeeds): Dialect {
  const { config, credentials } = needs
  const { limits } = config
  return {
    name: 'assmbl',
    pathsPage: '/docs/compatibility/assmbl.md',
    prefix: '',
    paths,
    renderError,

    async routes(app, context) {
      checkQueries(app)
      await app.register(async (keyed) => {
        requireKey(keyed, (request) => authenticateHeader(credentials, request))
        sendingRoutes(keyed, { ...needs, ...context, limits })
        inboxRoutes(keyed, { ...needs, ...context, limits })
        messageRoutes(keyed, { ...needs, ...context, limits })
        attachmentRoutes(keyed, { ...needs, ...context })
        webhookRoutes(keyed, needs)
        notificationRoutes(keyed, needs)
      })
      fileRoutes(app, { ...needs, limits })
      unbuiltRoutes(app, credentials)
    },
  }
}
