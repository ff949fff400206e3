/**
 * Migrates a database to this program's schema. Migrations are numbered from 1 without gaps, run forward only, and are
 * recorded in `schema_migrations`. All missing ones run in one transaction, so a crash leaves the old schema.
 *
 * A migration is never changed after its release. test/store/schema.sql shows the result of all of them.
 */
import { Kysely, sql } from 'kysely'
import { StartupError } from '../../errors.ts'
import type { Schema } from '../schema/schema.ts'
import type { DefinitionLanguage, Dialect, Writer } from '../sql-adapter.ts'
import { initial } from './0001-initial.ts'
import { outboundAndWebhooks } from './0002-outbound-and-webhooks.ts'
import { logEnds } from './0003-log-ends.ts'
import { webhookOrderAndReplay } from './0004-webhook-order-and-replay.ts'
import { verification } from './0005-verification.ts'
import { interruptions } from './0006-interruptions.ts'
import { scopedNames } from './0007-scoped-names.ts'
import type { Migration } from './migration.ts'

const migrations: readonly Migration[] = [
  initial,
  outboundAndWebhooks,
  logEnds,
  webhookOrderAndReplay,
  verification,
  interruptions,
  scopedNames,
]

interface MigrationTable {
  schema_migrations: { number: number; name: string; applied_at: number }
}

/**
 * @returns the numbers of the migrations that ran; empty if the database is up to date
 * @throws StartupError when the database belongs to a newer program
 */
export async function migrate(writer: Writer, dialect: Dialect, nowMs: number): Promise<number[]> {
  const handle = new Kysely<Schema & MigrationTable>(writer.kyselyProps(() => undefined))
  await writer.begin('unhurried')
  try {
    await dialect.lockMigrations(handle as unknown as Kysely<Schema>)
    const missing = await listMissing(handle, dialect.ddl)
    for (const { number, name, statements } of missing) {
      for (const statement of statements(dialect.ddl)) await sql.raw(statement).execute(handle)
      await handle.insertInto('schema_migrations').values({ number, name, applied_at: nowMs }).execute()
    }
    await writer.commit()
    return missing.map(({ number }) => number)
  } catch (error) {
    await writer.rollback()
    throw error
  }
}

async function listMissing(handle: Kysely<MigrationTable>, ddl: DefinitionLanguage): Promise<readonly Migration[]> {
  await sql
    .raw(
      `create table if not exists schema_migrations (
        number ${ddl.integer} primary key, name ${ddl.text} not null, applied_at ${ddl.bigint} not null
      ) ${ddl.table}`,
    )
    .execute(handle)
  const { newest } = await handle
    .selectFrom('schema_migrations')
    .select((eb) => eb.fn.coalesce(eb.fn.max('number'), sql<number>`0`).as('newest'))
    .executeTakeFirstOrThrow()
  if (newest > migrations.length) {
    throw new StartupError(
      `The database has schema ${newest} and this program knows ${migrations.length} at most; run the newer Martlet`,
    )
  }
  return migrations.slice(newest)
}
