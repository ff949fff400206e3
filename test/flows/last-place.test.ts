/** Tests two nodes that create something at the same time when its limit leaves one place: one of them gets it. */
import pg from 'pg'
import { expect } from 'vitest'
import type { LimitOverrides } from '../../src/config/limits.ts'
import { administrate, changeRows, notSupported } from '../support/test-database.ts'
import { type Answer, startNodes, type World } from '../support/world.ts'

interface Case {
  readonly limits?: LimitOverrides
  readonly env?: Record<string, string>
  /** Inserts into this table wait. `events`: all commits wait that append one. */
  readonly table: string
  /** @param index 0 or 1 @returns the request of one node */
  prepare(world: World, index: number): Promise<(node: World) => Promise<Answer>>
}

const post = (path: string, body: object) => (node: World) => node.request('POST', path, { body })

async function newPod(world: World): Promise<string> {
  return (await world.agentmail.pods.create({})).podId
}

const cases: Record<string, Case> = {
  'domains of an organization': {
    limits: { domains: { perOrganizationMax: 1 } },
    table: 'domains',
    prepare: async (_world, index) => post('/v0/domains', { domain: `d${index}.test` }),
  },
  'domains of two pods of an organization': {
    limits: { domains: { perOrganizationMax: 1 } },
    table: 'domains',
    prepare: async (world, index) => post(`/v0/pods/${await newPod(world)}/domains`, { domain: `d${index}.test` }),
  },
  'webhooks of an organization': {
    limits: { webhooks: { perOrganizationMax: 1 } },
    table: 'webhooks',
    prepare: async () => post('/v0/webhooks', { url: 'https://sink.test/', event_types: ['message.received'] }),
  },
  'webhooks of the inboxes of a pod': {
    limits: { webhooks: { perPodMax: 1 } },
    table: 'webhooks',
    async prepare(world) {
      const { inboxId } = await world.agentmail.inboxes.create({})
      const body = { url: 'https://sink.test/', event_types: ['message.received'] }
      return post(`/v0/inboxes/${inboxId}/webhooks`, body)
    },
  },
  'keys of a pod': {
    limits: { access: { apiKeysPerPodMax: 1 } },
    table: 'api_keys',
    async prepare(world, index) {
      const { pods } = await world.agentmail.pods.list()
      const podId = index === 0 ? await newPod(world) : pods.find(({ name }) => name === 'Pod')!.podId
      return post(`/v0/pods/${podId}/api-keys`, {})
    },
  },
  'keys of the inboxes of a pod': {
    limits: { access: { apiKeysPerPodMax: 1 } },
    table: 'api_keys',
    async prepare(world) {
      const { inboxId } = await world.agentmail.inboxes.create({})
      return post(`/v0/inboxes/${inboxId}/api-keys`, {})
    },
  },
  'entries of a list of an organization': {
    limits: { listEntries: { perListMax: 1 } },
    table: 'list_entries',
    prepare: async (_world, index) => post('/v0/lists/receive/block', { entry: `d${index}.test` }),
  },
  'uploads of an organization': {
    limits: { uploads: { perOrganizationMax: 1 } },
    table: 'uploads',
    prepare: async () =>
      post('/api/v1/attachments/upload-url', { filename: 'a.txt', mime_type: 'text/plain', size: 1 }),
  },
  'inboxes of two pods of an organization': {
    env: { MARTLET_ORGANIZATION_INBOXES: '1' },
    table: 'events',
    // In two domains: one at a time adds addresses to a domain.
    async prepare(world, index) {
      const domain = `d${index}.test`
      await world.agentmail.domains.create({ domain, feedbackEnabled: true })
      await changeRows(world, `update domains set status = 'VERIFIED', holds_name = 1 where domain = '${domain}'`)
      return post(`/v0/pods/${await newPod(world)}/inboxes`, { domain })
    },
  },
}

/** Makes inserts into a table wait until it is disposed. */
async function stopInserts(databaseUrl: string, table: string): Promise<AsyncDisposable> {
  await administrate(
    databaseUrl,
    `create function wait_here() returns trigger language plpgsql as $$
       begin perform pg_advisory_xact_lock_shared(7001); return new; end $$;
     create trigger wait_here before insert on ${table} for each row execute function wait_here()`,
  )
  const holder = new pg.Client({ connectionString: databaseUrl })
  await holder.connect()
  await holder.query('select pg_advisory_lock(7001)')
  return { [Symbol.asyncDispose]: () => holder.end() }
}

const countWaiting = `select count(*)::int as count from pg_stat_activity
  where datname = current_database() and wait_event_type = 'Lock'`

for (const [what, { limits, env, table, prepare }] of Object.entries(cases)) {
  notSupported('sqlite', 'it has one server')(`the last place for ${what} is given once`, async () => {
    const waiting = { store: { lockWaitMs: 600_000, transactionMs: 600_000 } }
    await using nodes = await startNodes({ ...waiting, ...limits }, env)
    const requests = [await prepare(nodes.one, 0), await prepare(nodes.one, 1)]
    const databaseUrl = nodes.one.shared.databaseUrl!
    const answers: Promise<Answer>[] = []
    {
      await using _stopped = await stopInserts(databaseUrl, table)
      answers.push(...nodes.both.map((node, index) => requests[index]!(node)))
      await expect.poll(async () => (await administrate(databaseUrl, countWaiting)).rows[0].count).toBe(2)
    }
    const [made, refused] = (await Promise.all(answers)).toSorted((one, other) => one.status - other.status)
    expect(made!.status, JSON.stringify(made!.body)).toBeLessThan(300)
    expect(JSON.stringify(refused!.body)).toMatch(/limit_exceeded|at most 1\b/i)
    expect(refused!.status).toBeGreaterThanOrEqual(400)
  })
}
