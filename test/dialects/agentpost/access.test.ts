/** The permissions of every route of the AgentPost dialect (../route-walk.ts). */
import { afterAll, beforeAll, expect, test } from 'vitest'
import { loadConfig } from '../../../src/config/settings.ts'
import { type AgentPostNeeds, agentPost } from '../../../src/edges/http/dialects/agentpost/index.ts'
import type { Permission } from '../../../src/mail/access/permissions.ts'
import { startWorld, type World } from '../../support/world.ts'
import { createWalk, type Ids, type Objects, type Operation, operationsOf } from '../route-walk.ts'

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

/** A request that needs a flag which other requests of its route do not need. */
interface Condition {
  readonly name: string
  readonly flag: Permission
  readonly body?: object
  /** Makes the draft that it is about. */
  readonly draft?: () => Promise<string>
  /** Without the flag, it is done too, and the response says less. */
  readonly isDoneWithout?: true
}

// The walk below sends one request to each route, which needs none of these flags: that a route declares one too few stayed unnoticed.
test('a flag that only some requests need is declared by their route, and these are refused, or show less, without it', async () => {
  const post = async (path: string, body: object) => (await world.request('POST', path, { body })).body
  const { inbox_id: inboxId, message_id: messageId } = own.ids
  const { email } = (await world.request('GET', `/api/v1/inboxes/${inboxId}`)).body
  const draft = async () => (await post(`/api/v1/inboxes/${inboxId}/drafts`, { to: 'a@b.test' })).id as string
  const scheduled = async () => {
    const send_at = new Date(Date.now() + 3_600_000).toISOString()
    const { draft_id } = await post(`/v0/inboxes/${email}/drafts`, { to: ['a@b.test'], subject: 'later', send_at })
    expect(draft_id).toBeDefined()
    const { data } = (await world.request('GET', `/api/v1/inboxes/${inboxId}/drafts`)).body
    return data.find(({ subject }: { subject: string | null }) => subject === 'later').id as string
  }
  await post(`/api/v1/inboxes/${inboxId}/drafts`, { to: 'a@b.test', client_id: 'of-another-key' })
  const [drafts, upload] = ['POST /inboxes/:inbox_id/drafts', 'POST /attachments/upload-url']
  const conditions: Condition[] = [
    { name: 'POST /inboxes/:inbox_id/messages', flag: 'message_read', isDoneWithout: true },
    { name: 'POST /drafts/:draft_id/send', flag: 'message_read', draft, isDoneWithout: true },
    { name: 'PATCH /drafts/:draft_id', flag: 'draft_send', draft: scheduled },
    { name: drafts, flag: 'message_read', body: { in_reply_to: messageId, text_body: 'x' } },
    { name: drafts, flag: 'draft_read', body: { to: 'a@b.test', client_id: 'of-another-key' } },
    { name: 'PATCH /webhooks/:webhook_id', flag: 'message_read', body: { event_types: ['message.sent'] } },
    { name: upload, flag: 'message_send' },
    { name: upload, flag: 'draft_create' },
  ]
  const declared = operations.flatMap((operation) =>
    (operation.conditional ?? []).map((flag) => `${walk.nameOf(operation)} ${flag}`),
  )
  expect(declared.toSorted()).toEqual(conditions.map(({ name, flag }) => `${name} ${flag}`).toSorted())

  for (const { name, flag, body, draft, isDoneWithout } of conditions) {
    const operation = operations.find((each) => walk.nameOf(each) === name)!
    const ask = async (flags: readonly Permission[]) => {
      const ids = { ...own.ids, ...(draft && { draft_id: await draft() }) }
      const answer = await walk.ask(operation, ids, body ?? bodies[name], await walk.keyWith(flags))
      return { status: answer.status, code: answer.body.error?.code, isWhole: 'labels' in answer.body }
    }
    const [refused, done] = [{ status: 403, code: 'missing_permission' }, { code: undefined }]
    const title = `${name} with ${flag}`
    const answers = [await ask([...operation.permissions, flag]), await ask(operation.permissions)] as const
    expect(answers[0].status, title).toBeLessThan(300)
    expect(answers[1], `${title}, without`).toMatchObject(isDoneWithout ? { ...done, isWhole: false } : refused)
    if (isDoneWithout) expect(answers[0].isWhole, title).toBe(true)
  }
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
