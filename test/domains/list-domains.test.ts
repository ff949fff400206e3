/** Tests that a list of domains parses no keys: it shows no records, and each key takes milliseconds. And how many domains there may be. */
import { afterAll, beforeAll, expect, test } from 'vitest'
import { withLimits } from '../../src/config/limits.ts'
import type { Actor } from '../../src/mail/access/actor.ts'
import { keyColumns } from '../../src/mail/access/keys/api-keys.ts'
import { newDomain } from '../../src/mail/domains/domains.ts'
import { createTenantDomains } from '../../src/mail/domains/tenant-domains.ts'
import type { Store } from '../../src/store/store.ts'
import * as apiKeys from '../../src/store/tables/api-keys-table.ts'
import * as domains from '../../src/store/tables/domains-table.ts'
import { countStatements } from '../store/count-statements.ts'
import { insertOrganization, openTestStore, type TestStore } from '../store/test-store.ts'
import { nextSigningKey } from '../support/shared-signing-keys.ts'

const actor = { kind: 'key', apiKeyId: 'k', organizationId: 'one' } as Actor
let store: TestStore

beforeAll(async () => {
  store = await openTestStore()
  await store.transaction(async (tx) => {
    const times = { created_at: tx.now, updated_at: tx.now }
    for (const organization_id of ['one', 'two']) await insertOrganization(tx, organization_id)
    await apiKeys.insert(tx, {
      ...{ id: 'k', kind: 'bearer', organization_id: 'one', pod_id: null, inbox_id: null, name: 'k', is_root: 0 },
      ...{ ...keyColumns('k'), permissions: null, created_by: 'k', expires_at: null, used_at: null, ...times },
    })
    for (const [name, organization_id] of [
      ['a.test', 'one'],
      ['b.test', 'one'],
      ['z.test', 'two'],
    ] as const)
      await domains.insert(tx, { ...newDomain(name, 'm'), id: tx.newId(), organization_id, ...times })
  })
})

afterAll(() => store[Symbol.asyncDispose]())

function tenantDomainsOf(store: Store, limits = withLimits({})) {
  return createTenantDomains({
    store,
    checkDomain: { check: async () => undefined },
    dns: { mx: async () => [] },
    sharedDomain: 'mail.test',
    server: {
      ...{ hostname: 'mail.test', spfTerm: undefined, submissionPort: 'off', submissionsPort: 'off' },
      ...{ imapPort: 'off', imapsPort: 'off', publicUrl: undefined, mtaSts: 'off' },
    },
    graceMs: 0,
    makePrivateKey: nextSigningKey,
    random: Buffer.alloc,
    limits,
  })
}

test('a list of domains reads no keys', async () => {
  const { counted, statements } = countStatements(store)
  const { items } = await tenantDomainsOf(counted).list(actor, {}, {})
  expect(items.map(({ domain }) => domain)).toEqual(['b.test', 'a.test'])
  expect(statements).toEqual({ domains: 1 })
})

test('an organization can have exactly as many domains as its limit', async () => {
  const limited = tenantDomainsOf(store, withLimits({ domains: { perOrganizationMax: 3 } }))
  const claim = (domain: string) => limited.create(actor, {}, { domain })
  await claim('c.test')
  const refused = { code: 'limit_exceeded', params: { what: 'domains', max: 3 } }
  await expect(claim('d.test')).rejects.toMatchObject(refused)
  expect((await limited.list(actor, {}, {})).items).toHaveLength(3)
})
