/**
 * A soak: messages, sends and label changes as fast as a few clients can, beside subscribers on sockets and streams that
 * disconnect and resume, and a webhook. Afterwards nothing may be lost or doubled, and every subscriber has the whole
 * log, in order.
 *
 * `npm run soak` runs it on SQLite (TEST_LONG=1 npx vitest run --project postgres test/flows/soak.test.ts: on PostgreSQL) for
 * SOAK_MINUTES (5) and prints how latencies, memory, descriptors and the delay of the event loop
 * changed, and the disk space per message. `npm test` runs it for two seconds.
 */
import { mkdtemp, readdir, readFile, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { expect, onTestFinished, test } from 'vitest'
import { amount } from '../support/amount.ts'
import { MAIL_PROGRAMS_OFF } from '../support/free-port.ts'
import { Ledger } from '../support/ledger.ts'
import { endOfLog, ReconnectingClient } from '../support/reconnecting-clients.ts'
import { ROOT_KEY } from '../support/root-key.ts'
import { seededRandom } from '../support/seeded-random.ts'
import { type ServerProcess, startServer } from '../support/server-process.ts'
import { createTestDatabase, databaseName } from '../support/test-database.ts'
import { diskFolder } from '../support/test-folders.ts'
import { startWebhookSink } from '../support/webhook-sink.ts'

const SEED = Number(process.env.SOAK_SEED ?? Date.now() % 1_000_000)
const DURATION_MS = amount({ short: 2_000, long: Number(process.env.SOAK_MINUTES ?? 5) * 60_000 })
const SUBSCRIBERS = amount({ short: 6, long: 50 })
/** The first and the last part of the run are compared. */
const PART = 0.2
const TYPES = ['message.received', 'message.sent', 'message.delivered', 'message.held', 'message.bounced']

test('a soak loses nothing and stores nothing twice', { timeout: 120_000 + 4 * DURATION_MS }, async ({ skip }) => {
  if (databaseName() === 'postgres' && !process.env.TEST_LONG) skip('a short run soaks SQLite only')
  console.log(`SOAK_SEED=${SEED}`)
  const random = seededRandom(SEED)
  const dataDir = await mkdtemp(join(diskFolder(), 'martlet-test-'))
  const database = await createTestDatabase('started', dataDir)
  const server = await startServer({
    MARTLET_DATA_DIR: dataDir,
    MARTLET_DATABASE_URL: database.url ?? '',
    MARTLET_ROOT_KEY: ROOT_KEY,
    MARTLET_HTTP_PORT: '0',
    MARTLET_SMTP_PORT: '0',
    MARTLET_ORGANIZATION_SENDS: 'off', // an hour sends more than a day may
    MARTLET_INBOX_SENDS: 'off',
    ...MAIL_PROGRAMS_OFF,
  })
  const sink = await startWebhookSink()
  onTestFinished(async () => {
    server.signal('SIGKILL')
    await server.exited
    await sink[Symbol.asyncDispose]()
    await database[Symbol.asyncDispose]()
    await rm(dataDir, { recursive: true, force: true })
  })

  const times = { smtp: new Timings(), http: new Timings(), event: new Timings() }
  /** When the first byte of an acknowledged message was sent, by Message-ID, until its event arrives. */
  const sentAtMs = new Map<string, number>()
  const ledger = new Ledger({
    key: ROOT_KEY,
    place: () => server,
    random,
    sink,
    onAccepted(over, id, startedAtMs) {
      times[over].add(performance.now() - startedAtMs)
      if (over === 'smtp') sentAtMs.set(id, performance.now())
    },
  })
  await ledger.open()
  onTestFinished(() => ledger.close())
  const common = { key: ROOT_KEY, place: () => server, after: await endOfLog(server, ROOT_KEY), types: TYPES }
  const readers = Array.from({ length: SUBSCRIBERS }, (_, index) => {
    return new ReconnectingClient(index % 2 === 0 ? 'socket' : 'stream', {
      ...common,
      disconnects: () => random() < 0.005,
      record: ({ event_id }) => ({ event_id }),
      // Events can arrive before the 250; only the time after it is counted.
      ...(index === 0 && {
        onEvent({ event_type, message }) {
          const acceptedAtMs = event_type === 'message.received' ? sentAtMs.get(message.message_id) : undefined
          if (acceptedAtMs === undefined) return
          times.event.add(performance.now() - acceptedAtMs)
          sentAtMs.delete(message.message_id)
        },
      }),
    })
  })
  onTestFinished(async () => void (await Promise.all(readers.map((reader) => reader.stop()))))

  const before = { bytes: await sizeOf(dataDir), process: await processOf(server) }
  const working = ledger.load({ senders: 4, callers: 2, labellers: 1, onFailure: 'repeat' })
  await delay(DURATION_MS * PART)
  const early = await processOf(server)
  await delay(DURATION_MS * (1 - PART))
  const late = await processOf(server)
  ledger.end()
  await working
  await ledger.settled()
  await ledger.expectOneStory()
  const ids = ledger.received.map(({ event_id }) => event_id)
  for (const reader of readers) {
    await expect.poll(() => reader.received.length, { timeout: 60_000 }).toBe(ids.length)
    expect(reader.received.map(({ event_id }) => event_id)).toEqual(ids)
  }

  const messages = ledger.inbound.size + 3 * ledger.sends.size
  const bytes = (await sizeOf(dataDir)) - before.bytes
  console.log(
    [
      `${Math.round(DURATION_MS / 1_000)} s, ${SUBSCRIBERS} subscribers: ${ledger.figures}; lost 0, doubled 0`,
      ...Object.entries(times).map(([name, each]) => `${name}: ${each}`),
      `process at the start, after a fifth, at the end: ${[before.process, early, late].join(' | ')}`,
      `disk: ${Math.round(bytes / messages)} bytes per stored message (${messages} messages)`,
    ].join('\n'),
  )
})

/** Times in ms, in the order in which they were measured. */
class Timings {
  readonly #all: number[] = []

  add(ms: number): void {
    this.#all.push(ms)
  }

  toString(): string {
    const count = Math.ceil(this.#all.length * PART)
    const of = (part: readonly number[]) => {
      const sorted = part.toSorted((a, b) => a - b)
      const at = (share: number) => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))]?.toFixed(1)
      return `p50 ${at(0.5)} p99 ${at(0.99)} max ${at(1)} ms`
    }
    return `first fifth ${of(this.#all.slice(0, count))}; last fifth ${of(this.#all.slice(-count))}`
  }
}

/** Memory and descriptors of the process (on Linux), and the delay of its event loop since the last call. */
async function processOf({ pid, url }: ServerProcess): Promise<string> {
  const metrics = await (await fetch(`${url}/metrics`)).text()
  const lag = /^nodejs_eventloop_lag_p99_seconds (\S+)$/m.exec(metrics)?.[1]
  const status = await readFile(`/proc/${pid}/status`, 'utf8').catch(() => '')
  const rssKib = Number(/^VmRSS:\s+(\d+)/m.exec(status)?.[1])
  const descriptors = await readdir(`/proc/${pid}/fd`).catch(() => [])
  const loop = lag === undefined ? '' : `, loop delay p99 ${(Number(lag) * 1_000).toFixed(1)} ms`
  return `${Math.round(rssKib / 1_024)} MiB, ${descriptors.length} descriptors${loop}`
}

async function sizeOf(folder: string): Promise<number> {
  let bytes = 0
  for (const entry of await readdir(folder, { withFileTypes: true, recursive: true })) {
    if (entry.isFile()) bytes += (await stat(join(entry.parentPath, entry.name))).size
  }
  return bytes
}
