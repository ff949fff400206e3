/**
 * Walks over every route of the AgentPost dialect, with keys of each scope, and own and foreign objects. What a key needs comes
 * from the declaration of the route: a new route needs an entry in the tables below only if it has a body or another object.
 */
import { fastify, type RouteOptions } from 'fastify'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { loadConfig } from '../../../src/config/settings.ts'
import { type AgentPostNeeds, agentPost } from '../../../src/edges/http/dialects/agentpost/index.ts'
import type { HttpApp, HttpContext } from '../../../src/edges/http/server/http-dialect.ts'
import type { OperationAccess } from '../../../src/mail/access/operation-access.ts'
import { permissions as allPermissions } from '../../../src/mail/access/permissions.ts'
import { startWorld, type World } from '../../support/world.ts'

interface Operation extends OperationAccess {
  readonly method: string
  readonly url: string
}

/** Registers the routes on a server that answers nothing. */
async function operationsOf(): Promise<Operation[]> {
  const app = fastify()
  const routes: RouteOptions[] = []
  app.addHook('onRoute', (route) => void routes.push(route))
  const config = loadConfig({})
  await app.register(
    async (scope) => {
      scope.decorateRequest('actor')
      await agentPost({ config } as AgentPostNeeds).routes(scope as unknown as HttpApp, {} as HttpContext)
    },
    { prefix: '/api/v1' },
  )
  await app.ready()
  return routes.flatMap(({ method, url, config }) => {
    const access = config?.access
    if (access === undefined || access === 'public') return []
    return [method].flat().flatMap((each) => (each === 'HEAD' ? [] : { method: each, url, ...access }))
  })
}

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
/** Objects of two environments. The last test removes them. */
let own: Objects
let foreign: Objects
beforeAll(async () => {
  const limits = { dns: { tryMs: 10, zoneTryMs: 10, triesMax: 1 } }
  world = await startWorld({ limits, env: { MARTLET_DNS_SERVERS: '127.0.0.1:1' }, startPaused: true })
  operations = await operationsOf()
  own = await makeObjects('own')
  foreign = await makeObjects('foreign')
})
afterAll(() => world[Symbol.asyncDispose]())

type Ids = Readonly<Record<string, string>>
type Objects = Awaited<ReturnType<typeof makeObjects>>

const call = (method: string, path: string, body?: unknown, key: string = world.rootKey) =>
  world.request(method, path, { key, ...(body !== undefined && { body }) })

const pathOf = (url: string, ids: Ids) => url.replace(/:(\w+)/g, (_, name: string) => ids[name] ?? 'nothing')
const bodyOf = ({ method, url }: Operation) => bodies[`${method} ${url.slice('/api/v1'.length)}`]

/** One object of each kind, in an environment of its own, with keys of this environment and of the inbox. */
async function makeObjects(name: string) {
  const post = async (path: string, body: object) => (await call('POST', `/api/v1${path}`, body)).body
  const environment = await post('/environments', { name, slug: name })
  const inbox = await post('/inboxes', { username: name, environment_id: environment.id })
  await world.smtp.send({ to: inbox.email, text: 'x', attachments: [{ filename: 'a', content: 'a' }] })
  const [message] = (await call('GET', `/api/v1/inboxes/${inbox.id}/messages`)).body.data
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

/** Returns a key of the organization with exactly these permissions. */
async function keyWith(permissions: readonly string[]): Promise<string> {
  const flags = Object.fromEntries(permissions.map((flag) => [flag, true]))
  return (await call('POST', '/v0/api-keys', { permissions: flags })).body.api_key
}

test('every route refuses a missing key, a missing permission and a narrow key before it reads the body', async () => {
  const { ids, podKey, inboxKey } = own
  const without = new Map<string, string>()
  const problems: string[] = []
  for (const operation of operations) {
    const { method, url, permissions, narrowestKey } = operation
    const unread = bodyOf(operation) && '{"not json'
    const ask = async (key: string, expected: string) => {
      const { status, body } = await call(method, pathOf(url, ids), unread, key)
      const got = `${status} ${body.error?.code}`
      if (got !== expected) problems.push(`${method} ${url}: ${got} instead of ${expected}`)
    }
    await ask('', '401 missing_authorization')
    for (const flag of permissions) {
      if (!without.has(flag)) without.set(flag, await keyWith(allPermissions.filter((each) => each !== flag)))
      await ask(without.get(flag)!, '403 missing_permission')
    }
    if (narrowestKey !== 'inbox') await ask(inboxKey, '403 narrow_key')
    if (narrowestKey === 'organization') await ask(podKey, '403 narrow_key')
  }
  expect(problems).toEqual([])
  expect(operations.length).toBeGreaterThan(45)
})

test('objects of another environment are not found, and neither is anything by an id of another kind', async () => {
  const problems: string[] = []
  for (const operation of operations) {
    const { method, url, narrowestKey } = operation
    if (!/:\w+_id/.test(url) || narrowestKey === 'organization') continue
    for (const [ids, kind] of [
      [foreign.ids, 'foreign'],
      [{ ...own.ids, ...swapped(own.ids) }, 'swapped'],
    ] as const) {
      const { status, body } = await call(method, pathOf(url, ids), bodyOf(operation), own.podKey)
      if (status !== 404) problems.push(`${method} ${url} (${kind}): ${status} ${JSON.stringify(body)}`)
    }
  }
  expect(problems).toEqual([])
})

/** Each id in the place of another kind. */
function swapped(ids: Ids): Ids {
  const names = Object.keys(ids)
  return Object.fromEntries(names.map((name, index) => [name, ids[names[(index + 1) % names.length]!]!]))
}

test('every route works with exactly the permissions that it declares', async () => {
  const problems: string[] = []
  for (const operation of operations.toSorted((one, other) => rankOf(one) - rankOf(other))) {
    const { method, url, permissions, conditional = [] } = operation
    const { ids } = rankOf(operation) < 3 ? own : foreign
    const key = await keyWith([...permissions, ...conditional])
    const { status, body } = await call(method, pathOf(url, ids), bodyOf(operation), key)
    const isRight = status < 300 || status === 501 || isExpected(operation, status)
    if (!isRight) problems.push(`${method} ${url}: ${status} ${JSON.stringify(body)}`)
  }
  expect(problems).toEqual([])
})

/** The order in which two sets of objects are enough: what ends one is last. */
function rankOf({ method, url }: Operation): number {
  if (url.endsWith('/send')) return 1
  if (method !== 'DELETE' || url.endsWith('/labels')) return 0
  if (url.endsWith(':message_id')) return 2 // and its thread with it
  if (url.endsWith(':inbox_id')) return 4
  return url.endsWith(':environment_id') ? 5 : 3
}

/** A limited key cannot make or delete one without limits; an environment with a domain stays; no DNS server answers. */
function isExpected({ method, url }: Operation, status: number): boolean {
  const name = `${method} ${url.slice('/api/v1'.length)}`
  if (/^(POST|DELETE) \/api-keys|^DELETE \/environments/.test(name)) return status === 403
  return name === 'POST /domains/:domain_id/verify' && status >= 400
}
