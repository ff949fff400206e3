/**
 * Tests the plans of the statements that file messages (row-statements.ts): PostgreSQL keeps one for any number of rows, and it
 * looks up each row by an index, also in a small table, which may grow.
 */
import { sql } from 'kysely'
import { expect, test } from 'vitest'
import { compileRows } from '../../../src/store/postgres/postgres-row-statements.ts'
import { rowStep } from '../../../src/store/row-statements.ts'
import type { InboxRow } from '../../../src/store/schema/tenant-rows.ts'
import * as inboxes from '../../../src/store/tables/inboxes-table.ts'
import * as messages from '../../../src/store/tables/messages-table.ts'
import { selectByReferences } from '../../../src/store/tables/thread-references-table.ts'
import * as threads from '../../../src/store/tables/threads-table.ts'
import { insertInbox, insertMessage } from '../rows.ts'
import { asKysely, event, openTestStore, type TestStore } from '../test-store.ts'

const NO_COUNTS = {
  ...{ message_count: 0, unread_count: 0, unread_shown_count: 0, unread_unauthenticated_count: 0 },
  ...{ thread_count: 0, size_bytes: 0 },
}

async function run<Row>(store: TestStore, text: string): Promise<Row[]> {
  return store.transaction(async (tx) => (await sql.raw<Row>(text).execute(asKysely(tx))).rows)
}

/** @param rows of each table */
async function fill(store: TestStore, rows: number): Promise<InboxRow> {
  return store.transaction(async (tx) => {
    const inbox = await insertInbox(tx)
    for (let index = 0; index < rows; index += 1) await insertMessage(tx, inbox)
    for (let index = 1; index < rows; index += 1) await insertInbox(tx)
    return tx.selectFrom('inboxes').selectAll().where('id', '=', inbox.inbox_id).executeTakeFirstOrThrow()
  })
}

test('statements for few rows are not planned anew for each call', async () => {
  await using store = await openTestStore()
  const inbox = await fill(store, 2)
  for (let round = 0; round < 10; round += 1) {
    await store.transaction(async (tx) => {
      const name = { inbox_id: inbox.id, hash: 'h' }
      const arriving = { ...name, api_hash: 'a', fingerprint: 'f' }
      await tx.runRows([
        rowStep(inboxes.selectAndLockFree, [{ address: inbox.address }]),
        rowStep(messages.selectKnown, [arriving]),
        rowStep(selectByReferences, [name]),
        rowStep(inboxes.addCounts, [{ id: inbox.id, ...NO_COUNTS }]),
      ])
      tx.append(event('a'))
    })
  }
  const planned = await run<{ statement: string; custom_plans: number }>(
    store,
    `select statement, custom_plans::integer from pg_prepared_statements
      where generic_plans + custom_plans >= 10 and statement not in ('begin', 'savepoint member', 'release savepoint member')`,
  )
  expect(planned.length).toBeGreaterThanOrEqual(5)
  for (const { statement, custom_plans } of planned) expect(custom_plans, statement).toBeLessThanOrEqual(5)
})

test('each row is looked up by an index, also in a table with few rows', async () => {
  await using store = await openTestStore()
  await fill(store, 100)
  await run(store, 'insert into thread_references select inbox_id, md5(id), thread_id, 0 from messages')
  await run(store, 'analyze')
  const statements = {
    ...{ lock: inboxes.selectAndLockFree, counts: inboxes.addCounts, known: messages.selectKnown },
    ...{ references: selectByReferences, thread: threads.updateAfterMessage },
  }
  for (const [name, statement] of Object.entries(statements)) {
    const { sql: text, parameters } = compileRows(statement as typeof inboxes.addCounts)
    const plan = await store.transaction(async (tx) => {
      const rows = async (each: string) => (await sql.raw<{ 'QUERY PLAN': string }>(each).execute(asKysely(tx))).rows
      await rows('set local plan_cache_mode = force_generic_plan')
      await rows(`prepare explained as ${text}`)
      const explained = await rows(`explain execute explained(${parameters.map(() => 'null').join()})`)
      await rows('deallocate explained')
      return explained.map((row) => row['QUERY PLAN']).join('\n')
    })
    const lookups = plan.match(/Index (?:Only )?Scan using .*\n\s*Index Cond/g) ?? []
    const scans = plan.match(/(?:Index|Index Only|Seq|Bitmap Heap) Scan (?:using|on) /g)!
    expect({ name, lookups: lookups.length }, plan).toEqual({ name, lookups: scans.length })
    expect(plan).not.toMatch(/Hash|Merge/)
  }
})
