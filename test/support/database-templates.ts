/** Creates the databases with which tests start. sqlite-templates.ts and shared-postgres.ts keep them and copy them. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { loadConfig } from '../../src/config/settings.ts'
import { createLog } from '../../src/log.ts'
import { createMetrics } from '../../src/metrics.ts'
import { migrateDatabase } from '../../src/store/store.ts'
import { MAIL_PROGRAMS_OFF } from './free-port.ts'
import { ROOT_KEY } from './root-key.ts'

/** migrated: all tables, without rows; started: with what a first start creates. */
export type Template = 'migrated' | 'started'

/**
 * Makes a template and closes it.
 *
 * @param databaseUrl an empty database, or a migrated one; undefined: SQLite in a new data folder
 * @param taken       called with the data folder, which is removed afterwards
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
      ...MAIL_PROGRAMS_OFF,
    })
    const needs = { config, log: createLog('silent'), metrics: createMetrics(), clock: Date.now }
    if (template === 'migrated') await migrateDatabase(needs)
    else {
      const { startMartlet } = await import('../../src/server/start.ts') // loads the whole server, which store tests do not need
      const martlet = await startMartlet(needs)
      await martlet.stop()
    }
    return await taken(dataDir)
  } finally {
    await rm(dataDir, { recursive: true })
  }
}
