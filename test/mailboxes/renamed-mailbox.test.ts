/** Tests that RENAME leaves each message where its labels say, also one that gets the old label while it runs. */
import { expect, test } from 'vitest'
import { withLimits } from '../../src/config/limits.ts'
import type { Store } from '../../src/store/store.ts'
import { labelsOf } from '../../src/store/tables/messages-table.ts'
import { startMailboxes, startNode } from './mailbox-world.ts'

test('a message that gets the old label at the end of a RENAME is not in the mailbox afterwards', async () => {
  await using world = await startMailboxes()
  const { store, node, actor, inboxId } = world
  const [late, renamed] = [await world.receive(), await world.receive()]
  const watcher = await world.logIn()
  await watcher.create('Before')
  await node.labels.change(actor, inboxId, [renamed], { add: ['before'] })
  const open = await watcher.open('INBOX')
  let isLate = false
  const hooked: Store = Object.create(store, {
    transaction: {
      value: async (...args: Parameters<Store['transaction']>) => {
        const result = await store.transaction(...args)
        if (isLate || !(await labelsOf(store.db, [renamed])).get(renamed)!.includes('after')) return result
        isLate = true
        await node.labels.change(actor, inboxId, [late], { add: ['before'] })
        await open.refresh()
        return result
      },
    },
  })
  const other = await startNode(hooked, withLimits({ access: { failedLoginDelayMs: 0 } }))
  try {
    const account = await world.logIn(undefined, other)
    await account.rename('Before', 'After')
    expect(isLate).toBe(true)
    for (const each of [account, watcher]) {
      expect((await each.status('After')).messages).toBe(1)
      expect((await each.status('INBOX')).messages).toBe(1)
    }
    open.close()
  } finally {
    await other.feed.stop()
  }
})
