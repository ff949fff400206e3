/** The permissions of every route of the AgentPost dialect (../route-walk.ts). */
import { afterAll, beforeAll, expect, test } from 'vitest'
import { loadConfig } from '../../../src/config/settings.ts'
import { type AgentPostNeeds, agentPost } from '../../../src/edges/http/dialects/agentpost/index.ts'
import { startWorld, type World } from '../../support/world.ts'
import { type Condition, createWalk, type Ids, type Objects, type Operation, operationsOf } from '../route-walk.ts'

const bodies: Readonly<Record<string, object>> = {
  'POST /inboxes': { random_suffix: true },
  'PATCH /inboxes/:inbox_id': { display_name: 'x' },
  'POST /inboxes/:inbox_id/messages': { to: 'a@b.test', text_body: 'x' },
  'POST /messages/:message_id/labels': { labels: ['x'] },
  'DELETE /messages/:message_id/labels': { labels: ['x'] },
  'POST /messages/:message_id/reply': { text_body: 'x' },
  'POST /messages/:message_id/forward': { to: 'a@b.test' },
  'POST /threads/:thread_id/labels': { labels: ['x'] },
  'DELETE /threads/:thread_id/labels': { labels: ['x'] },
  'POST /inboxes/:inbox_id/drafts': { to: 'a@b.test' },
  'PATCH /drafts/:draft_id': { text_body: 'x' },
  'POST /attachments/upload-url': { filename: 'a', mime_type: 'a/b', size: 1 },
  'POST /environments': { name: 'x' },
  'POST /api-keys': { name: 'x' },
  'POST /domains': { domain: 'walked.example' },
  'POST /webhooks': { url: 'http://127.0.0.1:9/' },
  'PATCH /webhooks/:webhook_id': { enabled: false },
}

let world: World
let operations: readonly Operation[]
let walk: ReturnType<typeof createWalk>
/** Objects of two environments. The last test removes them. */
let own: Objects
let foreign: Objects
beforeAll(async () => {
  const limits = { dns: { tryMs: 10, zoneTryMs: 10, triesMax: 1 } }
  world = await startWorld({ limits, env: { MARTLET_DNS_SERVERS: '127.0.0.1:1' }, startPaused: true })
  const dialect = agentPost({ config: loadConfig({}) } as AgentPostNeeds)
  operations = await operationsOf(dialect)
  const codeOf = (body: { error?: { code: string } }) => body.error?.code
  walk = createWalk({ world, prefix: dialect.prefix, operations, bodies, codeOf, isExpected, rankOf })
  own = await makeObjects('own')
  foreign = await makeObjects('foreign')
})
afterAll(() => world[Symbol.asyncDispose]())

/** One object of each kind, in an environment of its own, with keys of this environment and of the inbox. */
async function makeObjects(name: string): Promise<Objects> {
  const post = async (path: string, body: object) => (await world.request('POST', `/api/v1${path}`, { body })).body
  const environment = await post('/environments', { name, slug: name })
  const inbox = await post('/inboxes', { username: name, environment_id: environment.id })
  await world.smtp.send({ to: inbox.email, text: 'x', attachments: [{ filename: 'a', content: 'a' }] })
  const [message] = (await world.request('GET', `/api/v1/inboxes/${inbox.id}/messages`)).body.data
  const draft = await post(`/inboxes/${inbox.id}/drafts`, { to: 'a@b.test' })
  const webhook = await post('/webhooks', { url: 'http://127.0.0.1:9/', environment_id: environment.id })
  const domain = await post('/domains', { domain: `${name}.example`, environment_id: environment.id })
  const key = await post('/api-keys', { environment_id: environment.id })
  const ids: Ids = {
    ...{ inbox_id: inbox.id, message_id: message.id, thread_id: message.thread_id, draft_id: draft.id },
    ...{ attachment_id: message.attachments[0].id, environment_id: environment.id, webhook_id: webhook.id },
    ...{ domain_id: domain.id, api_key_id: (await post('/api-keys', { environment_id: environment.id })).id, id: 'x' },
  }
  return { ids, podKey: key.key as string, inboxKey: (await post('/api-keys', { inbox_id: inbox.id })).key as string }
}

test('every route refuses a missing key, a missing permission and a narrow key before it reads the body', async () => {
  expect(await walk.findUnguarded(own)).toEqual([])
  expect(operations.length).toBeGreaterThan(45)
})

test('objects of another environment are not found, and neither is anything by an id of another kind', async () => {
  expect(await walk.findUnscoped(own, foreign)).toEqual([])
})

test('a flag that only some requests need is declared by their route, and these are refused, or show less, without it', async () => {
  const post = async (path: string, body: object) => (await world.request('POST', path, { body })).body
  const { inbox_id: inboxId, message_id: messageId } = own.ids
  const { email } = (await world.request('GET', `/api/v1/inboxes/${inboxId}`)).body
  const draft = async () => ({ draft_id: (await post(`/api/v1/inboxes/${inboxId}/drafts`, { to: 'a@b.test' })).id })
  const scheduled = async () => {
    const send_at = new Date(Date.now() + 3_600_000).toISOString()
    const { draft_id } = await post(`/v0/inboxes/${email}/drafts`, { to: ['a@b.test'], subject: 'later', send_at })
    expect(draft_id).toBeDefined()
    const { data } = (await world.request('GET', `/api/v1/inboxes/${inboxId}/drafts`)).body
    return { draft_id: data.find(({ subject }: { subject: string | null }) => subject === 'later').id as string }
  }
  await post(`/api/v1/inboxes/${inboxId}/drafts`, { to: 'a@b.test', client_id: 'of-another-key' })
  await post('/api/v1/inboxes', { client_id: 'of-another-key' })
  await post('/api/v1/domains', { domain: 'x.example', client_id: 'of-another-key' })
  const [drafts, upload] = ['POST /inboxes/:inbox_id/drafts', 'POST /attachments/upload-url']
  const conditions: Condition[] = [
    { name: 'POST /inboxes/:inbox_id/messages', flag: 'message_read', shows: 'labels' },
    { name: 'POST /drafts/:draft_id/send', flag: 'message_read', make: draft, shows: 'labels' },
    { name: 'PATCH /drafts/:draft_id', flag: 'draft_send', make: scheduled },
    { name: 'PATCH /drafts/:draft_id', flag: 'draft_read', make: draft, shows: 'to_addresses' },
    { name: drafts, flag: 'message_read', body: { in_reply_to: messageId, text_body: 'x' } },
    { name: drafts, flag: 'draft_read', body: { to: 'a@b.test', client_id: 'of-another-key' } },
    { name: 'POST /inboxes', flag: 'inbox_read', body: { client_id: 'of-another-key' } },
    { name: 'POST /domains', flag: 'domain_read', body: { domain: 'x.example', client_id: 'of-another-key' } },
    { name: 'PATCH /webhooks/:webhook_id', flag: 'message_read', body: { event_types: ['message.sent'] } },
    { name: upload, flag: 'message_send' },
    { name: upload, flag: 'draft_create' },
  ]
  expect(await walk.findConditional(own, conditions)).toEqual([])
})

test('every route works with exactly the permissions that it declares', async () => {
  expect(await walk.findUndeclared(own, foreign)).toEqual([])
})

function rankOf({ method, url }: Operation): number {
  if (url.endsWith('/send')) return 1
  if (method !== 'DELETE' || url.endsWith('/labels')) return 0
  if (url.endsWith(':message_id')) return 2 // and its thread with it
  if (url.endsWith(':inbox_id')) return 4
  return url.endsWith(':environment_id') ? 5 : 3
}

/** A limited key cannot make or delete one without limits; an environment with a domain stays; no DNS server answers. */
function isExpected(name: string, status: number): boolean {
  if (/^(POST|DELETE) \/api-keys|^DELETE \/environments/.test(name)) return status === 403
  return name === 'POST /domains/:domain_id/verify' && status >= 400
}
