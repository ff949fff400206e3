/**
 * PostgreSQL stops under load and returns some seconds later. Clients get temporary errors, nothing hangs, and the
 * servers continue without help. The length of the outage is counted in refusals, so that the test is as thorough on a
 * slow machine.
 *
 * AWAY_MS sets a minimum length, for manual runs.
 */

import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { expect, onTestFinished } from 'vitest'
import { amount } from '../support/amount.ts'
import { Ledger } from '../support/ledger.ts'
import { type Stop, startPostgresServer } from '../support/postgres-server.ts'
import { sharedByFile } from '../support/shared-by-file.ts'
import type { Frame } from '../support/socket-client.ts'
import { createDatabase, notSupported, urlOf } from '../support/test-database.ts'
import { startWorld } from '../support/world.ts'

const AWAY_MS = Number(process.env.AWAY_MS ?? 0)
/** The number of messages and sends that are acknowledged before the outage, and again after it. */
const ACKNOWLEDGED = amount({ short: 8, long: 20 })
const REFUSED = amount({ short: 20, long: 150 })
/** The leases on work that was in progress. */
const LEASE_MS = 2_000
/** The time limit for connecting to the database also bounds every response. */
const ANSWER_MAX_MS = 5_000

const onServer = notSupported('sqlite', 'its database is a file of the server')
const routing = {
  fast: 'is stopped',
  immediate: 'crashes',
  kill: 'is killed',
} as const satisfies Record<Stop, string>

for (const how of ['fast', 'immediate', 'kill'] as const) {
  onServer(
    `a database that ${routing[how]} causes 451 and 503 while it is away; then all continues, and nothing is lost or doubled`,
    async () => {
      await using away = await startAway(`away_${how}`)
      const { world, ledger, database } = away
      const load = ledger.load({ senders: 4, callers: 2, onFailure: 'repeat' })
      await ledger.until(() => ledger.inbound.size >= ACKNOWLEDGED && ledger.sends.size >= ACKNOWLEDGED)

      await database.stop(how)
      const awayAt = performance.now()
      // Clients whose commit was in progress wait for its outcome, so only new clients can be refused.
      const others = ledger.load({ senders: 2, callers: 2, onFailure: 'repeat' })
      await ledger.until(() => ledger.refused.inbound >= REFUSED && ledger.refused.sends >= REFUSED)
      await delay(AWAY_MS - (performance.now() - awayAt))
      const ready = await world.request('GET', '/readyz')
      expect(ready).toMatchObject({ status: 503, body: { failing: ['store'] } })
      expect((await world.request('GET', '/healthz')).status).toBe(200) // the server must not be restarted
      const list = await world.request('GET', '/v0/inboxes')
      expect(list).toMatchObject({ status: 503, body: { code: 'service_unavailable' } })
      expect(list.headers.get('retry-after')).toBeTruthy()
      expect(ledger.refusalMaxMs).toBeLessThan(ANSWER_MAX_MS)
      const known = new Set(ledger.inbound)
      const isNew = ({ message }: Frame) => ledger.inbound.has(message?.message_id) && !known.has(message.message_id)
      const [inboundBefore, sendsBefore] = [ledger.inbound.size, ledger.sends.size]

      const backAt = performance.now()
      await database.start()
      const startedAt = performance.now()
      const since = { ready: 0, mail: 0, event: 0 }
      const watching = Promise.all([
        untilReady(world.url).then(() => {
          since.ready = performance.now() - startedAt
        }),
        ledger
          .until(() => ledger.inbound.size > inboundBefore)
          .then(() => {
            since.mail = performance.now() - startedAt
          }),
        ledger
          .until(() => ledger.received.some(isNew))
          .then(() => {
            since.event = performance.now() - startedAt
          }),
      ])
      await ledger.until(
        () => ledger.inbound.size >= inboundBefore + ACKNOWLEDGED && ledger.sends.size >= sendsBefore + ACKNOWLEDGED,
      )
      ledger.end()
      await Promise.all([load, others, watching])
      await ledger.settled()

      console.log(
        `away for ${Math.round(backAt - awayAt)} ms (${how}); after its return ready, a message, an event within ` +
          `${Object.values(since).map(Math.round).join(', ')} ms; ${ledger.figures}`,
      )
      await ledger.expectOneStory()
      expect(ledger.closes).toEqual([]) // the subscriber's first socket is still open
    },
    { timeout: 120_000 + AWAY_MS },
  )
}

async function untilReady(url: string): Promise<void> {
  while (!(await fetch(`${url}/readyz`)).ok) await delay(20)
}

const sharedServer = sharedByFile(() => startPostgresServer({ fsync: 'on' }))

async function startAway(name: string) {
  const database = await sharedServer()
  await database.start() // a test that failed may have left it stopped
  await createDatabase(database.url, name)
  const blobsDir = await mkdtemp(join(tmpdir(), 'martlet-test-blobs-'))
  onTestFinished(() => rm(blobsDir, { recursive: true, force: true }))
  const world = await startWorld({
    shared: { databaseUrl: urlOf(database.url, name), blobsDir },
    limits: {
      delivery: { leaseMs: LEASE_MS, pollMs: LEASE_MS / 5, retryFirstMs: LEASE_MS / 5 },
      jobs: { leaseMs: LEASE_MS, retryFirstMs: LEASE_MS / 5 },
      sending: { idempotencyLeaseMs: LEASE_MS },
    },
  })
  const ledger = new Ledger({ key: world.rootKey, place: () => world, random: Math.random })
  await ledger.open()
  return {
    ...{ world, ledger, database },
    async [Symbol.asyncDispose]() {
      await ledger.close()
      await world[Symbol.asyncDispose]()
    },
  }
}
