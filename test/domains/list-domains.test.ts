/** Tests that a list of domains parses no keys: it shows no records, and each key takes milliseconds. */
import { expect, test } from 'vitest'
import { withLimits } from '../../src/config/limits.ts'
import type { Actor } from '../../src/mail/access/actor.ts'
import { newDomain } from '../../src/mail/domains/domains.ts'
import { createTenantDomains } from '../../src/mail/domains/tenant-domains.ts'
import * as domains from '../../src/store/tables/domains-table.ts'
import { countStatements } from '../store/count-statements.ts'
import { insertOrganization, openTestStore } from '../store/test-store.ts'

test('a list of domains reads no keys', async () => {
  await using store = await openTestStore()
  await store.transaction(async (tx) => {
    await insertOrganization(tx, 'one')
    const times = { created_at: tx.now, updated_at: tx.now }
    for (const name of ['a.test', 'b.test'])
      await domains.insert(tx, { ...newDomain(name, 'm'), id: tx.newId(), organization_id: 'one', ...times })
  })
  const { counted, statements } = countStatements(store)
  const tenantDomains = createTenantDomains({
    store: counted,
    checkDomain: { check: async () => undefined },
    dns: { mx: async () => [] },
    sharedDomain: 'mail.test',
    server: {
      ...{ hostname: 'mail.test', spfTerm: undefined, submissionPort: 'off', submissionsPort: 'off' },
      ...{ imapPort: 'off', imapsPort: 'off', publicUrl: undefined, mtaSts: 'off' },
    },
    graceMs: 0,
    random: Buffer.alloc,
    limits: withLimits({}),
  })
  const actor = { kind: 'key', apiKeyId: 'k', organizationId: 'one' } as Actor
  expect((await tenantDomains.list(actor, {}, {})).items.map(({ domain }) => domain)).toEqual(['b.test', 'a.test'])
  expect(statements).toEqual({ domains: 1 })
})
