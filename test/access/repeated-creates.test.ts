/** Who gets an existing object by repeating the create with its client_id: through the API, for each kind of object. */
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
