/**
 * A store of its own for benches that measure it without a server. With DATABASE=postgres it is a PostgreSQL. DATA_DIR=folder,
 * and DATABASE_URL for PostgreSQL, name one that is kept: the next run finds what this one has written.
 */
import { randomBytes } from 'node:crypto'
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import pg from 'pg'
import type { Limits } from '../src/config/limits.ts'
import { loadConfig } from '../src/config/settings.ts'
import { createLog } from '../src/log.ts'
import { createMetrics } from '../src/metrics.ts'
import { openStore, type Store } from '../src/store/store.ts'
import { startPostgresServer } from '../test/support/postgres-server.ts'

export interface BenchStore {
  readonly store: Store
  readonly limits: Limits
  /** Makes PostgreSQL's statistics, as autovacuum does soon after many inserts. */
  analyze(): Promise<void>
  /** Closes the store, and removes all that it has written, unless it is kept. */
  close(): Promise<void>
}

export async function openBenchStore(): Promise<BenchStore> {
  const { DATA_DIR, DATABASE_URL, DATABASE } = process.env
  const dataDir = DATA_DIR ?? mkdtempSync(join(process.cwd(), '.bench-data-'))
  mkdirSync(dataDir, { recursive: true })
  const isOwnPostgres = DATABASE === 'postgres' && DATABASE_URL === undefined
  const postgres = isOwnPostgres ? await startPostgresServer({ fsync: 'on' }) : undefined
  const databaseUrl = DATABASE_URL ?? postgres?.url
  const config = loadConfig({
    MARTLET_DATA_DIR: dataDir,
    ...(databaseUrl && { MARTLET_DATABASE_URL: databaseUrl, MARTLET_ROOT_KEY: 'am_bench_key_of_this_run' }),
  })
  const needs = { config, log: createLog('warn'), metrics: createMetrics(), clock: Date.now, random: randomBytes }
  const store = await openStore(needs)
  return {
    store,
    limits: config.limits,
    async analyze() {
      if (databaseUrl === undefined) return
      const client = new pg.Client({ connectionString: databaseUrl })
      await client.connect()
      await client.query('analyze')
      await client.end()
    },
    async close() {
      await store.close()
      await postgres?.[Symbol.asyncDispose]()
      if (DATA_DIR === undefined) rmSync(dataDir, { recursive: true })
    },
  }
}
