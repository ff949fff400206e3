/**
 * Makes the databases that tests begin with. Who keeps them and gives copies: sqlite-templates.ts and shared-postgres.ts.
 */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { loadConfig } from '../src/config.ts'
import { createLog } from '../src/log.ts'
import { createMetrics } from '../src/metrics.ts'
import { migrateDatabase } from '../src/store/store.ts'
import { ROOT_KEY } from './root-key.ts'

/** migrated: every table, and nothing in them; started: what a first start makes. */
export type Template = 'migrated' | 'started'

/**
 * Makes one, and closes it again.
 *
 * @param databaseUrl of an empty database, or of one that is migrated; undefined: SQLite in a new data folder
 * @param taken       is given the data folder, which is removed when it has resolved
 */
export async function makeTemplate<Result>(
  template: Template,
  databaseUrl: string | undefined,
  taken: (dataDir: string) => Promise<Result>,
): Promise<Result> {
  const dataDir = await mkdtemp(join(tmpdir(), 'martlet-test-template-'))
  try {
    const config = loadConfig({
      MARTLET_DATA_DIR: dataDir,
      MARTLET_DATABASE_URL: databaseUrl ?? '',
      MARTLET_ROOT_KEY: ROOT_KEY,
      MARTLET_HTTP_PORT: 'off',
      MARTLET_SMTP_PORT: 'off',
    })
    const needs = { config, log: createLog('silent'), metrics: createMetrics(), clock: Date.now }
    if (template === 'migrated') await migrateDatabase(needs)
    else {
      const { startMartlet } = await import('../src/main.ts') // all of the server, which tests of the store do without
      const martlet = await startMartlet(needs)
      await martlet.stop()
    }
    return await taken(dataDir)
  } finally {
    await rm(dataDir, { recursive: true })
  }
}
