/**
 * Databases for tests. The vitest project decides which database a test uses. With both, a test starts with a copy of a
 * template: `sqlite` with a file in the data folder, `postgres` with its own database, which is dropped afterwards.
 */
import { randomUUID } from 'node:crypto'
import { cp } from 'node:fs/promises'
import { connect } from 'node:net'
import { join } from 'node:path'
import { json } from 'node:stream/consumers'
import { setImmediate as nextTurn } from 'node:timers/promises'
import BetterSqlite from 'better-sqlite3'
import pg from 'pg'
import { inject, type TestOptions, test } from 'vitest'
import type { Template } from './database-templates.ts'
import { copySqlite, SQLITE_FILE } from './sqlite-templates.ts'

/** Returns the kind of database of this vitest project. */
export function databaseName(): 'sqlite' | 'postgres' {
  return inject('postgres') ? 'postgres' : 'sqlite'
}

export interface TestDatabase extends AsyncDisposable {
  /** undefined: SQLite, in whichever data folder it is opened. */
  readonly url: string | undefined
}

/** The PostgreSQL server of this test run, with one database per template. */
export interface TestPostgres {
  readonly url: string
  readonly templates: Readonly<Record<Template, string>>
}

/** The answer of the process that runs PostgreSQL (postgres-setup.ts). */
export type PostgresAnswer = TestPostgres | { readonly error: string }

let postgres: Promise<TestPostgres> | undefined

/**
 * Resolves when the server is ready. Only for tests of the project "postgres".
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
 * Creates the database of one test.
 *
 * @param template undefined: no tables
 * @param dataDir  data folder to which SQLite's file is copied; undefined: the server creates its own file
 */
export async function createTestDatabase(template?: Template, dataDir?: string): Promise<TestDatabase> {
  if (databaseName() === 'sqlite') {
    if (template !== undefined && dataDir !== undefined) await copySqlite(template, dataDir)
    return { url: undefined, [Symbol.asyncDispose]: async () => undefined }
  }
  const server = await postgresServer()
  const name = `martlet_test_${randomUUID().replaceAll('-', '')}`
  await createDatabase(server.url, name, template && server.templates[template])
  return { url: urlOf(server.url, name), [Symbol.asyncDispose]: () => dropDatabase(server.url, name) }
}

/**
 * Returns a `test` for a case that cannot exist on one of the databases. There it is reported as skipped, with the
 * reason.
 *
 *   notSupported('postgres', 'one process uses a data folder')('a second server is refused', async () => …)
 */
export function notSupported(on: 'sqlite' | 'postgres', why: string) {
  return (name: string, run: () => Promise<void>, options: TestOptions = {}): void => {
    if (databaseName() === on) test.skip(`${name} (not on ${on}: ${why})`, options, run)
    else test(name, options, run)
  }
}

/** @param template undefined: an empty database that can store the letters of every language */
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

/** Returns the URL of another database on the same server. */
export function urlOf(serverUrl: string, database: string): string {
  const url = new URL(serverUrl)
  url.pathname = `/${database}`
  return url.href
}

/**
 * Reads rows that no client can see, from the database of a running world.
 *
 * @returns rows as arrays, integers as numbers
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

/** Copies the database of a stopped world, like a backup; `restore` replaces the current database with the copy. */
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

/** Changes rows of a running world, to simulate what an older version or an accident left behind. */
export async function changeRows({ shared, dataDir }: Stored, statement: string): Promise<void> {
  if (shared.databaseUrl !== undefined) {
    await administrate(shared.databaseUrl, statement)
    return
  }
  // The server runs in this process: while this waits for the end of a transaction, it must not block the event loop.
  const database = new BetterSqlite(join(dataDir, SQLITE_FILE), { timeout: 0 })
  try {
    while (!tryExec(database, `begin immediate; ${statement}; commit`)) await nextTurn()
    await nextTurn() // in this one, the server's reads may share a transaction that is older (sqlite-reader.ts)
  } finally {
    database.close()
  }
}

/** Returns false if another connection has locked the database. */
function tryExec(database: BetterSqlite.Database, statement: string): boolean {
  try {
    database.exec(statement)
    return true
  } catch (error) {
    if ((error as { code?: string }).code === 'SQLITE_BUSY') return false
    throw error
  }
}

/** Where a world stores its rows. */
interface Stored {
  readonly shared: { readonly databaseUrl: string | undefined }
  readonly dataDir: string
}

const INT8_OID = 20
const numbers: pg.CustomTypesConfig = {
  getTypeParser: (oid: number) => (oid === INT8_OID ? Number : pg.types.getTypeParser(oid)),
}

/** Connection pools by URL; they end with the process. */
const administrators = new Map<string, pg.Pool>()

/** Runs one statement. */
export async function administrate(url: string, statement: string): Promise<pg.QueryResult> {
  let pool = administrators.get(url)
  if (!pool) {
    pool = new pg.Pool({ connectionString: url, max: 2, allowExitOnIdle: true })
    pool.on('error', () => undefined) // a test stopped the server
    administrators.set(url, pool)
  }
  return pool.query(statement)
}
