/**
 * Looks at the database as `martlet check` does: beside a running server, and without changing or creating anything. A
 * file created by another user, such as root, would prevent the server from starting.
 */
import { checkMigrations } from './migrations/migrate.ts'
import type { DatabaseConfig, Inspection } from './sql-adapter.ts'
import { adapterFor } from './store.ts'

export type { Inspection } from './sql-adapter.ts'

/**
 * @throws StartupError when a start would fail: the database cannot be used, or its schema does not fit this version
 */
export async function inspectStore(config: DatabaseConfig): Promise<Inspection> {
  const adapter = await adapterFor(config)
  const inspection = await adapter.inspect(config)
  try {
    if (inspection.db) await checkMigrations(inspection.db, adapter.ddl)
    return inspection
  } catch (error) {
    await inspection.close()
    throw error
  }
}
