/** The permissions of every route of the inboxai dialect (../route-walk.ts). */
import { afterAll, beforeAll, expect, test } from 'vitest'
import { loadConfig } from '../../../src/config/settings.ts'
import { type InboxaiNeeds, inboxai } from '../../../src/edges/http/dialects/inboxai/index.ts'
import { textOf } from '../../support/imports.ts'
import { startWorld, type World } from '../../support/world.ts'
import { createWalk, type Ids, type Objects, type Operation, operationsOf } from '../route-walk.ts'

const bodies: Readonly<Record<string, object>> = {
  'POST /inboxes': {},
  'PATCH /inboxes/:inbox_id': { display_name: 'x' },
  'POST /inboxes/:inbox_id/credentials': { name: 'x' },
  'PATCH /inboxes/:inbox_id/messages/:message_id': { add_labels: 'x' },
  'POST /inboxes/:inbox_id/messages': { to: 'a@b.test', text: 'x' },
  'POST /inboxes/:inbox_id/messages/send': { to: 'a@b.test', text: 'x' },
  'POST /inboxes/:inbox_id/messages/:message_id/reply': { text: 'x' },
  'POST /inboxes/:inbox_id/messages/:message_id/reply-all': { text: 'x' },
  'POST /inboxes/:inbox_id/messages/:message_id/forward': { to: 'a@b.test' },
  'PATCH /threads/:thread_id': { add_labels: ['x'] },
  'PATCH /inboxes/:inbox_id/threads/:thread_id': { add_labels: ['x'] },
  'POST /api-keys': { name: 'x', permissions: {} },
  'POST /domains': { domain: 'walked.example' },
  'POST /webhooks': { url: 'http://127.0.0.1:9/' },
  'PATCH /webhooks/:webhook_id': { enabled: false },
}

let world: World
let operations: readonly Operation[]
let walk: ReturnType<typeof createWalk>
/** Objects of two pods. The last test removes them. */
let own: Objects
let foreign: Objects
beforeAll(async () => {
  const limits = { dns: { tryMs: 10, zoneTryMs: 10, triesMax: 1 } }
  const env = { MARTLET_DNS_SERVERS: '127.0.0.1:1', MARTLET_PUBLIC_SMTP: 'mail.test:587' }
  world = await startWorld({ limits, env, startPaused: true })
  const dialect = inboxai({ config: loadConfig({}) } as InboxaiNeeds)
  operations = await operationsOf(dialect)
  const codeOf = ({ code }: { code?: string }) => code
  walk = createWalk({ world, prefix: dialect.prefix, operations, bodies, codeOf, isExpected, rankOf })
  own = await makeObjects('own')
  foreign = await makeObjects('foreign')
})
afterAll(() => world[Symbol.asyncDispose]())

/** One object of each kind, made with a key of a pod, which is their scope. */
async function makeObjects(name: string): Promise<Objects> {
  const call = async (method: string, path: string, body?: object, key?: string) => {
    const answer = await world.request(method, path, { ...(body && { body }), ...(key && { key }) })
    expect(answer.status, `${method} ${path}: ${JSON.stringify(answer.body)}`).toBeLessThan(300)
    return answer.body
  }
  const { pod_id } = await call('POST', '/v0/pods', { name })
  const { api_key: podKey } = await call('POST', `/v0/pods/${pod_id}/api-keys`, {})
  const post = (path: string, body: object) => call('POST', `/api/v0${path}`, body, podKey)
  const inbox = await post('/inboxes', { username: name })
  await world.smtp.send({ to: inbox.email_address, text: 'x', attachments: [{ filename: 'a', content: 'a' }] })
  const { messages } = await call('GET', `/api/v0/inboxes/${inbox.inbox_id}/messages`)
  const { api_key: inboxKey } = await call('POST', `/v0/inboxes/${inbox.email_address}/api-keys`, {})
  const ids: Ids = {
    ...{ inbox_id: inbox.inbox_id, credential_id: inbox.credential_id },
    ...{ message_id: messages[0].message_id, thread_id: messages[0].thread_id },
    attachment_id: messages[0].attachments[0].attachment_id,
    key_id: (await post('/api-keys', { name: 'x', permissions: {} })).key_id,
    domain_id: (await post('/domains', { domain: `${name}.example` })).domain_id,
    webhook_id: (await post('/webhooks', { url: 'http://127.0.0.1:9/' })).webhook_id,
  }
  return { ids, podKey, inboxKey }
}

test('every route refuses a missing key, a missing permission and a narrow key before it reads the body', async () => {
  expect(await walk.findUnguarded(own)).toEqual([])
  expect(operations.length).toBeGreaterThan(35)
})

test('objects of another pod are not found, and neither is anything by an id of another kind', async () => {
  expect(await walk.findUnscoped(own, foreign)).toEqual([])
})

test('a flag that only some requests need is declared by their route, and these are refused, or show less, without it', async () => {
  const url = 'http://127.0.0.1:9/'
  for (const [path, body] of [
    ['inboxes', {}],
    ['domains', { domain: 'x.example' }],
    ['webhooks', { url }],
  ] as const) {
    const made = await world.request('POST', `/api/v0/${path}`, { body: { ...body, client_id: 'of-another-key' } })
    expect(made.status, path).toBe(200)
  }
  expect(
    await walk.findConditional(own, [
      { name: 'POST /inboxes', flag: 'api_key_create', shows: 'credential_id' },
      { name: 'PATCH /inboxes/:inbox_id', flag: 'message_delete', body: { retention_days: 30 } },
      { name: 'POST /inboxes', flag: 'message_delete', body: { retention_days: 30 } },
      { name: 'POST /inboxes', flag: 'inbox_read', body: { client_id: 'of-another-key' } },
      { name: 'POST /domains', flag: 'domain_read', body: { domain: 'x.example', client_id: 'of-another-key' } },
      { name: 'POST /webhooks', flag: 'webhook_read', body: { url, client_id: 'of-another-key' } },
      { name: 'PATCH /webhooks/:webhook_id', flag: 'message_read', body: { event_types: ['message.sent'] } },
      { name: 'PATCH /webhooks/:webhook_id', flag: 'webhook_read', body: { enabled: false }, shows: 'secret' },
    ]),
  ).toEqual([])
})

test('every route works with exactly the permissions that it declares', async () => {
  expect(await walk.findUndeclared(own, foreign)).toEqual([])
})

function rankOf({ method, url }: Operation): number {
  if (method !== 'DELETE') return 0
  if (url.endsWith('/inboxes/:inbox_id')) return 6
  return url.includes('thread_id') ? 4 : url.includes('message_id') ? 2 : 3
}

/** No DNS server answers. A thread has two routes that delete it. A limited key cannot rotate one with more permissions. */
function isExpected(name: string, status: number): boolean {
  if (name === 'DELETE /inboxes/:inbox_id/threads/:thread_id') return status === 404
  if (/credential_id/.test(name) && !name.startsWith('GET')) return status === 403
  return name === 'POST /domains/:domain_id/verify' && status >= 400
}

test('the compatibility page lists these operations and no other', () => {
  const section = /^## Operations\n([\s\S]*?)^## /m.exec(textOf('docs/compatibility/inboxai.md'))![1]!
  const listed = [...section.matchAll(/^\| ([^|]+) \|/gm)].flatMap(([, cell]) =>
    cell!.split(' · ').flatMap((each) => {
      const [, methods, path] =
        /^((?:GET|POST|PATCH|DELETE)(?:, (?:GET|POST|PATCH|DELETE))*) `([^`]+)`/.exec(each) ?? []
      return methods === undefined ? [] : methods.split(', ').map((method) => `${method} ${path}`)
    }),
  )
  const known = operations.map(({ method, url }) =>
    `${method} ${url.replace('/api/v0', '')}`.replace(/:(\w+)/g, '{$1}'),
  )
  expect(listed.toSorted()).toEqual(known.toSorted())
})
