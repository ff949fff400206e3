/** Tests that the inbox which RCPT has found for an address is the one that gets the message. */
import { expect, test } from 'vitest'
import { createRecipientInboxes } from '../../src/mail/receiving/recipient-inboxes.ts'
import * as domains from '../../src/store/tables/domains-table.ts'
import * as aliases from '../../src/store/tables/inbox-aliases-table.ts'
import * as inboxes from '../../src/store/tables/inboxes-table.ts'
import { insertInbox } from '../store/rows.ts'
import { openTestStore } from '../store/test-store.ts'

// RCPT accepted the address, and the message was refused for good: 550 unknown_recipient.
test('an inbox whose own domain was lost gets mail for its alias, and as the catch-all of a domain that is held', async () => {
  await using store = await openTestStore()
  const { ada, domain } = await store.transaction(async (tx) => {
    const [ada, bob] = [
      (await inboxes.lockById(tx, (await insertInbox(tx)).inbox_id))!,
      (await inboxes.lockById(tx, (await insertInbox(tx)).inbox_id))!,
    ]
    const domain = bob.address.split('@')[1]!
    const row = { inbox_id: ada.id, domain_id: bob.domain_id, created_at: tx.now }
    await aliases.insert(tx, { ...row, address: `alias@${domain}` })
    await domains.update(tx, bob.domain_id, { catch_all_inbox_id: ada.id })
    const { organization_id, pod_id } = ada
    await tx.updateTable('inboxes').set({ organization_id, pod_id }).where('id', '=', bob.id).execute()
    await domains.update(tx, ada.domain_id, { holds_name: 0 })
    return { ada, domain }
  })
  const recipientInboxes = createRecipientInboxes({ store, domain: 'mail.localhost' })
  for (const [address, isFound] of [
    [`alias@${domain}`, true],
    [`other@${domain}`, true],
    [ada.address, false],
  ] as const) {
    expect((await recipientInboxes.find(address))?.id, address).toBe(isFound ? ada.id : undefined)
    for (const skipLocked of [true, false]) {
      const locked = await store.transaction((tx) => recipientInboxes.lock(tx, [address], { skipLocked }))
      expect(locked.get(address)?.id, address).toBe(isFound ? ada.id : undefined)
    }
  }
})
