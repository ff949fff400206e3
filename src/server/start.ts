/**
 * The composition root: opens the store, builds the shared parts, workers, services and listeners, starts them in order
 * and stops them (stop-list.ts).
 */
import { randomBytes } from 'node:crypto'
import { listenAddresses } from '../config/listen-address.ts'
import type { Config } from '../config/settings.ts'
import { createEventLoop } from '../event-loop.ts'
import type { Log } from '../log.ts'
import { makeKey } from '../mail/access/keys/api-keys.ts'
import { createCredentials } from '../mail/access/keys/credentials.ts'
import { createRequestRates } from '../mail/access/keys/request-rates.ts'
import { prepareFirstStart } from '../mail/accounts/first-start.ts'
import type { MakePrivateKey } from '../mail/domains/signing-keys.ts'
import type { ParseThreads } from '../mail/messages/content/parse-worker.ts'
import type { Metrics } from '../metrics.ts'
import type { Lookup } from '../net/fetch/safe-fetch.ts'
import type { FreeBytes } from '../store/disk.ts'
import { type Exposed, findExposed } from '../store/exposed-files.ts'
import { openStore } from '../store/store.ts'
import { newestTime } from '../store/tables/events-table.ts'
import { openTls } from './certificate-source.ts'
import { checkPortsFree } from './free-ports.ts'
import { createListeners } from './listeners.ts'
import { createOutbound } from './outbound.ts'
import { readRootKey, rootKeyFile, writeRootKey } from './root-key-file.ts'
import { createSendingParts } from './sending-parts.ts'
import { createServerClock } from './server-clock.ts'
import { createServices } from './services.ts'
import { createSharedParts } from './shared-parts.ts'
import { listStartWarnings } from './start-warnings.ts'
import { createStopList, type StopList } from './stop-list.ts'
import { createWorkers } from './workers.ts'

/** A running server. */
export interface Martlet {
  /** Base URL for clients on this machine; undefined when the HTTP port is off. */
  readonly url: string | undefined
  /** undefined when the SMTP port is off. */
  readonly smtpPort: number | undefined
  /** Submission with STARTTLS; undefined when the port is off. */
  readonly submissionPort: number | undefined
  /** Submission with implicit TLS; undefined when the port is off. */
  readonly submissionsPort: number | undefined
  /** IMAP with STARTTLS; undefined when the port is off. */
  readonly imapPort: number | undefined
  /** IMAP with implicit TLS; undefined when the port is off. */
  readonly imapsPort: number | undefined
  /** The root key if this start generated it. Show it once, and only on a terminal. */
  readonly newKey: string | undefined
  /** Files and folders that other users of this machine can access; they are already logged. */
  readonly exposed: readonly Exposed[]
  /** Whether outbound mail and webhooks are paused, by this start or an earlier one. */
  readonly isPaused: boolean
  /**
   * Finishes running work within limits.server.shutdownGraceMs and closes everything. Later calls return the first
   * promise.
   */
  stop(): Promise<void>
}

export interface MartletNeeds {
  readonly config: Config
  readonly log: Log
  readonly metrics: Metrics
  /** Pauses outbound mail and webhooks before the first attempt, until the operator resumes them. */
  readonly startPaused?: boolean
  /** The clock of the machine, epoch ms. Default: `Date.now`. */
  readonly wallClock?: () => number
  /** Used as it is for everything that reads a clock, also for leases; for tests. Default: a ServerClock. */
  readonly clock?: () => number
  /** Free space on the disk of the data folder. Default: asks the file system. */
  readonly freeBytes?: FreeBytes
  /** Looks up the host names of webhooks. Default: the resolvers of the configuration, else the system's. */
  readonly lookup?: Lookup
  /** Starts and ends the threads that parse messages. Tests share them among servers. */
  readonly parseThreads?: ParseThreads
  /** Makes the keys of new domains. Tests use the same keys again. */
  readonly makePrivateKey?: MakePrivateKey
}

/**
 * Starts a server.
 *
 * @throws StartupError with a sentence for the operator; nothing keeps running
 */
export async function startMartlet(needs: MartletNeeds): Promise<Martlet> {
  const stops = createStopList(needs.log, needs.config.limits.server.shutdownGraceMs)
  try {
    return await startAll(needs, stops)
  } catch (error) {
    await stops.stopAll()
    throw error
  }
}

async function startAll(
  { freeBytes, lookup, startPaused, parseThreads, makePrivateKey, ...given }: MartletNeeds,
  stops: StopList,
) {
  const { config, log, metrics } = given
  const random = randomBytes
  const eventLoop = createEventLoop(config.limits)
  const wallClock = given.clock ?? given.wallClock ?? Date.now
  const serverClock = createServerClock({ wallClock, log })
  const clock = given.clock ?? serverClock.now

  // Store
  const beforeMigrating = async () => {
    // A start that fails later would leave a migrated database: the version that ran before could not use it.
    await checkPortsFree(listenAddresses(config))
  }
  const storeNeeds = { config, log, metrics, clock, leaseClock: given.clock, random, eventLoop, beforeMigrating }
  const store = await openStore({ ...storeNeeds, ...(freeBytes && { freeBytes }) })
  stops.add('store', () => store.close())
  serverClock.continueAfter(await newestTime(store.db))

  // Built, not running
  const context = { config, store, log, metrics, clock, wallClock, random, eventLoop }
  const requestRates = createRequestRates({ config, store, log, clock: () => performance.now(), wallClock })
  const credentials = createCredentials({ store, clock: wallClock, requestRates })
  const shared = createSharedParts({ ...context, parseThreads })
  stops.add('mail parser', (graceMs) => shared.mailParser.stop(graceMs))
  stops.add('mail reader', (graceMs) => shared.mailReader.stop(graceMs))
  stops.add('spam check', async () => shared.closeSpamCheck())
  stops.add('thread of the text index', () => shared.signatureThread.stop())
  const outbound = createOutbound({ config, log, shared, lookup })
  stops.add('outgoing connections', () => outbound.close())
  const sendingParts = createSendingParts({ ...context, shared, outbound })
  const workers = createWorkers({ ...context, shared, sendingParts, outbound, credentials })
  const services = createServices({ ...context, shared, sendingParts, outbound, workers, makePrivateKey })

  // First start, and warnings for the operator
  // At once: in a fresh folder, a thread creates the DKIM key while this one creates the certificate.
  const [newKey, tls] = await Promise.all([
    prepareFirstStart({
      store,
      domains: shared.domains,
      sharedDomain: config.domain,
      rootKey: config.rootKey,
      makeRootKey: () => ensureRootKeyFile(config.dataDir),
    }),
    openTls({ config, store, clock: wallClock }),
  ])
  if (startPaused) await shared.outboundPause.begin()
  const isPaused = await shared.outboundPause.isPaused()
  if (isPaused) log.warn('outbound mail and webhooks are paused; "martlet resume" ends this')
  for (const { text } of await listStartWarnings(store.db, config)) log.warn(text)
  const exposed = await findExposed(config, [rootKeyFile(config.dataDir)])
  for (const each of exposed)
    log.warn(each, 'other users of this machine can access this path; run the command in "fix"')

  // Workers
  await shared.feed.start()
  // Unlike the others, it stops earlier than this list says: the HTTP listener stops it before it closes its sockets.
  stops.add('event feed', () => shared.feed.stop())
  workers.delivery.start()
  stops.addWorking('delivery worker', workers.delivery.stop, runningOf('deliveries', workers.delivery))
  workers.scheduler.start()
  stops.addWorking('scheduler of drafts', workers.scheduler.stop)
  workers.webhooks.start()
  stops.addWorking('webhook worker', workers.webhooks.stop, runningOf('requests to webhooks', workers.webhooks))
  await workers.foldEvents.open()
  await workers.dispatch.start()
  stops.addWorking('webhook dispatch', () => workers.dispatch.stop())
  workers.jobs.start()
  stops.addWorking('jobs', (graceMs) => workers.jobs.stop(graceMs), runningOf('jobs', workers.jobs))
  stops.add('counts in memory', workers.sweeps.flush) // after the listeners, which count
  stops.addWorking('sweeps', workers.sweeps.start())

  // Listeners. During a shutdown, the HTTP listener waits for its requests and for the others, then stops the feed, and then closes
  // its sockets, so that subscribers still get the events of the last messages and requests (`beforeSocketsClose`).
  let isStarted = false
  const requireStarted = () => {
    if (!isStarted) throw new Error('not every listener is open yet')
  }
  const listeners = createListeners({ ...context, shared, services, credentials, tls, requireStarted })
  const { http, smtp, submission, submissions, imap, imaps } = listeners
  const listening = await http?.listen()
  if (http) stops.addWorking('HTTP listener', http.stop, runningOf('HTTP requests', http))
  const accepting = await smtp?.listen()
  if (smtp) stops.addWorking('SMTP listener', smtp.stop, runningOf('SMTP connections', smtp))
  const submitting = await submission?.listen()
  if (submission)
    stops.addWorking('submission listener', submission.stop, runningOf('submission connections', submission))
  const submittingTls = await submissions?.listen()
  if (submissions)
    stops.addWorking('submissions listener', submissions.stop, runningOf('submission connections', submissions))
  const reading = await imap?.listen()
  if (imap) stops.addWorking('IMAP listener', imap.stop, runningOf('IMAP connections', imap))
  const readingTls = await imaps?.listen()
  if (imaps) stops.addWorking('IMAPS listener', imaps.stop, runningOf('IMAP connections', imaps))
  isStarted = true

  return {
    url: listening?.url,
    smtpPort: accepting?.port,
    submissionPort: submitting?.port,
    submissionsPort: submittingTls?.port,
    imapPort: reading?.port,
    imapsPort: readingTls?.port,
    newKey,
    exposed,
    isPaused,
    stop() {
      store.expectClose()
      return stops.stopAll()
    },
  }
}

function runningOf(kind: string, component: { runningCount(): number }) {
  return { kind, count: () => component.runningCount() }
}

/** Reads or creates the root key file. An earlier start may have crashed between writing the file and the database. */
async function ensureRootKeyFile(dataDir: string): Promise<string> {
  const kept = await readRootKey(dataDir)
  const key = kept ?? makeKey(randomBytes)
  if (kept === undefined) await writeRootKey(dataDir, key)
  return key
}
