/**
 * Tests metrics through the real SDK, and those that it does not have (rates, the older path) by plain HTTP. The
 * arithmetic, and how far back counts go, are tested in test/reports/.
 */
import { AgentMailError } from 'agentmail'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { startWorld, type World } from '../../support/world.ts'

const MINUTE = 60_000
const HOUR = 60 * MINUTE

let world: World
let ahead = 0
const now = () => Date.now() + ahead

beforeAll(async () => {
  world = await startWorld({ clock: now, wallClock: now })
})

afterAll(async () => {
  await world[Symbol.asyncDispose]()
})

/** Two inboxes of one pod: one sends to the other, and the message arrives. */
async function mailBetween(name: string) {
  const { podId } = await world.agentmail.pods.create({ name })
  const ada = await world.agentmail.pods.inboxes.create(podId, { username: `ada-${name}` })
  const bob = await world.agentmail.pods.inboxes.create(podId, { username: `bob-${name}` })
  const socket = await world.subscribe({ eventTypes: ['message.delivered'], podIds: [podId] })
  await world.agentmail.inboxes.messages.send(ada.inboxId, { to: bob.email, subject: 's', text: 'hello' })
  await socket.nextFrame((frame) => frame.event_type === 'message.delivered')
  return { podId, ada: ada.inboxId, bob: bob.inboxId }
}

const get = (path: string, query: Record<string, string> = {}, key = world.rootKey) =>
  world.request('GET', `/v0${path}?${new URLSearchParams(query)}`, { key })

test('events of an inbox, a pod and the organization are counted, one by one or by period', async () => {
  const { podId, ada, bob } = await mailBetween('counts')
  const { inboxes, pods, metrics } = world.agentmail
  const sent = await inboxes.metrics.queryEvents(ada)
  expect(sent['message.sent']).toEqual([{ timestamp: expect.any(Date), count: 1 }])
  expect(Math.abs(sent['message.sent']![0]!.timestamp.getTime() - now())).toBeLessThan(10 * MINUTE)
  expect(sent['message.received']).toEqual([])
  expect(Object.keys(sent)).toHaveLength(10)

  for (const period of [60, 3_600, 86_400]) {
    const start = new Date(now() - HOUR)
    const eventTypes = ['message.received' as const, 'message.sent' as const]
    const all = await pods.metrics.queryEvents(podId, { period, start, eventTypes })
    expect(Object.keys(all).sort()).toEqual(eventTypes)
    for (const points of Object.values(all)) {
      expect(points).toEqual([{ timestamp: expect.any(Date), count: 1 }])
      expect(points[0]!.timestamp.getTime() % (period * 1_000)).toBe(0)
    }
  }
  const received = await inboxes.metrics.queryEvents(bob, { period: 60, start: new Date(now() - HOUR) })
  expect(received['message.received']).toEqual([{ timestamp: expect.any(Date), count: 1 }])
  const ofAll = await metrics.queryEvents({ period: 3_600, eventTypes: ['message.sent'] })
  expect(ofAll['message.sent']![0]!.count).toBeGreaterThan(0)

  // The older path; types of older and newer clients are ignored.
  const older = await get(`/inboxes/${ada}/metrics`, { event_types: 'message.sent,message.delayed,message.opened' })
  expect(older).toMatchObject({ status: 200, body: { 'message.sent': [{ count: 1 }] } })
  expect(Object.keys(older.body)).toEqual(['message.sent'])
  const ended = { end: new Date(now() - HOUR).toISOString() }
  expect((await get(`/inboxes/${ada}/metrics/events`, ended)).body['message.sent']).toEqual([])
})

test('usage ends with what there is now, and begins with what there was', async () => {
  const { podId, ada } = await mailBetween('usage')
  const { inboxes, pods, metrics } = world.agentmail
  const usage = await inboxes.metrics.queryUsage(ada, { period: 3_600 })
  expect(Object.keys(usage)).toEqual(['storage_bytes', 'message_count', 'thread_count'])
  expect(usage.message_count!.at(-1)).toEqual({ timestamp: expect.any(Date), value: 1 })
  expect(usage.message_count![0]!.value).toBe(0)
  expect(usage.message_count!.length).toBeGreaterThanOrEqual(24)
  const ofPod = await pods.metrics.queryUsage(podId, {
    usageTypes: ['message_count', 'inbox_count', 'pod_count'],
    limit: 1,
    descending: true,
  })
  expect(ofPod).toEqual({
    message_count: [{ timestamp: expect.any(Date), value: 2 }],
    inbox_count: [{ timestamp: expect.any(Date), value: 2 }],
  })
  const ofAll = await metrics.queryUsage({ limit: 1, descending: true })
  expect(Object.keys(ofAll)).toHaveLength(6)
  expect(ofAll.pod_count![0]!.value).toBeGreaterThan(1)
})

test('a deleted inbox remains in the history of its pod', async () => {
  const { podId, ada } = await mailBetween('deleted')
  await world.agentmail.inboxes.delete(ada)
  expect((await get(`/inboxes/${ada}/metrics/events`)).status).toBe(404)
  const { body } = await get(`/pods/${podId}/metrics/events`, { period: '3600' })
  expect(body['message.sent']).toMatchObject([{ count: 1 }])
})

test('rates have a point per period, with null while nothing was sent', async () => {
  const { ada, bob } = await mailBetween('rates')
  const { body, status } = await get(`/inboxes/${ada}/metrics/rates`)
  expect(status).toBe(200)
  expect(Object.keys(body)).toEqual(['bounce', 'complaint'])
  expect(body.bounce.length).toBeGreaterThanOrEqual(24)
  expect(body.bounce.at(-1)).toEqual({
    timestamp: expect.any(String),
    rate: expect.any(Number),
    sent: expect.any(Number),
  })
  expect(body.bounce.at(-1).sent).toBeGreaterThan(0)
  expect(body.bounce[0]).toEqual({ timestamp: expect.any(String), rate: null, sent: 0 })
  const query = {
    rate_types: '["complaint"]',
    period: '60',
    window: '120',
    start: new Date(now() - HOUR).toISOString(),
    descending: 'true',
    limit: '2',
  }
  const short = await get(`/inboxes/${bob}/metrics/rates`, query)
  expect(short.body).toEqual({ complaint: [{ timestamp: expect.any(String), rate: null, sent: 0 }, expect.anything()] })
})

test('ranges, periods and scopes are checked', async () => {
  const { podId, ada } = await mailBetween('checked')
  const start = new Date(now() - 2 * 24 * HOUR).toISOString()
  const wide = { status: 422, body: { code: 'query_range_too_wide', name: 'UnprocessableError' } }
  for (const kind of ['events', 'usage', 'rates'])
    expect(await get(`/metrics/${kind}`, { start, period: '60' }), kind).toMatchObject(wide)
  const wrong = [
    [{ period: '0' }, 'period'],
    [{ period: '86401' }, 'period'],
    [{ period: 'x' }, 'period'],
    [{ start: new Date(now() - 91 * 24 * HOUR).toISOString() }, 'start'],
    [{ start, end: start }, 'start'],
    [{ start: '+99999-01-01T00:00:00Z' }, 'start'],
    [{ limit: '0' }, 'limit'],
  ] as const
  for (const [query, field] of wrong)
    for (const kind of ['events', 'usage', 'rates'])
      expect(await get(`/metrics/${kind}`, query), `${kind} ${JSON.stringify(query)}`).toMatchObject({
        status: 400,
        body: { code: 'validation_error', errors: [{ path: [field] }] },
      })
  // Only rates have no periods below a minute.
  const recent = { start: new Date(now() - 10 * MINUTE).toISOString(), period: '1' }
  expect(await get('/metrics/rates', recent)).toMatchObject({ status: 400, body: { errors: [{ path: ['period'] }] } })
  const { body: counted } = await get(`/inboxes/${ada}/metrics/events`, recent)
  expect(counted['message.sent']).toEqual([{ timestamp: expect.stringMatching(/:\d\d(\.000)?Z$/), count: 1 }])
  const { body: usage } = await get(`/inboxes/${ada}/metrics/usage`, recent)
  expect([600, 601, 602]).toContain(usage.message_count.length)
  expect((await get('/metrics/events', { start: new Date(now() + HOUR).toISOString() })).status).toBe(200)

  const { body: narrow } = await world.request('POST', `/v0/inboxes/${ada}/api-keys`, {
    body: { permissions: { inbox_read: true } },
  })
  const { body: own } = await world.request('POST', `/v0/inboxes/${ada}/api-keys`, {
    body: { permissions: { metrics_read: true } },
  })
  const missing = await get('/metrics/events', {}, narrow.api_key)
  expect(missing).toMatchObject({
    status: 403,
    body: { code: 'missing_permission', fix: expect.stringContaining('metrics_read') },
  })
  expect((await get(`/pods/${podId}/metrics/events`, {}, own.api_key)).status).toBe(403)
  expect((await get('/inboxes/nobody@mail.localhost/metrics/events', {}, own.api_key)).status).toBe(404)
  const ofKey = await get('/metrics/usage', {}, own.api_key)
  expect(Object.keys(ofKey.body)).toEqual(['storage_bytes', 'message_count', 'thread_count'])
  await expect(world.agentmailAs(narrow.api_key).metrics.queryEvents()).rejects.toBeInstanceOf(AgentMailError)
})

test('hours of the past are counted when the clock has moved on', async () => {
  const earlier = now()
  const { ada } = await mailBetween('past')
  const hours = [earlier, now()].map((at) => new Date(at - (at % HOUR)).toISOString())
  ahead = 3 * HOUR
  const { body } = await get(`/inboxes/${ada}/metrics/events`, { period: '3600', event_types: 'message.sent' })
  expect(body).toEqual({ 'message.sent': [{ timestamp: expect.any(String), count: 1 }] })
  expect(hours).toContain(body['message.sent'][0].timestamp)
})
