/**
 * Tests the separate request that tests a webhook. The receiver is real, and signatures are checked with the packages
 * that receivers use.
 */
import { serialization } from 'agentmail'
import { Webhook as StandardWebhook } from 'standardwebhooks'
import { Webhook as SvixWebhook } from 'svix'
import { expect, test } from 'vitest'
import { sharedByFile } from '../support/shared-by-file.ts'
import { readRows } from '../support/test-database.ts'
import { startWebhookSink } from '../support/webhook-sink.ts'
import { startWorld } from '../support/world.ts'

const sharedWorld = sharedByFile(() => startWorld({ limits: { webhooks: { testsMax: 4 } } }))

test("a signed event of type webhook.test is sent at once, and the caller gets the receiver's response", async () => {
  const world = await sharedWorld()
  await using sink = await startWebhookSink(
    (response) => void response.writeHead(202).end(`\0thanks${'!'.repeat(2_000)}`),
  )
  const made = await world.agentmail.webhooks.create({
    url: sink.url,
    eventTypes: ['message.received'],
    headers: { 'X-Team': 'blue' },
  })
  const at = `/v0/webhooks/${made.webhookId}/test`
  const answer = await world.request('POST', at)
  expect(answer).toMatchObject({ status: 200, body: { success: true, status_code: 202 } })
  expect(answer.body.response).toBe(`thanks${'!'.repeat(1_024 - 'thanks'.length)}`)
  expect(answer.body.duration_ms).toBeGreaterThanOrEqual(0)
  const [call] = sink.calls
  const headers = call!.headers as Record<string, string>
  expect(new SvixWebhook(made.secret).verify(call!.body, headers)).toEqual(call!.event)
  expect(new StandardWebhook(made.secret).verify(call!.body, headers)).toEqual(call!.event)
  expect(headers).toMatchObject({ 'x-team': 'blue', 'svix-id': `msg_${call!.event.event_id.slice('evt_'.length)}` })
  expect(call!.event).toEqual({
    type: 'event',
    event_type: 'webhook.test',
    event_id: expect.stringMatching(/^evt_[0-9a-f-]{36}$/),
    webhook: { webhook_id: made.webhookId, timestamp: expect.any(String) },
  })
  // A receiver that parses it as a message gets a parse error, not a message.
  const { MessageReceivedEvent } = serialization.events
  expect(MessageReceivedEvent.parse(call!.event)).toMatchObject({ ok: false })

  // Each test request is a new event, is not stored, and is sent to no subscriber.
  await world.request('POST', at)
  expect(sink.calls[1]!.event.event_id).not.toBe(call!.event.event_id)
  expect(await readRows(world, 'select count(*) from webhook_deliveries')).toEqual([[0]])
  expect(
    (await world.request('POST', '/v0/webhooks', { body: { url: sink.url, event_types: ['webhook.test'] } })).status,
  ).toBe(400)
})

test('failures are reported as they are, even for a disabled webhook, and do not change the webhook', async () => {
  await using world = await startWorld({ limits: { webhooks: { timeoutMs: 1_000 } } })
  await using sink = await startWebhookSink((response) => void response.writeHead(500).end('no'))
  const { webhookId } = await world.agentmail.webhooks.create({ url: sink.url, eventTypes: [] })
  const at = `/v0/webhooks/${webhookId}`
  const before = await world.request('PATCH', at, { body: { enabled: false } })
  const ask = async () => (await world.request('POST', `${at}/test`)).body
  expect(await ask()).toMatchObject({ success: false, status_code: 500, response: 'no' })
  sink.answer = () => undefined
  expect(await ask()).toMatchObject({ success: false, error: 'No response within 1000 ms' })
  sink.answer = (response) => void response.writeHead(410).end()
  const gone = await ask()
  expect(gone).toMatchObject({ success: false, status_code: 410, response: '' })
  expect(gone).not.toHaveProperty('error')
  expect((await world.request('GET', at)).body).toEqual(before.body)
  expect(await readRows(world, 'select failing_since from webhooks')).toEqual([[null]])
})

test('a long response is cut between two characters', async () => {
  const world = await sharedWorld()
  await using sink = await startWebhookSink((response) => void response.end(`${'x'.repeat(1_023)}😀 and more`))
  const made = await world.request('POST', '/v0/webhooks', { body: { url: sink.url } })
  const tried = await world.request('POST', `/v0/webhooks/${made.body.webhook_id}/test`)
  expect(tried.body.response).toBe('x'.repeat(1_023))
})

test('a test request never reaches a private network, and needs a key that may change the webhook', async () => {
  await using sink = await startWebhookSink()
  await using world = await startWorld({
    env: { MARTLET_ALLOW_PRIVATE_NETWORKS: 'false' },
    lookup: async () => [{ address: '127.0.0.1', family: 4 }],
  })
  const url = `http://innocent.example:${sink.port}/hook`
  const { webhookId } = await world.agentmail.webhooks.create({ url, eventTypes: [] })
  const at = `/v0/webhooks/${webhookId}/test`
  const refused = await world.request('POST', at)
  expect(refused.body).toMatchObject({ success: false, error: expect.stringContaining('private network') })
  expect(refused.body).not.toHaveProperty('status_code')
  expect(sink.connections).toBe(0)
  const { body } = await world.request('POST', '/v0/api-keys', { body: { permissions: { webhook_read: true } } })
  expect((await world.request('POST', at, { key: body.api_key })).status).toBe(403)
})

test('the number of simultaneous test requests is limited', async () => {
  const world = await sharedWorld()
  await using sink = await startWebhookSink(() => undefined)
  const { webhookId } = await world.agentmail.webhooks.create({ url: sink.url, eventTypes: [] })
  const ask = () => world.request('POST', `/v0/webhooks/${webhookId}/test`)
  const both = [ask(), ask()]
  await sink.count(2)
  expect(await ask()).toMatchObject({ status: 429, body: { code: 'too_many_at_once' } })
  await sink[Symbol.asyncDispose]()
  for (const { body } of await Promise.all(both)) expect(body.success).toBe(false)
  expect((await ask()).status).toBe(200)
})
