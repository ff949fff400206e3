/**
 * Tests that a webhook that keeps failing is disabled after five days, and that subscribers get an event. The tests use
 * a real receiver that fails, and a clock that the test advances.
 */
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest'
import { readRows } from '../support/test-database.ts'
import { deleteWebhooks, startWebhookSink, type WebhookSink } from '../support/webhook-sink.ts'
import { startWorld, type World } from '../support/world.ts'

const HOUR = 3_600_000
const DAY = 24 * HOUR

/** The webhooks of each test end with it. */
let shared: World
const time = movable()
beforeAll(async () => {
  shared = await startWorld(time.options)
})
afterEach(() => deleteWebhooks(shared))
afterAll(() => shared[Symbol.asyncDispose]())

/** The inbox of the current test. */
let ada: string
let tests = 0
beforeEach(async () => {
  tests += 1
  ada = (await shared.agentmail.inboxes.create({ username: `ada${tests}` })).inboxId
})

test('a webhook whose requests all fail for five days is disabled, and sockets and webhooks get an event', async () => {
  const world = shared
  await using sink = await startWebhookSink(refusing)
  await using other = await startWebhookSink()
  const hook = await hookUp(world, sink)
  const { at, webhookId } = hook
  await world.request('POST', '/v0/webhooks', { body: { url: other.url, event_types: ['webhook.disabled'] } })
  const socket = await world.subscribe({ eventTypes: ['webhook.disabled'] })
  const began = time.now()

  await fail(hook, sink)
  for (let day = 0; day < 4; day += 1) {
    time.pass(DAY)
    await fail(hook, sink)
  }
  expect(await view(world, at)).toEqual({ enabled: true, reason: undefined })
  time.pass(DAY - HOUR)
  await fail(hook, sink)
  expect(await view(world, at)).toEqual({ enabled: true, reason: undefined })
  time.pass(HOUR)
  await world.smtp.send({ to: ada, subject: 'the last' })
  await expect.poll(() => view(world, at)).toEqual({ enabled: false, reason: 'failing' })

  const frame = await socket.next()
  expect(frame).toMatchObject({
    type: 'event',
    event_type: 'webhook.disabled',
    webhook: { webhook_id: webhookId, enabled: false, disabled_reason: 'failing', timestamp: expect.any(String) },
  })
  expect(Math.abs(Date.parse(frame.webhook.failing_since) - began)).toBeLessThan(60_000)
  const [call] = await other.count(1)
  const { cursor, ...event } = frame
  expect(call!.event).toEqual(event)

  sink.answer = (response) => void response.writeHead(204).end()
  await world.request('PATCH', at, { body: { enabled: true } })
  expect(await view(world, at)).toEqual({ enabled: true, reason: undefined })
  const calls = sink.calls.length
  await world.smtp.send({ to: ada, subject: 'well again' })
  await sink.count(calls + 1)
  sink.answer = refusing
  await fail(hook, sink)
  expect((await view(world, at)).enabled).toBe(true)
})

test('time without requests does not count towards the five days', async () => {
  const world = shared
  await using sink = await startWebhookSink(refusing)
  const hook = await hookUp(world, sink)
  const { at } = hook
  await fail(hook, sink)
  time.pass(6 * DAY)
  await fail(hook, sink)
  await fail(hook, sink)
  expect((await view(world, at)).enabled).toBe(true)
  for (let day = 0; day < 4; day += 1) {
    time.pass(DAY)
    await fail(hook, sink)
  }
  expect((await view(world, at)).enabled).toBe(true)
  time.pass(DAY)
  await world.smtp.send({ to: ada, subject: 'the last' })
  await expect.poll(() => view(world, at)).toEqual({ enabled: false, reason: 'failing' })
})

test('one success restarts the five days', async () => {
  const world = shared
  await using sink = await startWebhookSink(refusing)
  const hook = await hookUp(world, sink)
  const { at } = hook
  for (let day = 0; day < 4; day += 1) {
    await fail(hook, sink)
    time.pass(DAY)
  }
  sink.answer = (response) => void response.writeHead(204).end()
  const calls = sink.calls.length
  await world.smtp.send({ to: ada, subject: 'fine' })
  await sink.count(calls + 1)
  const failingSince = `select failing_since from webhooks where id = '${hook.id}'`
  await expect.poll(() => readRows(world, failingSince)).toEqual([[null]])
  sink.answer = refusing
  for (let day = 0; day < 3; day += 1) {
    await fail(hook, sink)
    time.pass(DAY)
  }
  await fail(hook, sink)
  expect((await view(world, at)).enabled).toBe(true)
})

test('a webhook that answers 410 is disabled with the same event, which needs webhook_read', async () => {
  const world = shared
  await using sink = await startWebhookSink((response) => void response.writeHead(410).end())
  const made = await world.agentmail.inboxes.webhooks.create(ada, {
    url: sink.url,
    eventTypes: ['message.received'],
  })
  const keyOf = async (permissions: object) =>
    (await world.request('POST', '/v0/api-keys', { body: { permissions } })).body.api_key as string
  const blind = await world.subscribe({ key: await keyOf({ message_read: true }) })
  blind.send({ type: 'subscribe', event_types: ['webhook.disabled'] })
  expect(await blind.nextFrame(({ type }) => type === 'error')).toMatchObject({
    type: 'error',
    message: 'webhook_read is forbidden',
  })
  const seeing = await world.subscribe({
    eventTypes: ['webhook.disabled'],
    inboxIds: [ada],
    key: await keyOf({ message_read: true, webhook_read: true }),
  })
  const silent = await world.subscribe()

  await world.smtp.send({ to: ada, subject: 'hello' })
  expect((await seeing.next()).webhook).toMatchObject({ webhook_id: made.webhookId, disabled_reason: 'gone' })
  expect((await silent.next()).event_type).toBe('message.received')
  await world.smtp.send({ to: ada, subject: 'again' })
  expect((await silent.next()).event_type).toBe('message.received') // and no event in between
})

/** Refuses without a retry, so that each message is one request. */
const refusing: WebhookSink['answer'] = (response) =>
  void response.writeHead(400, { 'webhook-delivery': 'abort-message' }).end()

async function hookUp(world: World, sink: WebhookSink) {
  const { webhookId } = await world.agentmail.webhooks.create({ url: sink.url, eventTypes: ['message.received'] })
  return { webhookId, id: webhookId.replace('ep_', ''), at: `/v0/webhooks/${webhookId}` }
}

async function fail({ id }: { readonly id: string }, sink: WebhookSink): Promise<void> {
  const ofWebhook = `delivery_id in (select id from webhook_deliveries where webhook_id = '${id}')`
  const query = `select id from webhook_attempts where outcome = 'failed' and ${ofWebhook}`
  const failed = async () => (await readRows(shared, query)).length
  const before = await failed()
  const calls = sink.calls.length
  await shared.smtp.send({ to: ada, subject: 'fails' })
  await sink.count(calls + 1)
  await expect.poll(failed).toBe(before + 1)
}

async function view(world: World, at: string) {
  const { body } = await world.request('GET', at)
  return { enabled: body.enabled, reason: body.disabled_reason }
}

function movable() {
  let ahead = 0
  // The clock passes more days than attempts are kept, and the tests count them.
  const webhooks = { pollMs: 20, retentionMs: 365 * DAY }
  return {
    options: { clock: () => Date.now() + ahead, limits: { webhooks, jobs: { pollMs: 20 }, store: { sweepMs: 50 } } },
    now: () => Date.now() + ahead,
    pass(ms: number) {
      ahead += ms
    },
  }
}
