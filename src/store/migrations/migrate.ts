/**
 * Migrates a database to this program's schema. Migrations are numbered from 1 without gaps, run forward only, and are
 * recorded in `schema_migrations`. All missing ones run in one transaction, so a crash leaves the old schema.
 *
 * Each record has a hash of the statements that ran. A database with other hashes was created by another development
 * version and is rejected: its tables may differ from what the queries expect.
 *
 * A migration is never changed after its release. Until the first release, changes are made in the initial one.
 * test/store/schema.sql and schema.postgres.sql show the result of all of them.
 */
import { createHash } from 'node:crypto'
import { Kysely, sql } from 'kysely'
import { StartupError } from '../../errors.ts'
import type { Db } from '../handles.ts'
import type { Schema } from '../schema/schema.ts'
import type { DefinitionLanguage, SqlAdapter, Writer } from '../sql-adapter.ts'
import { initial } from './0001-initial.ts'
import type { Migration } from './migration.ts'

const migrations: readonly Migration[] = [initial]

interface MigrationTable {
  schema_migrations: { number: number; name: string; hash: string; applied_at: number }
}

/**
 * @returns the numbers of the migrations that ran; empty if the database is up to date
 * @throws StartupError when the database belongs to a newer program, or to another development version
 */
export async function migrate(writer: Writer, adapter: SqlAdapter, nowMs: number): Promise<number[]> {
  const handle = new Kysely<Schema & MigrationTable>(writer.kyselyProps(() => undefined))
  await writer.begin({ hasTimeLimits: false })
  try {
    await adapter.lockMigrations(handle as unknown as Kysely<Schema>)
    const missing = await listMissing(handle, adapter.ddl)
    for (const migration of missing) {
      const { number, name, statements } = migration
      for (const statement of statements(adapter.ddl)) await sql.raw(statement).execute(handle)
      const hash = hashOf(migration, adapter.ddl)
      await handle.insertInto('schema_migrations').values({ number, name, hash, applied_at: nowMs }).execute()
    }
    await writer.commit([])
    return missing.map(({ number }) => number)
  } catch (error) {
    await writer.rollback()
    throw error
  }
}

/** Returns the migrations that have not run, after creating the table that records them if it is missing. */
async function listMissing(handle: Kysely<MigrationTable>, ddl: DefinitionLanguage): Promise<readonly Migration[]> {
  await sql
    .raw(
      `create table if not exists schema_migrations (
        number ${ddl.integer} primary key, name ${ddl.text} not null, hash ${ddl.text} not null,
        applied_at ${ddl.bigint} not null
      ) ${ddl.table}`,
    )
    .execute(handle)
  return listUnapplied(handle, ddl)
}

/** Checks a database that is only read. @throws StartupError as `migrate` does */
export async function checkMigrations(db: Db, ddl: DefinitionLanguage): Promise<void> {
  await listUnapplied(db as unknown as Kysely<MigrationTable>, ddl)
}

async function listUnapplied(handle: Kysely<MigrationTable>, ddl: DefinitionLanguage): Promise<readonly Migration[]> {
  // All columns: in a table of an early development version, `hash` is missing.
  return requireFit(await handle.selectFrom('schema_migrations').selectAll().orderBy('number').execute(), ddl)
}

/**
 * Compares the rows of `schema_migrations` with the migrations of this program.
 *
 * @param applied all columns, in the order of the numbers
 * @param isBackup whether the rows are those of a backup that is to be restored
 * @returns the migrations that have not run
 * @throws StartupError as `migrate` does
 */
export function requireFit(
  applied: readonly MigrationTable['schema_migrations'][],
  ddl: DefinitionLanguage,
  { isBackup = false } = {},
): readonly Migration[] {
  const known = applied.slice(0, migrations.length)
  if (known.some(({ hash }, index) => hash !== hashOf(migrations[index]!, ddl))) {
    throw new StartupError(describeForeign(applied[0]!.applied_at, isBackup))
  }
  const newest = applied.at(-1)?.number ?? 0
  if (newest > migrations.length) {
    throw new StartupError(
      `The database has schema ${newest}, but this version supports only ${migrations.length}; run a newer Martlet`,
    )
  }
  return migrations.slice(newest)
}

/** The program does not know its commit, but the reflog of a clone knows which commit was in use at the time. */
function describeForeign(createdAtMs: number, isBackup: boolean): string {
  const createdAt = new Date(createdAtMs).toISOString()
  const reason =
    `The database${isBackup ? ' of the backup' : ''} was created at ${createdAt} by another development version of ` +
    'Martlet, whose tables differ, and before the first release there is no migration between such versions. '
  const version = `the version of that time (in a clone: git checkout 'HEAD@{${createdAt}}'; docs/deployment.md, Upgrades)`
  if (isBackup) return `${reason}Nothing was restored; restore it with ${version}`
  return (
    `${reason}Nothing was changed; to keep its mail, run ${version}. To start without it, set MARTLET_DATA_DIR to a new ` +
    'folder, or MARTLET_DATABASE_URL to an empty database'
  )
}

/** Hashes the statements of a migration on this database, ignoring differences in white space. */
function hashOf({ statements }: Migration, ddl: DefinitionLanguage): string {
  const text = statements(ddl).map((statement) => statement.replace(/\s+/g, ' '))
  return createHash('sha256').update(text.join(';')).digest('hex')
}
