/**
 * Builds the services that clients of any HTTP dialect can call, each once, so that the same rules apply to all dialects.
 */
import { randomUUID } from 'node:crypto'
import { actorName } from '../mail/access/actor.ts'
import { createApiKeys, type KeyRevoked } from '../mail/access/keys/api-keys.ts'
import { createAppPasswords } from '../mail/access/keys/app-passwords.ts'
import { createScopes } from '../mail/access/scopes.ts'
import { createApps } from '../mail/accounts/apps.ts'
import { createHumanCodes } from '../mail/accounts/human-code.ts'
import { createSignUp } from '../mail/accounts/sign-up.ts'
import { createVerifyHuman } from '../mail/accounts/verify-human.ts'
import type { MakePrivateKey } from '../mail/domains/signing-keys.ts'
import { createTenantDomains } from '../mail/domains/tenant-domains.ts'
import { createEventPages } from '../mail/events/history/event-pages.ts'
import { createLabelLog } from '../mail/events/history/label-log.ts'
import { keyRevoked } from '../mail/events/log/resource-events.ts'
import { createAliases } from '../mail/inboxes/aliases.ts'
import { createInboxSearch } from '../mail/inboxes/inbox-search.ts'
import { createInboxes } from '../mail/inboxes/inboxes.ts'
import { createLists } from '../mail/inboxes/lists/lists.ts'
import { createMailboxes } from '../mail/mailboxes/mailboxes.ts'
import { createLabels } from '../mail/messages/labels/labels.ts'
import { createMessageBatches } from '../mail/messages/message-batches.ts'
import { createMessages } from '../mail/messages/messages.ts'
import { createMailSearch } from '../mail/messages/search/mail-search.ts'
import { createRebuildIndex } from '../mail/messages/search/rebuild-index.ts'
import { createThreads } from '../mail/messages/threads/threads.ts'
import { createWaitForMessage } from '../mail/messages/wait/wait-for-message.ts'
import { createNotifications } from '../mail/notifications/notifications.ts'
import { createSenderChallenges } from '../mail/receiving/challenges/sender-challenges.ts'
import { createVerifiedSenders } from '../mail/receiving/challenges/verified-senders.ts'
import { createReports } from '../mail/reports/reports.ts'
import { createDrafts } from '../mail/sending/drafts/drafts.ts'
import { createUpdateDraft } from '../mail/sending/drafts/update-draft.ts'
import { createQueue } from '../mail/sending/queue/queue.ts'
import { createRecipientStatuses } from '../mail/sending/queue/recipient-statuses.ts'
import { createSending } from '../mail/sending/sending.ts'
import { createOrganizations } from '../mail/tenants/organizations.ts'
import { createPods } from '../mail/tenants/pods.ts'
import { createWebhooks } from '../mail/webhooks/config/webhooks.ts'
import { createWebhookTests } from '../mail/webhooks/delivery/test-request.ts'
import { createWebhookDeliveryLog } from '../mail/webhooks/delivery/webhook-delivery-log.ts'
import type { WebhookProfile } from '../mail/webhooks/delivery/webhook-profile.ts'
import { createReplays } from '../mail/webhooks/replay/replays.ts'
import type { Outbound } from './outbound.ts'
import type { SendingParts } from './sending-parts.ts'
import type { ServerContext, SharedParts } from './shared-parts.ts'
import type { Workers } from './workers.ts'

export type Services = ReturnType<typeof createServices>

interface ServicesNeeds extends ServerContext {
  readonly shared: SharedParts
  readonly sendingParts: SendingParts
  readonly outbound: Outbound
  readonly workers: Pick<Workers, 'scheduler' | 'webhooks' | 'dispatch' | 'checkDomain'>
  readonly makePrivateKey?: MakePrivateKey | undefined
}

export function createServices({ shared, sendingParts, outbound, workers, makePrivateKey, ...context }: ServicesNeeds) {
  const { config, store, clock, wallClock, random } = context
  const { limits, allowPrivateNetworks } = config
  const { feed, readableContents, downloads, discardBlobs, removal, senderTrust, webhookProfiles } = shared
  const { routing, fetch } = outbound
  const { signalPending } = workers.webhooks
  const { signalScheduled } = workers.scheduler
  const { domains } = shared
  const humanCodes = createHumanCodes({ store, domains, sharedDomain: config.domain, wallClock, random, limits })
  const appendRevoked: KeyRevoked = (tx, actor, key) => tx.append(keyRevoked({ actor: actorName(actor), key }))
  const agentMailProfile = webhookProfiles.agentmail
  const webhooksOf = (profile: WebhookProfile) =>
    createWebhooks({
      store,
      profile,
      random,
      allowPrivateNetworks,
      limits,
      enabled: workers.dispatch.signalEnabled,
    })
  const webhooks = {
    agentmail: webhooksOf(agentMailProfile),
    agentpost: webhooksOf(webhookProfiles.agentpost),
    assmbl: webhooksOf(webhookProfiles.assmbl),
    inboxai: webhooksOf(webhookProfiles.inboxai),
  }
  return {
    apiKeys: createApiKeys({ store, random, clock: wallClock, limits, keyRevoked: appendRevoked }),
    appPasswords: createAppPasswords({ store, random, limits, keyRevoked: appendRevoked }),
    scopes: createScopes({ store }),
    organizations: createOrganizations({ store }),
    pods: createPods({ store, limits }),
    domains: createTenantDomains({
      makePrivateKey,
      store,
      checkDomain: workers.checkDomain,
      dns: outbound.dns,
      sharedDomain: config.domain,
      server: config,
      graceMs: config.domainGraceMs,
      random,
      limits,
    }),
    inboxes: createInboxes({ store, config, random, limits }),
    aliases: createAliases({ store, limits }),
    lists: createLists({ store, limits }),
    verifiedSenders: createVerifiedSenders({ store, limits }),
    senderChallenges: createSenderChallenges({ store, clock }),

    feed,
    eventPages: createEventPages({ store, feed, clock, limits }),
    eventSubjects: shared.eventSubjects,
    labelLog: createLabelLog({ store, limits }),
    reports: createReports({ store, clock, limits }),
    apps: createApps({ store, limits }),
    signUp: createSignUp({
      store,
      humanCodes,
      isOn: config.signUp,
      sharedDomain: config.domain,
      clock,
      random,
      log: context.log,
      limits,
    }),
    verifyHuman: createVerifyHuman({ ...context, humanCodes, sharedDomain: config.domain, limits }),

    messages: createMessages({
      store,
      contents: readableContents,
      downloads,
      removal,
      discardBlobs,
      senderTrust,
      limits,
    }),
    senderTrust,
    waitForMessage: createWaitForMessage({ store, feed, limits }),
    mailSearch: createMailSearch({ store, log: context.log, limits }),
    inboxSearch: createInboxSearch({ store, limits }),
    rebuildIndex: createRebuildIndex({ store, limits }),
    threads: createThreads({ store, downloads, removal, discardBlobs, limits }),
    messageBatches: createMessageBatches({ store, limits }),
    labels: createLabels({ store, limits }),
    mailboxes: createMailboxes({ ...context, ...shared, appendDraft: sendingParts.appendDraft, limits }),

    sending: createSending({ store, ...sendingParts, limits }),
    drafts: createDrafts({
      store,
      ...sendingParts,
      updateDraft: createUpdateDraft({ store, ...sendingParts, discardBlobs, signalScheduled, clock, limits }),
      downloads,
      discardBlobs,
      signalScheduled,
      clock,
      limits,
    }),
    sendDraft: sendingParts.sendDraft,
    inboxOfSend: sendingParts.inboxOfSend,
    rawSending: sendingParts.rawSending,
    uploads: sendingParts.uploads,
    outboundPause: shared.outboundPause,
    recipientStatuses: createRecipientStatuses({ store, clock }),
    queue: createQueue({
      store,
      clock,
      discardBlobs,
      defaultRoute: routing.releaseRoute,
      hasRelay: routing.hasRelay,
      limits,
    }),

    /** One service per dialect, which manages only the webhooks of its own clients. */
    webhooks,
    notifications: createNotifications({ store, webhooks: webhooks.assmbl, allowPrivateNetworks, limits }),
    webhookDeliveryLog: createWebhookDeliveryLog({ store, profileName: agentMailProfile.name, signalPending, limits }),
    replays: createReplays({ store, profileName: agentMailProfile.name, clock, limits }),
    webhookTestRequests: createWebhookTests({
      store,
      profile: agentMailProfile,
      fetch,
      clock: wallClock,
      newEventId: randomUUID,
      limits,
    }),
  }
}
