/** The inboxai dialect: `/api/v0/**`, in AgentMail's shapes with ids of its own (docs/compatibility/inboxai.md). */
import type { Config } from '../../../../config/settings.ts'
import type { ApiKeys } from '../../../../mail/access/keys/api-keys.ts'
import type { AppPasswords } from '../../../../mail/access/keys/app-passwords.ts'
import type { Credentials } from '../../../../mail/access/keys/credentials.ts'
import type { TenantDomains } from '../../../../mail/domains/tenant-domains.ts'
import type { Inboxes } from '../../../../mail/inboxes/inboxes.ts'
import type { Labels } from '../../../../mail/messages/labels/labels.ts'
import type { Messages } from '../../../../mail/messages/messages.ts'
import type { Threads } from '../../../../mail/messages/threads/threads.ts'
import type { Sending } from '../../../../mail/sending/sending.ts'
import type { Webhooks } from '../../../../mail/webhooks/config/webhooks.ts'
import type { Dialect } from '../../server/http-dialect.ts'
import { authenticateHeader } from '../../server/requests/http-credentials.ts'
import { requireKey } from '../../server/route-access.ts'
import { renderError } from '../agentmail/agentmail-errors.ts'
import { normaliseQueries } from '../agentmail/query-parameters.ts'
import { apiKeyRoutes } from './routes/inboxai-api-keys.ts'
import { credentialRoutes } from './routes/inboxai-credentials.ts'
import { domainRoutes } from './routes/inboxai-domains.ts'
import { inboxRoutes } from './routes/inboxai-inboxes.ts'
import { messageRoutes } from './routes/inboxai-messages.ts'
import { sendingRoutes } from './routes/inboxai-sending.ts'
import { threadRoutes } from './routes/inboxai-threads.ts'
import { webhookRoutes } from './routes/inboxai-webhooks.ts'
import type { MailServers } from './wire/credentials-wire.ts'

export interface InboxaiNeeds {
  readonly config: Config
  readonly credentials: Pick<Credentials, 'authenticate'>
  readonly apiKeys: ApiKeys
  readonly appPasswords: AppPasswords
  readonly domains: TenantDomains
  readonly inboxes: Inboxes
  readonly messages: Messages
  readonly labels: Labels
  readonly threads: Threads
  readonly sending: Sending
  /** Those of this dialect. */
  readonly webhooks: Webhooks
  /** Where mail programs reach this server. */
  readonly mailServers: () => MailServers
}

export function inboxai(needs: InboxaiNeeds): Dialect {
  const { config, credentials } = needs
  const { limits } = config
  return {
    name: 'inboxai',
    pathsPage: '/docs/compatibility/inboxai.md',
    prefix: '/api/v0',
    renderError,

    async routes(app, context) {
      const all = { ...needs, ...context, limits }
      normaliseQueries(app)
      requireKey(app, (request) => authenticateHeader(credentials, request))
      inboxRoutes(app, all)
      credentialRoutes(app, all)
      messageRoutes(app, all)
      sendingRoutes(app, all)
      threadRoutes(app, all)
      apiKeyRoutes(app, all)
      domainRoutes(app, all)
      webhookRoutes(app, all)
    },
  }
}
