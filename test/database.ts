/**
 * Databases for tests. The vitest project decides which one a test runs on. On both, a test begins with a copy of a template:
 * `sqlite` with a file in the data folder, `postgres` with a database of its own that is dropped afterwards.
 */
import { randomUUID } from 'node:crypto'
import { cp } from 'node:fs/promises'
import { connect } from 'node:net'
import { join } from 'node:path'
import { json } from 'node:stream/consumers'
import BetterSqlite from 'better-sqlite3'
import pg from 'pg'
import { inject, type TestOptions, test } from 'vitest'
import { placeSqlite, SQLITE_FILE } from './sqlite-templates.ts'
import type { Template } from './templates.ts'

/** The database of this project. */
export function databaseName(): 'sqlite' | 'postgres' {
  return inject('postgres') ? 'postgres' : 'sqlite'
}

export interface TestDatabase extends AsyncDisposable {
  /** undefined: SQLite, in whichever data folder it is opened. */
  readonly url: string | undefined
}

/** The PostgreSQL of this run, with a database for each template. */
export interface TestPostgres {
  readonly url: string
  readonly templates: Readonly<Record<Template, string>>
}

/** What the run says of it (postgres-setup.ts). */
export type PostgresAnswer = TestPostgres | { readonly error: string }

let postgres: Promise<TestPostgres> | undefined

/**
 * Resolves when it is ready. For tests of the project "postgres" only.
 *
 * @throws Error when it could not be started
 */
export function postgresServer(): Promise<TestPostgres> {
  postgres ??= askForPostgres(inject('postgres')!.port)
  return postgres
}

async function askForPostgres(port: number): Promise<TestPostgres> {
  const answer = (await json(connect(port, '127.0.0.1'))) as PostgresAnswer
  if ('error' in answer) throw new Error(`PostgreSQL could not be started: ${answer.error}`)
  return answer
}

/**
 * @param template undefined: without a table in it
 * @param dataDir  data folder to which SQLite's file is copied; undefined: the server creates its own
 */
export async function createTestDatabase(template?: Template, dataDir?: string): Promise<TestDatabase> {
  if (databaseName() === 'sqlite') {
    if (template !== undefined && dataDir !== undefined) await placeSqlite(template, dataDir)
    return { url: undefined, [Symbol.asyncDispose]: async () => undefined }
  }
  const server = await postgresServer()
  const name = `martlet_test_${randomUUID().replaceAll('-', '')}`
  await createDatabase(server.url, name, template && server.templates[template])
  return { url: urlOf(server.url, name), [Symbol.asyncDispose]: () => dropDatabase(server.url, name) }
}

/**
 * `test` for a case that cannot exist on one of the databases: there it is reported as skipped, with the reason.
 *
 *   notSupported('postgres', 'one process uses a data folder')('a second server is refused', async () => …)
 */
export function notSupported(on: 'sqlite' | 'postgres', why: string) {
  return (name: string, run: () => Promise<void>, options: TestOptions = {}): void => {
    if (databaseName() === on) test.skip(`${name} (not on ${on}: ${why})`, options, run)
    else test(name, options, run)
  }
}

/** @param template undefined: an empty database, in which each language has its letters */
export async function createDatabase(serverUrl: string, name: string, template?: string): Promise<void> {
  const options =
    template === undefined
      ? `encoding 'UTF8' locale 'C.UTF-8' template template0`
      : `template ${pg.escapeIdentifier(template)} strategy file_copy`
  await administrate(serverUrl, `create database ${pg.escapeIdentifier(name)} ${options}`)
}

export async function dropDatabase(serverUrl: string, name: string): Promise<void> {
  await administrate(serverUrl, `drop database if exists ${pg.escapeIdentifier(name)} with (force)`)
}

/** The same server's, with another database. */
export function urlOf(serverUrl: string, database: string): string {
  const url = new URL(serverUrl)
  url.pathname = `/${database}`
  return url.href
}

/**
 * Reads what no client is shown, from the database of a world that runs.
 *
 * @returns rows as arrays, numbers as numbers
 */
export async function readRows({ shared, dataDir }: Stored, query: string): Promise<unknown[][]> {
  if (shared.databaseUrl === undefined) {
    const database = new BetterSqlite(join(dataDir, SQLITE_FILE), { readonly: true })
    try {
      return database.prepare(query).raw().all() as unknown[][]
    } finally {
      database.close()
    }
  }
  const client = new pg.Client({ connectionString: shared.databaseUrl })
  await client.connect()
  try {
    const { rows } = await client.query({ text: query, rowMode: 'array', types: numbers })
    return rows
  } finally {
    await client.end()
  }
}

/** A copy of a stopped world's database, as a backup is: `restore` puts it in the place of what it has become. */
export async function backUp({ shared, dataDir }: Stored): Promise<{ restore(): Promise<void> }> {
  if (shared.databaseUrl === undefined) {
    const [file, copy] = [join(dataDir, SQLITE_FILE), join(dataDir, 'copy')]
    await cp(file, copy)
    return { restore: () => cp(copy, file) }
  }
  const { url: server } = await postgresServer()
  const name = new URL(shared.databaseUrl).pathname.slice(1)
  const copy = `${name}_copy`
  await createDatabase(server, copy, name)
  return {
    async restore() {
      await dropDatabase(server, name)
      await administrate(server, `alter database ${pg.escapeIdentifier(copy)} rename to ${pg.escapeIdentifier(name)}`)
    },
  }
}

/** Changes rows under a world that runs, to what an older version or an accident would have left. */
export async function changeRows({ shared, dataDir }: Stored, statement: string): Promise<void> {
  if (shared.databaseUrl !== undefined) {
    await administrate(shared.databaseUrl, statement)
    return
  }
  const database = new BetterSqlite(join(dataDir, SQLITE_FILE))
  try {
    database.exec(statement)
  } finally {
    database.close()
  }
}

/** Where a world keeps its rows. */
interface Stored {
  readonly shared: { readonly databaseUrl: string | undefined }
  readonly dataDir: string
}

const INT8_OID = 20
const numbers: pg.CustomTypesConfig = {
  getTypeParser: (oid: number) => (oid === INT8_OID ? Number : pg.types.getTypeParser(oid)),
}

/** By URL; they end with the process. */
const administrators = new Map<string, pg.Pool>()

/** One statement. */
export async function administrate(url: string, statement: string): Promise<pg.QueryResult> {
  let pool = administrators.get(url)
  if (!pool) {
    pool = new pg.Pool({ connectionString: url, max: 2, allowExitOnIdle: true })
    pool.on('error', () => undefined) // the server was stopped by a test
    administrators.set(url, pool)
  }
  return pool.query(statement)
}
