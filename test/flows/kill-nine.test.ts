/**
 * Kills the server, its database, or both with kill -9 at random instants under load, and stops the server with SIGTERM.
 * `test/support/ledger.ts` records every 250, every 200 and every reported failure, and compares them with what is stored. Some
 * messages fail beside the others of their group commit: their inbox is deleted before their last line.
 *
 * KILL_CUTS sets the number of cuts of each test (few in `npm test`; in `npm run test:long` more than 200 kills on each
 * database), KILL_SEED the random seed.
 */

import { mkdtemp, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { expect, onTestFinished, test } from 'vitest'
import { amount } from '../support/amount.ts'
import { MAIL_PROGRAMS_OFF } from '../support/free-port.ts'
import { Ledger } from '../support/ledger.ts'
import { startPostgresServer } from '../support/postgres-server.ts'
import { ROOT_KEY } from '../support/root-key.ts'
import { seededRandom } from '../support/seeded-random.ts'
import { type ServerProcess, startServer } from '../support/server-process.ts'
import { sharedByFile } from '../support/shared-by-file.ts'
import {
  createDatabase,
  createTestDatabase,
  databaseName,
  notSupported,
  type TestDatabase,
  urlOf,
} from '../support/test-database.ts'
import { diskFolder } from '../support/test-folders.ts'
import { startWebhookSink } from '../support/webhook-sink.ts'

const SEED = Number(process.env.KILL_SEED ?? Date.now() % 1_000_000)
const HAS_SERVER = databaseName() === 'postgres'
const CUTS = Number(process.env.KILL_CUTS ?? amount({ short: HAS_SERVER ? 2 : 3, long: HAS_SERVER ? 110 : 270 }))
/** One cut in four: the second one, the sixth, and so on. */
const isStop = (cut: number) => cut % 4 === 1
const STOPS = Array.from({ length: CUTS }, (_, cut) => isStop(cut)).filter(Boolean).length
/** Fewer kills, since a database needs longer to start again. */
const DATABASE_CUTS = Number(process.env.KILL_CUTS ?? amount({ short: 2, long: 60 }))
/** Senders whose messages fail. */
const FAILING = 1
const LEASE_MS = 3_000

const timeoutOf = (cuts: number) => ({ timeout: 60_000 + cuts * 10_000 })

const cutsOfServer = `${CUTS - STOPS} kills and ${STOPS} stops`

test(`after ${cutsOfServer}, everything acknowledged and every event is stored once`, timeoutOf(CUTS), async () => {
  const run = await createRun((dataDir) => createTestDatabase('started', dataDir))
  for (let cut = 0; cut < CUTS; cut += 1) {
    await run.start()
    const load = run.load()
    await run.instant()
    if (isStop(cut)) expect(await run.stopServer()).toBe(0)
    else await run.killServer()
    await load
  }
  await run.start()
  await run.expectOneStory()
})

notSupported('sqlite', 'its database is a file of the server')(
  `after ${DATABASE_CUTS} kills of the database, nothing is lost or doubled, and the server continues by itself`,
  async () => {
    const database = await startDatabase('killed_alone')
    const run = await createRun(async () => database)
    await run.start()
    for (let cut = 0; cut < DATABASE_CUTS; cut += 1) {
      const load = run.load()
      await run.instant()
      await database.server.stop(run.howToKill())
      await run.instant()
      await database.server.start()
      run.ledger.end()
      await load
      await run.ready()
    }
    await run.expectOneStory()
  },
  timeoutOf(DATABASE_CUTS),
)

notSupported('sqlite', 'its database is a file of the server')(
  `after ${DATABASE_CUTS} kills of server and database in quick succession, nothing is lost or doubled`,
  async () => {
    const database = await startDatabase('killed_with_server')
    const run = await createRun(async () => database)
    for (let cut = 0; cut < DATABASE_CUTS; cut += 1) {
      await run.start()
      const load = run.load()
      await run.instant()
      const kills = [() => run.killServer(), () => database.server.stop(run.howToKill())]
      if (run.random() < 0.5) kills.reverse()
      await kills[0]!()
      await delay(run.random() * 50)
      await kills[1]!()
      await load
      await database.server.start()
    }
    await run.start()
    await run.expectOneStory()
  },
  timeoutOf(DATABASE_CUTS),
)

/** Flushes every commit to the disk (fsync). */
const sharedServer = sharedByFile(() => startPostgresServer({ fsync: 'on', commitMs: 50 }))

/** Creates a database on a PostgreSQL of this file, which its tests may kill. */
async function startDatabase(name: string) {
  const server = await sharedServer()
  await server.start() // a test that failed may have left it stopped
  await createDatabase(server.url, name)
  return { server, url: urlOf(server.url, name), [Symbol.asyncDispose]: async () => undefined }
}

async function createRun(databaseFor: (dataDir: string) => Promise<TestDatabase>) {
  console.log(`KILL_SEED=${SEED}`)
  const dataDir = await mkdtemp(join(diskFolder(), 'martlet-test-'))
  const database = await databaseFor(dataDir)
  const env = {
    MARTLET_DATA_DIR: dataDir,
    MARTLET_DATABASE_URL: database.url ?? '',
    MARTLET_ROOT_KEY: ROOT_KEY,
    MARTLET_HTTP_PORT: '0',
    MARTLET_SMTP_PORT: '0',
    ...MAIL_PROGRAMS_OFF,
  }
  // When other servers may exist, the claims of a dead server end with their leases, not at its next start.
  const limits =
    database.url === undefined
      ? undefined
      : {
          delivery: { leaseMs: LEASE_MS, pollMs: LEASE_MS / 5, retryFirstMs: LEASE_MS / 5 },
          jobs: { leaseMs: LEASE_MS, retryFirstMs: LEASE_MS / 5 },
          sending: { idempotencyLeaseMs: LEASE_MS },
          webhooks: { leaseMs: LEASE_MS, timeoutMs: LEASE_MS / 2, longTimeoutMs: LEASE_MS / 2, pollMs: LEASE_MS / 5 },
        }
  const random = seededRandom(SEED)
  let server: ServerProcess | undefined
  const sink = await startWebhookSink()
  const ledger = new Ledger({ key: ROOT_KEY, place: () => server!, random, sink })
  const recoveriesMs: number[] = []
  onTestFinished(async () => {
    await ledger.close()
    await sink[Symbol.asyncDispose]()
    server?.signal('SIGKILL')
    await server?.exited
    await database[Symbol.asyncDispose]()
    await rm(dataDir, { recursive: true, force: true })
  })

  return {
    ledger,
    random,

    async start() {
      const isFirst = server === undefined
      server = await startServer(env, limits)
      if (isFirst) await ledger.open()
      await ledger.prepareFailing(FAILING)
    },

    load: () => ledger.load({ senders: 4, callers: 2, failing: FAILING, onFailure: 'end' }),

    /** The only sleep of the suite: the instant of the kill is random on purpose, so nothing waits for a state. */
    instant: () => delay(100 + random() * 700),

    /** "immediate" more often interrupts a running commit; with "kill" it more often completes. */
    howToKill: () => (random() < 0.75 ? 'immediate' : 'kill'),

    async killServer() {
      server!.signal('SIGKILL')
      await server!.exited
    },

    /** @returns its exit code */
    async stopServer() {
      server!.signal('SIGTERM')
      return server!.exited
    },

    /** Waits until the server is ready again after the database has restarted. */
    async ready() {
      const startedAt = performance.now()
      while (!(await fetch(`${server!.url}/readyz`)).ok) await delay(20)
      recoveriesMs.push(performance.now() - startedAt)
    },

    async expectOneStory() {
      expect(await ledger.falseFailures()).toEqual([]) // no client got "failed" for something that is stored
      await ledger.repeatUnacknowledged()
      await ledger.settled()
      console.log(ledger.figures)
      if (recoveriesMs.length > 0) {
        const lost = server!.lines.filter(({ msg }) => msg === 'outcome of the commit found')
        const kept = lost.filter(({ isCommitted }) => isCommitted)
        console.log(
          `ready again after ${Math.round(Math.max(...recoveriesMs))} ms at most; ` +
            `${lost.length} replies to COMMIT were lost, of which ${kept.length} had been committed`,
        )
      }
      await ledger.expectOneStory()
    },
  }
}
