/**
 * Tests two nodes of one service: each returns the messages that the other accepted and sends the same events, both
 * process the queue, and one takes over from the other. two-servers.test.ts tests what happens when both change the
 * same thing at once.
 */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import pg from 'pg'
import { expect, onTestFinished } from 'vitest'
import { withLimits } from '../../src/config/limits.ts'
import { StartupError } from '../../src/errors.ts'
import { MAIL_PROGRAMS_OFF } from '../support/free-port.ts'
import { startServer } from '../support/server-process.ts'
import type { Frame, TestSocket } from '../support/socket-client.ts'
import { administrate, createTestDatabase, notSupported } from '../support/test-database.ts'
import { startNodes, startWorld, type World } from '../support/world.ts'

const onTwo = notSupported('sqlite', 'one process uses a data folder')

onTwo('a message accepted by one node can be read at the other, even if it is large', async () => {
  await using nodes = await startNodes()
  const ada = await nodes.one.agentmail.inboxes.create({ username: 'ada' })
  const attachment = Buffer.alloc(600_000, 'some bytes of a large attachment. ')
  for (const [accepting, reading] of [nodes.both, nodes.both.toReversed()] as [World, World][]) {
    const socket = await reading.subscribe()
    await accepting.smtp.send({ to: ada.email, subject: 'small', text: 'hello' })
    expect((await socket.next('message.received')).message).toMatchObject({ subject: 'small', text: 'hello' })

    const attachments = [{ filename: 'l.bin', content: attachment }]
    await accepting.smtp.send({ to: ada.email, subject: 'large', text: 'with bytes', attachments })
    const { message } = await socket.next('message.received')
    const { messages } = reading.agentmail.inboxes
    const link = await messages.getAttachment(ada.inboxId, message.message_id, message.attachments[0].attachment_id)
    expect(link.downloadUrl.startsWith(reading.url)).toBe(true)
    expect(Buffer.from(await (await fetch(link.downloadUrl)).arrayBuffer()).equals(attachment)).toBe(true)
  }
})

const TYPES = ['message.received', 'message.sent', 'message.delivered', 'label.added', 'label.removed']

onTwo(
  'subscribers of both nodes get the same events in the same order, and one that changes nodes misses none',
  async () => {
    await using nodes = await startNodes()
    const ada = await nodes.one.agentmail.inboxes.create({ username: 'ada' })
    const bob = await nodes.two.agentmail.inboxes.create({ username: 'bob' })
    const [atOne, atTwo] = [
      await nodes.one.subscribe({ eventTypes: TYPES }),
      await nodes.two.subscribe({ eventTypes: TYPES }),
    ]
    const rounds = 8
    // A message is received; one is sent, received and delivered; labels: "delivered", and one added and removed.
    const expected = 2 * rounds * (1 + 3 + 3)

    const wandering = wander(nodes.both, expected)
    const work = async (node: World) => {
      for (let round = 0; round < rounds; round += 1) {
        const subject = `${round}`
        await Promise.all([
          node.smtp.send({ to: ada.email, subject, text: 'x' }),
          node.agentmail.inboxes.messages.send(ada.inboxId, { to: [bob.email], subject, text: 'x' }),
        ])
        const [message] = (await node.agentmail.inboxes.messages.list(ada.inboxId, { limit: 1 })).messages
        const path = `/v0/inboxes/${ada.inboxId}/messages/${encodeURIComponent(message!.messageId)}`
        const label = `${round}-${node.smtpPort}`
        for (const body of [{ add_labels: [label] }, { remove_labels: [label] }]) {
          expect((await node.request('PATCH', path, { body })).status).toBe(200)
        }
      }
    }
    await Promise.all([work(nodes.one), work(nodes.two)])

    const received = [await take(atOne, expected), await take(atTwo, expected), (await wandering).events]
    expect(received[1]).toEqual(received[0])
    expect(received[2]).toEqual(received[0])
    expect(new Set(received[0]!.map(({ id }) => id)).size).toBe(expected)
    const list = TYPES.map((type) => `'${type}'`).join()
    const { rows } = await administrate(
      nodes.one.shared.databaseUrl!,
      `select count(*)::int as count from events where type in (${list})`,
    )
    expect(rows).toEqual([{ count: expected }])
    expect((await wandering).changes).toBeGreaterThan(5)
  },
  { timeout: 90_000 },
)

onTwo('both nodes process the queue, and each recipient is attempted once', async () => {
  await using nodes = await startNodes({ delivery: { concurrencyMax: 2, localConcurrencyMax: 2 } })
  const ada = await nodes.one.agentmail.inboxes.create({ username: 'ada' })
  const bob = await nodes.one.agentmail.inboxes.create({ username: 'bob' })
  const socket = await nodes.one.subscribe({ eventTypes: ['message.delivered'] })
  const sent: string[] = []
  const send = async () => {
    const body = { to: [bob.email], cc: ['zoe@example.test'], subject: 'hello', text: 'x' }
    sent.push((await nodes.one.agentmail.inboxes.messages.send(ada.inboxId, body)).messageId)
  }
  // All of it is submitted at one node; the other starts when it is notified.
  const done = async () => Promise.all(nodes.both.map(deliveriesOf))
  while ((await done()).some((count) => count < 5)) await Promise.all(Array.from({ length: 10 }, send))
  for (const _ of sent) await socket.next()

  const statesOf = async (messageId: string) => {
    const path = `/v0/inboxes/${ada.inboxId}/messages/${encodeURIComponent(messageId)}/deliveries`
    const { deliveries } = (await nodes.two.request('GET', path)).body
    return deliveries.map(({ state, history }: Frame) => [state, history.map(({ outcome }: Frame) => outcome)])
  }
  for (const messageId of sent) {
    await expect
      .poll(() => statesOf(messageId))
      .toEqual([
        ['delivered', ['delivered']],
        ['held', ['held']],
      ])
  }
  // No work was wasted: every delivery attempt that was started is in the history.
  expect((await done()).reduce((sum, count) => sum + count)).toBe(sent.length * 2)
  expect((await nodes.one.agentmail.inboxes.messages.list(bob.inboxId, { limit: 500 })).count).toBe(sent.length)
})

onTwo('the other node delivers to the recipients that a killed node had claimed, when the leases end', async () => {
  await using nodes = await startNodes({ delivery: { leaseMs: 1_000, pollMs: 100 } })
  const { one, two } = nodes
  await two.stop() // it must not claim anything yet
  const ada = await one.agentmail.inboxes.create({ username: 'ada' })
  const names = Array.from({ length: 10 }, (_, index) => `bob${index}`)
  const bobs = await Promise.all(names.map((username) => one.agentmail.inboxes.create({ username })))
  await one.stop()
  const victim = await startVictim(nodes.one)

  // Deliveries wait for an inbox whose row is locked by another connection.
  const blocker = new pg.Client({ connectionString: one.shared.databaseUrl })
  await blocker.connect()
  await blocker.query('begin')
  await blocker.query('select 1 from inboxes where address = $1 for update', [bobs[9]!.email])
  const answer = await fetch(`${victim.url}/v0/inboxes/${ada.inboxId}/messages/send`, {
    method: 'POST',
    headers: { authorization: `Bearer ${one.rootKey}`, 'content-type': 'application/json' },
    body: JSON.stringify({ to: bobs.map(({ email }) => email), subject: 'hello', text: 'x' }),
  })
  expect(answer.status).toBe(200)
  const leased = () => administrate(one.shared.databaseUrl!, 'select 1 from recipients where lease_until is not null')
  await expect.poll(async () => (await leased()).rowCount).toBe(bobs.length)
  await one.restart()
  const socket = await one.subscribe({ eventTypes: ['message.delivered'] })
  victim.signal('SIGKILL')
  await victim.exited
  expect((await leased()).rowCount).toBe(bobs.length)
  await blocker.end()

  expect((await socket.next()).delivery.recipients.toSorted()).toEqual(bobs.map(({ email }) => email).toSorted())
  for (const bob of bobs) expect((await one.agentmail.inboxes.messages.list(bob.inboxId)).count).toBe(1)
  const { rows } = await administrate(one.shared.databaseUrl!, 'select count(*)::int as count from recipient_history')
  expect(rows).toEqual([{ count: bobs.length }]) // the interrupted attempt is not in the history
})

onTwo('an inbox deleted at one node disappears at the other', async () => {
  await using nodes = await startNodes()
  const ada = await nodes.one.agentmail.inboxes.create({ username: 'ada' })
  await nodes.two.smtp.send({ to: ada.email, subject: 'hello', text: 'x' })
  const { body: key } = await nodes.one.request('POST', `/v0/inboxes/${ada.inboxId}/api-keys`, { body: {} })
  const socket = await nodes.two.subscribe({ key: key.api_key })

  await nodes.one.agentmail.inboxes.delete(ada.inboxId)

  expect((await nodes.two.request('GET', `/v0/inboxes/${ada.inboxId}`)).status).toBe(404)
  await expect(nodes.two.smtp.send({ to: ada.email, text: 'x' })).rejects.toMatchObject({ responseCode: 550 })
  expect((await nodes.two.request('GET', '/v0/inboxes', { key: key.api_key })).status).toBe(401)
  expect((await socket.closed).code).toBe(1008)
})

// Its leases would outlast those of the others, and it would see theirs as expired: it would send again what they send.
onTwo('a node whose clock is ahead by as much as a lease does not start, and says why', async () => {
  await using one = await startWorld()
  const {
    delivery: { leaseMs },
    store: { clockSkewMsMax },
  } = withLimits()
  const failure = await one
    .startSibling({ clock: () => Date.now() + leaseMs, limits: { store: { clockSkewMsMax } } })
    .then(
      async (two) => two[Symbol.asyncDispose](),
      (error: unknown) => error,
    )
  expect(failure).toBeInstanceOf(StartupError)
  expect((failure as StartupError).message).toMatch(/clock/)
})

onTwo('two nodes that start at once on an empty database create everything once', async () => {
  await using database = await createTestDatabase()
  const blobsDir = await mkdtemp(join(tmpdir(), 'martlet-test-blobs-'))
  onTestFinished(() => rm(blobsDir, { recursive: true, force: true }))
  const shared = { databaseUrl: database.url, blobsDir }
  const nodes = await Promise.all([startWorld({ shared }), startWorld({ shared })])
  const { rows } = await administrate(
    database.url!,
    `select (select count(*)::int from organizations) as organizations, (select count(*)::int from pods) as pods,
       (select count(*)::int from domains) as domains, (select count(*)::int from inboxes) as inboxes,
       (select count(*)::int from api_keys) as keys, (select count(distinct name)::int from secrets) as secret_names,
       (select count(*)::int from secrets) as secrets, (select count(*)::int from event_log) as logs`,
  )
  expect(rows).toMatchObject([{ organizations: 1, pods: 1, domains: 1, inboxes: 1, keys: 1, logs: 1 }])
  expect(rows[0].secrets).toBe(rows[0].secret_names)
  const [postmaster] = (await nodes[0]!.agentmail.inboxes.list()).inboxes
  expect(postmaster!.email).toBe('postmaster@mail.localhost')
  for (const node of nodes) {
    expect((await node.agentmail.inboxes.get(postmaster!.inboxId)).email).toBe(postmaster!.email)
    await node[Symbol.asyncDispose]()
  }
})

/** Starts a node of the same service as a separate process, which can be killed. */
async function startVictim({ shared, rootKey }: World) {
  const dataDir = await mkdtemp(join(tmpdir(), 'martlet-test-'))
  const env = {
    ...{ MARTLET_DATA_DIR: dataDir, MARTLET_DATABASE_URL: shared.databaseUrl!, MARTLET_ROOT_KEY: rootKey },
    ...{ MARTLET_HTTP_PORT: '0', MARTLET_SMTP_PORT: '0', ...MAIL_PROGRAMS_OFF },
  }
  const victim = await startServer(env, {
    ...{ delivery: { leaseMs: 3_000 }, store: { lockWaitMs: 60_000, statementMs: 60_000, silenceMs: 60_000 } },
  })
  onTestFinished(async () => {
    victim.signal('SIGKILL')
    await victim.exited
    await rm(dataDir, { recursive: true, force: true })
  })
  return victim
}

/** Subscribes and changes to the other node every few events, with its cursor. */
async function wander(nodes: readonly World[], expected: number) {
  const events: ReceivedEvent[] = []
  let changes = 0
  let after: string | undefined
  while (events.length < expected) {
    const node = nodes[changes % nodes.length]!
    const socket = await node.subscribe({ eventTypes: TYPES, after: after ?? 'earliest' })
    const share = Math.min(7, expected - events.length)
    events.push(...(await take(socket, share)))
    after = events.at(-1)!.cursor
    changes += 1
    socket.close() // the client does not use what else it had received
  }
  return { events, changes }
}

interface ReceivedEvent {
  readonly id: string
  readonly cursor: string
  readonly type: string
}

async function take(socket: TestSocket, count: number): Promise<ReceivedEvent[]> {
  const received: ReceivedEvent[] = []
  while (received.length < count) {
    const { event_id: id, cursor, event_type: type } = await socket.next()
    received.push({ id, cursor, type })
  }
  return received
}

/** Returns the number of delivery attempts that this node has finished, from its metrics. */
async function deliveriesOf(node: World): Promise<number> {
  const { body } = await node.request('GET', '/metrics')
  return [...String(body).matchAll(/^martlet_recipient_attempts_total\{.*\} (\d+)$/gm)].reduce(
    (sum, [, count]) => sum + Number(count),
    0,
  )
}
