/** The listeners: HTTP with its dialects, SMTP (MX), submission, and IMAP. Built here; start.ts opens and closes them. */
import { imapAddress, imapsAddress } from '../config/listen-address.ts'
import { agentMail } from '../edges/http/dialects/agentmail/index.ts'
import { agentPost } from '../edges/http/dialects/agentpost/index.ts'
import { assmbl } from '../edges/http/dialects/assmbl/index.ts'
import { inboxai } from '../edges/http/dialects/inboxai/index.ts'
import { createHttpServer, type HttpServer } from '../edges/http/server/http-server.ts'
import { createImapServers, type ImapListener } from '../edges/imap/listener/imap-listener.ts'
import { createMartletStore } from '../edges/imap/martlet/martlet-store.ts'
import { createMxServer } from '../edges/smtp/mx/mx-server.ts'
import type { SmtpListener } from '../edges/smtp/protocol/smtp-listener.ts'
import { createSubmissionServers } from '../edges/smtp/submission/submission-server.ts'
import type { TlsSource } from '../edges/tls.ts'
import type { Credentials } from '../mail/access/keys/credentials.ts'
import { createLogins } from '../mail/access/keys/logins.ts'
import { mailServices } from '../mail/domains/mail-services.ts'
import { mtaStsPolicy } from '../mail/domains/mta-sts.ts'
import { mailServersOf } from './mail-servers.ts'
import type { Services } from './services.ts'
import type { ServerContext, SharedParts } from './shared-parts.ts'

export interface Listeners {
  /** undefined: the port is off. */
  readonly http: HttpServer | undefined
  readonly smtp: SmtpListener | undefined
  readonly submission: SmtpListener | undefined
  readonly submissions: SmtpListener | undefined
  readonly imap: ImapListener | undefined
  readonly imaps: ImapListener | undefined
}

interface ListenersNeeds extends ServerContext {
  readonly shared: Pick<SharedParts, 'domains' | 'feed' | 'outboundPause' | 'receiving'>
  readonly services: Services
  readonly credentials: Credentials
  readonly tls: TlsSource
  /** @throws while not every listener is open */
  readonly requireStarted: () => void
}

export function createListeners({ shared, services, credentials, tls, ...needs }: ListenersNeeds): Listeners {
  const { config, store, log, metrics, eventLoop } = needs
  const { limits } = config
  const logins = createLogins({ store, credentials, limits })
  const { submission, submissions } = createSubmissionServers({
    ...{ config, log, metrics, eventLoop, tls, logins },
    rawSending: services.rawSending,
    feed: shared.feed,
  })
  const { imap, imaps } = createImapServers({
    ...{ limits, log, metrics, eventLoop, tls },
    store: createMartletStore({ logins, mailboxes: services.mailboxes, feed: shared.feed, log }),
    imap: imapAddress(config),
    imaps: imapsAddress(config),
    messageBytesMax: config.messageBytesMax,
    allowsPlainLoopback: config.imapPlainLoopback,
    serverId: { name: 'Martlet' },
  })
  const mailServers = () => mailServersOf(config, { submission: submission?.port(), imaps: imaps?.port() })
  const http =
    config.httpPort === 'off'
      ? undefined
      : createHttpServer({
          config,
          log,
          metrics,
          eventLoop,
          credentials,
          requireNoStranger: services.organizations.requireNoStranger,
          senderChallenges: services.senderChallenges,
          probes: {
            start: needs.requireStarted,
            store: () => store.requireReady(),
            disk: () => store.checkDiskSpace(),
          },
          discovery: {
            servers: mailServices(config),
            isHeld: shared.domains.isHeld,
            isOurs: shared.domains.isOurs,
            mtaStsPolicy: config.mtaSts === 'off' ? undefined : mtaStsPolicy(config.hostname, config.mtaSts),
          },
          readyDetails: async () => ((await shared.outboundPause.isPaused()) ? { outbound: 'paused' } : {}),
          async beforeSocketsClose() {
            // They have begun to stop with this listener, so these calls only wait.
            await Promise.all([smtp, submission, submissions, imap, imaps].map((each) => each?.stop(0)))
            await shared.feed.stop()
          },
          dialects: [
            agentMail({ ...services, webhooks: services.webhooks.agentmail, config, log, metrics, credentials }),
            assmbl({ ...services, webhooks: services.webhooks.assmbl, config, log, credentials }),
            inboxai({ ...services, webhooks: services.webhooks.inboxai, config, credentials, mailServers }),
            agentPost({ ...services, webhooks: services.webhooks.agentpost, config, log, metrics, credentials }),
          ],
        })
  const smtp =
    config.smtpPort === 'off'
      ? undefined
      : createMxServer({ config, log, metrics, eventLoop, receiving: shared.receiving, tls })
  return { http, smtp, submission, submissions, imap, imaps }
}
