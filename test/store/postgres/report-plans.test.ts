/** Tests on PostgreSQL, with rows and statistics, that the queries of reports use an index. SQLite: ../plans.test.ts. */
import { CompiledQuery, type Kysely } from 'kysely'
import { expect, test } from 'vitest'
import type { Db } from '../../../src/store/handles.ts'
import type { Schema } from '../../../src/store/schema/schema.ts'
import * as events from '../../../src/store/tables/events-table.ts'
import * as rollups from '../../../src/store/tables/rollups-table.ts'
import * as usage from '../../../src/store/tables/usage-table.ts'
import { openTestStore } from '../test-store.ts'
import { planOf } from './plan-of.ts'

const HOUR = 3_600_000
const range = { afterSeq: 10_000, throughSeq: 11_000, descending: true, withPayload: true }
const counts = { from: 5 * HOUR, before: 25 * HOUR, metrics: ['message.sent'], types: ['message.sent'] }

test('hourly counts, events and snapshots are found by an index', async () => {
  await using store = await openTestStore()
  await store.transaction(async (tx) => {
    const run = (text: string) => (tx as unknown as Kysely<Schema>).executeQuery(CompiledQuery.raw(text))
    await run(`insert into events select i, 'e' || i, i, 'o' || i % 7, 'p' || i % 70, 'i' || i % 700, 'message.sent', 'public', 'a', null, '{}'
      from generate_series(1, 30000) i`)
    await run(
      `insert into rollups select 's' || i % 1000, i / 1000 * ${HOUR}::bigint, 'message.sent', 1 from generate_series(1, 30000) i`,
    )
    await run(`insert into usage_snapshots select 's' || i % 50, i, 1, 1, 1, 1, 1, 1 from generate_series(1, 30000) i`)
    await run(`insert into event_consumers values ('c', 29000)`)
    for (const table of ['events', 'rollups', 'usage_snapshots']) await run(`analyze ${table}`)
  })
  const plan = (run: (db: Db) => Promise<unknown>) => planOf(store.db, run)
  const plans = {
    counts: await plan((db) =>
      rollups.listCounts(db, { ...counts, scope: { organizationId: 's1' }, consumer: 'c', logRowsMax: 9 }),
    ),
    organization: await plan((db) => events.listCounted(db, { organizationId: 'o1' }, range, 100)),
    inbox: await plan((db) => events.listCounted(db, { organizationId: 'o1', podId: 'p1', inboxId: 'i1' }, range, 100)),
    snapshots: await plan((db) => usage.listSnapshots(db, 's1', { from: 10_000, through: 11_000 })),
  }
  for (const [name, plan] of Object.entries(plans)) expect(plan, name).not.toMatch(/Seq Scan on (?!event_consumers)/)
  expect(plans.counts).toContain('rollups_pkey')
  expect(plans.counts).toContain('events_pkey')
  expect(plans.organization).toContain('events_pkey')
  expect(plans.inbox).toContain('events_by_inbox')
  expect(plans.snapshots).toContain('usage_snapshots_pkey')
})
