/**
 * The AgentMail dialect: `/v0/**` and a WebSocket at exactly `/v0`, as the published clients of api.agentmail.to use
 * them (docs/compatibility/agentmail.md).
 */
import type { Config } from '../../../../config/settings.ts'
import type { Log } from '../../../../log.ts'
import type { ApiKeys } from '../../../../mail/access/keys/api-keys.ts'
import type { AppPasswords } from '../../../../mail/access/keys/app-passwords.ts'
import type { Credentials } from '../../../../mail/access/keys/credentials.ts'
import type { Scopes } from '../../../../mail/access/scopes.ts'
import type { Apps } from '../../../../mail/accounts/apps.ts'
import type { SignUp } from '../../../../mail/accounts/sign-up.ts'
import type { VerifyHuman } from '../../../../mail/accounts/verify-human.ts'
import type { TenantDomains } from '../../../../mail/domains/tenant-domains.ts'
import type { Feed } from '../../../../mail/events/feed/feed.ts'
import type { EventPages } from '../../../../mail/events/history/event-pages.ts'
import type { LabelLog } from '../../../../mail/events/history/label-log.ts'
import type { Aliases } from '../../../../mail/inboxes/aliases.ts'
import type { SearchInboxes } from '../../../../mail/inboxes/inbox-search.ts'
import type { Inboxes } from '../../../../mail/inboxes/inboxes.ts'
import type { Lists } from '../../../../mail/inboxes/lists/lists.ts'
import type { OutboundPause } from '../../../../mail/jobs/outbound-pause.ts'
import type { Labels } from '../../../../mail/messages/labels/labels.ts'
import type { MessageBatches } from '../../../../mail/messages/message-batches.ts'
import type { Messages } from '../../../../mail/messages/messages.ts'
import type { MailSearch } from '../../../../mail/messages/search/mail-search.ts'
import type { RebuildIndex } from '../../../../mail/messages/search/rebuild-index.ts'
import type { Threads } from '../../../../mail/messages/threads/threads.ts'
import type { EventSubjects } from '../../../../mail/messages/views/event-subject.ts'
import type { WaitForMessage } from '../../../../mail/messages/wait/wait-for-message.ts'
import type { VerifiedSenders } from '../../../../mail/receiving/challenges/verified-senders.ts'
import type { Reports } from '../../../../mail/reports/reports.ts'
import type { Drafts } from '../../../../mail/sending/drafts/drafts.ts'
import type { SendDraft } from '../../../../mail/sending/drafts/send-draft.ts'
import type { Queue } from '../../../../mail/sending/queue/queue.ts'
import type { RecipientStatuses } from '../../../../mail/sending/queue/recipient-statuses.ts'
import type { Sending } from '../../../../mail/sending/sending.ts'
import type { Organizations } from '../../../../mail/tenants/organizations.ts'
import type { Pods } from '../../../../mail/tenants/pods.ts'
import type { Webhooks } from '../../../../mail/webhooks/config/webhooks.ts'
import type { WebhookTests } from '../../../../mail/webhooks/delivery/test-request.ts'
import type { WebhookDeliveryLog } from '../../../../mail/webhooks/delivery/webhook-delivery-log.ts'
import type { Replays } from '../../../../mail/webhooks/replay/replays.ts'
import type { Metrics } from '../../../../metrics.ts'
import type { Dialect } from '../../server/http-dialect.ts'
import { authenticateHeader, authenticateHeaderOrQuery } from '../../server/requests/http-credentials.ts'
import { requireKey } from '../../server/route-access.ts'
import { renderError } from './agentmail-errors.ts'
import { streamRoute } from './live/agentmail-sse.ts'
import { agentMailSocket } from './live/agentmail-websocket.ts'
import { createEventJson } from './live/event-json.ts'
import { collectRoutes, openApiRoute } from './openapi/openapi-routes.ts'
import { normaliseQueries } from './query-parameters.ts'
import { agentRoutes, signUpRoute } from './routes/agentmail-agent.ts'
import { aliasRoutes } from './routes/agentmail-aliases.ts'
import { apiKeyRoutes } from './routes/agentmail-api-keys.ts'
import { appPasswordRoutes } from './routes/agentmail-app-passwords.ts'
import { appRoutes } from './routes/agentmail-apps.ts'
import { authMeRoutes } from './routes/agentmail-auth-me.ts'
import { capabilityRoutes } from './routes/agentmail-capabilities.ts'
import { domainRoutes } from './routes/agentmail-domains.ts'
import { downloadRoutes } from './routes/agentmail-downloads.ts'
import { draftRoutes } from './routes/agentmail-drafts.ts'
import { eventRoutes } from './routes/agentmail-events.ts'
import { inboxRoutes } from './routes/agentmail-inboxes.ts'
import { listRoutes } from './routes/agentmail-lists.ts'
import { messageRoutes } from './routes/agentmail-messages.ts'
import { metricsRoutes } from './routes/agentmail-metrics.ts'
import { organizationRoutes } from './routes/agentmail-organizations.ts'
import { outboundRoutes } from './routes/agentmail-outbound.ts'
import { podRoutes } from './routes/agentmail-pods.ts'
import { queueRoutes } from './routes/agentmail-queue.ts'
import { searchRoutes } from './routes/agentmail-search.ts'
import { sendingRoutes } from './routes/agentmail-sending.ts'
import { threadRoutes } from './routes/agentmail-threads.ts'
import { unbuiltRoutes } from './routes/agentmail-unbuilt.ts'
import { verifiedSenderRoutes } from './routes/agentmail-verified-senders.ts'
import { webhookDeliveryRoutes } from './routes/agentmail-webhook-deliveries.ts'
import { webhookRoutes } from './routes/agentmail-webhooks.ts'

export interface AgentMailNeeds {
  readonly config: Config
  readonly log: Log
  readonly metrics: Metrics
  readonly credentials: Pick<Credentials, 'authenticate'>
  readonly scopes: Scopes
  readonly apiKeys: ApiKeys
  readonly appPasswords: AppPasswords
  readonly organizations: Organizations
  readonly pods: Pods
  readonly domains: TenantDomains
  readonly inboxes: Inboxes
  readonly lists: Lists
  readonly verifiedSenders: VerifiedSenders
  readonly messages: Messages
  readonly waitForMessage: WaitForMessage
  readonly threads: Threads
  readonly messageBatches: MessageBatches
  readonly labels: Labels
  readonly sending: Sending
  readonly drafts: Drafts
  readonly sendDraft: SendDraft
  readonly recipientStatuses: RecipientStatuses
  readonly queue: Queue
  readonly aliases: Aliases
  readonly outboundPause: OutboundPause
  readonly mailSearch: MailSearch
  readonly inboxSearch: SearchInboxes
  readonly rebuildIndex: RebuildIndex
  readonly webhooks: Webhooks
  readonly webhookDeliveryLog: WebhookDeliveryLog
  readonly replays: Replays
  readonly webhookTestRequests: WebhookTests
  readonly feed: Feed
  readonly eventPages: EventPages
  readonly labelLog: LabelLog
  readonly reports: Reports
  readonly apps: Apps
  readonly signUp: SignUp
  readonly verifyHuman: VerifyHuman
  readonly eventSubjects: EventSubjects
}

const PREFIX = '/v0'

export function agentMail(needs: AgentMailNeeds): Dialect {
  const { config, credentials } = needs
  const { limits } = config
  const eventJson = createEventJson({ eventSubjects: needs.eventSubjects, limits })
  return {
    name: 'agentmail',
    prefix: PREFIX,
    renderError,

    async routes(app, context) {
      const described = collectRoutes(app)
      normaliseQueries(app)
      downloadRoutes(app, needs)
      openApiRoute(app, { ...context, limits, routes: described })
      signUpRoute(app, { ...needs, ...context, limits })

      await app.register(async (streamed) => {
        streamRoute(streamed, { ...needs, ...context, eventJson, limits })
      })
      await app.register(async (keyed) => {
        requireKey(keyed, (request) => authenticateHeader(credentials, request))
        authMeRoutes(keyed)
        capabilityRoutes(keyed, { limits, routes: described })
        unbuiltRoutes(keyed, needs)
        agentRoutes(keyed, needs)
        organizationRoutes(keyed, needs)
        appRoutes(keyed, needs)
        podRoutes(keyed, needs)
        apiKeyRoutes(keyed, needs)
        appPasswordRoutes(keyed, needs)
        domainRoutes(keyed, needs)
        inboxRoutes(keyed, needs)
        aliasRoutes(keyed, needs)
        listRoutes(keyed, needs)
        verifiedSenderRoutes(keyed, needs)
        webhookRoutes(keyed, needs)
        webhookDeliveryRoutes(keyed, { ...needs, ...context })
        threadRoutes(keyed, { ...needs, ...context })
        messageRoutes(keyed, { ...needs, ...context, limits })
        sendingRoutes(keyed, { ...needs, ...context, limits })
        draftRoutes(keyed, { ...needs, ...context, limits })
        queueRoutes(keyed, needs)
        outboundRoutes(keyed, needs)
        searchRoutes(keyed, { ...needs, ...context })
        eventRoutes(keyed, { ...needs, ...context, eventJson, limits })
        metricsRoutes(keyed, needs)
      })
    },

    live: {
      path: PREFIX,
      authenticate: (request) => authenticateHeaderOrQuery(credentials, request, 'api_key'),
      serve: agentMailSocket({ ...needs, eventJson, limits }),
    },
  }
}
