/**
 * Tests the rotation of a webhook's secret when the receiver changes its own copy later. The tests check signatures
 * with the packages that receivers use, with the old secret and with the new one.
 */
import { Webhook as StandardWebhook } from 'standardwebhooks'
import { Webhook as SvixWebhook } from 'svix'
import { afterAll, afterEach, beforeAll, beforeEach, expect, test, vi } from 'vitest'
import { type Call, deleteWebhooks, startWebhookSink, type WebhookSink } from '../support/webhook-sink.ts'
import { startWorld, type World } from '../support/world.ts'

const HOUR = 3_600_000

/** The webhooks of each test end with it. */
let world: World
let ahead = 0
beforeAll(async () => {
  world = await startWorld({ clock: () => Date.now() + ahead, limits: { webhooks: { pollMs: 20 } } })
})
afterEach(() => deleteWebhooks(world))
afterAll(() => world[Symbol.asyncDispose]())

let inbox: Awaited<ReturnType<World['agentmail']['inboxes']['create']>>
/** `ahead` when the current test began. */
let start: number
let tests = 0
beforeEach(async () => {
  tests += 1
  start = ahead
  inbox = await world.agentmail.inboxes.create({ username: `ada${tests}` })
})

test('for a day after a rotation both secrets sign, the new one first; then only the new one', async () => {
  await using sink = await startWebhookSink()
  const { at, secret: old } = await hookUp(sink.url)
  const { status, body } = await world.request('POST', `${at}/rotate-secret`)
  expect(status).toBe(200)
  const { secret } = body
  expect(secret).toMatch(/^whsec_[A-Za-z0-9+/]{43}=$/)
  expect(secret).not.toBe(old)
  expect((await world.request('GET', at)).body).toMatchObject({ secret, url: sink.url })
  expect(JSON.stringify((await world.request('GET', at)).body)).not.toContain(old)

  ahead = start + 24 * HOUR - 60_000
  const during = await nextCall(sink)
  expect(accepts(old, during)).toEqual([true, true])
  expect(accepts(secret, during)).toEqual([true, true])
  const signatures = String(during.headers['svix-signature']).split(' ')
  expect(signatures).toHaveLength(2)
  expect(during.headers['webhook-signature']).toBe(during.headers['svix-signature'])
  const first = { ...during, headers: { ...during.headers, 'svix-signature': signatures[0] } }
  expect([accepts(secret, first)[0], accepts(old, first)[0]]).toEqual([true, false])

  ahead = start + 24 * HOUR + 60_000
  const after = await nextCall(sink)
  expect(accepts(secret, after)).toEqual([true, true])
  expect(accepts(old, after)).toEqual([false, false])
  expect(String(after.headers['svix-signature'])).not.toContain(' ')
})

test('a retry is signed with the secrets that are valid at its own time', async () => {
  await using sink = await startWebhookSink((response) => void response.writeHead(500).end())
  const { at, secret: old } = await hookUp(sink.url)
  const before = await nextCall(sink)
  const { body } = await world.request('POST', `${at}/rotate-secret`)
  ahead = start + 10_000
  await sink.count(2)
  const [, repeated] = sink.calls
  expect([before.body, accepts(body.secret, before)]).toEqual([repeated!.body, [false, false]])
  expect([accepts(body.secret, repeated!), accepts(old, repeated!)]).toEqual([
    [true, true],
    [true, true],
  ])
})

test('after several rotations each secret signs until its time is over, and too many are refused', async () => {
  const limits = { webhooks: { oldSecretsMax: 2 } }
  await using own = await startWorld({ clock: () => Date.now() + ahead, limits })
  inbox = await own.agentmail.inboxes.create({ username: 'ada' })
  await using sink = await startWebhookSink()
  const { at, secret } = await hookUp(sink.url, own)
  const rotate = async (given?: object) => own.request('POST', `${at}/rotate-secret`, { body: given })
  const second = (await rotate()).body.secret
  ahead = start + 20 * HOUR
  const third = (await rotate({})).body.secret
  const fit = (call: Call) => [secret, second, third].map((each) => accepts(each, call)[0])
  expect(fit(await nextCall(sink, own))).toEqual([true, true, true])
  expect(await rotate()).toMatchObject({ status: 403, body: { code: 'limit_exceeded' } })
  ahead = start + 25 * HOUR
  expect(fit(await nextCall(sink, own))).toEqual([false, true, true])
  // A secret that is still valid may be set again, and does not count twice.
  expect(await rotate({ secret: second })).toMatchObject({ status: 200, body: { secret: second } })
  const last = await nextCall(sink, own)
  expect(fit(last)).toEqual([false, true, true])
  expect(String(last.headers['svix-signature']).split(' ')).toHaveLength(2)
})

test('a custom secret is accepted in the right form, on every path, from a key with webhook_update', async () => {
  const made = await world.agentmail.inboxes.webhooks.create(inbox.inboxId, {
    url: 'https://hooks.example/',
    eventTypes: [],
  })
  const secret = `whsec_${Buffer.alloc(24, 7).toString('base64')}`
  for (const level of [`/v0/inboxes/${inbox.inboxId}`, `/v0/pods/${inbox.podId}`, '/v0']) {
    const at = `${level}/webhooks/${made.webhookId}/rotate-secret`
    const own = `whsec_${Buffer.alloc(28, level).toString('base64')}`
    expect(await world.request('POST', at, { body: { secret: own } })).toMatchObject({
      status: 200,
      body: { secret: own },
    })
  }
  const at = `/v0/webhooks/${made.webhookId}/rotate-secret`
  expect((await world.request('POST', at, { body: { secret } })).status).toBe(200)
  const short = `whsec_${Buffer.alloc(23).toString('base64')}`
  const long = `whsec_${Buffer.alloc(65).toString('base64')}`
  for (const refused of [secret, short, long, secret.slice(6), `${secret} `, 'whsec_', '']) {
    expect((await world.request('POST', at, { body: { secret: refused } })).status, refused).toBe(400)
  }
  const reader = await world.request('POST', '/v0/api-keys', { body: { permissions: { webhook_read: true } } })
  expect((await world.request('POST', at, { key: reader.body.api_key })).status).toBe(403)
  expect((await world.request('POST', '/v0/webhooks/nobody/rotate-secret')).status).toBe(404)
})

// It had every webhook's secret from a change that changes nothing, and could sign events in the name of this server.
test('a change returns the secret only to the key that made the webhook, and to keys that may read webhooks', async () => {
  const keyWith = async (...flags: string[]) => {
    const permissions = Object.fromEntries(['message_read', 'webhook_update', ...flags].map((flag) => [flag, true]))
    return (await world.request('POST', '/v0/api-keys', { body: { permissions } })).body.api_key as string
  }
  const [changes, reads, makes] = [await keyWith(), await keyWith('webhook_read'), await keyWith('webhook_create')]
  for (const prefix of ['/v0', '/api/v0']) {
    const url = 'https://hooks.example/'
    const { body: made } = await world.request('POST', `${prefix}/webhooks`, { key: makes, body: { url } })
    const at = `${prefix}/webhooks/${made.webhook_id}`
    const methods = prefix === '/v0' ? ['PATCH', 'PUT'] : ['PATCH']
    for (const method of methods) {
      const answerTo = async (key: string) => (await world.request(method, at, { key, body: { enabled: true } })).body
      const { secret, ...others } = await answerTo(reads)
      expect(secret).toBe(made.secret)
      expect((await answerTo(makes)).secret).toBe(secret)
      const updated_at = expect.any(String)
      expect(await answerTo(changes)).toEqual({ ...others, updated_at })
    }
    // A secret that it sets itself it knows.
    const rotated = await world.request('POST', `${at}/rotate-secret`, { key: changes })
    expect(rotated.body.secret).toMatch(/^whsec_/)
    expect(rotated.body.secret).not.toBe(made.secret)
  }
})

async function hookUp(url: string, { agentmail } = world): Promise<{ at: string; secret: string }> {
  const { webhookId, secret } = await agentmail.webhooks.create({ url, eventTypes: ['message.received'] })
  return { at: `/v0/webhooks/${webhookId}`, secret }
}

async function nextCall(sink: WebhookSink, { smtp } = world): Promise<Call> {
  const count = sink.calls.length
  await smtp.send({ to: inbox.email, subject: 'news' })
  return (await sink.count(count + 1))[count]!
}

/** Returns whether each of the two packages accepts a request, at the time when it was made. */
function accepts(
  secret: string,
  { body, headers }: Pick<Call, 'body' | 'headers'>,
): [svix: boolean, standard: boolean] {
  const given = headers as Record<string, string>
  const verify = (check: () => unknown) => {
    // They refuse requests whose time stamp differs from their clock by minutes.
    vi.useFakeTimers({ toFake: ['Date'], now: Number(given['svix-timestamp']) * 1_000 })
    try {
      check()
      return true
    } catch {
      return false
    } finally {
      vi.useRealTimers()
    }
  }
  return [
    verify(() => new SvixWebhook(secret).verify(body, given)),
    verify(() => new StandardWebhook(secret).verify(body, given)),
  ]
}
