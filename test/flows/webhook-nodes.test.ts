/**
 * Tests webhooks with two nodes: each event is delivered once, to ordered webhooks in the order of their inbox. A
 * delivery that a killed node had started is sent by the other with the same id. The tests compare the requests at a
 * real receiver with the log of events.
 */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { createTransport } from 'nodemailer'
import { expect, onTestFinished } from 'vitest'
import type { LimitOverrides } from '../../src/config/limits.ts'
import { MAIL_PROGRAMS_OFF } from '../support/free-port.ts'
import { startServer } from '../support/server-process.ts'
import { administrate, notSupported } from '../support/test-database.ts'
import { type Call, ok, startWebhookSink, type WebhookSink } from '../support/webhook-sink.ts'
import { startWorld, type World } from '../support/world.ts'

const onTwo = notSupported('sqlite', 'one process uses a data folder')

onTwo(
  'with two nodes each event is delivered once, and to an ordered webhook in order, even if attempts fail',
  async () => {
    let ahead = 0
    // The leases are so long that advancing the clock does not end them.
    // No probes: failed ones are not in the history, which the end of this test compares with the requests.
    const limits = {
      webhooks: { pollMs: 50, leaseMs: 1e12, probeMsMin: 1e12, probeMsMax: 1e12 },
      jobs: { pollMs: 50 },
    }
    await using one = await startWorld({ clock: () => Date.now() + ahead, limits })
    await using two = await one.startSibling()
    for (const username of ['ada', 'bob']) await one.agentmail.inboxes.create({ username })
    await using plain = await startWebhookSink()
    // Every third request to this receiver fails. Requests of the same inbox must never overlap.
    const underWay = new Set<string>()
    const overlaps: string[] = []
    let requests = 0
    await using ordered = await startWebhookSink((response, { event }) => {
      const inbox = event.message.inbox_id as string
      if (underWay.has(inbox)) overlaps.push(event.event_id)
      underWay.add(inbox)
      requests += 1
      const status = requests % 3 === 0 ? 500 : 204
      setImmediate(() => {
        underWay.delete(inbox)
        response.writeHead(status).end()
      })
    })
    await hook(one, plain, {})
    await hook(two, ordered, { ordered: true })

    const messages = 40
    for (let mail = 0; mail < messages; mail += 1) {
      const node = [one, two][mail % 2]!
      const to = `${['ada', 'bob'][Math.floor(mail / 2) % 2]}@mail.localhost`
      await node.smtp.send({ to, subject: `${mail}` })
    }
    await expect
      .poll(
        async () => {
          ahead += 600_000 // failed attempts become due again
          return (await query(one, "select 1 from webhook_deliveries where state = 'delivered'")).length
        },
        { timeout: 25_000 },
      )
      .toBe(2 * messages)

    const log = await query(one, "select event_id, inbox_id from events where type = 'message.received' order by seq")
    expect(plain.calls.map(idOf).toSorted()).toEqual(log.map(({ event_id }) => event_id as string).toSorted())
    expect(overlaps).toEqual([])
    for (const inbox of new Set(log.map(({ inbox_id }) => inbox_id))) {
      const expected = log.filter(({ inbox_id }) => inbox_id === inbox).map(({ event_id }) => event_id)
      const received = ordered.calls.map(idOf).filter((id) => expected.includes(id))
      // A retry follows the request that it repeats; without the repetitions the requests equal the log.
      expect(received.filter((id, index) => id !== received[index - 1])).toEqual(expected)
    }
    const attempts = await query(one, 'select 1 from webhook_attempts')
    expect(attempts).toHaveLength(plain.calls.length + ordered.calls.length)
    expect(plain.calls).toHaveLength(messages)
  },
)

onTwo(
  'a delivery that a killed node had started is sent by the other with the same id, before later ones of the inbox',
  async () => {
    const limits = { webhooks: { timeoutMs: 2_500, longTimeoutMs: 2_500, leaseMs: 3_000, pollMs: 100 } }
    await using one = await startWorld({ limits })
    await one.agentmail.inboxes.create({ username: 'ada' })
    await using sink = await startWebhookSink(() => undefined)
    await hook(one, sink, { ordered: true })
    await one.stop() // it must not start anything yet
    const victim = await startVictim(one, limits)
    for (const subject of ['first', 'second']) await sendTo(victim.smtpPort, subject)
    const [begun] = await sink.count(1)
    await one.restart()
    const leased = () => query(one, 'select 1 from webhook_deliveries where lease_until is not null')
    expect(await leased()).toHaveLength(1)
    victim.signal('SIGKILL')
    await victim.exited
    expect(await leased()).toHaveLength(1) // no lease was given back

    sink.answer = ok
    await expect.poll(() => sink.calls.map(({ event }) => event.message.subject)).toEqual(['first', 'first', 'second'])
    const [, again] = sink.calls
    expect([again!.body, again!.headers['svix-id']]).toEqual([begun!.body, begun!.headers['svix-id']])
    await expect
      .poll(() => query(one, 'select attempt, outcome from webhook_attempts'))
      .toEqual([
        { attempt: 1, outcome: 'delivered' },
        { attempt: 1, outcome: 'delivered' },
      ])
  },
)

/** Starts a node of the same service as a separate process, which can be killed. */
async function startVictim({ shared, rootKey }: World, limits: LimitOverrides) {
  const dataDir = await mkdtemp(join(tmpdir(), 'martlet-test-'))
  const env = {
    ...{ MARTLET_DATA_DIR: dataDir, MARTLET_DATABASE_URL: shared.databaseUrl!, MARTLET_ROOT_KEY: rootKey },
    ...{
      MARTLET_BLOBS_URL: pathToFileURL(shared.blobsDir).href,
      MARTLET_HTTP_PORT: '0',
      MARTLET_SMTP_PORT: '0',
      ...MAIL_PROGRAMS_OFF,
    },
  }
  const victim = await startServer(env, limits)
  onTestFinished(async () => {
    victim.signal('SIGKILL')
    await victim.exited
    await rm(dataDir, { recursive: true, force: true })
  })
  return victim
}

async function sendTo(port: number, subject: string): Promise<void> {
  const transport = createTransport({ host: '127.0.0.1', port, tls: { rejectUnauthorized: false } })
  await transport.sendMail({ from: 'ann@example.test', to: 'ada@mail.localhost', subject })
  transport.close()
}

async function hook(world: World, sink: WebhookSink, more: object): Promise<void> {
  const body = { url: sink.url, event_types: ['message.received'], ...more }
  expect((await world.request('POST', '/v0/webhooks', { body })).status).toBe(200)
}

function idOf({ event }: Call): string {
  return event.event_id.slice('evt_'.length)
}

async function query(world: World, sql: string): Promise<Record<string, unknown>[]> {
  return (await administrate(world.shared.databaseUrl!, sql)).rows
}
