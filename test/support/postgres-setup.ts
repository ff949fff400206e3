/**
 * Runs before the tests of the project "postgres": opens a port that answers with this run's PostgreSQL when it is
 * ready. PostgreSQL starts, and its module is imported, when a worker first asks (`postgresServer` in
 * test-database.ts), so that it does not delay the tests of a short run on SQLite; in a long one, some time before.
 */
import { once } from 'node:events'
import { type AddressInfo, createServer } from 'node:net'
import type { TestProject } from 'vitest/node'
import type { PostgresAnswer, TestPostgres } from './test-database.ts'

declare module 'vitest' {
  export interface ProvidedContext {
    /** undefined: these tests run on SQLite. */
    postgres: { readonly port: number } | undefined
  }
}

/** Runs of a few files take less on SQLite. */
const LONG_RUN_MS = 20_000

export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  let starting: Promise<TestPostgres & AsyncDisposable> | undefined
  const answer = async (): Promise<PostgresAnswer> => {
    try {
      starting ??= import('./shared-postgres.ts').then(({ startSharedPostgres }) => startSharedPostgres())
      const { url, templates } = await starting
      return { url, templates }
    } catch (error) {
      return { error: (error as Error).message }
    }
  }
  const server = createServer(async (socket) => {
    socket.on('error', () => socket.destroy()) // the worker ended while it waited
    socket.end(JSON.stringify(await answer()))
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const early = setTimeout(() => void answer(), LONG_RUN_MS).unref()
  project.provide('postgres', { port: (server.address() as AddressInfo).port })
  return async () => {
    clearTimeout(early)
    server.close()
    const started = await starting?.catch(() => undefined) // the tests have reported the error
    await started?.[Symbol.asyncDispose]()
  }
}
