/**
 * Calls every operation of the npm package `agentmail` with its real client, against one running server, and compares
 * the returned objects in full. What is not built must fail with the client's error class and `not_implemented`.
 *
 * The client's `fetch` records each call: the last test compares them with all operations (operations.json), so that an
 * operation without a call fails.
 */
import { AgentMailClient, AgentMailError, type AgentMail as Types } from 'agentmail'
import { listEvents, waitForMessage } from 'martlet/agentmail'
import { afterAll, beforeAll, expect, test, vi } from 'vitest'
import { unbuiltOperations } from '../../../src/edges/http/dialects/agentmail/routes/agentmail-unbuilt.ts'
import { startWorld, type World } from '../../support/world.ts'
import { ApiDescription } from './api-description.ts'
import operations from './operations.json' with { type: 'json' }

/** A resource of the client at any of the three levels, whose first arguments are bound. */
// biome-ignore lint/suspicious/noExplicitAny: the same calls for three classes of the client
type Resource = Record<string, (...args: any[]) => Promise<any>>

const clientOperations = operations.filter(({ npm }) => npm !== undefined)
const called = new Set<string>()
/** What the server returned to each call. */
const responses: { readonly name: string; readonly status: number; readonly body: unknown }[] = []
const time = expect.any(Date)
const id = expect.any(String)

let world: World
let client: AgentMailClient
let organizationId: string
let podId: string
/** Sends `sent`, of which `bob` receives `received`. */
const ada = 'ada@mail.localhost'
const bob = 'bob@mail.localhost'
let sent: Types.SendMessageResponse

beforeAll(async () => {
  const env = { MARTLET_DNS_SERVERS: '127.0.0.1:1' } // nothing listens there
  const limits = { dns: { tryMs: 10, zoneTryMs: 10, triesMax: 1 } }
  world = await startWorld({ env, limits, startPaused: true })
  client = new AgentMailClient({ apiKey: world.rootKey, baseUrl: world.url, maxRetries: 0, fetch: recordingFetch })
  organizationId = (await client.auth.me()).organizationId
  podId = (await client.pods.create({ name: 'red' })).podId
  for (const username of ['ada', 'bob']) await client.pods.inboxes.create(podId, { username })
  sent = await client.inboxes.messages.send(ada, {
    to: [bob],
    subject: 'Report',
    text: 'The numbers are good.',
    html: '<p>The numbers are good.</p>',
    labels: ['weekly'],
    attachments: [{ filename: 'a.txt', content: 'YQ==', contentType: 'text/plain' }],
  })
  const labels = async () => (await client.inboxes.messages.get(ada, sent.messageId)).labels
  await vi.waitUntil(async () => (await labels()).includes('delivered'), { timeout: 20_000 })
})

afterAll(() => world[Symbol.asyncDispose]())

async function recordingFetch(input: string | URL | Request, init?: RequestInit): Promise<Response> {
  const { pathname } = new URL(String(input))
  const name = `${init?.method} ${patternOf(init?.method ?? '', pathname)}`
  called.add(name)
  const response = await fetch(input, init)
  const isJson = response.headers.get('content-type')?.startsWith('application/json')
  // A path of Martlet's own looks like a message with the id "wait".
  if (!pathname.endsWith('/wait'))
    responses.push({ name, status: response.status, body: isJson ? await response.clone().json() : undefined })
  return response
}

/** Returns the path of the operation that a request calls; words win over parameters. */
function patternOf(method: string, pathname: string): string {
  const segments = pathname.split('/')
  const matching = clientOperations.filter((operation) => {
    const names = operation.path.split('/')
    const isSame = (name: string, index: number) => name.startsWith('{') || name === segments[index]
    return operation.method === method && names.length === segments.length && names.every(isSame)
  })
  const parameters = (path: string) => path.split('{').length
  return matching.toSorted((a, b) => parameters(a.path) - parameters(b.path))[0]?.path ?? pathname
}

/** Returns a resource of the organization, of the pod and of the inbox, with the members that its objects have there. */
function levelsOf(
  name: 'drafts' | 'threads' | 'webhooks' | 'lists' | 'apiKeys' | 'metrics',
): [level: string, Resource, object][] {
  return [
    ['organization', bound(client[name]), {}],
    ['pod', bound(client.pods[name], podId), { podId }],
    ['inbox', bound(client.inboxes[name], ada), { podId, inboxId: ada }],
  ]
}

function bound(resource: object, ...first: string[]): Resource {
  return new Proxy({} as Resource, {
    get: (_, name) => (resource as Resource)[String(name)]?.bind(resource, ...first),
  })
}

const attachment = {
  attachmentId: id,
  filename: 'a.txt',
  size: 1,
  contentType: 'text/plain',
  contentDisposition: 'attachment',
}
/** The client does not rename `text_url`, which newer clients know. */
const textLink = { text_url: expect.stringMatching(/^http:.*\/v0\/downloads\//) }
const link = { downloadUrl: expect.stringMatching(/^http:.*\/v0\/downloads\//), expiresAt: time }

/** The message in a list; `organization_id` and the like are Martlet's own members, which the client does not rename. */
function messageItem() {
  return {
    ...{ inboxId: ada, threadId: sent.threadId, messageId: sent.messageId },
    labels: ['delivered', 'sent', 'weekly'],
    ...{ timestamp: time, from: ada, to: [bob], subject: 'Report', preview: 'The numbers are good.' },
    attachments: [attachment],
    ...{ size: expect.any(Number), updatedAt: time, createdAt: time },
  }
}

function message() {
  return {
    ...messageItem(),
    ...{ text: 'The numbers are good.', html: '<p>The numbers are good.</p>' },
    ...{ extractedText: 'The numbers are good.', extractedHtml: '<p>The numbers are good.</p>' },
    headers: expect.objectContaining({ From: ada, To: bob, Subject: 'Report', 'Message-ID': sent.messageId }),
    ...{ codes: [], links: [], authentication: { result: 'own' }, verified_domain: 'mail.localhost' },
  }
}

function threadItem() {
  return {
    ...{ inboxId: ada, threadId: sent.threadId, labels: ['delivered', 'sent', 'weekly'] },
    ...{ timestamp: time, sentTimestamp: time, senders: [ada], recipients: [bob] },
    ...{ subject: 'Report', preview: 'The numbers are good.', attachments: [attachment] },
    ...{ lastMessageId: sent.messageId, messageCount: 1, size: expect.any(Number), updatedAt: time, createdAt: time },
    ...{ participants: [ada, bob], last_message_at: expect.stringMatching(/Z$/) },
  }
}

test('auth, the organization and pods', async () => {
  const scope = { scopeType: 'organization', scopeId: organizationId, organizationId, apiKeyId: id }
  expect(await client.auth.me()).toEqual(scope)
  expect(await client.organizations.get()).toEqual({
    ...{ organizationId, inboxCount: expect.any(Number), domainCount: 0 },
    ...{ updatedAt: time, createdAt: time },
  })
  const blue = await client.pods.create({ name: 'blue', clientId: 'blue-1' })
  expect(blue).toEqual({ podId: id, name: 'blue', clientId: 'blue-1', updatedAt: time, createdAt: time })
  expect(await client.pods.get(blue.podId)).toEqual(blue)
  expect(await client.pods.list({ limit: 1 })).toEqual({ count: 1, limit: 1, nextPageToken: id, pods: [blue] })
  expect(await client.pods.delete(blue.podId)).toBeUndefined()
})

test.each(['organization', 'pod'])('inboxes of the %s', async (level) => {
  const inboxes = level === 'pod' ? bound(client.pods.inboxes, podId) : bound(client.inboxes)
  const username = `carl-${level}`
  const request = { username, displayName: 'Carl', clientId: username, metadata: { team: 7 } }
  const made = await inboxes.create!(request)
  const inboxId = `${username}@mail.localhost`
  expect(made).toEqual({
    ...{ organization_id: organizationId, podId: level === 'pod' ? podId : id, inboxId, email: inboxId },
    ...{ displayName: 'Carl', clientId: username, metadata: { team: 7 }, updatedAt: time, createdAt: time },
  })
  expect(await inboxes.get!(inboxId)).toEqual(made)
  expect(await inboxes.list!({ limit: 1 })).toEqual({ count: 1, limit: 1, nextPageToken: id, inboxes: [made] })
  const changed = await inboxes.update!(inboxId, { displayName: 'Carla' })
  expect(changed).toEqual({ ...made, displayName: 'Carla', updatedAt: time })
  expect(await inboxes.search!({ q: 'carla' })).toEqual({ count: 1, limit: 50, inboxes: [changed] })
  expect(await inboxes.delete!(inboxId)).toBeUndefined()
})

test('messages: lists, search, batches, bodies, links and labels', async () => {
  const { messages } = client.inboxes
  expect(await messages.list(ada, { labels: ['weekly'] })).toEqual({ count: 1, limit: 50, messages: [messageItem()] })
  const found = { ...messageItem(), highlights: { text: ['The **numbers** are good.'] } }
  expect(await messages.search(ada, { q: 'numbers' })).toEqual({ count: 1, limit: 50, messages: [found] })
  expect(await messages.get(ada, sent.messageId)).toEqual(message())
  const batch = await messages.batchGet(ada, { messageIds: [sent.messageId, '<none@x.test>'] })
  expect(batch).toEqual({ limit: 2, count: 1, messages: [messageItem()] })
  const { attachmentId } = batch.messages[0]!.attachments![0]!
  expect(await messages.getAttachment(ada, sent.messageId, attachmentId)).toEqual({
    ...attachment,
    ...link,
    ...textLink,
  })
  const raw = await messages.getRaw(ada, sent.messageId)
  expect(raw).toEqual({ messageId: sent.messageId, size: expect.any(Number), ...link })

  const updates = (labels: string[]) => ({ messageId: sent.messageId, labels })
  const added = { messageIds: [sent.messageId], addLabels: ['seen'] }
  const labelled = updates(['delivered', 'seen', 'sent', 'weekly'])
  expect(await messages.batchUpdate(ada, added)).toEqual({ limit: 1, count: 1, updates: [labelled] })
  const removed = await messages.update(ada, sent.messageId, { removeLabels: 'seen' })
  expect(removed).toEqual(updates(['delivered', 'sent', 'weekly']))
  expect(await client.inboxes.events.list(ada, { limit: 1 })).toEqual({
    ...{ count: 1, limit: 1, nextPageToken: id },
    events: [
      {
        ...{ organizationId, podId, inboxId: ada, eventId: expect.stringMatching(/^evt_/), eventType: 'label.removed' },
        ...{ messageId: sent.messageId, label: 'seen', eventAt: time, createdAt: time },
      },
    ],
  })
})

test('threads at every level', async () => {
  for (const [level, threads] of levelsOf('threads')) {
    const list = await threads.list!({ labels: ['weekly'] })
    expect(list, level).toEqual({ count: 1, limit: 50, threads: [threadItem()] })
    const found = { ...threadItem(), highlights: { text: ['The **numbers** are good.'] } }
    expect((await threads.search!({ q: 'numbers' })).threads, level).toContainEqual(found)
    const thread = await threads.get!(sent.threadId)
    expect(thread, level).toEqual({ ...threadItem(), count: 1, limit: 100, messages: [message()] })
    const { attachmentId } = thread.attachments[0]
    expect(await threads.getAttachment!(sent.threadId, attachmentId), level).toEqual({
      ...attachment,
      ...link,
      ...textLink,
    })
    const updated = await threads.update!(sent.threadId, { addLabels: [level] })
    expect(updated, level).toEqual({
      threadId: sent.threadId,
      labels: ['delivered', level, 'sent', 'weekly'].toSorted(),
    })
    await threads.update!(sent.threadId, { removeLabels: [level] })

    const { threadId } = await client.inboxes.messages.send(ada, { to: ['nobody@example.test'], text: level })
    expect(await threads.delete!(threadId), level).toBeUndefined()
    await expect(threads.get!(threadId), level).rejects.toMatchObject({ statusCode: 404 })
  }
})

test('sends: reply, reply to all, forward, and the deletion of a message', async () => {
  const { messages } = client.inboxes
  const receipt = { messageId: expect.stringMatching(/^<.*>$/), threadId: id }
  expect(sent).toEqual(receipt)
  const answer = await messages.reply(bob, sent.messageId, { text: 'Thanks' })
  expect(answer).toEqual(receipt)
  expect(await messages.get(bob, answer.messageId)).toMatchObject({ subject: 'Re: Report', to: [ada] })
  expect(await messages.replyAll(bob, sent.messageId, { text: 'To all' })).toEqual({
    ...receipt,
    threadId: answer.threadId,
  })
  const forwarded = await messages.forward(bob, sent.messageId, { to: [bob], text: 'See below' })
  expect(forwarded).toEqual(receipt)
  expect(await messages.get(bob, forwarded.messageId)).toMatchObject({
    subject: 'Fwd: Report',
    attachments: [{ filename: 'a.txt' }],
  })
  expect(await messages.delete(bob, answer.messageId)).toBeUndefined()
  await expect(messages.get(bob, answer.messageId)).rejects.toMatchObject({ statusCode: 404 })
})

test('drafts: written in an inbox, read at every level, and sent', async () => {
  const attachments = [{ filename: 'a.txt', content: 'YQ==', contentType: 'text/plain' }]
  const request = {
    to: [bob],
    subject: 'Plan',
    text: 'To do',
    html: '<p>To do</p>',
    labels: ['idea'],
    clientId: 'plan-1',
  }
  const made = await client.inboxes.drafts.create(ada, { ...request, attachments })
  const item = {
    ...{ inboxId: ada, draftId: made.draftId, labels: ['idea'], to: [bob], subject: 'Plan', preview: 'To do' },
    ...{ attachments: [attachment], updatedAt: time },
  }
  const whole = { ...item, clientId: 'plan-1', text: 'To do', html: '<p>To do</p>', createdAt: time }
  expect(made).toEqual({ ...whole, draftId: id })
  for (const [level, drafts] of levelsOf('drafts')) {
    expect(await drafts.list!(), level).toEqual({ count: 1, limit: 50, drafts: [item] })
    expect(await drafts.get!(made.draftId), level).toEqual(whole)
    const { attachmentId } = made.attachments![0]!
    expect(await drafts.getAttachment!(made.draftId, attachmentId), level).toEqual({
      ...attachment,
      ...link,
      ...textLink,
    })
  }
  const { drafts } = client.inboxes
  const changed = await drafts.update(ada, made.draftId, { subject: 'A plan', text: null, addLabels: ['later'] })
  const { text: _, preview: __, ...rest } = whole
  expect(changed).toEqual({ ...rest, subject: 'A plan', preview: 'To do', labels: ['idea', 'later'] })
  expect(await drafts.send(ada, made.draftId, {})).toEqual({ messageId: expect.stringMatching(/^<.*>$/), threadId: id })
  const other = await drafts.create(ada, {})
  expect(other).toEqual({ inboxId: ada, draftId: id, labels: [], updatedAt: time, createdAt: time })
  expect(await drafts.delete(ada, other.draftId)).toBeUndefined()
  expect((await drafts.list(ada)).drafts).toEqual([])
})

test('webhooks at every level', async () => {
  for (const [level, webhooks, scope] of levelsOf('webhooks')) {
    const request = { url: 'https://example.com/', eventTypes: ['message.received'], clientId: `hook-${level}` }
    const made = await webhooks.create!({ ...request, headers: { 'X-Team': 'red' } })
    expect(made, level).toEqual({
      ...{ webhookId: expect.stringMatching(/^ep_/), ...request, secret: expect.stringMatching(/^whsec_/) },
      ...{ enabled: true, ordered: false, updatedAt: time, createdAt: time },
      ...snakeCase(scope),
    })
    expect(await webhooks.get!(made.webhookId), level).toEqual(made)
    const { webhooks: listed } = await webhooks.list!({ limit: 1 })
    expect(listed, level).toEqual([made])
    expect(await webhooks.getHeaders!(made.webhookId), level).toEqual({ headerNames: ['X-Team'] })
    expect(await webhooks.updateHeaders!(made.webhookId, { headers: { 'X-Other': '1' } }), level).toBeUndefined()
    expect((await webhooks.getHeaders!(made.webhookId)).headerNames.toSorted(), level).toEqual(['X-Other', 'X-Team'])
    const changed = await webhooks.update!(made.webhookId, { eventTypes: ['message.sent'] })
    expect(changed, level).toEqual({ ...made, eventTypes: ['message.sent'], updatedAt: time })
    expect(await webhooks.delete!(made.webhookId), level).toBeUndefined()
  }
})

/** The members of 2.x, which the client of 0.5.27 passes through as they are. */
function snakeCase(members: object): object {
  return Object.fromEntries(
    Object.entries(members).map(([name, value]) => [name.replace(/[A-Z]/g, (c) => `_${c.toLowerCase()}`), value]),
  )
}

test('allow and block lists at every level', async () => {
  for (const [level, lists, scope] of levelsOf('lists')) {
    const entry = `${level}@example.test`
    const made = await lists.create!('send', 'block', { entry, reason: 'a test' })
    expect(made, level).toEqual({
      ...{ entry, organizationId, ...scope, reason: 'a test' },
      ...{ direction: 'send', listType: 'block', entryType: 'email', createdAt: time },
    })
    expect(await lists.get!('send', 'block', entry), level).toEqual(made)
    expect(await lists.list!('send', 'block'), level).toEqual({ count: 1, limit: 50, entries: [made] })
    expect(await lists.delete!('send', 'block', entry), level).toBeUndefined()
  }
})

test('API keys at every level', async () => {
  for (const [level, apiKeys, scope] of levelsOf('apiKeys')) {
    const made = await apiKeys.create!({ name: level, permissions: { messageRead: true } })
    const shown = { apiKeyId: id, prefix: expect.stringMatching(/^am_/), name: level, ...scope, createdAt: time }
    const permissions = { messageRead: true }
    expect(made, level).toEqual({ ...shown, permissions, apiKey: expect.stringMatching(/^am_/) })
    const listed = { type: 'bearer', ...shown, apiKeyId: made.apiKeyId, permissions, updatedAt: time }
    const list = await apiKeys.list!({ limit: 1 })
    expect(list, level).toMatchObject({ count: 1, apiKeys: [listed] })
    expect(list.apiKeys[0], level).toEqual(listed)
    if (level === 'organization') expect(await apiKeys.get!(made.apiKeyId)).toEqual(listed)
    const renamed = await apiKeys.update!(made.apiKeyId, { name: 'robot' })
    expect(renamed, level).toEqual({ ...listed, name: 'robot' })
    expect(await apiKeys.delete!(made.apiKeyId), level).toBeUndefined()
  }
})

test('domains of the organization and of a pod', async () => {
  const record = { status: 'MISSING', purpose: id, seen: [], name: id, value: id }
  const records = [
    ...[
      { ...record, type: 'MX', priority: 10 },
      { ...record, type: 'TXT' },
    ],
    ...[
      { ...record, type: 'TXT' },
      { ...record, type: 'TXT' },
    ],
  ]
  const levels: [string, Resource, object][] = [
    ['one.test', bound(client.domains), {}],
    ['two.test', bound(client.pods.domains, podId), { podId }],
  ]
  for (const [domain, domains, more] of levels) {
    const switches = { feedbackEnabled: true, subdomainsEnabled: false, trackingEnabled: false, inbound_enabled: true }
    const item = { ...more, domainId: domain, domain, ...switches, updatedAt: time, createdAt: time }
    const made = await domains.create!({ domain, feedbackEnabled: true })
    expect(made).toEqual({ ...item, status: 'NOT_STARTED', records, recommended_records: [] })
    expect(await domains.get!(domain)).toEqual(made)
    expect((await domains.list!()).domains).toContainEqual(item)
    const changed = await domains.update!(domain, { feedbackEnabled: false })
    expect(changed).toEqual({ ...made, feedbackEnabled: false, updatedAt: time })
    const zone = await domains.getZoneFile!(domain)
    expect(await new Response(zone.stream()).text()).toContain(`${domain}.\t3600\tIN\tMX\t10 mail.localhost.`)
    // The flow with DNS is in domains.test.ts.
    await expect(domains.verify!(domain)).rejects.toMatchObject({
      statusCode: 422,
      body: { code: 'domain_check_failed' },
    })
    if (domain === 'one.test') expect(await client.domains.getSetupLink(domain)).toEqual({ supported: false })
    await domains.delete!(domain)
    await expect(domains.get!(domain)).rejects.toMatchObject({ statusCode: 404 })
  }
})

test('metrics at every level', async () => {
  const end = new Date()
  const start = new Date(end.getTime() - 3_600_000)
  for (const [level, metrics] of levelsOf('metrics')) {
    const events = await metrics.queryEvents!({ start, end, period: 3_600, eventTypes: ['message.sent'] })
    expect(Object.keys(events), level).toEqual(['message.sent'])
    expect(events['message.sent'].length, level).toBeGreaterThan(0)
    for (const point of events['message.sent']) expect(point).toEqual({ timestamp: time, count: expect.any(Number) })
    const usage = await metrics.queryUsage!({ start, end, period: 3_600, usageTypes: ['message_count'] })
    expect(Object.keys(usage), level).toEqual(['message_count'])
    for (const point of usage.message_count) expect(point).toEqual({ timestamp: time, value: expect.any(Number) })
  }
})

test('an agent signs up, and enters the code that its human gets', async () => {
  const human = 'eve@mail.localhost'
  await client.inboxes.create({ username: 'eve' })
  const made = await client.agent.signUp({ username: 'agent', humanEmail: human, source: 'a test', referrer: 'none' })
  expect(made).toEqual({ organizationId: id, inboxId: 'agent@mail.localhost', apiKey: expect.stringMatching(/^am_/) })
  const { message } = await waitForMessage(client, world.url, human, { wait_seconds: 10 })
  const { code } = message!.codes![0]!
  const agent = new AgentMailClient({ apiKey: made.apiKey, baseUrl: world.url, maxRetries: 0, fetch: recordingFetch })
  expect(await agent.agent.verify({ otpCode: code })).toEqual({ verified: true })
})

test('accounts and providers: empty lists, and a 404 for a single one and for a sign-in', async () => {
  const { accounts, providers } = client
  expect(await accounts.list()).toEqual({ count: 0, limit: 50, accounts: [] })
  expect(await providers.list()).toEqual({ count: 0, limit: 50, providers: [] })
  expect(await providers.search({ q: 'x' })).toEqual({ count: 0, limit: 50, providers: [] })
  for (const request of [
    () => accounts.get('none'),
    () => providers.get('none'),
    () => providers.listAccounts('none'),
    () => providers.connect('none', {}),
    () => client.inboxes.authorize(ada, { authToken: 'Zk3vT9qLw4ePzR31aBcD-x', acceptDisclosure: true }),
  ]) {
    await expect(request()).rejects.toMatchObject({ statusCode: 404, body: { code: 'not_found' } })
  }
})

test('the module martlet/agentmail: waiting for a message, and pages of events', async () => {
  const { message, cursor } = await waitForMessage(client, world.url, bob, { subject: ['Report'], wait_seconds: 5 })
  expect(message).toMatchObject({ message_id: sent.messageId, text: 'The numbers are good.', codes: [], links: [] })
  expect(cursor).toEqual(id)
  const page = await listEvents(client, world.url, { event_types: ['message.sent'], inbox_ids: [ada], limit: 1 })
  expect(page).toEqual({ count: 1, events: [expect.objectContaining({ event_type: 'message.sent' })], cursor: id })
  await expect(waitForMessage(client, world.url, 'nobody@mail.localhost')).rejects.toMatchObject({
    statusCode: 404,
    body: { code: 'not_found' },
  })
})

test('what is not built fails at once, with the error class of the client and a code', async () => {
  const unbuilt = new Set(unbuiltOperations().map(({ method, path }) => `${method} ${path.replace(/:(\w+)/g, '{$1}')}`))
  const absent = clientOperations.filter(({ method, path }) => unbuilt.has(`${method} ${path.slice('/v0'.length)}`))
  for (const { npm, path } of absent) {
    if (/accounts|providers/.test(path)) continue // see above
    const values: Record<string, string> = { inbox_id: ada, pod_id: podId }
    const args = [...path.matchAll(/\{(\w+)\}/g)].map(([, name]) => values[name!] ?? 'none')
    const [resource, name] = [npm!.split('.').slice(0, -1), npm!.split('.').at(-1)!]
    // biome-ignore lint/suspicious/noExplicitAny: a path of names
    const owner = resource.reduce((value: any, each) => value[each], client)
    const error = await owner[name](...args, sampleRequest).then(
      () => undefined,
      (thrown: unknown) => thrown,
    )
    expect(error, npm).toBeInstanceOf(AgentMailError)
    expect(error, npm).toMatchObject({ statusCode: 403, body: { code: 'not_implemented', message: id, fix: id } })
  }
})

/** The members that the client requires of some request or other; it leaves out the ones that it does not know. */
const sampleRequest = {
  ...{ q: 'x', text: 'x', domain: 'a.test' },
  feedbackEnabled: false,
}

test('every operation of the client was called', () => {
  const missing = clientOperations.filter(({ method, path }) => !called.has(`${method} ${path}`)).map(({ npm }) => npm)
  expect(missing).toEqual([])
  expect(clientOperations).toHaveLength(140)
})

test('every response is one that the API description has', async () => {
  const description = new ApiDescription((await world.request('GET', '/v0/openapi.json')).body)
  const unbuilt = new Set(
    unbuiltOperations().map(({ method, path }) => `${method} /v0${path.replace(/:(\w+)/g, '{$1}')}`),
  )
  const described = responses.filter(({ name }) => !unbuilt.has(name))
  const problems = described.map(({ name, status, body }) => description.problemOf(name, status, body))
  expect(problems.filter((problem) => problem !== undefined)).toEqual([])
  expect(described.length).toBeGreaterThan(100)
})
