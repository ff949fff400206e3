/** A store of its own for benches that measure it without a server. With DATABASE=postgres it is a PostgreSQL. */
import { randomBytes } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import type { Limits } from '../src/config/limits.ts'
import { loadConfig } from '../src/config/settings.ts'
import { createLog } from '../src/log.ts'
import { createMetrics } from '../src/metrics.ts'
import { openStore, type Store } from '../src/store/store.ts'
import { startPostgresServer } from '../test/support/postgres-server.ts'

export interface BenchStore {
  readonly store: Store
  readonly limits: Limits
  /** Closes the store, and removes all that it has written. */
  close(): Promise<void>
}

export async function openBenchStore(): Promise<BenchStore> {
  const dataDir = mkdtempSync(join(process.cwd(), '.bench-data-'))
  const postgres = process.env.DATABASE === 'postgres' ? await startPostgresServer({ fsync: 'on' }) : undefined
  const config = loadConfig({
    MARTLET_DATA_DIR: dataDir,
    ...(postgres && { MARTLET_DATABASE_URL: postgres.url, MARTLET_ROOT_KEY: 'am_bench_key_of_this_run' }),
  })
  const needs = { config, log: createLog('warn'), metrics: createMetrics(), clock: Date.now, random: randomBytes }
  const store = await openStore(needs)
  return {
    store,
    limits: config.limits,
    async close() {
      await store.close()
      await postgres?.[Symbol.asyncDispose]()
      rmSync(dataDir, { recursive: true })
    },
  }
}
