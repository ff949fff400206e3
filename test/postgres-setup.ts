/**
 * Before the tests of the project "postgres": one server for all of them, with two databases of which each test gets a
 * copy: one that has every migration, and one on which a server was started once, so that not every world has to make
 * keys first. TEST_DATABASE_URL names a server of yours instead, as a user who may make databases.
 */
import { randomUUID } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TestProject } from 'vitest/node'
import { loadConfig } from '../src/config.ts'
import { createLog } from '../src/log.ts'
import { startMartlet } from '../src/main.ts'
import { createMetrics } from '../src/metrics.ts'
import { migrateDatabase } from '../src/store/store.ts'
import { createDatabase, dropDatabase, type Template, urlOf } from './database.ts'
import { type PostgresServer, startPostgresServer } from './postgres-server.ts'
import { ROOT_KEY } from './root-key.ts'

declare module 'vitest' {
  export interface ProvidedContext {
    /** undefined: these tests run on SQLite. */
    postgres: { readonly url: string; readonly templates: Readonly<Record<Template, string>> } | undefined
  }
}

export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const given = process.env.TEST_DATABASE_URL
  const server: PostgresServer | undefined = given === undefined ? await startPostgresServer() : undefined
  const url = given ?? server!.url
  const run = randomUUID().slice(0, 8)
  const templates = { migrated: `martlet_test_migrated_${run}`, started: `martlet_test_started_${run}` }
  const dataDir = await mkdtemp(join(tmpdir(), 'martlet-test-template-'))
  const surroundings = { log: createLog('silent'), metrics: createMetrics(), clock: Date.now }
  const configFor = (database: string) =>
    loadConfig({
      MARTLET_DATA_DIR: dataDir,
      MARTLET_DATABASE_URL: urlOf(url, database),
      MARTLET_ROOT_KEY: ROOT_KEY,
      MARTLET_HTTP_PORT: 'off',
      MARTLET_SMTP_PORT: 'off',
    })

  await createDatabase(url, templates.migrated)
  await migrateDatabase({ config: configFor(templates.migrated), ...surroundings })
  await createDatabase(url, templates.started, templates.migrated)
  const martlet = await startMartlet({ config: configFor(templates.started), ...surroundings })
  await martlet.stop()
  await rm(dataDir, { recursive: true })
  project.provide('postgres', { url, templates })
  return async () => {
    for (const template of Object.values(templates)) await dropDatabase(url, template)
    await server?.[Symbol.asyncDispose]()
  }
}
