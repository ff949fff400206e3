/**
 * The composition root: config → store → mail services → edges, started in order and stopped in reverse. Only this file
 * passes in the clock, randomness and network access, and it shows which part needs which.
 */
import { randomBytes, randomUUID } from 'node:crypto'
import { lookup as lookupName } from 'node:dns/promises'
import { isIP } from 'node:net'
import type { Config } from '../config/settings.ts'
import { agentMail } from '../edges/http/dialects/agentmail/index.ts'
import { agentMailWebhooks } from '../edges/http/dialects/agentmail/webhook-renderer.ts'
import { createHttpServer } from '../edges/http/server/http-server.ts'
import { createReceiver } from '../edges/smtp/mx/mx-server.ts'
import type { Log } from '../log.ts'
import { actorName } from '../mail/access/actor.ts'
import { createApiKeys, makeKey } from '../mail/access/keys/api-keys.ts'
import { createCredentials } from '../mail/access/keys/credentials.ts'
import { prepareFirstStart } from '../mail/accounts/first-start.ts'
import { createRemoveInbox } from '../mail/accounts/remove-inbox.ts'
import { createDomains } from '../mail/domains/domains.ts'
import { createFeed } from '../mail/events/feed/feed.ts'
import { createEventPages } from '../mail/events/history/event-pages.ts'
import { createLabelLog } from '../mail/events/history/label-log.ts'
import { keyRevoked } from '../mail/events/log/resource-events.ts'
import { sweepEvents } from '../mail/events/log/retention.ts'
import { createInboxes, REMOVE_INBOX } from '../mail/inboxes/inboxes.ts'
import { createInterruptedWork } from '../mail/jobs/interrupted-work.ts'
import { LINE_UP_WEBHOOK, REPLAY_WEBHOOK, SETTLE_WEBHOOK } from '../mail/jobs/job-kinds.ts'
import { JobRunner } from '../mail/jobs/job-runner.ts'
import { createSweeps } from '../mail/jobs/sweeps.ts'
import { createContents } from '../mail/messages/content/contents.ts'
import { createDownloads } from '../mail/messages/content/downloads.ts'
import { sweepBlobs, sweepRollups } from '../mail/messages/content/message-sweeps.ts'
import { createReader } from '../mail/messages/content/parse-worker.ts'
import { createFiling } from '../mail/messages/filing.ts'
import { createLabels } from '../mail/messages/labels/labels.ts'
import { createMessages } from '../mail/messages/messages.ts'
import { createRemoval } from '../mail/messages/removal.ts'
import { createThreads } from '../mail/messages/threads/threads.ts'
import { createNews } from '../mail/messages/views/event-subject.ts'
import { createAwaiting } from '../mail/messages/wait/wait-for-message.ts'
import { createFileReceived } from '../mail/receiving/file-received.ts'
import { createLocalTarget } from '../mail/receiving/local-target.ts'
import { createReceiving } from '../mail/receiving/receiving.ts'
import { createForwardedAttachments } from '../mail/sending/compose/forwarded-attachments.ts'
import { createSubmit } from '../mail/sending/compose/submit.ts'
import { createIdempotency } from '../mail/sending/idempotency/idempotency.ts'
import { sweepIdempotencyKeys } from '../mail/sending/idempotency/idempotency-sweep.ts'
import { createNotices } from '../mail/sending/queue/bounce-notices.ts'
import { createDeliveries } from '../mail/sending/queue/delivery-history.ts'
import { createRecordOutcome } from '../mail/sending/queue/delivery-outcome.ts'
import { createDeliveryWorker } from '../mail/sending/queue/delivery-worker.ts'
import { createQueue } from '../mail/sending/queue/queue.ts'
import { createSending } from '../mail/sending/sending.ts'
import { createRelayTarget } from '../mail/sending/targets/relay-target.ts'
import { createRemoteTarget } from '../mail/sending/targets/remote-target.ts'
import { createWaysOut } from '../mail/sending/targets/routing.ts'
import { createOrganizations } from '../mail/tenants/organizations.ts'
import { createPods } from '../mail/tenants/pods.ts'
import { createWebhooks } from '../mail/webhooks/config/webhooks.ts'
import { createSettleWebhook } from '../mail/webhooks/delivery/cancel-pending.ts'
import { createDeliveryLog } from '../mail/webhooks/delivery/delivery-log.ts'
import { createWebhookTests } from '../mail/webhooks/delivery/test-request.ts'
import { sweepWebhookDeliveries } from '../mail/webhooks/delivery/webhook-sweep.ts'
import { createWebhookWorker } from '../mail/webhooks/delivery/webhook-worker.ts'
import { createDispatch } from '../mail/webhooks/dispatch/dispatch.ts'
import { createLineUpWebhook } from '../mail/webhooks/ordering/enable-ordering.ts'
import { createReplayWebhook } from '../mail/webhooks/replay/replay-job.ts'
import { createReplays } from '../mail/webhooks/replay/replays.ts'
import type { Metrics } from '../metrics.ts'
import { createDns, type Dns } from '../net/dns/dns.ts'
import { createSafeFetch, type Lookup } from '../net/fetch/safe-fetch.ts'
import type { FreeBytes } from '../store/disk.ts'
import { type Exposed, findExposed } from '../store/exposed-files.ts'
import { openStore } from '../store/store.ts'
import { openTls } from './certificate-source.ts'
import { readRootKey, rootKeyFile, writeRootKey } from './root-key-file.ts'

/** A running server. */
export interface Martlet {
  /** Base URL for clients on this machine; undefined when the HTTP port is off. */
  readonly url: string | undefined
  /** undefined when the SMTP port is off. */
  readonly smtpPort: number | undefined
  /** The root key if this start generated it. Show it once, and only on a terminal. */
  readonly madeKey: string | undefined
  /** Files and folders that other users of this machine can access; they are already logged. */
  readonly exposed: readonly Exposed[]
  /**
   * Finishes running work within limits.shutdownGraceMs and closes everything. Later calls return the first promise.
   */
  stop(): Promise<void>
}

export interface MartletNeeds {
  readonly config: Config
  readonly log: Log
  readonly metrics: Metrics
  /** Epoch ms. */
  readonly clock?: () => number
  /** Free space on the disk of the data folder. Default: asks the file system. */
  readonly freeBytes?: FreeBytes
  /** Looks up the host names of webhooks. Default: the resolvers of the configuration, else the system's. */
  readonly lookup?: Lookup
}

/**
 * Starts a server.
 *
 * @throws StartupError with a sentence for the operator; nothing keeps running
 */
export async function startMartlet(needs: MartletNeeds): Promise<Martlet> {
  const { config, log, metrics, clock = Date.now, freeBytes } = needs
  const { limits } = config
  const random = randomBytes
  const owner = randomUUID()
  const stops: (() => Promise<void>)[] = []
  const stopAll = async () => {
    for (const stop of stops.splice(0).reverse()) {
      try {
        await stop()
      } catch (error) {
        log.error({ err: error }, 'a part did not stop in order') // stop the others all the same
      }
    }
  }

  try {
    const store = await openStore({ config, log, metrics, clock, random, ...(freeBytes && { freeBytes }) })
    stops.push(() => store.close())

    const onLeftover = (error: unknown, blobKey: string) =>
      log.warn({ err: error, blobKey }, 'a blob was left to the sweep')
    const credentials = createCredentials({ store, clock })
    const domains = createDomains({ store })
    const madeKey = await prepareFirstStart({
      store,
      domains,
      sharedDomain: config.domain,
      rootKey: config.rootKey,
      makeRootKey: async () => {
        // An earlier start may have died after it wrote the file and before it wrote the database.
        const kept = await readRootKey(config.dataDir)
        const key = kept ?? makeKey(random)
        if (kept === undefined) await writeRootKey(config.dataDir, key)
        return key
      },
    })
    const exposed = await findExposed(config, [rootKeyFile(config.dataDir)])
    for (const each of exposed)
      log.warn(each, 'other users of this machine can reach this path; run the command in "mend"')
    const tls = await openTls({ config, store, clock })

    // Services
    const feed = createFeed({ store, clock, log, metrics, limits })
    const eventPages = createEventPages({ store, feed, clock, limits })
    const apiKeys = createApiKeys({
      ...{ store, random, clock, limits },
      keyRevoked: (tx, actor, key) => tx.append(keyRevoked({ actor: actorName(actor), key })),
    })
    const inboxes = createInboxes({ store, sharedDomain: config.domain, random, limits })
    const reader = createReader({ limits, log, metrics })
    stops.push(() => reader.stop())
    const contents = createContents({ store, limits, onLeftover })
    const downloads = createDownloads({ store, contents, clock, random, limits })
    const removal = createRemoval({ store, onLeftover })
    const file = createFiling({ dialect: store.dialect, limits })
    const fileReceived = createFileReceived({ file, domain: config.domain, limits })
    const receiving = createReceiving({ store, config, contents, reader, fileReceived, metrics, clock })
    const submit = createSubmit({ store, config, domains, contents, reader, file, metrics, clock, random })
    const idempotency = createIdempotency({ store, limits })
    const attachmentsOf = createForwardedAttachments({ store, contents })
    const sending = createSending({ store, submit, idempotency, attachmentsOf, limits })
    const notices = createNotices({ contents, hostname: config.hostname, log, limits })
    const recordOutcome = createRecordOutcome({ store, removal, notices, limits, spread: Math.random })
    const news = createNews({ store, limits })
    const webhookProfile = agentMailWebhooks({ news, limits })

    // Workers
    const dns = createDns({ servers: config.dnsServers, limits })
    const localTarget = createLocalTarget({ receiving, log })
    const remoteTarget = createRemoteTarget({
      ...{ dns, limits, hostname: config.hostname, port: config.outboundPort, random: Math.random },
      allowPrivateNetworks: config.allowPrivateNetworks,
    })
    const relayTarget =
      config.relay && createRelayTarget({ relay: config.relay, hostname: config.hostname, log, limits })
    if (relayTarget) stops.push(async () => relayTarget.close())
    const { outbound } = config
    const ways = createWaysOut({
      domains,
      outbound,
      local: localTarget,
      remote: remoteTarget,
      relay: relayTarget,
      limits,
    })
    const interrupted = createInterruptedWork(limits)
    const worker = createDeliveryWorker({
      ...{ store, contents, recordOutcome, interrupted, owner, clock, log, metrics, limits },
      ...{ laneOf: ways.laneOf, targetFor: ways.targetFor },
    })
    const { allowPrivateNetworks } = config
    const lookup: Lookup =
      needs.lookup ?? (config.dnsServers ? lookupBy(dns) : (hostname) => lookupName(hostname, { all: true }))
    const safe = createSafeFetch({ lookup, allowPrivateNetworks, limits })
    stops.push(async () => safe.close())
    const webhookWorker = createWebhookWorker({
      ...{ store, interrupted, owner, clock, log, metrics, limits },
      ...{ profiles: [webhookProfile], fetch: safe.fetch, spread: Math.random },
    })
    const dispatch = createDispatch({ store, profiles: [webhookProfile], worker: webhookWorker, log, metrics, limits })
    const webhooks = createWebhooks({
      ...{ store, profile: webhookProfile, random, allowPrivateNetworks, limits },
      enabled: dispatch.nudge,
    })
    const { noticeWaiting } = webhookWorker
    const deliveryLog = createDeliveryLog({ store, noticeWaiting, limits })
    const replays = createReplays({ store, clock, limits })
    const webhookTests = createWebhookTests({
      ...{ store, profiles: [webhookProfile], fetch: safe.fetch, clock, newEventId: randomUUID, limits },
    })
    const replayJob = { store, profiles: [webhookProfile], noticeWaiting, log, limits }
    const handlers = {
      [REMOVE_INBOX]: createRemoveInbox({ store, removal, limits }),
      [SETTLE_WEBHOOK]: createSettleWebhook({ store, limits }),
      [LINE_UP_WEBHOOK]: createLineUpWebhook({ store, noticeWaiting, limits }),
      [REPLAY_WEBHOOK]: createReplayWebhook(replayJob),
    }
    const jobs = new JobRunner({ store, handlers, interrupted, owner, clock, log, metrics, limits })
    const sweeps = createSweeps({ log, metrics })
    await feed.start()
    worker.start()
    stops.push(() => worker.stop(limits.shutdownGraceMs))
    webhookWorker.start()
    stops.push(() => webhookWorker.stop(limits.shutdownGraceMs))
    await dispatch.start()
    stops.push(() => dispatch.stop())
    jobs.start()
    stops.push(() => jobs.stop())
    const sweeping = { store, clock, limits }
    const { readThrough } = dispatch
    sweeps.every(limits.blobSweepMs, 'events', (signal) => sweepEvents({ ...sweeping, readThrough }, signal))
    sweeps.every(limits.blobSweepMs, 'blobs', (signal) => sweepBlobs(sweeping, signal))
    sweeps.every(limits.blobSweepMs, 'counts', (signal) => sweepRollups(sweeping, signal))
    sweeps.every(limits.blobSweepMs, 'idempotency keys', (signal) => sweepIdempotencyKeys(sweeping, signal))
    sweeps.every(limits.blobSweepMs, 'webhook deliveries', (signal) => sweepWebhookDeliveries(sweeping, signal))
    sweeps.every(limits.usedAtFlushMs, 'key uses', () => credentials.flushUses())
    stops.push(async () => {
      await sweeps.stop()
      await credentials.flushUses()
    })

    // Listeners. A stop ends SMTP first, then requests, then the feed, then sockets, so that subscribers still get the
    // events of the last messages and requests.
    let isUp = false
    const http =
      config.httpPort === 'off'
        ? undefined
        : createHttpServer({
            ...{ config, log, metrics, credentials },
            probes: { start: () => requireUp(isUp), store: () => store.probe() },
            beforeSocketsClose: () => feed.stop(),
            dialects: [
              agentMail({
                ...{ config, log, metrics, credentials, apiKeys, inboxes, sending, feed, eventPages, news },
                ...{ webhooks, deliveryLog, replays, webhookTests },
                organizations: createOrganizations({ store }),
                pods: createPods({ store, limits }),
                messages: createMessages({ store, downloads, removal, limits }),
                awaiting: createAwaiting({ store, feed, limits }),
                threads: createThreads({ store, downloads, removal, limits }),
                labels: createLabels({ store, limits }),
                labelLog: createLabelLog({ store, limits }),
                deliveries: createDeliveries({ store }),
                queue: createQueue({
                  ...{ store, removal, defaultRoute: ways.releaseRoute, hasRelay: ways.hasRelay, limits },
                }),
              }),
            ],
          })
    stops.push(() => feed.stop())
    const listening = await http?.listen()
    if (http) stops.push(() => http.stop(limits.shutdownGraceMs))
    const receiver = config.smtpPort === 'off' ? undefined : createReceiver({ config, log, metrics, receiving, tls })
    const smtp = await receiver?.listen()
    if (receiver) stops.push(() => receiver.stop(limits.shutdownGraceMs))
    isUp = true

    let stopping: Promise<void> | undefined
    return {
      url: listening?.url,
      smtpPort: smtp?.port,
      madeKey,
      exposed,
      stop() {
        if (!stopping) store.expectClose()
        stopping ??= stopAll()
        return stopping
      },
    }
  } catch (error) {
    await stopAll()
    throw error
  }
}

/** Looks names up with the resolvers of the configuration. Without them, the system does, with its own hosts file. */
function lookupBy(dns: Dns): Lookup {
  return async (hostname) => (await dns.addresses(hostname)).map((address) => ({ address, family: isIP(address) }))
}

function requireUp(isUp: boolean): void {
  if (!isUp) throw new Error('not every listener is up yet')
}
