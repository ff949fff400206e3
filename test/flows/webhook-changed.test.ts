/**
 * Tests that after another key has changed a webhook, nothing is sent that this key may not see, even if its delivery
 * was already pending. The responses of an earlier URL do not count against a new URL. The tests use real receivers and
 * check what reaches each of them.
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

for (const ordered of [false, true]) {
  test(`a delivery goes to a new URL only if the new key may see it (${ordered ? 'ordered' : 'unordered'})`, async () => {
    const world = shared
    await using before = await startWebhookSink((response) => void response.writeHead(500).end())
    await using after = await startWebhookSink()
    const event_types = ['message.received', 'label.added']
    const made = await world.request('POST', '/v0/webhooks', { body: { url: before.url, event_types, ordered } })
    const at = `/v0/webhooks/${made.body.webhook_id}`
    await world.smtp.send({ to: ada, subject: 'one' })
    await before.count(1)
    const { messages } = await world.agentmail.inboxes.messages.list(ada)
    const path = `/v0/inboxes/${ada}/messages/${encodeURIComponent(messages[0]!.messageId)}`
    await world.request('PATCH', path, { body: { add_labels: ['spam'] } })
    await world.request('PATCH', path, { body: { add_labels: ['hidden'] } })
    await world.smtp.send({ to: ada, subject: 'two' })
    await expect.poll(() => states(at)).toHaveLength(4)

    const permissions = { webhook_update: true, message_read: true }
    const { api_key: key } = (await world.request('POST', '/v0/api-keys', { body: { permissions } })).body
    // In two steps: the first restricts what the webhook may see, the second changes its URL.
    for (const body of [{ event_types }, { url: after.url }]) {
      expect((await world.request('PATCH', at, { key, body })).status).toBe(200)
    }
    time.pass(HOUR)
    // The first message is spam by now. The new key may not read it, but may see that it was sent to the old URL.
    await expect.poll(() => states(at)).toEqual(['cancelled', 'delivered', 'cancelled', 'delivered'])
    const received = after.calls.map(({ event }) => event.message?.subject ?? event.label.label)
    expect(received.toSorted()).toEqual(['spam', 'two'])
  })
}

test('responses from an earlier URL do not disable the webhook at its new URL', async () => {
  const world = shared
  const refusing: WebhookSink['answer'] = (response) =>
    void response.writeHead(400, { 'webhook-delivery': 'abort-message' }).end()
  await using before = await startWebhookSink(refusing)
  await using after = await startWebhookSink(refusing)
  const made = await world.request('POST', '/v0/webhooks', {
    body: { url: before.url, event_types: ['message.received'] },
  })
  const at = `/v0/webhooks/${made.body.webhook_id}`
  for (let day = 0; day < 5; day += 1) {
    await world.smtp.send({ to: ada, subject: `day ${day}` })
    await expect.poll(() => states(at)).toEqual(Array(day + 1).fill('failed'))
    time.pass(DAY)
  }
  await world.request('PATCH', at, { body: { url: after.url } })
  await world.smtp.send({ to: ada, subject: 'elsewhere' })
  await after.count(1)
  await expect.poll(() => states(at)).toEqual(Array(6).fill('failed'))
  expect((await world.request('GET', at)).body.enabled).toBe(true)
})

/** Returns the states of the deliveries of a webhook, in the order of their events. */
async function states(at: string): Promise<unknown[]> {
  const [, id] = at.split('ep_')
  return (await readRows(shared, `select state from webhook_deliveries where webhook_id = '${id}' order by seq`)).flat()
}

function movable() {
  let ahead = 0
  return {
    options: { clock: () => Date.now() + ahead, limits: { webhooks: { pollMs: 20 }, jobs: { pollMs: 20 } } },
    pass(ms: number) {
      ahead += ms
    },
  }
}
