/**
 * The schema and its migrations. schema.sql and schema.postgres.sql are the result of all migrations on an empty
 * database. They are checked in so that a migration's effect is visible in the diff;
 * `UPDATE_SCHEMA=1 npx vitest run test/store/migrations` writes them again.
 */
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import BetterSqlite from 'better-sqlite3'
import { expect, test } from 'vitest'
import { StartupError } from '../../src/errors.ts'
import { initial } from '../../src/store/migrations/0001-initial.ts'
import { outboundAndWebhooks } from '../../src/store/migrations/0002-outbound-and-webhooks.ts'
import { logEnds } from '../../src/store/migrations/0003-log-ends.ts'
import { webhookOrderAndReplay } from '../../src/store/migrations/0004-webhook-order-and-replay.ts'
import { verification } from '../../src/store/migrations/0005-verification.ts'
import { scopedNames } from '../../src/store/migrations/0007-scoped-names.ts'
import type { Migration } from '../../src/store/migrations/migration.ts'
import { sqlite } from '../../src/store/sqlite/sqlite-adapter.ts'
import { migrateDatabase, openStore } from '../../src/store/store.ts'
import { administrate, databaseName, notSupported } from '../database.ts'
import { dumpPostgresSchema } from './postgres/schema-dump.ts'
import { databaseUrlOf, openTestStore, rejection, storeNeeds, temporaryFolder } from './test-store.ts'

const dumpFile = new URL(databaseName() === 'sqlite' ? 'schema.sql' : 'schema.postgres.sql', import.meta.url)

test('the migrated schema equals the checked-in one', async () => {
  await using folder = await temporaryFolder({ isMigrated: false })
  await migrateDatabase(storeNeeds({ dataDir: folder.path }))
  const url = databaseUrlOf(folder.path)
  const dump = url === undefined ? inDatabase(folder.path, dumpSchema) : await dumpPostgresSchema(url)
  if (process.env.UPDATE_SCHEMA) await writeFile(dumpFile, dump)
  expect(dump).toBe(await readFile(dumpFile, 'utf8'))
})

test('all migrations run on an empty database, none on an up-to-date one', async () => {
  await using folder = await temporaryFolder({ isMigrated: false })
  const needs = storeNeeds({ dataDir: folder.path })
  expect(await migrateDatabase(needs)).toEqual([1, 2, 3, 4, 5, 6, 7])
  expect(await migrateDatabase(needs)).toEqual([])
  await using store = await openTestStore({ dataDir: folder.path })
  await store.probe()
})

test('a database of a newer program stops the start', async () => {
  await using folder = await temporaryFolder()
  const needs = storeNeeds({ dataDir: folder.path })
  await migrateDatabase(needs)
  const url = databaseUrlOf(folder.path)
  const future = "insert into schema_migrations values (99, 'future', 0)"
  if (url === undefined) inDatabase(folder.path, (database) => database.exec(future))
  else await administrate(url, future)

  for (const open of [openStore, migrateDatabase]) {
    const error = await rejection(open(needs))
    expect(error).toBeInstanceOf(StartupError)
    expect((error as Error).message).toContain('99')
  }
})

notSupported('postgres', 'it has no such settings')(
  'page size, auto_vacuum and WAL are set before the first table',
  async () => {
    await using folder = await temporaryFolder({ isMigrated: false })
    await migrateDatabase(storeNeeds({ dataDir: folder.path }))
    const pragmas = inDatabase(folder.path, (database) =>
      ['auto_vacuum', 'page_size', 'journal_mode'].map((name) => database.pragma(name, { simple: true })),
    )
    expect(pragmas).toEqual([2, 4096, 'wal'])
  },
)

notSupported('postgres', 'the statements are the same, and on SQLite they can run without a server')(
  'migration 4 cancels pending deliveries of webhooks that are or were disabled',
  async () => {
    const database = new BetterSqlite(':memory:')
    const run = ({ statements }: Migration) => database.exec(statements(sqlite.ddl).join(';'))
    for (const migration of [initial, outboundAndWebhooks]) run(migration)
    database.exec("insert into organizations values ('o', 'o', 0, 0)")
    const webhook = database.prepare(
      `insert into webhooks (id, organization_id, url, profile, secret, is_enabled, cursor_seq, created_at, updated_at)
       values (?, 'o', '', '', '', ?, 5, 0, 0)`,
    )
    const delivery = database.prepare(
      `insert into webhook_deliveries
         (id, webhook_id, seq, event_id, event_type, state, attempts, next_attempt_at, created_at, updated_at)
       values (?, ?, ?, '', '', ?, 0, 0, 0, 0)`,
    )
    webhook.run('on', 1)
    webhook.run('off', 0)
    const waiting: [id: string, webhook: string, seq: number, state: string][] = [
      ['before it was on', 'on', 5, 'pending'],
      ['delivered before', 'on', 4, 'delivered'],
      ['since', 'on', 6, 'pending'],
      ['while it is off', 'off', 7, 'pending'],
    ]
    for (const each of waiting) delivery.run(...each)
    run(webhookOrderAndReplay)
    expect(database.prepare('select id, state, term, line from webhook_deliveries order by seq').raw().all()).toEqual([
      ['delivered before', 'delivered', 0, null],
      ['before it was on', 'cancelled', 0, null],
      ['since', 'pending', 0, null],
      ['while it is off', 'cancelled', 0, null],
    ])
    database.close()
  },
)

notSupported('postgres', 'the statements are the same, and SQLite takes them by hand')(
  'an Idempotency-Key goes to the inbox that sent, and one whose send never ended is free',
  async () => {
    const database = new BetterSqlite(':memory:')
    const run = ({ statements }: Migration) => database.exec(statements(sqlite.ddl).join(';'))
    for (const migration of [initial, outboundAndWebhooks, logEnds, webhookOrderAndReplay, verification]) run(migration)
    database.pragma('foreign_keys = off')
    const thread = '01a1fdba-27ed-714a-87b4-5ac5b9528684'
    database.exec(
      `insert into threads (id, organization_id, pod_id, inbox_id, last_message_id, message_count, visible_count, size_bytes,
         hidden, timestamp, created_at, updated_at)
       values ('${thread}', 'o', 'p', 'i', 'm', 1, 1, 1, 0, 0, 0, 0)`,
    )
    const key = database.prepare(`insert into idempotency_keys values ('o', ?, 'f', ?, ?, ?, 1, ?)`)
    const result = JSON.stringify({ messageId: '<1@x.test>', threadId: thread })
    key.run('over', 'done', null, result, 2)
    key.run('of a thread that was deleted', 'done', null, result.replace('01a1', '01a2'), 2)
    key.run('under way', 'running', 9, null, null)
    run(scopedNames)
    expect(database.prepare('select * from idempotency_keys').all()).toEqual([
      {
        ...{ inbox_id: 'i', key: 'over', scope_id: 'o', fingerprint: 'f', state: 'done', lease_until: null },
        ...{ result, created_at: 1, completed_at: 2 },
      },
    ])
    database.close()
  },
)

/** Opens the database file after the store has closed it. */
function inDatabase<T>(dataDir: string, use: (database: BetterSqlite.Database) => T): T {
  const database = new BetterSqlite(join(dataDir, 'martlet.db'))
  try {
    return use(database)
  } finally {
    database.close()
  }
}

function dumpSchema(database: BetterSqlite.Database): string {
  const statements = database
    // Leave out what SQLite creates by itself: its own tables, indexes of keys, shadow tables of the text index.
    .prepare(
      `select sql from sqlite_schema
       where sql is not null and name not like 'sqlite_%' and name not like 'messages_text_%'
       order by tbl_name, type desc, name`,
    )
    .pluck()
    .all() as string[]
  return `${statements.map((statement) => `${statement.replace(/\n {6}/g, '\n  ').replace(/\n {4}/g, '\n')};`).join('\n\n')}\n`
}
