/**
 * Tests that the stored body of a webhook delivery is neither sent nor shown for a key that may not read the message
 * now, even if it was readable when the body was rendered. The tests compare what a real receiver gets, and the
 * delivery log.
 */
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest'
import { deleteWebhooks, startWebhookSink, type WebhookSink } from '../support/webhook-sink.ts'
import { startWorld, type World } from '../support/world.ts'

const HOUR = 3_600_000

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
/** The time when it began: its replays do not reach the mail of earlier tests. */
let began: string
let tests = 0
beforeEach(async () => {
  tests += 1
  time.pass(HOUR)
  began = new Date(time.now()).toISOString()
  ada = (await shared.agentmail.inboxes.create({ username: `ada${tests}` })).inboxId
})

const failing: WebhookSink['answer'] = (response) => void response.writeHead(500).end('it said secret')

for (const ordered of [false, true]) {
  test(`a stored body goes only to a webhook that may read its mail now (${ordered ? 'in order' : 'as it comes'})`, async () => {
    const world = shared
    await using narrow = await startWebhookSink(failing)
    await using wide = await startWebhookSink(failing)
    const flags = ['webhook_create', 'webhook_read', 'webhook_update', 'message_read']
    const narrowKey = await keyWith(world, flags)
    const narrowAt = await hookUp(world, narrow, { ordered }, narrowKey)
    const wideAt = await hookUp(world, wide, { ordered }, await keyWith(world, [...flags, 'label_trash_read']))
    await world.smtp.send({ to: ada, messageId: '<1@x.test>', subject: 'secret', text: 'secret words' })
    await Promise.all([narrow.count(1), wide.count(1)])
    await expect.poll(() => log(world, narrowAt)).toEqual(['pending 1'])
    await expect.poll(() => log(world, wideAt)).toEqual(['pending 1'])

    await label(world, { add_labels: ['trash'] })
    for (const sink of [narrow, wide]) sink.answer = (response) => void response.writeHead(204).end()
    await world.smtp.send({ to: ada, subject: 'plain', text: 'x' })
    time.pass(HOUR)
    await expect.poll(() => log(world, narrowAt)).toEqual(['delivered 1', 'cancelled 1'])
    await expect.poll(() => log(world, wideAt)).toEqual(['delivered 1', 'delivered 2'])
    expect(subjects(narrow)).toEqual(['secret', 'plain'])
    expect(wide.calls.filter(({ body }) => body === wide.calls[0]!.body)).toHaveLength(2)

    // It is not shown, and is sent neither by a redelivery nor by a replay, whose count excludes it.
    const see = async (at: string, key: string) => {
      const { deliveries } = (await world.request('GET', `${at}/deliveries`, { key })).body
      const one = await world.request('GET', `${at}/deliveries/${deliveries[1].delivery_id}`, { key })
      return [one.status, JSON.stringify([deliveries, one.body]).includes('secret')]
    }
    expect(await see(narrowAt, narrowKey)).toEqual([403, false])
    expect(await see(narrowAt, world.rootKey)).toEqual([200, true])
    const [, hidden] = (await world.request('GET', `${narrowAt}/deliveries`)).body.deliveries
    const again = await world.request('POST', `${narrowAt}/deliveries/${hidden.delivery_id}/redeliver`)
    expect(again).toMatchObject({ status: 409, body: { code: 'event_not_told' } })
    const replay = { body: { start: began } }
    expect((await world.request('POST', `${narrowAt}/replay`, replay)).body.count).toBe(1)
    expect((await world.request('POST', `${wideAt}/replay`, replay)).body.count).toBe(2)
    await Promise.all([narrow.count(3), wide.count(5)])
    expect(subjects(narrow)).toEqual(['secret', 'plain', 'plain'])
  })
}

test('a replay skips messages that are hidden from its webhook, or deleted', async () => {
  const world = shared
  await using narrow = await startWebhookSink()
  await using whole = await startWebhookSink()
  for (const id of ['<1@x.test>', '<2@x.test>', '<3@x.test>']) {
    await world.smtp.send({ to: ada, messageId: id, subject: `mail ${id}`, text: 'secret words' })
  }
  await label(world, { add_labels: ['trash'] })
  await world.agentmail.inboxes.messages.delete(ada, '<2@x.test>')
  const key = await keyWith(world, ['webhook_create', 'message_read'])
  const [narrowAt, wholeAt] = [await hookUp(world, narrow, {}, key), await hookUp(world, whole)]
  const replay = { body: { start: began } }
  expect((await world.request('POST', `${narrowAt}/replay`, replay)).body.count).toBe(1)
  expect((await world.request('POST', `${wholeAt}/replay`, replay)).body.count).toBe(3)
  await Promise.all([narrow.count(1), whole.count(3)])
  await expect.poll(async () => (await log(world, narrowAt)).length).toBe(1)
  expect(subjects(narrow)).toEqual(['mail <3@x.test>'])
})

test('the stored body of a deleted message is shown only to keys that may read every class', async () => {
  const world = shared
  await using sink = await startWebhookSink()
  const at = await hookUp(world, sink)
  await world.smtp.send({ to: ada, messageId: '<1@x.test>', subject: 'secret', text: 'secret words' })
  await sink.count(1)
  const flags = ['webhook_read', 'message_read']
  const narrow = await keyWith(world, flags)
  const classes = ['spam', 'blocked', 'unauthenticated', 'trash'].map((name) => `label_${name}_read`)
  const wide = await keyWith(world, [...flags, ...classes])
  const [{ delivery_id: id }] = (await world.request('GET', `${at}/deliveries`)).body.deliveries
  const statuses = async () => {
    const all = [narrow, wide].map((key) => world.request('GET', `${at}/deliveries/${id}`, { key }))
    return (await Promise.all(all)).map(({ status }) => status)
  }
  expect(await statuses()).toEqual([200, 200])
  await label(world, { add_labels: ['trash'] })
  await world.agentmail.inboxes.messages.delete(ada, '<1@x.test>')
  expect(await statuses()).toEqual([403, 200])
})

async function hookUp(world: World, sink: WebhookSink, more: object = {}, key = world.rootKey): Promise<string> {
  const body = { url: sink.url, event_types: ['message.received'], ...more }
  return `/v0/webhooks/${(await world.request('POST', '/v0/webhooks', { body, key })).body.webhook_id}`
}

async function label(world: World, body: object): Promise<void> {
  const path = `/v0/inboxes/${ada}/messages/${encodeURIComponent('<1@x.test>')}`
  expect((await world.request('PATCH', path, { body })).status).toBe(200)
}

/** Each delivery's state and number of attempts, the newest event first. */
async function log(world: World, at: string): Promise<string[]> {
  const { deliveries } = (await world.request('GET', `${at}/deliveries`)).body
  return deliveries.map((each: { state: string; attempts: unknown[] }) => `${each.state} ${each.attempts.length}`)
}

function subjects(sink: WebhookSink): string[] {
  return sink.calls.map(({ event }) => event.message.subject)
}

async function keyWith(world: World, flags: readonly string[]): Promise<string> {
  const permissions = Object.fromEntries(flags.map((flag) => [flag, true]))
  return (await world.request('POST', '/v0/api-keys', { body: { permissions } })).body.api_key
}

function movable() {
  let ahead = 0
  return {
    options: { clock: () => Date.now() + ahead, limits: { webhooks: { pollMs: 20 }, jobs: { pollMs: 20 } } },
    now: () => Date.now() + ahead,
    pass(ms: number) {
      ahead += ms
    },
  }
}
