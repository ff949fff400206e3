/**
 * The parts of mail/ that the other files of this folder share, each built once. Nothing runs until start.ts starts it.
 */
import type { Config } from '../config/settings.ts'
import { agentMailWebhooks } from '../edges/http/dialects/agentmail/webhook-renderer.ts'
import { agentPostWebhooks } from '../edges/http/dialects/agentpost/agentpost-webhook-profile.ts'
import { assmblWebhooks } from '../edges/http/dialects/assmbl/assmbl-webhook-renderer.ts'
import { inboxaiWebhooks } from '../edges/http/dialects/inboxai/inboxai-webhook-profile.ts'
import type { EventLoop } from '../event-loop.ts'
import type { Log } from '../log.ts'
import { createSignedTokens } from '../mail/access/signed-tokens.ts'
import { createDomainOwners } from '../mail/domains/domain-owners.ts'
import { createDomains } from '../mail/domains/domains.ts'
import { createFeed } from '../mail/events/feed/feed.ts'
import { createOutboundPause } from '../mail/jobs/outbound-pause.ts'
import { createContents } from '../mail/messages/content/contents.ts'
import { createReportDamage } from '../mail/messages/content/damaged-content.ts'
import { createDiscardBlobs } from '../mail/messages/content/discard-blobs.ts'
import { createDownloads } from '../mail/messages/content/downloads.ts'
import { createMailParser } from '../mail/messages/content/mail-parser.ts'
import { createMailReader } from '../mail/messages/content/mail-reader.ts'
import { type ParseThreads, parseThreads } from '../mail/messages/content/parse-worker.ts'
import { createPrepareContent } from '../mail/messages/content/prepared-content.ts'
import { createReadableContents } from '../mail/messages/content/readable-contents.ts'
import { createFiling } from '../mail/messages/filing/file-messages.ts'
import { createRemoval } from '../mail/messages/removal.ts'
import { createSignatureThread } from '../mail/messages/search/signature-thread.ts'
import { createSenderTrust } from '../mail/messages/sender-trust.ts'
import { createEventSubjects } from '../mail/messages/views/event-subject.ts'
import { createSenderChecks } from '../mail/receiving/authentication/sender-check.ts'
import { createMessageChecks } from '../mail/receiving/check-message.ts'
import { createRecordComplaint } from '../mail/receiving/complaints.ts'
import { createFileReceived } from '../mail/receiving/file-received.ts'
import { createReceivingRates } from '../mail/receiving/policy/receiving-rates.ts'
import { createRefusals } from '../mail/receiving/policy/refusals.ts'
import { createReceiving } from '../mail/receiving/receiving.ts'
import { createRecipientInboxes } from '../mail/receiving/recipient-inboxes.ts'
import { createSpamCheck } from '../mail/receiving/spam/spam-check.ts'
import type { Metrics } from '../metrics.ts'
import { createCachedDns } from '../net/dns/dns-cache.ts'
import type { Store } from '../store/store.ts'

/** Dependencies that the whole server shares. */
export interface ServerContext {
  readonly config: Config
  readonly store: Store
  readonly log: Log
  readonly metrics: Metrics
  /** Epoch ms; never goes back. For what is stored, sorted or scheduled. */
  readonly clock: () => number
  /** The clock of the machine, epoch ms. For what other parties check: signatures, header fields, the expiry of keys. */
  readonly wallClock: () => number
  /** Unpredictable bytes. */
  readonly random: (sizeBytes: number) => Buffer
  readonly eventLoop: EventLoop
}

export type SharedParts = ReturnType<typeof createSharedParts>

interface SharedPartsNeeds extends ServerContext {
  readonly parseThreads?: ParseThreads | undefined
}

export function createSharedParts({ parseThreads: threads = parseThreads, ...context }: SharedPartsNeeds) {
  const { config, store, log, metrics, clock, wallClock, random, eventLoop } = context
  const { limits } = config
  const contents = createContents({ store })
  const readableContents = createReadableContents({ store, contents })
  const reportDamage = createReportDamage(log)
  const mailParser = createMailParser({ limits, threads, log, metrics })
  const mailReader = createMailReader({ limits, threads, log })
  const discardBlobs = createDiscardBlobs({ store, log })
  const prepareContent = createPrepareContent({ store, mailParser, discardBlobs, limits })
  const fileMessages = createFiling({ limits, domain: config.domain })
  const domainOwners = createDomainOwners({ store, clock, limits })
  const { allowLists, senderChallenges } = config
  const fileReceived = createFileReceived({ fileMessages, allowLists, senderChallenges, limits })
  const mailDns = createCachedDns({ servers: config.dnsServers, clock: () => performance.now(), limits })
  const senderChecks = createSenderChecks({ config, dns: mailDns, domainOwners, wallClock, random: Math.random })
  const eventSubjects = createEventSubjects({ store, limits })
  const rates = createReceivingRates({ config, clock: () => performance.now() })
  const inboxes = createRecipientInboxes({ store, domain: config.domain })
  const refusals = createRefusals({ store, findInbox: inboxes.find, clock, limits, log })
  const spam = createSpamCheck({ config, wallClock, log })
  const senderTrust = createSenderTrust({ isOn: config.senderVerification })
  const receivingNeeds = {
    ...{ store, config, inboxes, rates, refusals },
    prepareContent,
    fileReceived,
    recordComplaint: createRecordComplaint({ store, contents: readableContents, limits, log }),
    messageChecks: createMessageChecks({
      config,
      senderChecks,
      rates,
      spamChecker: spam.checker,
      mailParser,
      log,
      metrics,
      wallClock,
    }),
    log,
    metrics,
    eventLoop,
  }
  return {
    domains: createDomains({ store }),
    outboundPause: createOutboundPause({ store }),
    feed: createFeed({ store, clock: wallClock, log, metrics, limits }),
    mailParser,
    mailReader,
    contents,
    readableContents,
    reportDamage,
    downloads: createDownloads({
      ...{ store, reportDamage },
      contents: readableContents,
      tokens: createSignedTokens({ store, random, name: 'downloads' }),
      clock,
      limits,
    }),
    prepareContent,
    discardBlobs,
    fileMessages,
    receiving: createReceiving(receivingNeeds),
    refusals,
    closeSpamCheck: spam.close,
    removal: createRemoval({ limits }),
    signatureThread: createSignatureThread(limits),
    eventSubjects,
    senderTrust,
    /** The profiles of the dialects that have webhooks. */
    webhookProfiles: {
      agentmail: agentMailWebhooks({ eventSubjects, limits }),
      assmbl: assmblWebhooks({ eventSubjects, senderTrust, limits }),
      agentpost: agentPostWebhooks({ eventSubjects, limits }),
      inboxai: inboxaiWebhooks({ eventSubjects, limits }),
    },
  }
}
