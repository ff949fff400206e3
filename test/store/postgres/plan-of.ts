/** Returns the plan that PostgreSQL makes for the last statement of a table function. */
import { CompiledQuery, type Kysely } from 'kysely'
import { vi } from 'vitest'
import type { Db } from '../../../src/store/handles.ts'
import { PostgresConnection } from '../../../src/store/postgres/postgres-connection.ts'
import type { Schema } from '../../../src/store/schema/schema.ts'

export async function planOf(db: Db, run: (db: Db) => Promise<unknown>): Promise<string> {
  const spy = vi.spyOn(PostgresConnection.prototype, 'executeQuery')
  await run(db)
  const [query] = spy.mock.calls.at(-1)!
  spy.mockRestore()
  const explain = CompiledQuery.raw(`explain ${query.sql}`, [...query.parameters])
  const { rows } = await (db as unknown as Kysely<Schema>).executeQuery<{ 'QUERY PLAN': string }>(explain)
  return rows.map((row) => row['QUERY PLAN']).join('\n')
}
