/**
 * Tests webhooks as AgentMail's clients create and change them. test/flows/inbound-to-webhook.test.ts tests the
 * requests to their receivers.
 */
import { afterAll, beforeAll, expect, test } from 'vitest'
import { startWorld, type World } from '../../support/world.ts'

const url = 'https://hooks.example/agent'

/** For tests that do not list all webhooks. */
let world: World
beforeAll(async () => {
  world = await startWorld()
})
afterAll(() => world[Symbol.asyncDispose]())

test('a webhook is created, read, listed, changed and deleted', async () => {
  await using world = await startWorld()
  const { webhooks } = world.agentmail
  const made = await webhooks.create({ url, eventTypes: ['message.received', 'message.sent'] })
  expect(made).toMatchObject({ url, eventTypes: ['message.received', 'message.sent'], enabled: true })
  expect(made.webhookId).toMatch(/^ep_[0-9a-f-]{36}$/)
  expect(made.secret).toMatch(/^whsec_[A-Za-z0-9+/]{43}=$/)
  expect(Buffer.from(made.secret.slice('whsec_'.length), 'base64')).toHaveLength(32)
  for (const name of ['podIds', 'inboxIds', 'clientId', 'pod_id', 'inbox_id']) expect(made).not.toHaveProperty(name)

  const other = await webhooks.create({ url: `${url}/2`, eventTypes: [] })
  expect(other.secret).not.toBe(made.secret)
  expect(other).not.toHaveProperty('eventTypes')
  expect(await webhooks.get(made.webhookId)).toEqual(made)
  const { webhooks: listed, count } = await webhooks.list()
  expect([listed.map(({ webhookId }) => webhookId), count]).toEqual([[other.webhookId, made.webhookId], 2])
  expect(listed[1]).toEqual(made)
  const first = await webhooks.list({ limit: 1 })
  expect((await webhooks.list({ limit: 1, pageToken: first.nextPageToken! })).webhooks).toEqual([made])
  expect((await webhooks.list({ ascending: true })).webhooks[0]).toEqual(made)

  const changed = await webhooks.update(made.webhookId, { eventTypes: ['message.bounced'] })
  expect(changed).toMatchObject({ webhookId: made.webhookId, eventTypes: ['message.bounced'], secret: made.secret })
  expect(changed.updatedAt.getTime()).toBeGreaterThanOrEqual(made.updatedAt.getTime())
  expect((await webhooks.update(made.webhookId, { eventTypes: [] })).eventTypes).toEqual(['message.bounced'])
  expect((await webhooks.update(made.webhookId, {})).eventTypes).toEqual(['message.bounced'])

  await webhooks.delete(made.webhookId)
  await expect(webhooks.get(made.webhookId)).rejects.toMatchObject({ statusCode: 404 })
  await expect(webhooks.delete(made.webhookId)).rejects.toMatchObject({ statusCode: 404 })
  expect((await webhooks.list()).count).toBe(1)
})

test("PATCH accepts url and enabled, and PUT accepts the bodies of 2024's clients", async () => {
  await world.agentmail.inboxes.create({ username: 'ada' })
  const { webhookId } = await world.agentmail.webhooks.create({ url, eventTypes: ['message.received'] })
  const at = `/v0/webhooks/${webhookId}`
  const patched = await world.request('PATCH', at, { body: { url: `${url}/new`, enabled: false } })
  expect(patched).toMatchObject({ status: 200, body: { url: `${url}/new`, enabled: false } })
  expect((await world.request('PATCH', at, { body: { enabled: true } })).body).toMatchObject({ enabled: true })

  const whole = { url, event_types: ['message.sent'], inbox_ids: ['ada@mail.localhost'], enabled: true }
  expect(await world.request('PUT', at, { body: whole })).toMatchObject({ status: 200, body: whole })
  const { body } = await world.request('PUT', at, { body: { ...whole, inbox_ids: [], enabled: false } })
  expect(body).toMatchObject({ enabled: false })
  expect(body).not.toHaveProperty('inbox_ids')
  const off = await world.request('POST', '/v0/webhooks', { body: { url, event_types: [], enabled: false } })
  expect(off).toMatchObject({ status: 200, body: { enabled: false } })
  expect((await world.request('POST', '/v0/webhooks', { body: { url } })).body).toMatchObject({ enabled: true })
})

test('ordered is set and returned on every path, and a change without it keeps it', async () => {
  const inbox = await world.agentmail.inboxes.create({ username: 'bea' })
  for (const level of ['/v0', `/v0/pods/${inbox.podId}`, `/v0/inboxes/${inbox.inboxId}`]) {
    const made = await world.request('POST', `${level}/webhooks`, { body: { url, ordered: true } })
    expect(made).toMatchObject({ status: 200, body: { ordered: true, enabled: true } })
    expect(made.body).not.toHaveProperty('disabled_reason')
    const at = `${level}/webhooks/${made.body.webhook_id}`
    const patch = async (body: object) => (await world.request('PATCH', at, { body })).body.ordered
    expect(await patch({ url: `${url}/new` })).toBe(true)
    expect((await world.request('PUT', at, { body: { url } })).body.ordered).toBe(true)
    expect([await patch({ ordered: false }), await patch({}), await patch({ ordered: true })]).toEqual([
      false,
      false,
      true,
    ])
    expect((await world.request('GET', at)).body.ordered).toBe(true)
    expect((await world.request('PATCH', at, { body: { ordered: 'sometimes' } })).status).toBe(400)
  }
  const { body } = await world.request('POST', '/v0/webhooks', { body: { url } })
  expect(body.ordered).toBe(false)
})

test('a repeated client_id returns the existing webhook, and can replace its id in a path', async () => {
  const { webhooks } = world.agentmail
  const made = await webhooks.create({ url, eventTypes: ['message.received'], clientId: 'agent~1' })
  expect(made.clientId).toBe('agent~1')
  expect(await webhooks.create({ url: `${url}/other`, eventTypes: [], clientId: 'agent~1' })).toEqual(made)
  expect(await webhooks.get('agent~1')).toEqual(made)
  await webhooks.delete('agent~1')
  expect((await webhooks.create({ url, eventTypes: [], clientId: 'agent~1' })).webhookId).not.toBe(made.webhookId)
  // The event types of a repeated request were not checked, though its URL was.
  const unknown = { url, client_id: 'agent~1', event_types: ['message.unheard'] }
  expect((await world.request('POST', '/v0/webhooks', { body: unknown })).status).toBe(400)
  for (const client_id of ['a@b', '', 'x'.repeat(257), 'polling']) {
    expect((await world.request('POST', '/v0/webhooks', { body: { url, client_id } })).status).toBe(400)
  }
})

test('each scope has its own webhooks, and a wider scope also lists those below it', async () => {
  await using world = await startWorld()
  const { agentmail } = world
  const pod = await agentmail.pods.create({ name: 'one' })
  const inside = await agentmail.pods.inboxes.create(pod.podId, { username: 'inside' })
  const outside = await agentmail.inboxes.create({ username: 'outside' })
  const request = { url, eventTypes: ['message.received' as const] }
  const ofAll = await agentmail.webhooks.create(request)
  const ofPod = await agentmail.pods.webhooks.create(pod.podId, { ...request, inboxIds: [inside.inboxId] })
  const ofInbox = await agentmail.inboxes.webhooks.create(inside.inboxId, request)
  const ofOther = await agentmail.inboxes.webhooks.create(outside.inboxId, request)

  expect(ofPod).toMatchObject({ pod_id: pod.podId, inboxIds: [inside.inboxId] })
  expect(ofInbox).toMatchObject({ pod_id: pod.podId, inbox_id: inside.inboxId })
  const idsOf = (list: { webhooks: { webhookId: string }[] }) => list.webhooks.map(({ webhookId }) => webhookId)
  const all = [ofOther, ofInbox, ofPod, ofAll].map(({ webhookId }) => webhookId)
  expect(idsOf(await agentmail.webhooks.list())).toEqual(all)
  expect(idsOf(await agentmail.pods.webhooks.list(pod.podId))).toEqual([ofInbox.webhookId, ofPod.webhookId])
  expect(idsOf(await agentmail.inboxes.webhooks.list(inside.inboxId))).toEqual([ofInbox.webhookId])

  await expect(agentmail.pods.webhooks.get(pod.podId, ofAll.webhookId)).rejects.toMatchObject({ statusCode: 404 })
  await expect(agentmail.pods.webhooks.delete(pod.podId, ofOther.webhookId)).rejects.toMatchObject({ statusCode: 404 })
  await expect(agentmail.inboxes.webhooks.get(inside.inboxId, ofPod.webhookId)).rejects.toMatchObject({
    statusCode: 404,
  })
  expect((await agentmail.webhooks.get(ofInbox.webhookId)).webhookId).toBe(ofInbox.webhookId)
  await agentmail.pods.webhooks.update(pod.podId, ofPod.webhookId, { eventTypes: ['message.sent'] })
  await agentmail.inboxes.webhooks.update(inside.inboxId, ofInbox.webhookId, { eventTypes: ['message.sent'] })

  // A pod's webhook can name only inboxes of that pod, an inbox's webhook none.
  const strange = agentmail.pods.webhooks.create(pod.podId, { ...request, inboxIds: [outside.inboxId] })
  await expect(strange).rejects.toMatchObject({ statusCode: 404 })
  const refused: [method: string, path: string, body: object][] = [
    ['POST', `/v0/pods/${pod.podId}/webhooks`, { url, pod_ids: [pod.podId] }],
    ['POST', `/v0/inboxes/${inside.inboxId}/webhooks`, { url, inbox_ids: [inside.inboxId] }],
    ['PATCH', `/v0/pods/${pod.podId}/webhooks/${ofPod.webhookId}`, { add_pod_ids: [pod.podId] }],
    ['PATCH', `/v0/inboxes/${inside.inboxId}/webhooks/${ofInbox.webhookId}`, { remove_inbox_ids: [inside.inboxId] }],
    ['PUT', `/v0/inboxes/${inside.inboxId}/webhooks/${ofInbox.webhookId}`, { inbox_ids: [] }],
  ]
  for (const [method, path, body] of refused)
    expect(await world.request(method, path, { body }), path).toMatchObject({ status: 400 })
})

test('a key creates and sees webhooks of its own scope on every path', async () => {
  await using world = await startWorld()
  const pod = await world.agentmail.pods.create({ name: 'one' })
  const inside = await world.agentmail.pods.inboxes.create(pod.podId, { username: 'inside' })
  const outside = await world.agentmail.inboxes.create({ username: 'outside' })
  const ofAll = await world.agentmail.webhooks.create({ url, eventTypes: [], clientId: 'main' })
  const keyOf = async (at: string) => (await world.request('POST', `/v0/${at}/api-keys`)).body.api_key as string
  const podKey = world.agentmailAs(await keyOf(`pods/${pod.podId}`))
  const inboxKey = world.agentmailAs(await keyOf(`inboxes/${inside.inboxId}`))

  expect(await podKey.webhooks.create({ url, eventTypes: [] })).toMatchObject({ pod_id: pod.podId })
  expect(await inboxKey.webhooks.create({ url, eventTypes: [] })).toMatchObject({ inbox_id: inside.inboxId })
  expect([(await podKey.webhooks.list()).count, (await inboxKey.webhooks.list()).count]).toEqual([2, 1])
  await expect(podKey.webhooks.get(ofAll.webhookId)).rejects.toMatchObject({ statusCode: 404 })
  await expect(podKey.webhooks.update(ofAll.webhookId, {})).rejects.toMatchObject({ statusCode: 404 })
  const named = podKey.webhooks.create({ url, eventTypes: [], inboxIds: [outside.inboxId] })
  await expect(named).rejects.toMatchObject({ statusCode: 404 })
})

// A client_id of another scope used to get 403, and was accepted as a name in every wider scope.
test('each scope has client_ids of its own', async () => {
  const { agentmail } = world
  const pod = await agentmail.pods.create({ name: 'one' })
  const inside = await agentmail.pods.inboxes.create(pod.podId, { username: 'inside' })
  const keyOf = async (at: string) => (await world.request('POST', `/v0/${at}/api-keys`)).body.api_key as string
  const podKey = world.agentmailAs(await keyOf(`pods/${pod.podId}`))
  const inboxKey = world.agentmailAs(await keyOf(`inboxes/${inside.inboxId}`))
  const request = { url, eventTypes: [], clientId: 'main' }

  const [ofAll, ofPod, ofInbox] = [
    await agentmail.webhooks.create(request),
    await podKey.webhooks.create(request),
    await inboxKey.webhooks.create(request),
  ]
  expect(new Set([ofAll, ofPod, ofInbox].map(({ webhookId }) => webhookId)).size).toBe(3)
  expect(await agentmail.webhooks.get('main')).toEqual(ofAll)
  expect(await podKey.webhooks.get('main')).toEqual(ofPod)
  expect(await agentmail.pods.webhooks.get(pod.podId, 'main')).toEqual(ofPod)
  expect(await agentmail.inboxes.webhooks.get(inside.inboxId, 'main')).toEqual(ofInbox)
  await podKey.webhooks.delete('main')
  await expect(podKey.webhooks.get('main')).rejects.toMatchObject({ statusCode: 404 })
  expect(await inboxKey.webhooks.create(request)).toEqual(ofInbox)
  // A client_id that looks like another scope's id is still a name.
  const named = await podKey.webhooks.create({ ...request, clientId: ofAll.webhookId.replace('ep_', '') })
  expect(await podKey.webhooks.get(named.clientId!)).toEqual(named)
})

test('inboxes and pods are added to and removed from a webhook, but the last one cannot be removed', async () => {
  const { agentmail } = world
  const pod = await agentmail.pods.create({ name: 'one' })
  for (const username of ['a', 'b']) await agentmail.inboxes.create({ username })
  const [a, b] = ['a@mail.localhost', 'b@mail.localhost']
  const twice = [a, a, 'A@Mail.localhost'] // the last one is another spelling
  const made = await agentmail.webhooks.create({ url, eventTypes: [], inboxIds: twice, podIds: [pod.podId] })
  const { webhookId } = made
  expect(made).toMatchObject({ inboxIds: [a], podIds: [pod.podId] })
  const update = (change: object) => agentmail.webhooks.update(webhookId, change)
  expect(await update({ addInboxIds: [b] })).toMatchObject({ inboxIds: [a, b], podIds: [pod.podId] })
  const { body } = await world.request('PATCH', `/v0/webhooks/${webhookId}`, { body: { remove_inbox_ids: [a, b] } })
  expect(body).toMatchObject({ pod_ids: [pod.podId] })
  expect(body).not.toHaveProperty('inbox_ids')
  await expect(update({ removePodIds: [pod.podId] })).rejects.toMatchObject({ statusCode: 400 })
  expect(await update({ removePodIds: [pod.podId], addInboxIds: [a] })).toMatchObject({ inboxIds: [a] })
  await expect(update({ addInboxIds: ['nobody@mail.localhost'] })).rejects.toMatchObject({ statusCode: 404 })
  expect(await update({ removeInboxIds: ['nobody@mail.localhost'] })).toMatchObject({ inboxIds: [a] })

  // A webhook for everything already covers the added inbox and pod.
  const whole = await agentmail.webhooks.create({ url, eventTypes: [] })
  const unchanged = await agentmail.webhooks.update(whole.webhookId, { addInboxIds: [a], addPodIds: [pod.podId] })
  expect(unchanged).not.toHaveProperty('inboxIds')
  expect(unchanged).not.toHaveProperty('podIds')
})

test('the ids of a webhook, and the number of webhooks, are limited', async () => {
  await using world = await startWorld({ limits: { webhooks: { idsMax: 2, perOrganizationMax: 2 } } })
  const inboxIds: string[] = []
  for (const username of ['a', 'b', 'c']) inboxIds.push((await world.agentmail.inboxes.create({ username })).inboxId)
  // It said "A subscription can have …".
  const tooMany = { statusCode: 400, body: { message: 'A webhook can have at most 2 inbox_ids' } }
  await expect(world.agentmail.webhooks.create({ url, eventTypes: [], inboxIds })).rejects.toMatchObject(tooMany)
  const [a, b, c] = inboxIds
  const { webhookId } = await world.agentmail.webhooks.create({
    url,
    eventTypes: [],
    inboxIds: [a!, b!],
    clientId: 'x',
  })
  await expect(world.agentmail.webhooks.update(webhookId, { addInboxIds: [c!] })).rejects.toMatchObject(tooMany)
  await world.agentmail.webhooks.update(webhookId, { addInboxIds: [c!], removeInboxIds: [a!] })

  await world.agentmail.webhooks.create({ url, eventTypes: [] })
  const third = world.agentmail.webhooks.create({ url, eventTypes: [] })
  await expect(third).rejects.toMatchObject({ statusCode: 403, body: { code: 'limit_exceeded' } })
  expect(await world.agentmail.webhooks.create({ url, eventTypes: [], clientId: 'x' })).toMatchObject({ webhookId })
  await world.agentmail.webhooks.delete(webhookId)
  await world.agentmail.webhooks.create({ url, eventTypes: [] })
})

test('one pod cannot have all webhooks of its organization', async () => {
  await using world = await startWorld({ limits: { webhooks: { perOrganizationMax: 3, perPodMax: 1 } } })
  const { podId } = await world.agentmail.pods.create({ name: 'red' })
  const red = world.agentmailAs((await world.agentmail.pods.apiKeys.create(podId, {})).apiKey)
  const { inboxId } = await red.inboxes.create({ username: 'red' })
  await world.agentmail.inboxes.webhooks.create(inboxId, { url, eventTypes: [] })
  const second = red.webhooks.create({ url, eventTypes: [] })
  await expect(second).rejects.toMatchObject({ statusCode: 403, body: { code: 'limit_exceeded' } })
  await world.agentmail.webhooks.create({ url, eventTypes: [] })
})

test('every event type of old and new clients is accepted, others are refused', async () => {
  const eventTypes = [
    ...['message.received', 'message.received.spam', 'message.received.blocked', 'message.received.unauthenticated'],
    ...['message.sent', 'message.delivered', 'message.bounced', 'message.complained', 'message.rejected'],
    ...['message.opened', 'domain.verified', 'message.security.completed', 'message.security.review'],
    ...['message.security.override', 'calendar.event.created', 'calendar.event.updated', 'calendar.event.deleted'],
    ...['calendar.event.responded', 'calendar.event.starting', 'calendar.event.ending'],
  ]
  const made = await world.request('POST', '/v0/webhooks', { body: { url, event_types: eventTypes } })
  expect(made).toMatchObject({ status: 200, body: { event_types: eventTypes } })
  for (const type of ['message.unheard', 'key.revoked', '']) {
    const refused = await world.request('POST', '/v0/webhooks', { body: { url, event_types: [type] } })
    expect(refused).toMatchObject({ status: 400, body: { code: 'validation_error' } })
  }
})

test('each call needs its permission, and each hidden event type the permission of its label', async () => {
  const { webhookId } = await world.agentmail.webhooks.create({ url, eventTypes: ['message.received.spam'] })
  const at = `/v0/webhooks/${webhookId}`
  const calls: [permission: string, method: string, path: string, body?: object][] = [
    ['webhook_read', 'GET', '/v0/webhooks'],
    ['webhook_read', 'GET', at],
    ['webhook_read', 'GET', `${at}/headers`],
    ['webhook_create', 'POST', '/v0/webhooks', { url }],
    ['webhook_update', 'PATCH', at, { enabled: false }],
    ['webhook_update', 'PUT', at, { enabled: false }],
    ['webhook_update', 'PATCH', `${at}/headers`, { headers: { a: 'b' } }],
    ['webhook_delete', 'DELETE', at],
  ]
  const flags = ['webhook_read', 'webhook_create', 'webhook_update', 'webhook_delete']
  for (const [permission, method, path, body] of calls) {
    const others = await keyWith(world, ['message_read', ...flags.filter((flag) => flag !== permission)])
    const answer = await world.request(method, path, { key: others, ...(body && { body }) })
    expect(answer, `${method} ${path}`).toMatchObject({
      status: 403,
      body: { code: 'missing_permission', message: 'Forbidden' },
    })
    if (method === 'DELETE') continue
    const own = await keyWith(world, ['message_read', permission])
    expect((await world.request(method, path, { key: own, ...(body && { body }) })).status).toBeLessThan(300)
  }

  const blind = await keyWith(world, ['message_read', ...flags])
  const sees = await keyWith(world, ['message_read', 'label_spam_read', ...flags])
  const denied = { status: 403, body: { code: 'missing_permission', message: 'label_spam_read is forbidden' } }
  const spam = { url, event_types: ['message.received.spam'] }
  expect(await world.request('POST', '/v0/webhooks', { key: blind, body: spam })).toMatchObject(denied)
  expect(await world.request('POST', '/v0/webhooks', { key: sees, body: spam })).toMatchObject({ status: 200 })
  // A key that may not see a type can neither redirect the webhook nor enable it again, but it can disable it.
  for (const body of [{ url: `${url}/mine` }, { enabled: true }, { event_types: spam.event_types }]) {
    expect(await world.request('PATCH', at, { key: blind, body })).toMatchObject(denied)
  }
  expect(await world.request('PATCH', at, { key: blind, body: { enabled: false } })).toMatchObject({ status: 200 })
  expect(await world.request('PATCH', at, { key: sees, body: { enabled: true } })).toMatchObject({ status: 200 })
  expect(await world.request('PATCH', at, { key: blind, body: { event_types: ['message.sent'] } })).toMatchObject({
    status: 200,
  })
})

test('custom header fields can be written, but only their names can be read', async () => {
  const { webhooks } = world.agentmail
  const secret = 'Bearer very-secret'
  const { webhookId } = await webhooks.create({ url, eventTypes: [], headers: { Authorization: secret, 'X-A': '1' } })
  expect(await webhooks.getHeaders(webhookId)).toEqual({ headerNames: ['Authorization', 'X-A'] })
  await webhooks.updateHeaders(webhookId, { headers: { 'x-b': '2' }, removeHeaders: ['x-a'] })
  expect(await webhooks.getHeaders(webhookId)).toEqual({ headerNames: ['Authorization', 'x-b'] })
  // A change with an error changes nothing.
  for (const change of [
    { headers: { 'x-c': '3', 'svix-id': 'x' } },
    { headers: { 'x-c': '3' }, removeHeaders: ['X-C'] },
    { headers: {} },
    {},
    { removeHeaders: [] },
  ]) {
    await expect(webhooks.updateHeaders(webhookId, change)).rejects.toMatchObject({ statusCode: 400 })
  }
  expect(await webhooks.getHeaders(webhookId)).toEqual({ headerNames: ['Authorization', 'x-b'] })
  for (const path of ['', `/${webhookId}`, `/${webhookId}/headers`]) {
    expect(JSON.stringify((await world.request('GET', `/v0/webhooks${path}`)).body)).not.toContain(secret)
  }
  await expect(webhooks.create({ url, eventTypes: [], headers: { host: 'inside' } })).rejects.toMatchObject({
    statusCode: 400,
  })
})

test('"polling" is never a webhook id, on any path, with any method', async () => {
  const inbox = await world.agentmail.inboxes.create({ username: 'cat' })
  const pods = await world.agentmail.pods.list()
  const levels = ['', `/pods/${pods.pods[0]!.podId}`, `/inboxes/${inbox.inboxId}`]
  for (const level of levels) {
    for (const [method, path, status, code] of [
      ['GET', 'polling', 403, 'not_implemented'],
      ['POST', 'polling', 403, 'not_implemented'],
      ['PATCH', 'polling', 404, 'not_found'],
      ['DELETE', 'polling', 404, 'not_found'],
      ['GET', 'polling/ep_1', 403, 'not_implemented'],
      ['DELETE', 'polling/ep_1', 403, 'not_implemented'],
    ] as const) {
      const answer = await world.request(method, `/v0${level}/webhooks/${path}`)
      expect(answer, `${method} ${level} ${path}`).toMatchObject({ status, body: { code } })
    }
  }
})

test.each([
  [{}],
  [{ url: 7 }],
  [{ url, event_types: 'message.received' }],
  [{ url, event_types: [7] }],
  [{ url, headers: { a: 1 } }],
  [{ url, headers: [] }],
  [{ url, enabled: 'yes' }],
  [{ url: 'file:///etc/passwd' }],
  [{ url: 'https://user:pass@hooks.example/' }],
])('the invalid webhook %j is refused', async (body) => {
  const answer = await world.request('POST', '/v0/webhooks', { body })
  expect(answer).toMatchObject({ status: 400, body: { code: 'validation_error' } })
})

async function keyWith(world: World, flags: readonly string[]): Promise<string> {
  const body = { permissions: Object.fromEntries(flags.map((flag) => [flag, true])) }
  return (await world.request('POST', '/v0/api-keys', { body })).body.api_key
}

test('custom header fields are dropped when a webhook moves to another origin', async () => {
  const body = { url: 'http://127.0.0.1:9/a', headers: { authorization: 'secret' } }
  const { webhook_id: id } = (await world.request('POST', '/v0/webhooks', { body })).body
  const namesAfter = async (url: string) => {
    expect((await world.request('PATCH', `/v0/webhooks/${id}`, { body: { url } })).status).toBe(200)
    return (await world.request('GET', `/v0/webhooks/${id}/headers`)).body.header_names
  }
  expect(await namesAfter('http://127.0.0.1:9/b')).toEqual(['authorization'])
  expect(await namesAfter('http://127.0.0.1:10/b')).toEqual([])
})

test("every event type of AgentMail's clients is accepted in every filter", async () => {
  const { inboxId, podId } = await world.agentmail.inboxes.create({ username: 'dan' })
  const types = [
    ...['message.received', 'message.received.spam', 'message.received.blocked', 'message.received.unauthenticated'],
    ...['message.sent', 'message.delivered', 'message.bounced', 'message.complained', 'message.rejected'],
    ...['message.opened', 'domain.verified', 'message.security.completed', 'message.security.review'],
    ...['message.security.override', 'calendar.event.created', 'calendar.event.updated', 'calendar.event.deleted'],
    ...['calendar.event.responded', 'calendar.event.starting', 'calendar.event.ending'],
  ]
  expect(types).toHaveLength(20)
  for (const level of ['/v0', `/v0/pods/${podId}`, `/v0/inboxes/${inboxId}`]) {
    const made = await world.request('POST', `${level}/webhooks`, { body: { url, event_types: types } })
    expect(made).toMatchObject({ status: 200, body: { event_types: types } })
    const at = `${level}/webhooks/${made.body.webhook_id}`
    const changed = await world.request('PATCH', at, { body: { event_types: types.toReversed() } })
    expect(changed).toMatchObject({ status: 200, body: { event_types: types.toReversed() } })
  }
  const socket = await world.subscribe()
  socket.send({ type: 'subscribe', event_types: types })
  const answer = await socket.nextFrame((frame) => ['subscribed', 'error'].includes(frame.type))
  expect(answer).toMatchObject({ type: 'subscribed', event_types: types })
  const query = `event_types=${encodeURIComponent(JSON.stringify(types))}`
  for (const path of ['/v0/events', '/v0/events?wait_seconds=0'])
    expect((await world.request('GET', `${path}${path.includes('?') ? '&' : '?'}${query}`)).status).toBe(200)
  const headers = { authorization: `Bearer ${world.rootKey}` }
  const stream = await fetch(`${world.url}/v0/events/stream?${query}`, { headers })
  expect(stream.status).toBe(200)
  await stream.body!.cancel()
})
