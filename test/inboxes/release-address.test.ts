/** Tests the names of inboxes whose address another tenant has now; the flow is in dialects/agentmail/domains.test.ts. */
import { expect, test } from 'vitest'
import { normaliseAddress } from '../../src/formats/address/address.ts'
import { newDomain } from '../../src/mail/domains/domains.ts'
import { releaseAddress, releasedAddress } from '../../src/mail/inboxes/release-address.ts'
import * as domains from '../../src/store/tables/domains-table.ts'
import * as inboxes from '../../src/store/tables/inboxes-table.ts'
import { insertInbox } from '../store/rows.ts'
import { insertOrganization, loggedEvents, openTestStore } from '../store/test-store.ts'

const id = '01a22d53-a526-75f4-b14e-26b78db3af66'

// Its tenant got 404 for the inbox: an address of more than 254 bytes is none.
test('the new name of an inbox is an address, however long the old one was', () => {
  expect(releasedAddress({ id, address: 'eve@moves.test' })).toBe('eve@26b78db3af66.moves.test.invalid')
  const long = `${'e'.repeat(64)}@${`${'d'.repeat(60)}.`.repeat(3)}test`
  for (const address of [long, long.slice(0, 230), long.slice(30)]) {
    const released = releasedAddress({ id, address })
    expect(normaliseAddress(released), released).toBe(released)
    expect(released).toMatch(/@26b78db3af66\..*invalid$/)
  }
})

// `inbox.deleted` is the last event of an inbox.
test('an inbox that another tenant gets the address of is renamed with an event, unless it is being deleted', async () => {
  await using store = await openTestStore()
  const release = (deleting_at: number | null) =>
    store.transaction(async (tx) => {
      const { inbox_id: inboxId } = await insertInbox(tx)
      const { address, domain_id } = (await inboxes.getById(tx, inboxId))!
      await inboxes.update(tx, inboxId, { deleting_at })
      await domains.update(tx, domain_id, { holds_name: 0 })
      const times = { created_at: tx.now, updated_at: tx.now }
      const [organization_id, newId] = [tx.newId(), tx.newId()]
      await insertOrganization(tx, organization_id)
      const name = address.slice('ada@'.length)
      await domains.insert(tx, { ...newDomain(name, 'm'), id: newId, organization_id, holds_name: 1, ...times })
      await releaseAddress(tx, address, newId)
      const row = tx.selectFrom('inboxes').select('address').where('id', '=', inboxId)
      return (await row.executeTakeFirstOrThrow()).address
    })
  const renamed = /^ada@[\da-f]{12}\..*\.test\.invalid$/
  expect(await release(null)).toMatch(renamed)
  expect(await loggedEvents(store)).toEqual([[1, 'inbox.updated']])
  expect(await release(1)).toMatch(renamed)
  expect(await loggedEvents(store)).toHaveLength(1)
})
