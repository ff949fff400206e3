/** Connects to the PostgreSQL database to look at it (see ../inspection.ts). */
import { Kysely } from 'kysely'
import { kyselyProps } from '../kysely-props.ts'
import type { Schema } from '../schema/schema.ts'
import type { DatabaseConfig, Inspection } from '../sql-adapter.ts'
import { kyselyParts } from './postgres-connection.ts'
import { openFitDatabase } from './postgres-preflight.ts'

/** @throws StartupError when the database cannot be used */
export async function inspectPostgres({ databaseUrl: url, limits }: DatabaseConfig): Promise<Inspection> {
  if (url === undefined) throw new Error('PostgreSQL was chosen without a URL')
  const connection = await openFitDatabase({ url, limits, clock: Date.now, isInspection: true })
  const { rows } = await connection.query<{ has_schema: boolean }>(
    `select to_regclass('schema_migrations') is not null as has_schema`,
    [],
  )
  const db = new Kysely<Schema>(
    kyselyProps(
      kyselyParts,
      (use) => use(connection),
      () => undefined,
    ),
  )
  return { isInUse: undefined, db: rows[0]!.has_schema ? db : undefined, close: () => connection.close() }
}
