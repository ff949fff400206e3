import { expect, test } from 'vitest'
import { withLimits } from '../../src/config/limits.ts'
import { createDomainOwners } from '../../src/mail/domains/domain-owners.ts'
import { newDomain } from '../../src/mail/domains/domains.ts'
import type { Store } from '../../src/store/store.ts'
import { countStatements } from '../store/count-statements.ts'
import { insertOrganization, openTestStore } from '../store/test-store.ts'

test('owners of domains are found, and looked up again only after a while', async () => {
  await using store = await openTestStore()
  await store.transaction((tx) => insertOrganization(tx, 'one'))
  await addDomain(store, 'shared.test', null)
  await addDomain(store, 'one.test', 'one')
  const { counted, statements } = countStatements(store)
  let now = 1_000_000
  const limits = withLimits({ messages: { fromDomainsCachedMs: 60_000 } })
  const owners = createDomainOwners({ store: counted, clock: () => now, limits })

  expect([...(await owners.find(['one.test', 'shared.test', 'nobody.test']))].toSorted()).toEqual([null, 'one'])
  expect([...(await owners.find(['nobody.test']))]).toEqual([])
  expect([...(await owners.find([]))]).toEqual([])
  expect([...(await owners.find(['shared.test', 'one.test']))].toSorted()).toEqual([null, 'one'])
  expect(statements).toEqual({ domains: 1 })

  await addDomain(store, 'nobody.test', 'one')
  expect([...(await owners.find(['nobody.test']))]).toEqual([])
  now += 60_000
  expect([...(await owners.find(['nobody.test']))]).toEqual(['one'])
  expect(statements).toEqual({ domains: 2 })
})

async function addDomain(store: Store, domain: string, organizationId: string | null): Promise<void> {
  await store.transaction((tx) =>
    tx
      .insertInto('domains')
      .values({
        ...newDomain(domain, 'm'),
        ...{ id: tx.newId(), organization_id: organizationId, status: 'VERIFIED', holds_name: 1 },
        ...{ created_at: tx.now, updated_at: tx.now },
      })
      .execute(),
  )
}
