/**
 * The PostgreSQL that all tests of a run share, with two template databases, of which each test gets a copy: one with
 * every migration, and one on which a server was started once, so that not every world has to create keys first. With
 * TEST_DATABASE_URL, the tests use an existing server instead, whose user must be allowed to create databases.
 */
import { randomUUID } from 'node:crypto'
import { makeTemplate, type Template } from './database-templates.ts'
import { type PostgresServer, startPostgresServer } from './postgres-server.ts'
import { createDatabase, dropDatabase, type TestPostgres, urlOf } from './test-database.ts'

export async function startSharedPostgres(): Promise<TestPostgres & AsyncDisposable> {
  const given = process.env.TEST_DATABASE_URL
  const server: PostgresServer | undefined = given === undefined ? await startPostgresServer() : undefined
  const url = given ?? server!.socketUrl
  const run = randomUUID().slice(0, 8)
  const templates = { migrated: `martlet_test_migrated_${run}`, started: `martlet_test_started_${run}` }
  try {
    await makeTemplates(url, templates)
  } catch (error) {
    await server?.[Symbol.asyncDispose]()
    throw error
  }
  return {
    url,
    templates,
    async [Symbol.asyncDispose]() {
      for (const template of Object.values(templates)) await dropDatabase(url, template)
      await server?.[Symbol.asyncDispose]()
    },
  }
}

async function makeTemplates(url: string, { migrated, started }: Readonly<Record<Template, string>>): Promise<void> {
  const done = async () => undefined
  await createDatabase(url, migrated)
  await makeTemplate('migrated', urlOf(url, migrated), done)
  await createDatabase(url, started, migrated)
  await makeTemplate('started', urlOf(url, started), done)
}
