/** Tests on PostgreSQL, with rows and statistics, that drafts are found by an index. SQLite: ../plans.test.ts. */
import { CompiledQuery, type Kysely } from 'kysely'
import { expect, test } from 'vitest'
import type { Schema } from '../../../src/store/schema/schema.ts'
import type { ScopeIds } from '../../../src/store/tables/conditions.ts'
import * as drafts from '../../../src/store/tables/drafts-table.ts'
import * as scheduledDrafts from '../../../src/store/tables/scheduled-drafts-table.ts'
import { insertInbox } from '../rows.ts'
import { openTestStore } from '../test-store.ts'
import { planOf } from './plan-of.ts'

test('drafts are listed, counted and claimed by an index', async () => {
  await using store = await openTestStore()
  const ids = await store.transaction(async (tx) => {
    const inbox = await insertInbox(tx)
    const run = (text: string) => (tx as unknown as Kysely<Schema>).executeQuery(CompiledQuery.raw(text))
    await run(`insert into drafts (id, organization_id, pod_id, inbox_id, kind, to_list, cc_list, bcc_list, reply_to_list,
        revision_id, size_bytes, send_status, next_attempt_at, created_by, interruptions, created_at, updated_at)
      select 'd' || i, 'o' || i % 5, 'p' || i % 50, '${inbox.inbox_id}', 'new', '[]', '[]', '[]', '[]', 'r' || i, 1,
        case when i % 100 = 0 then 'scheduled' end, i, 'key:k', 0, i, i from generate_series(1, 20000) i`)
    await run('analyze drafts')
    return inbox
  })
  const page = { limit: 50, ascending: false, after: { key: 10_000, id: 'd' } }
  const listed = (scope: ScopeIds) => planOf(store.db, (db) => drafts.scan(db, { scope, labels: ['a'] }, page))
  const interrupted = { interruptionsBelow: 1, setAsideFrom: 3 }
  expect(await listed({ organizationId: 'o1' })).toContain('drafts_by_organization')
  expect(await listed({ organizationId: 'o1', podId: 'p1' })).toContain('drafts_by_pod')
  expect(await listed({ organizationId: 'o1', podId: 'p1', inboxId: ids.inbox_id })).toContain('drafts_by_inbox')
  expect(await planOf(store.db, (db) => drafts.hasAtLeast(db, ids.inbox_id, 1_000))).toContain('drafts_by_inbox')
  expect(await planOf(store.db, (db) => scheduledDrafts.nextDue(db, store.leaseNow(), interrupted))).toContain(
    'drafts_due',
  )
})
