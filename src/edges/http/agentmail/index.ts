/**
 * The AgentMail dialect: `/v0/**` and a WebSocket at exactly `/v0`, as the published clients of api.agentmail.to speak
 * them (docs/compatibility/agentmail.md).
 */
import type { Config } from '../../../config.ts'
import type { Log } from '../../../log.ts'
import type { ApiKeys } from '../../../mail/access/api-key.ts'
import type { Credentials } from '../../../mail/access/credentials.ts'
import type { Feed } from '../../../mail/events/event.ts'
import type { LabelLog } from '../../../mail/events/label-log.ts'
import type { EventPages } from '../../../mail/events/pages.ts'
import type { Inboxes } from '../../../mail/inboxes/inbox.ts'
import type { Awaiting } from '../../../mail/messages/awaiting.ts'
import type { Labels, Messages } from '../../../mail/messages/message.ts'
import type { News } from '../../../mail/messages/news.ts'
import type { Threads } from '../../../mail/messages/thread.ts'
import type { Deliveries, Sending } from '../../../mail/sending/outgoing.ts'
import type { Queue } from '../../../mail/sending/waiting.ts'
import type { Organizations, Pods } from '../../../mail/tenants/pod.ts'
import type { DeliveryLog, Replays, WebhookTests } from '../../../mail/webhooks/delivery.ts'
import type { Webhooks } from '../../../mail/webhooks/webhook.ts'
import type { Metrics } from '../../../metrics.ts'
import { authenticateHeader, authenticateHeaderOrQuery } from '../credentials.ts'
import type { Dialect } from '../dialect.ts'
import { apiKeyRoutes } from './api-keys.ts'
import { authMeRoutes } from './auth-me.ts'
import { downloadRoutes } from './downloads.ts'
import { renderError } from './errors.ts'
import { eventRoutes } from './events.ts'
import { createFrames } from './frames.ts'
import { inboxRoutes } from './inboxes.ts'
import { messageRoutes } from './messages.ts'
import { describeRoutes, openApiRoute } from './openapi.ts'
import { organizationRoutes } from './organizations.ts'
import { podRoutes } from './pods.ts'
import { normaliseQuery } from './query.ts'
import { queueRoutes } from './queue.ts'
import { sendingRoutes } from './sending.ts'
import { agentMailSocket } from './socket.ts'
import { streamRoute } from './stream.ts'
import { threadRoutes } from './threads.ts'
import { webhookDeliveryRoutes } from './webhook-deliveries.ts'
import { webhookRoutes } from './webhooks.ts'

export interface AgentMailNeeds {
  readonly config: Config
  readonly log: Log
  readonly metrics: Metrics
  readonly credentials: Pick<Credentials, 'authenticate'>
  readonly apiKeys: ApiKeys
  readonly organizations: Organizations
  readonly pods: Pods
  readonly inboxes: Inboxes
  readonly messages: Messages
  readonly awaiting: Awaiting
  readonly threads: Threads
  readonly labels: Labels
  readonly sending: Sending
  readonly deliveries: Deliveries
  readonly queue: Queue
  readonly webhooks: Webhooks
  readonly deliveryLog: DeliveryLog
  readonly replays: Replays
  readonly webhookTests: WebhookTests
  readonly feed: Feed
  readonly eventPages: EventPages
  readonly labelLog: LabelLog
  readonly news: News
}

const PREFIX = '/v0'

export function agentMail(needs: AgentMailNeeds): Dialect {
  const { config, credentials } = needs
  const { limits } = config
  const frames = createFrames({ news: needs.news, limits })
  return {
    name: 'agentmail',
    prefix: PREFIX,
    renderError,

    async routes(app, surroundings) {
      await describeRoutes(app)
      app.addHook('preValidation', async (request) => {
        request.query = normaliseQuery(request.query as Record<string, string | string[]>)
      })
      downloadRoutes(app, needs)
      openApiRoute(app)

      await app.register(async (streamed) => {
        streamRoute(streamed, { ...needs, ...surroundings, frames, limits })
      })
      await app.register(async (keyed) => {
        keyed.addHook('onRequest', async (request) => {
          request.actor = await authenticateHeader(credentials, request)
        })
        authMeRoutes(keyed)
        organizationRoutes(keyed, needs)
        podRoutes(keyed, needs)
        apiKeyRoutes(keyed, needs)
        inboxRoutes(keyed, needs)
        webhookRoutes(keyed, needs)
        webhookDeliveryRoutes(keyed, needs)
        threadRoutes(keyed, { ...needs, ...surroundings })
        messageRoutes(keyed, { ...needs, ...surroundings, limits })
        sendingRoutes(keyed, { ...needs, limits })
        queueRoutes(keyed, needs)
        eventRoutes(keyed, { ...needs, ...surroundings, frames, limits })
      })
    },

    live: {
      path: PREFIX,
      authenticate: (request) => authenticateHeaderOrQuery(credentials, request, 'api_key'),
      serve: agentMailSocket({ ...needs, frames, limits }),
    },
  }
}
