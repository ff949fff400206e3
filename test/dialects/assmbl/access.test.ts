/**
 * The permissions of every operation: with keys of each scope, without each flag, and for objects of other agents. The
 * operations and the flags that they demand are listed here; the core's own checks are compared with them.
 */
import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { AccessCheck } from '../../../src/mail/access/access.ts'
import { textOf } from '../../support/imports.ts'
import { startWorld, type World } from '../../support/world.ts'
import { type Agent, makeAgent, receiveMail } from './agent.ts'

interface Operation {
  readonly name: string
  readonly permissions: readonly string[]
  readonly body?: unknown
}

/** `{id}` and `{key}` are a message and an upload. The deletions are last. */
const operations: readonly Operation[] = [
  { name: 'POST /send', permissions: ['message_send'], body: { to: 'bob@example.test', subject: 's', body: 'x' } },
  { name: 'GET /inbox', permissions: ['message_read'] },
  { name: 'GET /inbox/unread_count', permissions: ['message_read'] },
  { name: 'GET /messages/{id}', permissions: ['message_read'] },
  { name: 'PATCH /messages/{id}/labels', permissions: ['message_update'], body: { add: ['walked'] } },
  { name: 'PATCH /messages/{id}/read', permissions: ['message_update'], body: { is_read: true } },
  { name: 'PATCH /messages/{id}/archive', permissions: ['message_update'], body: { archived: false } },
  { name: 'GET /messages/{id}/attachments/0', permissions: ['message_read'] },
  { name: 'POST /messages/{id}/attachments/0/download', permissions: ['message_read'], body: {} },
  {
    ...{ name: 'POST /attachments/upload', permissions: ['message_send'] },
    body: { file_name: 'a.txt', content_type: 'text/plain', max_bytes: 3 },
  },
  { name: 'POST /attachments/download', permissions: ['message_send'], body: { object_key: '{key}' } },
  {
    ...{ name: 'PUT /webhook', body: { url: 'https://hook.test/' } },
    permissions: ['webhook_read', 'webhook_create', 'webhook_update', 'message_read'],
  },
  { name: 'GET /webhook', permissions: ['webhook_read'] },
  {
    ...{ name: 'PUT /notifications', body: [{ id: 'a', channels: { webhook: { url: 'https://hook.test/' } } }] },
    permissions: ['message_read', 'webhook_read', 'webhook_create', 'webhook_update', 'webhook_delete'],
  },
  { name: 'GET /notifications', permissions: ['message_read'] },
  { name: 'DELETE /webhook', permissions: ['webhook_delete'] },
  { name: 'DELETE /messages/{id}', permissions: ['message_delete'] },
]

let world: World
beforeAll(async () => {
  const lookup = async () => Promise.reject(new Error('no names here'))
  world = await startWorld({ lookup, startPaused: true })
})
afterAll(async () => {
  await world[Symbol.asyncDispose]()
})

interface Owned {
  readonly agent: Agent
  readonly ids: Readonly<Record<string, string>>
}

async function makeObjects(): Promise<Owned> {
  const agent = await makeAgent(world)
  const item = await receiveMail(world, agent, { attachments: [{ filename: 'a.txt', content: 'abc' }] })
  const body = { file_name: 'a.txt', content_type: 'text/plain', max_bytes: 3 }
  const { body: ticket } = await agent.request('POST', '/attachments/upload', body)
  await fetch(ticket.upload.url, { method: 'POST', headers: { 'content-type': 'text/plain' }, body: 'abc' })
  return { agent, ids: { id: item.MessageID, key: ticket.object_key } }
}

function ask({ name, body }: Operation, { ids }: Pick<Owned, 'ids'>, key: string, isUnread = false) {
  const filled = (text: string) => text.replace(/\{(\w+)\}/g, (_, each: string) => ids[each]!)
  const [method, path] = name.split(' ') as [string, string]
  const given = body === undefined ? undefined : isUnread ? '{"not json' : filled(JSON.stringify(body))
  return world.request(method, filled(path), { key, ...(given !== undefined && { body: given }) })
}

async function keyFor(agent: Agent, flags: readonly string[]): Promise<string> {
  const body = { permissions: Object.fromEntries(flags.map((flag) => [flag, true])) }
  const at = `/v0/inboxes/${encodeURIComponent(agent.address)}/api-keys`
  return (await world.request('POST', at, { body })).body.api_key
}

test('each operation needs a key of one inbox with exactly its flags, before its body is read', async () => {
  const owned = await makeObjects()
  const flags = [...new Set(operations.flatMap(({ permissions }) => permissions))]
  const { body: pods } = await world.request('GET', '/v0/pods')
  const podKey = await world.request('POST', `/v0/pods/${pods.pods[0].pod_id}/api-keys`, { body: {} })
  const without = new Map<string, string>()
  for (const flag of flags)
    without.set(
      flag,
      await keyFor(
        owned.agent,
        flags.filter((each) => each !== flag),
      ),
    )
  const problems: string[] = []

  for (const operation of operations) {
    const { name, permissions } = operation
    const report = (answer: { status: number; body: unknown }, to: string) =>
      problems.push(`${name}: answers ${answer.status} ${JSON.stringify(answer.body)} to ${to}`)
    const anonymous = await ask(operation, owned, '', true)
    if (anonymous.status !== 401) report(anonymous, 'no key')
    for (const wide of [world.rootKey, podKey.body.api_key]) {
      const answer = await ask(operation, owned, wide, true)
      if (answer.status !== 403 || answer.body.error !== 'wide_key' || !answer.body.fix.includes('api-keys'))
        report(answer, 'a wide key')
    }
    for (const flag of permissions) {
      const answer = await ask(operation, owned, without.get(flag)!, true)
      const isRefused = answer.status === 403 && answer.body.error === 'missing_permission'
      if (!isRefused || !answer.body.fix.includes(`"${flag}"`)) report(answer, `a key without ${flag}`)
    }

    const checks: AccessCheck[] = []
    const collect = (check: unknown) => void checks.push(check as AccessCheck)
    subscribe('martlet.access', collect)
    const answer = await ask(operation, owned, await keyFor(owned.agent, permissions))
    unsubscribe('martlet.access', collect)
    if (answer.status >= 300) report(answer, 'a key with its flags')
    for (const flag of permissions) {
      if (!checks.some(({ permission }) => permission === flag))
        problems.push(`${name}: the core does not check ${flag}`)
    }
  }
  expect(problems).toEqual([])
})

test('objects of another agent are not found', async () => {
  const mine = await makeObjects()
  const theirs = await makeObjects()
  for (const operation of operations.filter(({ name, body }) => /\{/.test(name + JSON.stringify(body ?? '')))) {
    if (!/\{(id|key)\}/.test(operation.name + JSON.stringify(operation.body ?? ''))) continue
    const { status } = await ask(operation, theirs, mine.agent.key)
    expect(status, operation.name).toBe(404)
  }
})

test('the compatibility page lists these operations and no other', () => {
  const page = textOf('docs/compatibility/assmbl.md')
  const listed = [...page.matchAll(/^\| ((?:GET|POST|PUT|PATCH|DELETE)) `(\/[^`]+)` \|/gm)].map(
    ([, method, path]) => `${method} ${path}`,
  )
  const known = operations.map(({ name }) =>
    name.replace('{id}', '{message_id}').replace('attachments/0', 'attachments/{index}'),
  )
  expect(listed.filter((name) => !name.includes('/files/')).toSorted()).toEqual(known.toSorted())
})
