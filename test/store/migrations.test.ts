/**
 * The schema and how a database gets it. schema.sql and schema.postgres.sql are what all migrations make of an empty
 * database, checked in so that a migration's effect is seen in the diff;
 * `UPDATE_SCHEMA=1 npx vitest run test/store/migrations` writes them anew.
 */
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import BetterSqlite from 'better-sqlite3'
import { expect, test } from 'vitest'
import { StartupError } from '../../src/errors.ts'
import { migrateDatabase, openStore } from '../../src/store/store.ts'
import { administrate, databaseName, notSupported } from '../database.ts'
import { dumpPostgresSchema } from './postgres/schema-dump.ts'
import { databaseUrlOf, openTestStore, rejection, storeNeeds, temporaryFolder } from './test-store.ts'

const dumpFile = new URL(databaseName() === 'sqlite' ? 'schema.sql' : 'schema.postgres.sql', import.meta.url)

test('the migrated schema is the one that is checked in', async () => {
  await using folder = await temporaryFolder({ isMigrated: false })
  await migrateDatabase(storeNeeds({ dataDir: folder.path }))
  const url = databaseUrlOf(folder.path)
  const dump = url === undefined ? inDatabase(folder.path, dumpSchema) : await dumpPostgresSchema(url)
  if (process.env.UPDATE_SCHEMA) await writeFile(dumpFile, dump)
  expect(dump).toBe(await readFile(dumpFile, 'utf8'))
})

test('an empty database gets all migrations, an up-to-date one none', async () => {
  await using folder = await temporaryFolder({ isMigrated: false })
  const needs = storeNeeds({ dataDir: folder.path })
  expect(await migrateDatabase(needs)).toEqual([1, 2, 3])
  expect(await migrateDatabase(needs)).toEqual([])
  await using store = await openTestStore({ dataDir: folder.path })
  await store.probe()
})

test('a database of a newer program stops the start and is left as it is', async () => {
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

notSupported('postgres', 'it has none of these')(
  'page size and auto_vacuum are set before the first table, and the log is a write-ahead one',
  async () => {
    await using folder = await temporaryFolder()
    await migrateDatabase(storeNeeds({ dataDir: folder.path }))
    const pragmas = inDatabase(folder.path, (database) =>
      ['auto_vacuum', 'page_size', 'journal_mode'].map((name) => database.pragma(name, { simple: true })),
    )
    expect(pragmas).toEqual([2, 4096, 'wal'])
  },
)

/** After the store has closed it. */
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
    // Without what SQLite makes by itself: its own tables, indexes of keys, the text index's insides.
    .prepare(
      `select sql from sqlite_schema
       where sql is not null and name not like 'sqlite_%' and name not like 'messages_text_%'
       order by tbl_name, type desc, name`,
    )
    .pluck()
    .all() as string[]
  return `${statements.map((statement) => `${statement.replace(/\n {6}/g, '\n  ').replace(/\n {4}/g, '\n')};`).join('\n\n')}\n`
}
