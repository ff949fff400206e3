/**
 * Tests, on both databases and with rows, that an index serves the statements that run for each received message: those that
 * look up Message-IDs and threads and, in organizations with allow and block lists, these. The same for sign-ups: each send asks
 * for one, and strangers add the rows.
 */
import { CompiledQuery, type Kysely } from 'kysely'
import { expect, test } from 'vitest'
import type { Db, Tx } from '../../src/store/handles.ts'
import { compileRows as compileForPostgres } from '../../src/store/postgres/postgres-row-statements.ts'
import type { RowStatement } from '../../src/store/row-statements.ts'
import type { Schema } from '../../src/store/schema/schema.ts'
import { compileRows as compileForSqlite } from '../../src/store/sqlite/sqlite-row-statements.ts'
import { selectAndShareLock } from '../../src/store/tables/api-keys-table.ts'
import { selectAndLockFree, waitAndLock } from '../../src/store/tables/inboxes-table.ts'
import * as listEntries from '../../src/store/tables/list-entries-table.ts'
import { selectKnown, selectSent } from '../../src/store/tables/messages-table.ts'
import * as rateCounts from '../../src/store/tables/rate-counts-table.ts'
import { selectEvenIfDeleting, selectFreeSenders } from '../../src/store/tables/sender-inboxes-table.ts'
import * as signUps from '../../src/store/tables/sign-ups-table.ts'
import * as tenants from '../../src/store/tables/tenants-table.ts'
import * as threadParts from '../../src/store/tables/thread-parts-table.ts'
import { selectByReferences, selectOwnReferences } from '../../src/store/tables/thread-references-table.ts'
import { databaseName } from '../support/test-database.ts'
import { insertInbox, insertMessage } from './rows.ts'
import { openTestStore, type TestStore } from './test-store.ts'

const ENTRIES = 5_000
const key = { direction: 'send', list_type: 'block' } as const

/** Fills lists of an organization, and analyzes the tables. @returns the id of the organization */
async function fill(store: TestStore): Promise<string> {
  const ids = await store.transaction(async (tx) => {
    const ids = await insertInbox(tx)
    for (let index = 0; index < 200; index += 1) await insertMessage(tx, ids)
    const { id: thread_id } = await tx.selectFrom('threads').select('id').limit(1).executeTakeFirstOrThrow()
    const references = Array.from({ length: 500 }, (_, index) => ({
      ...{ inbox_id: ids.inbox_id, message_id_hash: `h${index}`, thread_id, is_own: 1 },
    }))
    await tx.insertInto('thread_references').values(references).execute()
    const threadIds = (await tx.selectFrom('threads').select('id').execute()).map(({ id }) => id)
    const labels = threadIds.flatMap((id) => ['a', 'b'].map((label) => ({ thread_id: id, label, message_count: 1 })))
    await tx.insertInto('thread_labels').values(labels).execute()
    const participants = labels.map(({ thread_id, label: address }) => {
      return { thread_id, kind: 'sender' as const, address, display: address, message_count: 1 }
    })
    await tx.insertInto('thread_participants').values(participants).execute()
    return ids
  })
  const rows = Array.from({ length: ENTRIES }, (_, index) => ({
    ...{ scope_id: `scope${index % 10}`, direction: index % 3 === 0 ? ('send' as const) : ('receive' as const) },
    ...{ list_type: index % 2 === 0 ? ('allow' as const) : ('block' as const), entry: `d${index}.test` },
    ...{ organization_id: ids.organization_id, pod_id: null, inbox_id: null, reason: null },
    ...{ read_only: index % 5 === 0 ? 1 : 0, created_at: index },
  }))
  for (let start = 0; start < ENTRIES; start += 500)
    await store.transaction((tx) => listEntries.insertMissing(tx, rows.slice(start, start + 500)))
  const analyze = async (tx: unknown) => (tx as Kysely<Schema>).executeQuery(CompiledQuery.raw('analyze'))
  if (databaseName() === 'postgres') await store.transaction(analyze) // it does so itself, SQLite does not
  return ids.organization_id
}

async function explain({ db }: { db: Db }, sql: string, values: readonly unknown[]): Promise<string> {
  const command = databaseName() === 'sqlite' ? 'explain query plan' : 'explain'
  const query = CompiledQuery.raw(`${command} ${sql}`, [...values])
  const { rows } = await (db as unknown as Kysely<Schema>).executeQuery<Record<string, string>>(query)
  return rows.map((row) => row.detail ?? row['QUERY PLAN']).join('\n')
}

/** @param values of the parameters, for one row */
async function planOfRows(store: TestStore, statement: RowStatement<never>, values: object): Promise<string> {
  const compiled = databaseName() === 'sqlite' ? compileForSqlite(statement) : compileForPostgres(statement)
  const given = compiled.parameters.map((name) => (values as Record<string, unknown>)[name])
  return explain(store, compiled.sql, databaseName() === 'sqlite' ? given : given.map((value) => [value]))
}

async function planOf(store: TestStore, run: (db: Db) => Promise<unknown>): Promise<string> {
  const seen: { sql: string; parameters: readonly unknown[] }[] = []
  const executor = (store.db as unknown as Kysely<Schema>).getExecutor()
  const original = executor.provideConnection.bind(executor)
  executor.provideConnection = (use) =>
    original((connection) =>
      use({
        ...connection,
        executeQuery: (query) => {
          seen.push(query)
          return connection.executeQuery(query)
        },
        streamQuery: connection.streamQuery.bind(connection),
      }),
    )
  try {
    await run(store.db)
  } finally {
    executor.provideConnection = original
  }
  expect(seen).toHaveLength(1)
  return explain(store, seen[0]!.sql, seen[0]!.parameters)
}

const SCANS = /Seq Scan|\bSCAN (?:list_entries|messages|threads|thread_\w+|inboxes|api_keys|sign_ups)\b/

test('entries, messages, threads and inboxes are found by an index', async () => {
  // Its rows are inserted in one transaction, also on a busy machine.
  await using store = await openTestStore({ limits: { store: { transactionMs: 60_000 } } })
  const organizationId = await fill(store)
  const entry = { scope_id: 'scope1', entry: 'd1.test' }
  const name = { inbox_id: 'i', hash: 'h' }
  const ofThread = { thread_id: 't', rows_max: 9 }
  const plans = {
    entries: await planOfRows(store, listEntries.inboundLookups.entries as never, entry),
    allowing: await planOfRows(store, listEntries.inboundLookups.allowing as never, entry),
    denied: await planOfRows(store, listEntries.outboundLookups.entries as never, entry),
    sent: await planOfRows(store, selectSent as never, name),
    known: await planOfRows(store, selectKnown as never, { ...name, api_hash: 'h', fingerprint: 'f' }),
    ownReferences: await planOfRows(store, selectOwnReferences as never, name),
    references: await planOfRows(store, selectByReferences as never, name),
    labels: await planOfRows(store, threadParts.selectLabels as never, ofThread),
    participants: await planOfRows(store, threadParts.selectParticipants as never, ofThread),
    contents: await planOfRows(store, threadParts.selectContents as never, ofThread),
    anyListed: await planOf(store, (db) => listEntries.isAnyListed(db, organizationId, 'send')),
    page: await planOf(store, (db) => listEntries.list(db, { ...key, scope_id: 'scope1' }, { limit: 9, after: 'd' })),
    count: await planOf(store, (db) => listEntries.countOfClients(db, { ...key, scope_id: 'scope1' }, 10)),
    waited: await planOfRows(store, waitAndLock as never, { address: 'a@b.test' }),
    free: await planOfRows(store, selectAndLockFree as never, { address: 'a@b.test' }),
    sender: await planOfRows(store, selectFreeSenders as never, { id: 'i' }),
    lockedSender: await planOfRows(store, selectEvenIfDeleting as never, { id: 'i' }),
    key: await planOfRows(store, selectAndShareLock as never, { id: 'k' }),
  }
  for (const [title, plan] of Object.entries(plans)) {
    const own = plan.replace(/Seq Scan on (?:inboxes|domains|api_keys|sign_ups)/g, '') // they have one row at most
    expect(own, `${title}\n${plan}`).not.toMatch(SCANS)
  }
  for (const title of ['free', 'sender'] as const)
    expect(plans[title], plans[title]).toContain('list_entries_by_organization')
  expect(plans.anyListed).toContain('list_entries_by_organization')
  for (const title of ['sent', 'known'] as const) {
    expect(plans[title]).toContain('messages_api_id')
    expect(plans[title]).toContain('messages_by_header_id')
  }
  expect(plans.references).toContain('messages_api_id')
  expect(plans.count).toMatch(/list_entries_of_clients|PRIMARY KEY|list_entries_pkey/)
  expect(plans.page).not.toMatch(/Sort|TEMP B-TREE/)
})

test('a sign-up, its human, its counts and the organization of the operator are found by an index', async () => {
  await using store = await openTestStore()
  const ids = Array.from({ length: 2_000 }, (_, index) => `o${String(index).padStart(5, '0')}`)
  await store.transaction(async (tx) => {
    const times = { created_at: tx.now, updated_at: tx.now }
    const unverified = { human_changes: 0, code_tries: 0, code_hash: null, code_expires_at: null, verified_at: null }
    for (let start = 0; start < ids.length; start += 500) {
      const some = ids.slice(start, start + 500)
      const organizations = some.map((id) => ({ id, name: null, ...times }))
      await tx.insertInto('organizations').values(organizations).execute()
      const rows = some.map((id) => ({ ...unverified, organization_id: id, human_email: `${id}@a.test`, ...times }))
      const codes = rows.map((row) => ({ ...row, code_submission_id: row.organization_id }))
      await tx.insertInto('sign_ups').values(codes).execute()
      const counts = some.map((key) => ({ key, period_start: 0, count: 1, expires_at: 1 }))
      await tx.insertInto('rate_counts').values(counts).execute()
    }
    if (databaseName() !== 'postgres') return
    await (tx as unknown as Kysely<Schema>).executeQuery(CompiledQuery.raw('analyze'))
  })
  const asTx = (db: Db) =>
    ({ selectFrom: db.selectFrom.bind(db), forUpdate: (query: unknown) => query }) as unknown as Tx
  const plans = {
    state: await planOf(store, (db) => signUps.get(db, 'o00001')),
    sender: await planOfRows(store, selectFreeSenders as never, { id: 'i' }),
    human: await planOf(store, (db) => signUps.lockByHuman(asTx(db), 'o00001@a.test')),
    count: await planOf(store, (db) => rateCounts.get(db, { key: 'o00001', period_start: 0 })),
    operator: await planOf(store, (db) => tenants.getFirstOrganization(db)),
  }
  for (const title of ['state', 'sender', 'human', 'count'] as const)
    expect(plans[title].replace(/Seq Scan on (?:inboxes|domains|list_entries)/g, ''), title).not.toMatch(
      /Seq Scan|\bSCAN (?:sign_ups|rate_counts)\b/,
    )
  expect(plans.human).toContain('sign_ups_human')
  if (databaseName() === 'sqlite') expect(plans.operator).toContain('organizations_by_age')
})

test('the entries of a deleted scope are removed in chunks, and no others', async () => {
  await using store = await openTestStore()
  await fill(store)
  const count = async () => (await store.db.selectFrom('list_entries').select('entry').execute()).length
  let chunks = 0
  for (let isMore = true; isMore; chunks += 1)
    isMore = await store.transaction((tx) => listEntries.removeSome(tx, 'scope1', 90))
  expect([chunks, await count()]).toEqual([6, ENTRIES - ENTRIES / 10])
})
