/** Tests that messages with many addresses or attachments are removed in steps of bounded size. */
import { expect, test } from 'vitest'
import { withLimits } from '../../src/config/limits.ts'
import { createRemoval } from '../../src/mail/messages/removal.ts'
import type { Tx } from '../../src/store/handles.ts'
import * as removable from '../../src/store/tables/removable-messages-table.ts'
import { insertInbox, insertMessage } from '../store/rows.ts'
import { openTestStore } from '../store/test-store.ts'

// SQLite runs each statement in one turn of the event loop, and a content may have 1,000 addresses.
test.each([
  { removalStepRows: 25, steps: 3 },
  { removalStepRows: 1_000, steps: 1 },
  { removalStepRows: 1, steps: 5 },
])(
  'five messages with ten addresses are removed in $steps steps of $removalStepRows rows',
  async ({ removalStepRows, steps }) => {
    await using store = await openTestStore()
    const limits = withLimits({ jobs: { removalStepRows } })
    await store.transaction(async (tx) => {
      const inbox = await insertInbox(tx)
      for (let count = 0; count < 5; count += 1) {
        const { contentId } = await insertMessage(tx, inbox)
        const addresses = Array.from({ length: 10 }, (_, position) => ({
          position,
          address: `${position}`,
        }))
        await tx
          .insertInto('content_addresses')
          .values(addresses.map((row) => ({ ...row, content_id: contentId, kind: 'to' as const })))
          .execute()
      }
      const rows = await removable.listByInbox(tx, inbox.inbox_id, 10)
      const deleted: string[] = []
      await createRemoval({ limits }).remove(recordDeletes(tx, deleted), inbox.inbox_id, rows)
      expect(deleted.filter((from) => from === 'contents')).toHaveLength(steps)
    })
    for (const table of ['messages', 'contents', 'content_addresses', 'threads'] as const) {
      expect(await store.db.selectFrom(table).selectAll().execute()).toEqual([])
    }
  },
)

/** Appends the table of each delete statement to the list. */
function recordDeletes(tx: Tx, deleted: string[]): Tx {
  return new Proxy(tx, {
    get(target, name) {
      const value: unknown = Reflect.get(target, name, target)
      if (typeof value !== 'function') return value
      if (name !== 'deleteFrom') return value.bind(target)
      return (from: 'messages') => {
        deleted.push(from)
        return target.deleteFrom(from)
      }
    },
  })
}
