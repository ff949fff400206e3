/**
 * Kills servers with kill -9 at random instants, under a load of messages, sends and label changes, and checks what
 * subscribers receive: on WebSockets and streams that reconnect with their cursors, some of which disconnect by
 * themselves, and on webhooks. On PostgreSQL there are two servers; one of them is killed, and clients reconnect to
 * either.
 *
 * Each subscriber must have received the log. Nothing is lost. On sockets and streams nothing arrives twice; on
 * webhooks a repetition has the same id and bytes. Everything arrives in order; on an ordered webhook, in order per
 * inbox.
 *
 * KILL_CUTS sets the number of kills (few in `npm test`, many in `npm run test:long`), KILL_SEED the random seed.
 */
import { mkdtemp, rm } from 'node:fs/promises'
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
import { createTestDatabase, databaseName, readRows } from '../support/test-database.ts'
import { diskFolder } from '../support/test-folders.ts'
import { type Call, ok, startWebhookSink, type WebhookSink } from '../support/webhook-sink.ts'

const SEED = Number(process.env.KILL_SEED ?? Date.now() % 1_000_000)
const CUTS = Number(process.env.KILL_CUTS ?? amount({ short: 4, long: 200 }))
const SERVERS = databaseName() === 'sqlite' ? 1 : 2
const LEASE_MS = 3_000
const TYPES = [
  ...['message.received', 'message.sent', 'message.delivered', 'message.held', 'message.bounced'],
  ...['label.added', 'label.removed'],
]
/** The share of events whose first request a webhook's receiver refuses; it is retried after five seconds. */
const REFUSED_SHARE = 0.002
/** The first request after so many events is always refused, so that even a short run has one refusal. */
const REFUSED_AFTER = 3

const load = { senders: 2, callers: 1, labellers: 2, failing: 1, onFailure: 'repeat' } as const

test(`after ${CUTS} kills under load, sockets, streams and webhooks have received the whole log, in order`, {
  timeout: 120_000 + CUTS * 10_000,
}, async () => {
  console.log(`KILL_SEED=${SEED}`)
  const random = seededRandom(SEED)
  await using servers = await startServers(random)
  await using ordered = await startWebhookSink()
  await using unordered = await startWebhookSink()
  const refusals = [ordered, unordered].map((sink) => refuseSome(sink, random))
  // No large messages: if one takes longer than a server lives here, its sender repeats it forever and sends no other.
  const ledger = new Ledger({ key: ROOT_KEY, place: servers.place, random, largeShare: 0 })
  await ledger.open()
  onTestFinished(() => ledger.close())
  const after = await endOfLog(servers.place(), ROOT_KEY)
  for (const [sink, isOrdered] of [
    [ordered, true],
    [unordered, false],
  ] as const) {
    const response = await fetch(`${servers.place().url}/v0/webhooks`, {
      method: 'POST',
      headers: { authorization: `Bearer ${ROOT_KEY}`, 'content-type': 'application/json' },
      body: JSON.stringify({ url: sink.url, event_types: TYPES, ordered: isOrdered }),
    })
    expect(response.status).toBe(200)
  }
  const common = { key: ROOT_KEY, place: servers.place, after, types: TYPES }
  const disconnects = () => random() < 0.02
  const whole = (['socket', 'stream'] as const).flatMap((over) => [
    new ReconnectingClient(over, common),
    new ReconnectingClient(over, { ...common, disconnects }),
  ])
  const inboxIds = ['out@mail.localhost']
  const ofOne = (['socket', 'stream'] as const).map(
    (over) => new ReconnectingClient(over, { ...common, inboxIds, disconnects }),
  )
  const readers = [...whole, ...ofOne]
  onTestFinished(async () => void (await Promise.all(readers.map((reader) => reader.stop()))))

  const working = ledger.load(load)
  for (let cut = 0; cut < CUTS; cut += 1) await servers.cut()
  await servers.up()
  ledger.end()
  await working
  await ledger.settled()

  const log = await loggedAfterOpening(servers)
  const ids = log.map(({ id }) => id)
  const idsOfOne = log.filter(({ inbox }) => inbox === 'out@mail.localhost').map(({ id }) => id)
  await expect
    .poll(() => readers.map(({ received }) => received.length), { timeout: 60_000 })
    .toEqual([...whole.map(() => ids.length), ...ofOne.map(() => idsOfOne.length)])
  for (const reader of whole) expect(idsOf(reader)).toEqual(ids)
  for (const reader of ofOne) expect(idsOf(reader)).toEqual(idsOfOne)
  const [first] = whole
  for (const reader of whole) expect(reader.received).toEqual(first!.received) // all subscribers receive the same bytes

  const received = [await receivedBy(ordered, ids.length), await receivedBy(unordered, ids.length)] as const
  for (const { bodies } of received) {
    expect([...bodies.keys()].toSorted()).toEqual(ids.toSorted())
    expect([...bodies.values()].filter((each) => each.size > 1)).toEqual([])
  }
  for (const inbox of new Set(log.map((event) => event.inbox))) {
    const inOrder = log.filter((event) => event.inbox === inbox).map(({ id }) => id)
    const ofInbox = new Set(inOrder)
    const calls = received[0].calls.filter(({ id }) => ofInbox.has(id)).map(({ id }) => id)
    // A retry follows the request that it repeats: the next event waits until the previous one was accepted.
    expect(calls.filter((id, index) => id !== calls[index - 1])).toEqual(inOrder)
  }
  await ledger.expectOneStory()
  const added = first!.received.filter(({ event_type }) => event_type === 'label.added').map(({ label }) => label.label)
  const own = added.filter((label) => label.startsWith('l-'))
  expect(new Set(own).size).toBe(own.length)
  expect(own).toEqual(expect.arrayContaining([...ledger.labels]))
  for (const refused of refusals) expect(refused.size).toBeGreaterThan(0)
  const repeated = received.map(({ calls, bodies }) => calls.length - bodies.size)
  console.log(
    `${CUTS} kills, ${ids.length} events, ${readers.reduce((sum, { tries }) => sum + tries, 0)} connections of ` +
      `${readers.length} subscribers; ${repeated[0]} and ${repeated[1]} webhook requests were repeated; ${ledger.figures}`,
  )
})

function idsOf({ received }: ReconnectingClient): string[] {
  return received.map(({ event_id }) => event_id)
}

/** Refuses the first request of some events. Returns the set of their ids, which grows over time. */
function refuseSome(sink: WebhookSink, random: () => number): ReadonlySet<string> {
  const [known, refused] = [new Set<string>(), new Set<string>()]
  sink.answer = (response, call) => {
    const id = idOf(call)
    const isFirst = !known.has(id)
    if (isFirst && (known.size === REFUSED_AFTER || random() < REFUSED_SHARE)) refused.add(id)
    known.add(id)
    if (isFirst && refused.has(id)) response.writeHead(500).end()
    else ok(response, call)
  }
  return refused
}

/** Resolves when the receiver has received that many events. */
async function receivedBy(sink: WebhookSink, count: number) {
  const bodies = new Map<string, Set<string>>()
  const calls: { id: string; body: string }[] = []
  while (bodies.size < count) {
    await sink.count(calls.length + 1)
    for (const call of sink.calls.slice(calls.length)) {
      const id = idOf(call)
      calls.push({ id, body: call.body })
      bodies.set(id, (bodies.get(id) ?? new Set()).add(call.body))
    }
  }
  return { calls, bodies }
}

function idOf({ headers }: Call): string {
  return String(headers['webhook-id']).replace('msg_', 'evt_')
}

type Servers = Awaited<ReturnType<typeof startServers>>

/** Starts one or two servers (nodes) on one database, each as a separate process. */
async function startServers(random: () => number) {
  const dataDirs = await Promise.all(
    Array.from({ length: SERVERS }, () => mkdtemp(join(diskFolder(), 'martlet-test-subscribers-'))),
  )
  const database = await createTestDatabase('started', dataDirs[0])
  const limits = {
    delivery: { leaseMs: LEASE_MS, pollMs: LEASE_MS / 5 },
    jobs: { leaseMs: LEASE_MS },
    sending: { idempotencyLeaseMs: LEASE_MS },
    webhooks: { leaseMs: LEASE_MS, timeoutMs: LEASE_MS / 2, longTimeoutMs: LEASE_MS / 2, pollMs: LEASE_MS / 5 },
  }
  const start = (dataDir: string): Promise<ServerProcess> =>
    startServer(
      {
        MARTLET_DATA_DIR: dataDir,
        MARTLET_DATABASE_URL: database.url ?? '',
        MARTLET_BLOBS_URL: new URL(`file://${dataDirs[0]}/blobs`).href,
        MARTLET_ROOT_KEY: ROOT_KEY,
        MARTLET_HTTP_PORT: '0',
        MARTLET_SMTP_PORT: '0',
        ...MAIL_PROGRAMS_OFF,
      },
      limits,
    )
  const running: ServerProcess[] = []
  for (const dataDir of dataDirs) running.push(await start(dataDir))
  /** Per server: a server that was killed starts again while the others work and may be killed. */
  const starts: Promise<void>[] = dataDirs.map(() => Promise.resolve())

  return {
    shared: { databaseUrl: database.url },
    dataDir: dataDirs[0]!,

    /** Returns one of the servers; it may be down. */
    place: () => running[Math.floor(random() * running.length)]!,

    /** The instant is random on purpose, so nothing waits for a state before the kill. */
    async cut() {
      await delay(100 + random() * 700)
      const index = Math.floor(random() * running.length)
      await starts[index]
      running[index]!.signal('SIGKILL')
      await running[index]!.exited
      starts[index] = start(dataDirs[index]!).then((server) => {
        running[index] = server
      })
      if (running.length === 1) await starts[index]
    },

    /** Resolves when all servers are up. */
    async up() {
      await Promise.all(starts)
    },

    async [Symbol.asyncDispose]() {
      await Promise.allSettled(starts)
      for (const server of running) {
        server.signal('SIGKILL')
        await server.exited
      }
      await database[Symbol.asyncDispose]()
      for (const dataDir of dataDirs) await rm(dataDir, { recursive: true, force: true })
    },
  }
}

/** Returns the events of the database in order, starting with the first event that a subscriber could receive. */
async function loggedAfterOpening(servers: Servers) {
  const types = TYPES.map((type) => `'${type}'`).join()
  const rows = await readRows(
    servers,
    `select e.event_id, i.address from events e join inboxes i on i.id = e.inbox_id
     where e.type in (${types}) order by e.seq`,
  )
  return rows.map(([id, inbox]) => ({ id: `evt_${id}`, inbox: inbox as string }))
}
