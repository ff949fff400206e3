/**
 * The fourth flow of ARCHITECTURE.md: a message arrives, and a user's webhook receives the event. The receiver is a
 * real HTTP server, and the requests are checked with the packages that receivers use.
 */
import { once } from 'node:events'
import { type AddressInfo, createServer } from 'node:net'
import { Webhook as StandardWebhook } from 'standardwebhooks'
import { Webhook as SvixWebhook } from 'svix'
import { afterAll, afterEach, beforeAll, expect, onTestFinished, test } from 'vitest'
import { readRows } from '../support/test-database.ts'
import { deleteWebhooks, startWebhookSink } from '../support/webhook-sink.ts'
import { startWorld, type World, type WorldOptions } from '../support/world.ts'

/** For tests that need no special settings. Each has an inbox of its own, and its webhooks end with it. */
let shared: World
const sharedTime = movable()
beforeAll(async () => {
  shared = await startWorld(sharedTime.options)
})
afterEach(() => deleteWebhooks(shared))
afterAll(() => shared[Symbol.asyncDispose]())

let inboxes = 0

test('a message sent over SMTP reaches the webhook, signed for svix and for Standard Webhooks', async () => {
  const world = shared
  await using sink = await startWebhookSink()
  const inbox = await world.agentmail.inboxes.create({ username: 'signed' })
  const webhook = await world.agentmail.webhooks.create({
    url: sink.url,
    eventTypes: ['message.received'],
    headers: { 'X-Team': 'blue' },
  })

  await world.smtp.send({ to: inbox.email, subject: 'hello', text: 'grüße' })

  const [call] = await sink.count(1)
  expect(call).toMatchObject({ method: 'POST', path: '/hook' })
  expect(call!.headers).toMatchObject({
    'content-type': 'application/json',
    'user-agent': expect.stringMatching(/^Martlet/),
    'x-team': 'blue',
    'svix-id': `msg_${call!.event.event_id.slice('evt_'.length)}`,
  })
  const headers = call!.headers as Record<string, string>
  expect(new SvixWebhook(webhook.secret).verify(call!.body, headers)).toEqual(call!.event)
  expect(new StandardWebhook(webhook.secret).verify(call!.body, headers)).toEqual(call!.event)
  expect(call!.event).toMatchObject({
    type: 'event',
    event_type: 'message.received',
    message: { inbox_id: inbox.email, subject: 'hello', text: 'grüße', labels: ['received', 'unread'] },
    thread: { message_count: 1 },
  })
  expect(call!.event.cursor).toBeUndefined()
})

test('the event of a message that is too large for a body is sent without its text, with truncated: true', async () => {
  const world = shared
  await using sink = await startWebhookSink()
  const { webhook, inbox } = await hookUp(world, sink.url)
  // Fewer than a million characters, but more than a million bytes.
  const text = 'grüße '.repeat(160_000)
  await world.smtp.send({ to: inbox.email, subject: 'large', text, html: `<p>${text}</p>` })
  await world.smtp.send({ to: inbox.email, subject: 'small', text: 'x' })
  const calls = await sink.count(2)
  const large = calls.find(({ event }) => event.message.subject === 'large')!
  const small = calls.find(({ event }) => event.message.subject === 'small')!
  expect(Buffer.byteLength(large.body)).toBeLessThanOrEqual(1_000_000)
  new SvixWebhook(webhook.secret).verify(large.body, large.headers as Record<string, string>)
  expect(large.event).toMatchObject({ event_type: 'message.received', truncated: true, thread: { message_count: 1 } })
  expect(large.event.message).toMatchObject({ inbox_id: inbox.email, preview: expect.stringContaining('grüße') })
  for (const bulk of ['text', 'html', 'extracted_text', 'extracted_html']) {
    expect(large.event.message).not.toHaveProperty(bulk)
  }
  expect(small.event.message.text).toBe('x')
  expect(small.event).not.toHaveProperty('truncated')
  const { deliveries } = (await world.request('GET', `/v0/webhooks/${webhook.webhookId}/deliveries`)).body
  const one = deliveries.find(({ event_id }: { event_id: string }) => event_id === large.event.event_id)
  const at = `/v0/webhooks/${webhook.webhookId}/deliveries/${one.delivery_id}`
  expect((await world.request('GET', at)).body.body).toBe(large.body)
})

test('a failed attempt is retried on schedule, even after a restart, with the same id and bytes', async () => {
  const time = movable()
  await using world = await startWorld(time.options)
  await using sink = await startWebhookSink((response) => void response.writeHead(500).end('not today'))
  const { inbox, webhook } = await hookUp(world, sink.url)

  await world.smtp.send({ to: inbox.email, subject: 'again' })
  await sink.count(1)
  await expect.poll(() => attempts(world, webhook)).toEqual([[1, 'retry', 500, 'not today', null]])
  await world.restart()
  time.pass(5_600)
  await sink.count(2)
  await expect.poll(() => attempts(world, webhook)).toHaveLength(2)
  sink.answer = (response) => void response.writeHead(200).end()
  time.pass(5.6 * 60_000)
  const [first, ...repeated] = await sink.count(3)

  expect(repeated.map(({ body }) => body)).toEqual([first!.body, first!.body])
  expect(repeated.map(({ headers }) => headers['svix-id'])).toEqual([
    first!.headers['svix-id'],
    first!.headers['svix-id'],
  ])
  const [second] = repeated
  expect(Number(second!.headers['svix-timestamp']) - Number(first!.headers['svix-timestamp'])).toBeGreaterThanOrEqual(5)
  // Each attempt is signed with its own time.
  new SvixWebhook(webhook.secret).verify(second!.body, second!.headers as Record<string, string>)
  await expect.poll(() => deliveries(world, webhook)).toEqual([['delivered', 3, 200]])
})

test('a webhook that hangs, with many pending deliveries, does not delay another webhook', async () => {
  await using world = await startWorld({ limits: { webhooks: { endpointConcurrencyMax: 3 } } })
  await using hanging = await startWebhookSink(() => undefined)
  await using healthy = await startWebhookSink()
  const { inbox } = await hookUp(world, hanging.url)
  await world.agentmail.webhooks.create({ url: healthy.url, eventTypes: ['message.received'] })

  for (let mail = 0; mail < 20; mail += 1) await world.smtp.send({ to: inbox.email, subject: `${mail}` })

  await healthy.count(20)
  const subjects = healthy.calls.map(({ event }) => Number(event.message.subject))
  expect(subjects.toSorted((a, b) => a - b)).toEqual(Array.from({ length: 20 }, (_, index) => index))
  expect(hanging.calls).toHaveLength(3)
  await hanging[Symbol.asyncDispose]() // otherwise the stop would wait for it
})

// Connections were limited per host: ten hanging requests to one path delayed every other path of the host for 15 s.
test('a webhook that hangs does not delay another one on the same host', async () => {
  await using world = await startWorld({ limits: { webhooks: { endpointConcurrencyMax: 3 } } })
  await using sink = await startWebhookSink((response, { path }) => {
    if (path === '/healthy') response.end()
  })
  const { inbox } = await hookUp(world, sink.url)
  await world.agentmail.webhooks.create({
    url: sink.url.replace('hook', 'healthy'),
    eventTypes: ['message.received'],
  })
  for (let mail = 0; mail < 10; mail += 1) await world.smtp.send({ to: inbox.email, subject: `${mail}` })
  const healthy = () => sink.calls.filter(({ path }) => path === '/healthy').length
  await expect.poll(healthy).toBe(10)
  expect(sink.calls).toHaveLength(13)
  await sink[Symbol.asyncDispose]() // otherwise the stop would wait for it
})

test('a redirect is a failed attempt and is not followed', async () => {
  const world = shared
  await using elsewhere = await startWebhookSink()
  await using sink = await startWebhookSink(
    (response) => void response.writeHead(307, { location: elsewhere.url }).end(),
  )
  const { inbox, webhook } = await hookUp(world, sink.url)
  await world.smtp.send({ to: inbox.email, subject: 'moved' })
  await expect.poll(() => attempts(world, webhook)).toEqual([[1, 'retry', 307, '', null]])
  expect(elsewhere.connections).toBe(0)
})

test('a receiver that switches protocols fails, and delays neither another webhook nor the stop', async () => {
  const upgrading = createServer((socket) => {
    socket.on('error', () => undefined) // our server disconnects
    socket.once('data', () => {
      socket.write('HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n')
    })
  })
  upgrading.listen(0, '127.0.0.1')
  await once(upgrading, 'listening')
  onTestFinished(() => void upgrading.close())
  await using healthy = await startWebhookSink()
  await using world = await startWorld({ limits: { webhooks: { concurrencyMax: 1, endpointConcurrencyMax: 1 } } })
  const { inbox, webhook } = await hookUp(world, `http://127.0.0.1:${(upgrading.address() as AddressInfo).port}/`)
  await world.smtp.send({ to: inbox.email, subject: 'first' })
  await expect.poll(() => attempts(world, webhook)).toEqual([[1, 'retry', null, null, expect.any(String)]])

  await world.agentmail.webhooks.create({ url: healthy.url, eventTypes: ['message.received'] })
  await world.smtp.send({ to: inbox.email, subject: 'second' })
  const [call] = await healthy.count(1)
  expect(call!.event.message.subject).toBe('second')
  await world.stop()
})

test('410 Gone disables the webhook, and cancels its pending deliveries', async () => {
  const world = shared
  await using sink = await startWebhookSink((response) => void response.writeHead(500).end())
  const { inbox, webhook } = await hookUp(world, sink.url)
  await world.smtp.send({ to: inbox.email, subject: 'waits' })
  await expect.poll(() => attempts(world, webhook)).toHaveLength(1)
  sink.answer = (response) => void response.writeHead(410).end()
  await world.smtp.send({ to: inbox.email, subject: 'gone' })

  await expect.poll(async () => (await world.agentmail.webhooks.get(webhook.webhookId)).enabled).toBe(false)
  await expect
    .poll(() => deliveries(world, webhook))
    .toEqual([
      ['cancelled', 1, 500],
      ['failed', 1, 410],
    ])
})

test('Retry-After is respected with a 503, up to one day', async () => {
  const world = shared
  const waits = ['3600', '999999']
  await using sink = await startWebhookSink(
    (response) => void response.writeHead(503, { 'retry-after': waits.shift() }).end(),
  )
  const { inbox, webhook } = await hookUp(world, sink.url)
  await world.smtp.send({ to: inbox.email, subject: 'an hour' })
  await expect.poll(() => attempts(world, webhook)).toHaveLength(1)
  await world.smtp.send({ to: inbox.email, subject: 'a day' })
  await expect.poll(() => attempts(world, webhook)).toHaveLength(2)
  const rows = await readDeliveries(world, 'next_attempt_at - updated_at as wait', [webhook])
  const [hour, day] = rows.map(([wait]) => Math.round((wait as number) / 60_000))
  expect([hour, day]).toEqual([60, 24 * 60])
})

test('"webhook-delivery: abort-message" ends the retries of that delivery only', async () => {
  const world = shared
  await using sink = await startWebhookSink(
    (response) => void response.writeHead(400, { 'webhook-delivery': 'abort-message' }).end('never'),
  )
  const { inbox, webhook } = await hookUp(world, sink.url)
  await world.smtp.send({ to: inbox.email, subject: 'unwanted' })
  await expect.poll(() => deliveries(world, webhook)).toEqual([['failed', 1, 400]])
  expect((await world.agentmail.webhooks.get(webhook.webhookId)).enabled).toBe(true)
})

test('a host name that resolves to a private network is not called', async () => {
  await using sink = await startWebhookSink()
  const answers = [{ address: '127.0.0.1', family: 4 }]
  await using world = await startWorld({
    env: { MARTLET_ALLOW_PRIVATE_NETWORKS: 'false' },
    lookup: async () => answers,
  })
  const { inbox, webhook } = await hookUp(world, `http://innocent.example:${sink.port}/hook`)
  await world.smtp.send({ to: inbox.email, subject: 'secret' })
  await expect
    .poll(() => attempts(world, webhook))
    .toEqual([[1, 'retry', null, null, expect.stringContaining('private network')]])
  expect(sink.connections).toBe(0)

  for (const url of [
    'http://127.0.0.1/',
    'http://[::ffff:10.0.0.1]/',
    'http://0x7f.1/',
    'https://localhost/',
    'http://a.localhost./',
  ]) {
    const refused = world.agentmail.webhooks.create({ url, eventTypes: [] })
    await expect(refused, url).rejects.toMatchObject({ statusCode: 400 })
  }
})

test('deliveries that are pending when a webhook is disabled are never sent, even if it is enabled again', async () => {
  const world = shared
  await using sink = await startWebhookSink((response) => void response.writeHead(500).end())
  const { inbox, webhook } = await hookUp(world, sink.url)
  await world.smtp.send({ to: inbox.email, subject: 'before' })
  await expect.poll(() => attempts(world, webhook)).toHaveLength(1)

  await switchTo(world, webhook.webhookId, false)
  await world.smtp.send({ to: inbox.email, subject: 'meanwhile' })
  await expect.poll(() => deliveries(world, webhook)).toEqual([['cancelled', 1, 500]])
  await switchTo(world, webhook.webhookId, true)
  sink.answer = (response) => void response.writeHead(204).end()
  sharedTime.pass(6_000)
  await world.smtp.send({ to: inbox.email, subject: 'after' })
  await sink.count(2)
  expect(sink.calls.map(({ event }) => event.message.subject)).toEqual(['before', 'after'])
})

test('deleting a webhook removes all its rows, and deleting an inbox deletes its webhooks', async () => {
  const world = shared
  await using sink = await startWebhookSink((response) => void response.writeHead(500).end())
  const { inbox, webhook } = await hookUp(world, sink.url)
  const ofInbox = await world.agentmail.inboxes.webhooks.create(inbox.inboxId, {
    url: sink.url,
    eventTypes: ['message.received'],
  })
  await world.smtp.send({ to: inbox.email, subject: 'twice' })
  await expect.poll(() => attempts(world, webhook, ofInbox)).toHaveLength(2)

  await world.agentmail.webhooks.delete(webhook.webhookId)
  await expect(world.agentmail.webhooks.get(webhook.webhookId)).rejects.toMatchObject({ statusCode: 404 })
  await expect.poll(() => readRows(world, 'select count(*) from webhooks')).toEqual([[1]])
  await world.agentmail.inboxes.delete(inbox.inboxId)
  await expect.poll(() => readRows(world, 'select count(*) from webhooks')).toEqual([[0]])
  expect(
    await readRows(world, 'select count(*) from webhook_deliveries union all select count(*) from webhook_attempts'),
  ).toEqual([[0], [0]])
})

/** Creates an inbox, and a webhook for all received messages. */
async function hookUp(world: World, url: string) {
  inboxes += 1
  const inbox = await world.agentmail.inboxes.create({ username: `ada${inboxes}` })
  const webhook = await world.agentmail.webhooks.create({ url, eventTypes: ['message.received'] })
  return { inbox, webhook }
}

/** Returns options for a clock that the test can advance; polling is frequent, so that due work is found quickly. */
function movable(): { options: WorldOptions; pass(ms: number): void } {
  let ahead = 0
  const options = {
    clock: () => Date.now() + ahead,
    limits: { webhooks: { pollMs: 20 }, jobs: { pollMs: 20 }, store: { clockSkewMsMax: 1e12 } },
  }
  return {
    options,
    pass(ms) {
      ahead += ms
    },
  }
}

async function switchTo(world: World, webhookId: string, enabled: boolean): Promise<void> {
  const { status } = await world.request('PATCH', `/v0/webhooks/${webhookId}`, { body: { enabled } })
  expect(status).toBe(200)
}

interface Hook {
  readonly webhookId: string
}

/** Reads the attempts of these webhooks from the database. */
function attempts(world: World, ...webhooks: readonly Hook[]): Promise<unknown[][]> {
  return readRows(
    world,
    `select attempt, outcome, code, response, error from webhook_attempts
      where delivery_id in (select id from webhook_deliveries where ${areOf(webhooks)}) order by id`,
  )
}

function deliveries(world: World, webhook: Hook): Promise<unknown[][]> {
  return readDeliveries(world, 'state, attempts, last_code', [webhook])
}

function readDeliveries(world: World, columns: string, webhooks: readonly Hook[]): Promise<unknown[][]> {
  return readRows(world, `select ${columns} from webhook_deliveries where ${areOf(webhooks)} order by seq`)
}

/** The rows of deleted webhooks are removed some time later. */
function areOf(webhooks: readonly Hook[]): string {
  return `webhook_id in (${webhooks.map(({ webhookId }) => `'${webhookId.replace('ep_', '')}'`).join(', ')})`
}
