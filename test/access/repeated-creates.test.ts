/**
 * Tests which keys get an existing webhook, inbox or domain by repeating the create with its client_id, through the API. Drafts are
 * tested in dialects/agentmail/drafts.test.ts. A pod is returned to any key that may create pods: its name is no secret of its maker.
 */
import { afterAll, beforeAll, expect, test } from 'vitest'
import { startWorld, type World } from '../support/world.ts'

let world: World
beforeAll(async () => {
  // No DNS server answers: a claimed domain stays unverified.
  const limits = { dns: { tryMs: 10, zoneTryMs: 10, triesMax: 1 } }
  world = await startWorld({ limits, env: { MARTLET_DNS_SERVERS: '127.0.0.1:1' } })
})
afterAll(() => world[Symbol.asyncDispose]())

async function keyWith(...flags: string[]): Promise<string> {
  const permissions = Object.fromEntries(flags.map((flag) => [flag, true]))
  return (await world.request('POST', '/v0/api-keys', { body: { permissions } })).body.api_key
}

const kinds: [path: string, kind: string, needed: string[], body: object][] = [
  ['/v0/webhooks', 'webhook', ['message_read'], { url: 'https://hooks.example/agent' }],
  ['/v0/inboxes', 'inbox', [], { username: 'agent', display_name: 'Secret project' }],
  ['/v0/domains', 'domain', [], { domain: 'agents.test' }],
  ['/api/v0/webhooks', 'webhook', ['message_read'], { url: 'https://hooks.example/agent' }],
  ['/api/v0/inboxes', 'inbox', [], { username: 'other', display_name: 'Secret project' }],
  ['/api/v0/domains', 'domain', [], { domain: 'others.test' }],
  ['/api/v1/inboxes', 'inbox', [], { username: 'third', display_name: 'Secret project' }],
  ['/api/v1/domains', 'domain', [], { domain: 'thirds.test' }],
]

// The response of a webhook has its signing secret.
test.each(kinds)(
  'POST %s with a used client_id shows the %s only to its maker and to keys that may read it',
  async (...kind) => {
    const [path, name, needed, body] = kind
    const create = (key: string) =>
      world.request('POST', path, { key, body: { ...body, client_id: `mine${path}`.replaceAll('/', '-') } })
    const maker = await keyWith(...needed, `${name}_create`)
    const made = await create(maker)
    expect(made.status, JSON.stringify(made.body)).toBeLessThan(300)
    const { secret, smtp, imap, ...shown } = made.body
    expect(await create(maker)).toMatchObject({ status: made.status, body: shown })

    const refused = await create(await keyWith(...needed, `${name}_create`))
    expect(refused.status).toBe(403)
    expect(JSON.stringify(refused.body)).toContain('missing_permission')
    expect(JSON.stringify(refused.body)).toContain(`${name}_read`)
    const readers = [world.rootKey, await keyWith(...needed, `${name}_create`, `${name}_read`)]
    for (const reader of readers) expect(await create(reader)).toMatchObject({ status: made.status, body: shown })
  },
)

// Only one transaction makes the object: the other one finds it, and not an error of the database.
test.each(kinds)('of two keys that POST %s with one client_id at once, only one makes the %s', async (...kind) => {
  const [path, name, needed, body] = kind
  const renamed = Object.fromEntries(
    Object.entries(body).map(([member, text]) => [member, member === 'url' ? text : `both-${text}`]),
  )
  const create = (key: string, clientId: string) =>
    world.request('POST', path, { key, body: { ...renamed, client_id: clientId } })
  const clientId = `both${path}`.replaceAll('/', '-')
  const makers = [await keyWith(...needed, `${name}_create`), await keyWith(...needed, `${name}_create`)]
  const statuses = (await Promise.all(makers.map((key) => create(key, clientId)))).map(({ status }) => status)
  expect(statuses.sort()).toEqual([expect.toSatisfy((status) => status < 300), 403])
  // All of them may read it now, and get the same one.
  const reader = await keyWith(...needed, `${name}_create`, `${name}_read`)
  const again = await Promise.all([create(reader, clientId), create(world.rootKey, clientId)])
  expect(again[0]!.body).toEqual(again[1]!.body)
  expect(again[0]!.status).toBeLessThan(300)
})
