/**
 * Tests that the deliveries of a webhook can be listed and sent again: one by its id, or all of a time range. The tests
 * compare what a real receiver gets with what the API returns.
 */

import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest'
import { mergeLimits } from '../../src/config/limits.ts'
import { readRows } from '../support/test-database.ts'
import { type Call, deleteWebhooks, startWebhookSink, type WebhookSink } from '../support/webhook-sink.ts'
import { startWorld, type World, type WorldOptions } from '../support/world.ts'

/** For tests that need no special settings. The webhooks of each end with it. */
let shared: World
const time = movable()
beforeAll(async () => {
  shared = await startWorld(time.options)
})
afterEach(() => deleteWebhooks(shared))
afterAll(() => shared[Symbol.asyncDispose]())

/** Each test has an inbox of its own. */
let username: string
let tests = 0
beforeEach(() => {
  tests += 1
  username = `ada${tests}`
})

const HOUR = 3_600_000

const failing =
  (status: number, body = '') =>
  (response: Parameters<WebhookSink['answer']>[0]) =>
    void response.writeHead(status).end(body)

test('deliveries are listed with their attempts, newest first, and a single one includes its body', async () => {
  const world = shared
  await using sink = await startWebhookSink(failing(500, `not today${'x'.repeat(3_000)}`))
  const { at, webhook } = await hookUp(world, sink, { headers: { 'X-Token': 'hush-hush' } })
  await deliver(world, 'first')
  await expect.poll(async () => (await attempts(world, at)).length).toBe(1)
  sink.answer = failing(204)
  await deliver(world, 'second')
  await expect.poll(() => states(world, at)).toEqual(['delivered', 'pending'])

  const { status, body } = await world.request('GET', `${at}/deliveries`)
  expect([status, body.count]).toEqual([200, 2])
  const [second, first] = body.deliveries
  const [firstCall, secondCall] = sink.calls
  expect(first).toMatchObject({
    delivery_id: expect.stringMatching(/^dlv_/),
    event_id: firstCall!.event.event_id,
    event_type: 'message.received',
    attempts: [{ attempt: 1, outcome: 'retry', status_code: 500, duration_ms: expect.any(Number) }],
  })
  expect(first.attempts[0].response).toBe(`not today${'x'.repeat(1_024 - 'not today'.length)}`)
  expect(first.attempts[0]).not.toHaveProperty('error')
  const waitMs = Date.parse(first.next_attempt_at) - Date.parse(first.attempts[0].started_at)
  expect(waitMs).toBeGreaterThanOrEqual(5_000)
  expect(waitMs).toBeLessThan(10_000)
  expect(second).toMatchObject({ event_id: secondCall!.event.event_id, attempts: [{ outcome: 'delivered' }] })
  for (const absent of ['body', 'next_attempt_at']) expect(second).not.toHaveProperty(absent)

  const one = await world.request('GET', `${at}/deliveries/${first.delivery_id}`)
  expect(one.body).toEqual({ ...first, body: firstCall!.body })
  for (const text of [JSON.stringify(body), JSON.stringify(one.body)]) {
    expect(text).not.toContain('hush-hush')
    expect(text).not.toContain(webhook.secret)
  }
  for (const absent of ['dlv_nothing', first.delivery_id.slice(4), webhook.webhookId]) {
    expect((await world.request('GET', `${at}/deliveries/${absent}`)).status).toBe(404)
  }
  const other = await world.agentmail.webhooks.create({ url: sink.url, eventTypes: ['message.sent'] })
  const elsewhere = `/v0/webhooks/${other.webhookId}/deliveries`
  expect((await world.request('GET', `${elsewhere}/${first.delivery_id}`)).status).toBe(404)
  expect((await world.request('POST', `${elsewhere}/${first.delivery_id}/redeliver`)).status).toBe(404)
  expect((await world.request('GET', elsewhere)).body).toMatchObject({ count: 0, deliveries: [] })
})

test('the log has pages and filters, on every path', async () => {
  const own = movable()
  await using world = await startWorld({
    ...own.options,
    limits: mergeLimits(own.options.limits, { lists: { scanRowsMax: 3 } }),
  })
  await using sink = await startWebhookSink((response, { event }) =>
    failing(event.message?.subject.startsWith('bad') ? 400 : 204)(response),
  )
  const { at, webhook, inbox } = await hookUp(world, sink)
  const subjects = ['bad 1', 'good 2', 'good 3', 'good 4', 'bad 5']
  for (const [index, subject] of subjects.entries()) {
    await deliver(world, subject)
    // Each has its own transaction: two events that are dispatched together have the same time.
    await expect.poll(async () => (await states(world, at)).length).toBe(index + 1)
    own.pass(100) // in total less than the five seconds after which a failed one is retried
  }
  await expect.poll(() => states(world, at)).toEqual(['pending', 'delivered', 'delivered', 'delivered', 'pending'])
  const newest = sink.calls.map(({ event }) => event.event_id).toReversed()
  const ids = (query: string) => pages(world, `${at}/deliveries`, query)
  expect(await ids('limit=2')).toEqual([newest.slice(0, 2), newest.slice(2, 4), newest.slice(4)])
  expect((await ids('ascending=true')).flat()).toEqual(newest.toReversed())
  // A page scans three rows, so the second pending delivery is on the second page.
  expect(await ids('state=pending')).toEqual([[newest[0]], [newest[4]]])
  expect((await ids('state=delivered')).flat()).toEqual(newest.slice(1, 4))
  expect((await ids('event_types=message.sent,message.bounced')).flat()).toEqual([])
  expect((await ids('event_types=message.sent,message.received')).flat()).toEqual(newest)
  const { deliveries } = (await world.request('GET', `${at}/deliveries?limit=3`)).body
  const middle = encodeURIComponent(deliveries[2].created_at)
  expect((await ids(`before=${middle}`)).flat()).toEqual(newest.slice(3))
  expect((await ids(`after=${middle}`)).flat()).toEqual(newest.slice(0, 2))
  for (const wrong of ['state=lost', 'before=yesterday', 'limit=0', 'page_token=x']) {
    expect((await world.request('GET', `${at}/deliveries?${wrong}`)).status, wrong).toBe(400)
  }
  for (const level of [`/v0/inboxes/${inbox.inboxId}`, `/v0/pods/${inbox.podId}`]) {
    const own = await world.request('POST', `${level}/webhooks`, { body: { url: sink.url } })
    const below = `${level}/webhooks/${own.body.webhook_id}`
    expect((await world.request('GET', `${below}/deliveries`)).body).toMatchObject({ count: 0 })
    expect((await world.request('POST', `${below}/test`)).status).toBe(200)
    const ofAll = `${level}/webhooks/${webhook.webhookId}`
    expect((await world.request('GET', `${ofAll}/deliveries`)).status).toBe(404)
    expect((await world.request('POST', `${ofAll}/test`)).status).toBe(404)
    expect((await world.request('POST', `${ofAll}/replay`, { body: { start: '2020-01-01' } })).status).toBe(404)
  }
})

test('a key that may not see the message sees neither the body nor the response of the receiver', async () => {
  const world = shared
  await using sink = await startWebhookSink(failing(400, 'what a nice mail about gold'))
  const { at, inbox } = await hookUp(world, sink, { eventTypes: ['message.received', 'label.added'] })
  await deliver(world, 'gold')
  await expect.poll(async () => (await attempts(world, at)).length).toBe(1)
  const { messages } = await world.agentmail.inboxes.messages.list(inbox.inboxId)
  const path = `/v0/inboxes/${inbox.inboxId}/messages/${encodeURIComponent(messages[0]!.messageId)}`
  await world.request('PATCH', path, { body: { add_labels: ['spam'] } })
  await world.request('PATCH', path, { body: { add_labels: ['mine'] } })
  await expect.poll(async () => (await attempts(world, at)).length).toBe(3)
  const [ofMine, , ofMail] = (await world.request('GET', `${at}/deliveries`)).body.deliveries

  const see = async (permissions: string[]) => {
    const given = Object.fromEntries(permissions.map((name) => [name, true]))
    const { api_key: key } = (await world.request('POST', '/v0/api-keys', { body: { permissions: given } })).body
    const list = await world.request('GET', `${at}/deliveries`, { key })
    const responses = (list.body.deliveries ?? []).map((each: { attempts: { response?: string }[] }) =>
      each.attempts.map(({ response }) => response?.includes('gold') ?? false),
    )
    const one = async (id: string) => (await world.request('GET', `${at}/deliveries/${id}`, { key })).status
    return [list.status, responses.flat(), await one(ofMail.delivery_id), await one(ofMine.delivery_id)]
  }
  expect(await see(['message_read'])).toEqual([403, [], 403, 403])
  expect(await see(['webhook_read'])).toEqual([200, [false, false, false], 403, 403])
  // A key that could read the message before may see that a label hid it, but neither later events nor the message.
  expect(await see(['webhook_read', 'message_read'])).toEqual([200, [false, true, false], 403, 403])
  expect(await see(['webhook_read', 'message_read', 'label_spam_read'])).toEqual([200, [true, true, true], 200, 200])
})

test('a redelivery has the same id and bytes, continues the attempt numbers and restarts the schedule', async () => {
  const world = shared
  await using sink = await startWebhookSink()
  const { at } = await hookUp(world, sink)
  await deliver(world, 'again')
  await expect.poll(() => states(world, at)).toEqual(['delivered'])
  const [{ delivery_id }] = (await world.request('GET', `${at}/deliveries`)).body.deliveries
  const redeliver = () => world.request('POST', `${at}/deliveries/${delivery_id}/redeliver`)

  sink.answer = failing(500)
  const asked = await redeliver()
  expect(asked).toMatchObject({ status: 200, body: { delivery_id, state: 'pending', attempts: [{ attempt: 1 }] } })
  expect(asked.body).not.toHaveProperty('body')
  const [first, second] = await sink.count(2)
  expect(identity(second!)).toEqual(identity(first!))
  await expect.poll(async () => (await attempts(world, at)).length).toBe(2)
  const waits = await attempts(world, at)
  expect(waits.map(({ attempt, outcome }) => [attempt, outcome])).toEqual([
    [1, 'delivered'],
    [2, 'retry'],
  ])
  const delivery = (await world.request('GET', `${at}/deliveries`)).body.deliveries[0]
  const waitMs = Date.parse(delivery.next_attempt_at) - Date.parse(waits[1]!.started_at)
  expect(waitMs).toBeLessThan(10_000) // the first interval of the schedule, not the second (five minutes)

  // A delivery that waits for its retry becomes due at once.
  sink.answer = failing(204)
  expect((await redeliver()).body.state).toBe('pending')
  await sink.count(3)
  await expect.poll(() => states(world, at)).toEqual(['delivered'])
  expect(sink.calls).toHaveLength(3)
})

test('a redelivery of a running delivery does not send it twice', async () => {
  const world = shared
  await using sink = await startWebhookSink(() => undefined)
  const { at, webhook } = await hookUp(world, sink)
  await deliver(world, 'slow')
  await sink.count(1)
  const [{ delivery_id }] = (await world.request('GET', `${at}/deliveries`)).body.deliveries
  const answer = await world.request('POST', `${at}/deliveries/${delivery_id}/redeliver`)
  expect(answer).toMatchObject({ status: 200, body: { state: 'pending', attempts: [] } })
  const query = `select lease_owner from webhook_deliveries where webhook_id = '${webhook.id}'`
  const [[owner]] = (await readRows(world, query)) as [[string | null]]
  expect(owner).not.toBeNull()
  await sink[Symbol.asyncDispose]()
  await expect.poll(async () => (await attempts(world, at)).length).toBe(1)
})

test('redeliver and replay need an enabled webhook, a current subscription, and a permission', async () => {
  const world = shared
  await using sink = await startWebhookSink()
  const { at, webhook } = await hookUp(world, sink)
  await deliver(world, 'once')
  await expect.poll(() => states(world, at)).toEqual(['delivered'])
  const [{ delivery_id }] = (await world.request('GET', `${at}/deliveries`)).body.deliveries
  const start = '2020-01-01'
  const both = async (key?: string) => {
    const asked = { ...(key !== undefined && { key }) }
    const one = await world.request('POST', `${at}/deliveries/${delivery_id}/redeliver`, asked)
    const all = await world.request('POST', `${at}/replay`, { ...asked, body: { start } })
    return [one.body.code ?? one.status, all.body.code ?? all.status, all.body.count]
  }
  const reader = await world.request('POST', '/v0/api-keys', {
    body: { permissions: { webhook_read: true, message_read: true } },
  })
  expect(await both(reader.body.api_key)).toEqual(['missing_permission', 'missing_permission', undefined])
  await world.request('PATCH', at, { body: { enabled: false } })
  expect(await both()).toEqual(['webhook_disabled', 'webhook_disabled', undefined])
  await world.request('PATCH', at, { body: { enabled: true } })
  await world.agentmail.webhooks.update(webhook.webhookId, { eventTypes: ['message.sent'] })
  expect(await both()).toEqual(['event_not_told', 200, 0])
  await world.request('DELETE', at)
  expect(await both()).toEqual(['not_found', 'not_found', undefined])
  expect(sink.calls).toHaveLength(1)
})

test('a replay sends old and unsent events in order with the same event ids, and a dry run only counts', async () => {
  const world = shared
  time.pass(2 * HOUR) // the replays below do not reach the mail of earlier tests
  await using sink = await startWebhookSink()
  await world.agentmail.inboxes.create({ username })
  await deliver(world, 'before it was made')
  time.pass(60_000)
  const { at, webhook } = await hookUp(world, sink, { ordered: true })
  for (const subject of ['sent', 'sent too']) await deliver(world, subject)
  await expect.poll(() => states(world, at)).toEqual(['delivered', 'delivered'])
  await world.request('PATCH', at, { body: { enabled: false } })
  await deliver(world, 'while it was off')
  await world.request('PATCH', at, { body: { enabled: true } })
  const received = sink.calls.map(identity)
  const start = new Date(time.now() - HOUR).toISOString()
  const replay = async (more: object) =>
    (await world.request('POST', `${at}/replay`, { body: { start, ...more } })).body

  expect(await replay({ dry_run: true })).toMatchObject({ count: 4, dry_run: true, start })
  expect(await replay({ dry_run: true, end: new Date(time.now() - 30_000).toISOString() })).toMatchObject({ count: 1 })
  expect(await replay({ dry_run: true, start: new Date(time.now() - 30_000).toISOString() })).toMatchObject({
    count: 3,
  })
  expect(await replay({ dry_run: true, event_types: ['message.sent'] })).toMatchObject({ count: 0 })
  expect(await replay({ dry_run: true, only_failed: true })).toMatchObject({ count: 0 })
  expect(sink.calls).toHaveLength(2)

  expect(await replay({})).toMatchObject({ count: 4, dry_run: false })
  const calls = (await sink.count(6)).slice(2)
  expect(calls.map(({ event }) => event.message.subject)).toEqual([
    ...['before it was made', 'sent', 'sent too', 'while it was off'],
  ])
  expect(calls.slice(1, 3).map(identity)).toEqual(received)
  await expect.poll(() => states(world, at)).toEqual(Array(4).fill('delivered'))
  const replays = `select count(*) from webhook_replays where webhook_id = '${webhook.id}'`
  expect(await readRows(world, replays)).toEqual([[0]])
})

test('a replay of failed deliveries also makes scheduled retries due, and sends no others', async () => {
  const world = shared
  time.pass(HOUR)
  const began = new Date(time.now()).toISOString()
  await using sink = await startWebhookSink((response, { event }) => {
    const { subject } = event.message
    if (subject === 'aborted') response.writeHead(400, { 'webhook-delivery': 'abort-message' }).end()
    else failing(subject === 'waits' ? 500 : 204)(response)
  })
  const { at } = await hookUp(world, sink)
  for (const subject of ['fine', 'aborted', 'waits']) await deliver(world, subject)
  await expect.poll(() => states(world, at)).toEqual(['pending', 'failed', 'delivered'])
  // Before its failure is recorded, an attempt is pending too, but under way.
  await expect.poll(async () => (await attempts(world, at)).length).toBe(3)
  sink.answer = failing(204)
  const body = { start: '2020-01-01', only_failed: true }
  expect((await world.request('POST', `${at}/replay`, { body })).body).toMatchObject({ count: 2 })
  await sink.count(5)
  expect(sink.calls.slice(3).map(({ event }) => event.message.subject)).toEqual(
    expect.arrayContaining(['aborted', 'waits']),
  )
  await expect.poll(() => states(world, at)).toEqual(['delivered', 'delivered', 'delivered'])
  expect((await world.request('POST', `${at}/replay`, { body: { start: began } })).body.count).toBe(3)
})

test('a replay of purged events is refused with the earliest possible start, and an invalid range too', async () => {
  const own = movable()
  // Events are purged when they have been added to the hourly counts.
  const limits = { store: { sweepMs: 20 }, reports: { foldMs: 20 }, webhooks: { replayEventsMax: 1 } }
  await using world = await startWorld({ ...own.options, limits: mergeLimits(own.options.limits, limits) })
  await using sink = await startWebhookSink()
  const { at } = await hookUp(world, sink)
  await deliver(world, 'long ago')
  await sink.count(1)
  own.pass(40 * 24 * 3_600_000)
  await deliver(world, 'now')
  await sink.count(2)
  // A delivery whose first outcome is not stored yet is not part of a replay.
  await expect.poll(async () => new Set(await states(world, at))).toEqual(new Set(['delivered']))
  const replay = (body: object) => world.request('POST', `${at}/replay`, { body: { dry_run: true, ...body } })
  const longAgo = new Date(own.now() - 20 * 24 * 3_600_000).toISOString()
  await expect.poll(async () => (await replay({ start: longAgo })).body.code).toBe('range_expired')
  const [[oldest]] = (await readRows(world, "select min(at) from events where type = 'message.received'")) as [[number]]
  const from = new Date(Number(oldest)).toISOString()
  expect((await replay({ start: longAgo })).body.message).toContain(from)
  expect(await replay({ start: from })).toMatchObject({ status: 200, body: { count: 1 } })

  await deliver(world, 'one too many')
  await expect.poll(() => states(world, at)).toEqual(['delivered', 'delivered'])
  expect(await replay({ start: from })).toMatchObject({ status: 400, body: { code: 'validation_error' } })
  for (const body of [
    { start: 'once' },
    {},
    { start: from, end: from },
    { start: from, event_types: ['key.revoked'] },
  ]) {
    expect((await replay(body)).status, JSON.stringify(body)).toBe(400)
  }
})

async function hookUp(world: World, sink: WebhookSink, more: object = {}) {
  const inbox =
    (await world.agentmail.inboxes.list()).inboxes.find(({ email }) => email === `${username}@mail.localhost`) ??
    (await world.agentmail.inboxes.create({ username }))
  const body = { url: sink.url, event_types: ['message.received'], ...more } as Record<string, unknown>
  if ('eventTypes' in body) body.event_types = body.eventTypes
  delete body.eventTypes
  const made = (await world.request('POST', '/v0/webhooks', { body })).body
  const webhookId = made.webhook_id as string
  const webhook = { webhookId, id: webhookId.replace('ep_', ''), secret: made.secret as string }
  return { inbox, webhook, at: `/v0/webhooks/${webhook.webhookId}` }
}

async function deliver(world: World, subject: string): Promise<void> {
  await world.smtp.send({ to: `${username}@mail.localhost`, subject })
}

function identity({ headers, body }: Call): unknown[] {
  return [headers['svix-id'], body]
}

async function states(world: World, at: string): Promise<string[]> {
  return (await pages(world, `${at}/deliveries`, '', 'state')).flat()
}

interface Attempt {
  readonly attempt: number
  readonly outcome: string
  readonly started_at: string
}

async function attempts(world: World, at: string): Promise<Attempt[]> {
  const { deliveries } = (await world.request('GET', `${at}/deliveries`)).body
  return deliveries.flatMap((each: { attempts: Attempt[] }) => each.attempts)
}

/** Returns one member of each delivery, page by page. */
async function pages(world: World, path: string, query: string, member = 'event_id'): Promise<string[][]> {
  const found: string[][] = []
  let token: string | undefined
  do {
    const more = token === undefined ? '' : `&page_token=${encodeURIComponent(token)}`
    const { status, body } = await world.request('GET', `${path}?${query}${more}`)
    expect(status).toBe(200)
    found.push(body.deliveries.map((each: Record<string, string>) => each[member]))
    token = body.next_page_token
  } while (token !== undefined)
  return found
}

/** Returns options for a clock that the test can advance; polling is frequent, so that due work is found quickly. */
function movable() {
  let ahead = 0
  return {
    options: {
      clock: () => Date.now() + ahead,
      limits: { webhooks: { pollMs: 20 }, jobs: { pollMs: 20 }, store: { clockSkewMsMax: 1e12 } },
    } satisfies WorldOptions,
    now: () => Date.now() + ahead,
    pass(ms: number) {
      ahead += ms
    },
  }
}
