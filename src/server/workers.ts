/** The background work: delivery, webhooks, jobs and sweeps. Built here; start.ts starts and stops each. */
import { randomUUID } from 'node:crypto'
import type { Credentials } from '../mail/access/keys/credentials.ts'
import { sweepRates } from '../mail/access/rates.ts'
import { expireMessages } from '../mail/accounts/expire-messages.ts'
import { createRemoveInbox } from '../mail/accounts/remove-inbox.ts'
import { createCheckDomain } from '../mail/domains/check-domain.ts'
import { createObserveRecords } from '../mail/domains/observe-records.ts'
import { sweepEvents } from '../mail/events/log/retention.ts'
import { REMOVE_INBOX } from '../mail/inboxes/inboxes.ts'
import { createRemoveListEntries } from '../mail/inboxes/lists/remove-list-entries.ts'
import { createInterruptedWork } from '../mail/jobs/interrupted-work.ts'
import {
  CANCEL_PENDING,
  CHALLENGE_SENDER,
  ENABLE_ORDERING,
  NOTIFY_BY_MAIL,
  REMOVE_LIST_ENTRIES,
  REPLAY_WEBHOOK,
  SHORT_JOBS,
} from '../mail/jobs/job-kinds.ts'
import { JobRunner } from '../mail/jobs/job-runner.ts'
import { createSweeps } from '../mail/jobs/sweeps.ts'
import { sweepBlobs } from '../mail/messages/content/message-sweeps.ts'
import { checkIndexes, createIndexMessages, INDEX_MESSAGES } from '../mail/messages/search/index-messages.ts'
import { createIndexSources, INDEX_SOURCES } from '../mail/messages/search/index-sources.ts'
import { createNotifyByMail } from '../mail/notifications/notify-by-mail.ts'
import { sweepChallenges } from '../mail/receiving/challenges/challenge-sweep.ts'
import { createSendChallenge } from '../mail/receiving/challenges/send-challenge.ts'
import { createFoldEvents } from '../mail/reports/fold-events.ts'
import { sweepRollups } from '../mail/reports/report-sweeps.ts'
import { snapshotUsage } from '../mail/reports/snapshot-usage.ts'
import { createDraftScheduler } from '../mail/sending/drafts/draft-scheduler.ts'
import { sweepIdempotencyKeys } from '../mail/sending/idempotency/idempotency-sweep.ts'
import { createBounceNotices } from '../mail/sending/queue/bounce-notices.ts'
import { createRecordOutcome } from '../mail/sending/queue/delivery-outcome.ts'
import { createDeliveryWorker } from '../mail/sending/queue/delivery-worker.ts'
import { sweepUploads } from '../mail/sending/uploads/upload-sweep.ts'
import { createCancelPending } from '../mail/webhooks/delivery/cancel-pending.ts'
import { sweepWebhookDeliveries } from '../mail/webhooks/delivery/webhook-sweep.ts'
import { createWebhookWorker } from '../mail/webhooks/delivery/webhook-worker.ts'
import { createDispatch } from '../mail/webhooks/dispatch/dispatch.ts'
import { createEnableOrdering } from '../mail/webhooks/ordering/enable-ordering.ts'
import { createReplayWebhook } from '../mail/webhooks/replay/replay-job.ts'
import type { Outbound } from './outbound.ts'
import type { SendingParts } from './sending-parts.ts'
import type { ServerContext, SharedParts } from './shared-parts.ts'

export type Workers = ReturnType<typeof createWorkers>

interface WorkersNeeds extends ServerContext {
  readonly shared: SharedParts
  readonly sendingParts: SendingParts
  readonly outbound: Outbound
  readonly credentials: Credentials
}

export function createWorkers({ shared, sendingParts, outbound, credentials, ...context }: WorkersNeeds) {
  const { config, store, log, metrics, clock, wallClock } = context
  const { limits } = config
  const { contents, readableContents, discardBlobs, removal, signatureThread, outboundPause } = shared
  const profiles = Object.values(shared.webhookProfiles)
  /** In leases: unique across nodes and restarts. */
  const owner = randomUUID()
  const interrupted = createInterruptedWork(limits)
  const common = { store, interrupted, owner, clock, log, metrics, limits }

  const notices = createBounceNotices({ contents, hostname: config.hostname, log, limits })
  const delivery = createDeliveryWorker({
    ...common,
    isPaused: outboundPause.isPaused,
    contents: readableContents,
    recordOutcome: createRecordOutcome({ store, discardBlobs, notices, limits, spread: Math.random }),
    destinationOf: outbound.routing.destinationOf,
    targetFor: outbound.routing.targetFor,
  })
  const scheduler = createDraftScheduler({
    ...common,
    wallClock,
    sendDraft: sendingParts.sendDraft,
    keyActor: credentials.actorOf,
    isPaused: outboundPause.isPaused,
    eventLoop: context.eventLoop,
  })
  outboundPause.onEnd(scheduler.signalScheduled)
  const webhooks = createWebhookWorker({
    ...common,
    wallClock,
    profiles,
    fetch: outbound.fetch,
    spread: Math.random,
    isPaused: outboundPause.isPaused,
  })
  outboundPause.onEnd(webhooks.resume)
  const dispatch = createDispatch({
    store,
    eventSubjects: shared.eventSubjects,
    senderTrust: shared.senderTrust,
    profiles,
    worker: webhooks,
    log,
    metrics,
    limits,
  })
  const foldEvents = createFoldEvents({ store, limits })
  const { signalPending } = webhooks
  const jobs = new JobRunner({
    ...common,
    shortKinds: SHORT_JOBS,
    handlers: {
      [INDEX_MESSAGES]: createIndexMessages({ store, thread: signatureThread, limits }),
      [INDEX_SOURCES]: createIndexSources({ store, contents, thread: signatureThread, limits }),
      [REMOVE_INBOX]: createRemoveInbox({ store, removal, discardBlobs, limits }),
      [REMOVE_LIST_ENTRIES]: createRemoveListEntries({ store, limits }),
      [CANCEL_PENDING]: createCancelPending({ store, limits }),
      [ENABLE_ORDERING]: createEnableOrdering({ store, signalPending, limits }),
      [NOTIFY_BY_MAIL]: createNotifyByMail({
        ...context,
        domains: shared.domains,
        senderTrust: shared.senderTrust,
      }),
      [CHALLENGE_SENDER]: createSendChallenge({ ...context, domains: shared.domains }),
      [REPLAY_WEBHOOK]: createReplayWebhook({ store, profiles, signalPending, log, limits }),
    },
  })
  const checkDomain = createCheckDomain({
    store,
    observe: createObserveRecords({ dns: outbound.dns, allowPrivateNetworks: config.allowPrivateNetworks, limits }),
    server: config,
    graceMs: config.domainGraceMs,
    clock,
    log,
    limits,
  })
  return {
    delivery,
    scheduler,
    webhooks,
    dispatch,
    foldEvents,
    checkDomain,
    jobs,
    sweeps: { start: startSweeps, flush },
  }

  /** @returns a function that stops the sweeps */
  function startSweeps(): () => Promise<void> {
    const sweeps = createSweeps({ limits, log, metrics })
    const needs = { store, clock, limits }
    const readThrough = () => Math.min(dispatch.readThrough() ?? Number.POSITIVE_INFINITY, foldEvents.readThrough())
    const { sweepMs } = limits.store
    const { foldMs, snapshotCheckMs } = limits.reports
    sweeps.every(limits.search.indexCheckMs, 'text index', (signal) => checkIndexes(needs, signal))
    sweeps.every(limits.domains.pollMs, 'domains', (signal) => checkDomain.checkDue(signal))
    sweeps.every(sweepMs, 'events', (signal) => sweepEvents({ ...needs, readThrough }, signal))
    sweeps.every(sweepMs, 'blobs', (signal) => sweepBlobs({ store, wallClock, limits }, signal))
    sweeps.every(foldMs, 'counts', (signal) => foldEvents.run(signal))
    sweeps.every(snapshotCheckMs, 'usage', (signal) => snapshotUsage(needs, signal))
    sweeps.every(sweepMs, 'old counts', (signal) => sweepRollups(needs, signal))
    sweeps.every(sweepMs, 'idempotency keys', (signal) => sweepIdempotencyKeys(needs, signal))
    sweeps.every(sweepMs, 'uploads', (signal) => sweepUploads({ ...needs, discardBlobs }, signal))
    sweeps.every(sweepMs, 'challenges', (signal) => sweepChallenges(needs, signal))
    sweeps.every(sweepMs, 'rates', (signal) => sweepRates(needs, signal))
    sweeps.every(sweepMs, 'webhook deliveries', (signal) => sweepWebhookDeliveries(needs, signal))
    sweeps.every(limits.policy.refusalFlushMs, 'refused mail', () => shared.refusals.flush())
    sweeps.every(limits.policy.retentionCheckMs, 'retention', (signal) =>
      expireMessages({ ...needs, config, removal, discardBlobs }, signal),
    )
    sweeps.every(limits.server.usedAtFlushMs, 'key uses', () => credentials.flushUses())
    return () => sweeps.stop()
  }

  /** Writes what was counted in memory since the last sweep. */
  async function flush(): Promise<void> {
    try {
      await credentials.flushUses()
    } finally {
      await shared.refusals.flush(true)
    }
  }
}
