/**
 * The AgentPost dialect: `/api/v1/**` and a WebSocket at `/ws?token=`, as clients of api.agent-post.dev use them
 * (docs/compatibility/agentpost.md).
 */
import type { Config } from '../../../../config/settings.ts'
import type { Log } from '../../../../log.ts'
import type { ApiKeys } from '../../../../mail/access/keys/api-keys.ts'
import type { Credentials } from '../../../../mail/access/keys/credentials.ts'
import type { TenantDomains } from '../../../../mail/domains/tenant-domains.ts'
import type { Feed } from '../../../../mail/events/feed/feed.ts'
import type { Inboxes } from '../../../../mail/inboxes/inboxes.ts'
import type { Labels } from '../../../../mail/messages/labels/labels.ts'
import type { Messages } from '../../../../mail/messages/messages.ts'
import type { Threads } from '../../../../mail/messages/threads/threads.ts'
import type { EventSubjects } from '../../../../mail/messages/views/event-subject.ts'
import type { Reports } from '../../../../mail/reports/reports.ts'
import type { Drafts } from '../../../../mail/sending/drafts/drafts.ts'
import type { SendDraft } from '../../../../mail/sending/drafts/send-draft.ts'
import type { InboxOfSend } from '../../../../mail/sending/idempotency/repeated-send.ts'
import type { Sending } from '../../../../mail/sending/sending.ts'
import type { Uploads } from '../../../../mail/sending/uploads/uploads.ts'
import type { Organizations } from '../../../../mail/tenants/organizations.ts'
import type { Pods } from '../../../../mail/tenants/pods.ts'
import type { Webhooks } from '../../../../mail/webhooks/config/webhooks.ts'
import type { Metrics } from '../../../../metrics.ts'
import type { Dialect } from '../../server/http-dialect.ts'
import { authenticateHeader, authenticateHeaderOrQuery } from '../../server/requests/http-credentials.ts'
import { checkQueries } from '../../server/requests/query-check.ts'
import { requireKey } from '../../server/route-access.ts'
import { renderError } from './agentpost-errors.ts'
import { createEventFrames } from './live/agentpost-event-json.ts'
import { agentPostSocket } from './live/agentpost-websocket.ts'
import { attachmentRoutes, linkRoutes } from './routes/agentpost-attachments.ts'
import { draftRoutes } from './routes/agentpost-drafts.ts'
import { inboxRoutes } from './routes/agentpost-inboxes.ts'
import { messageRoutes } from './routes/agentpost-messages.ts'
import { metricsRoutes } from './routes/agentpost-metrics.ts'
import { organizationRoutes } from './routes/agentpost-organization.ts'
import { threadRoutes } from './routes/agentpost-threads.ts'
import { unbuiltRoutes } from './routes/agentpost-unbuilt.ts'
import { webhookRoutes } from './routes/agentpost-webhooks.ts'

export interface AgentPostNeeds {
  readonly config: Config
  readonly log: Log
  readonly metrics: Metrics
  readonly credentials: Pick<Credentials, 'authenticate'>
  readonly organizations: Organizations
  readonly pods: Pods
  readonly apiKeys: ApiKeys
  readonly domains: TenantDomains
  readonly inboxes: Inboxes
  readonly messages: Messages
  readonly labels: Labels
  readonly threads: Threads
  readonly sending: Sending
  readonly drafts: Drafts
  readonly sendDraft: SendDraft
  readonly inboxOfSend: InboxOfSend
  readonly uploads: Uploads
  /** Those of this dialect. */
  readonly webhooks: Webhooks
  readonly reports: Reports
  readonly feed: Feed
  readonly eventSubjects: EventSubjects
}

const PREFIX = '/api/v1'

export function agentPost(needs: AgentPostNeeds): Dialect {
  const { config, credentials } = needs
  const { limits } = config
  const eventFrame = createEventFrames({ eventSubjects: needs.eventSubjects, limits })
  return {
    name: 'agentpost',
    pathsPage: '/docs/compatibility/agentpost.md',
    prefix: PREFIX,
    renderError,

    async routes(app, context) {
      const all = { ...needs, ...context, limits }
      checkQueries(app)
      linkRoutes(app, all)
      await app.register(async (keyed) => {
        requireKey(keyed, (request) => authenticateHeader(credentials, request))
        inboxRoutes(keyed, all)
        messageRoutes(keyed, all)
        threadRoutes(keyed, all)
        draftRoutes(keyed, all)
        attachmentRoutes(keyed, all)
        organizationRoutes(keyed, all)
        webhookRoutes(keyed, all)
        metricsRoutes(keyed, all)
        unbuiltRoutes(keyed)
      })
    },

    live: {
      path: '/ws',
      authenticate: (request) => authenticateHeaderOrQuery(credentials, request, 'token'),
      serve: agentPostSocket({ ...needs, eventFrame, limits }),
    },
  }
}
