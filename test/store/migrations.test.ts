/**
 * Tests the schema and its migrations. schema.sql and schema.postgres.sql are the result of all migrations on an empty
 * database. They are checked in so that a migration's effect is visible in the diff; `UPDATE_SCHEMA=1 npx vitest run
 * test/store/migrations` writes them again.
 */
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import BetterSqlite from 'better-sqlite3'
import { expect, test } from 'vitest'
import { StartupError } from '../../src/errors.ts'
import { migrateDatabase, openStore } from '../../src/store/store.ts'
import { administrate, databaseName, notSupported } from '../support/test-database.ts'
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
  expect(await migrateDatabase(needs)).toEqual([1])
  expect(await migrateDatabase(needs)).toEqual([])
  await using store = await openTestStore({ dataDir: folder.path })
  await store.probe()
})

test('a database of a newer program stops the start', async () => {
  await using folder = await temporaryFolder()
  const needs = storeNeeds({ dataDir: folder.path })
  await migrateDatabase(needs)
  const future = "insert into schema_migrations values (99, 'future', 'hash', 0)"
  await change(folder.path, future)

  for (const open of [openStore, migrateDatabase]) {
    const error = await rejection(open(needs))
    expect(error).toBeInstanceOf(StartupError)
    expect((error as Error).message).toContain('99')
  }
})

test.each([
  ['with another hash', "update schema_migrations set hash = 'of other statements'"],
  ['without hashes', 'alter table schema_migrations drop column hash'],
])('a database of another development version, %s, stops the start', async (_case, statement) => {
  await using folder = await temporaryFolder()
  const needs = storeNeeds({ dataDir: folder.path })
  await migrateDatabase(needs)
  await change(folder.path, statement)

  const error = await rejection(openStore(needs))
  expect(error).toBeInstanceOf(StartupError)
  expect((error as Error).message).toContain('another development version')
  expect((error as Error).message).toContain('MARTLET_DATA_DIR') // an operator need not know where the database is
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

async function change(dataDir: string, statement: string): Promise<void> {
  const url = databaseUrlOf(dataDir)
  if (url === undefined) inDatabase(dataDir, (database) => database.exec(statement))
  else await administrate(url, statement)
}

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
    // Leave out what SQLite creates by itself: its own tables, and indexes of keys.
    .prepare(
      `select sql from sqlite_schema
       where sql is not null and name not like 'sqlite_%'
       order by tbl_name, type desc, name`,
    )
    .pluck()
    .all() as string[]
  return `${statements.map((statement) => `${statement.replace(/\n {6}/g, '\n  ').replace(/\n {4}/g, '\n')};`).join('\n\n')}\n`
}
