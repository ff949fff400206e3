/** Tests servers and databases with which Martlet refuses to start, each with an error that says what to do. */
import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { type AddressInfo, createServer, type Socket } from 'node:net'
import pg from 'pg'
import { expect, test, vi } from 'vitest'
import { withLimits } from '../../../src/config/limits.ts'
import { StartupError } from '../../../src/errors.ts'
import { inspectStore } from '../../../src/store/inspection.ts'
import { PostgresConnection } from '../../../src/store/postgres/postgres-connection.ts'
import { requireOwnSessions } from '../../../src/store/postgres/postgres-preflight.ts'
import { openStore } from '../../../src/store/store.ts'
import {
  administrate,
  createDatabase,
  createTestDatabase,
  dropDatabase,
  postgresServer,
  urlOf,
} from '../../support/test-database.ts'
import { rejection, storeNeeds, temporaryFolder } from '../test-store.ts'

const PASSWORD = 'secret-%40-word'

test('a port without a server is refused', async () => {
  const { message } = await refusal(`postgres://ada:${PASSWORD}@127.0.0.1:1/martlet`)
  expect(message).toContain('PostgreSQL at 127.0.0.1:1/martlet cannot be reached (ECONNREFUSED)')
})

// PgBouncer refuses a connection with any other: "unsupported startup parameter".
test('the first message to the server has only parameters that every pooler knows', async () => {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const connected: Promise<Socket[]> = once(server, 'connection')
  const refused = refusal(`postgres://ada@127.0.0.1:${(server.address() as AddressInfo).port}/martlet`)
  const [socket] = await connected
  const [message]: Buffer[] = await once(socket!, 'data')
  socket!.destroy()
  await refused
  server.close()
  const texts = message!.subarray(8).toString().split('\0') // after the length and the version of the protocol
  const names = texts.filter((_text, index) => index % 2 === 0)
  expect(names.filter((name) => name !== '')).toEqual(['user', 'database', 'application_name', 'client_encoding'])
})

// Each transaction may run in another session, without our settings.
test('a pooler of transactions is refused', async () => {
  await using database = await createTestDatabase()
  await administrate(
    database.url!,
    `create function public.pg_backend_pid() returns integer language sql as 'select 1';
     do $$ begin execute format('alter database %I set search_path = public, pg_catalog', current_database()); end $$`,
  )
  const why = 'is behind a pooler of transactions; let it pool sessions (PgBouncer: pool_mode = session)'
  expect((await refusal(database.url!)).message).toContain(why)
  // It found nothing, and left the session that all connections share read-only.
  const { config } = storeNeeds({ dataDir: '/nonexistent' })
  const error = await rejection(inspectStore({ ...config, databaseUrl: database.url }))
  expect((error as Error).message).toContain(why)

  const duplicate = new pg.DatabaseError('prepared statement "m1" already exists', 0, 'error')
  vi.spyOn(PostgresConnection.prototype, 'query').mockRejectedValueOnce(Object.assign(duplicate, { code: '42P05' }))
  expect((await refusal(database.url!)).message).toContain(why)
  vi.restoreAllMocks()
})

// A container begins to count its processes again when it is started again: the start would have blamed a pooler.
test('a connection that was lost shares its session with no other', () => {
  const [open, other, lost] = [false, false, true].map((isLost) => ({ pid: 40, isLost }) as PostgresConnection)
  const url = 'postgres://ada@db.example/martlet'
  expect(() => requireOwnSessions([lost!, open!], url)).not.toThrow()
  expect(() => requireOwnSessions([other!, open!], url)).toThrow('PostgreSQL at db.example/martlet is behind a pooler')
})

test('a connection has the time limits', async () => {
  await using database = await createTestDatabase()
  const limits = withLimits({ store: { statementMs: 3_001, lockWaitMs: 2_001, silenceMs: 4_001 } })
  const connection = await PostgresConnection.open({ url: database.url!, limits })
  const { rows } = await connection.query(
    `select name, setting from pg_settings where name like '%timeout' and setting like '%001' order by name`,
    [],
  )
  await connection.close()
  expect(rows).toEqual([
    { name: 'idle_in_transaction_session_timeout', setting: '4001' },
    { name: 'lock_timeout', setting: '2001' },
    { name: 'statement_timeout', setting: '3001' },
  ])
})

test('a user without login rights is refused', async () => {
  const role = `martlet_test_${randomUUID().slice(0, 8)}`
  const { url: server } = await postgresServer()
  await administrate(server, `create role ${role} nologin`)
  const url = new URL(server)
  url.username = role
  url.password = PASSWORD
  expect((await refusal(url.href)).message).toContain('rejected the user or password; correct MARTLET_DATABASE_URL')
  await administrate(server, `drop role ${role}`)
})

test('a database that does not exist is refused', async () => {
  const { url } = await postgresServer()
  const { message } = await refusal(urlOf(url, 'nowhere'))
  expect(message).toContain('/nowhere has no such database; create it with: create database')
})

test.each([
  ["encoding 'UTF8' lc_collate 'C' lc_ctype 'C'", 'its LC_CTYPE is C'],
  ["encoding 'SQL_ASCII' locale 'C'", 'its encoding is SQL_ASCII'],
])('a database with %s is refused', async (options, why) => {
  const name = `martlet_test_${randomUUID().replaceAll('-', '')}`
  const { url } = await postgresServer()
  await administrate(url, `create database ${name} ${options} template template0`)
  const { message } = await refusal(urlOf(url, name))
  expect(message).toContain(`${name} cannot store mail in every language: ${why}. Create another with: create database`)
  await dropDatabase(url, name)
})

test('a user who may not create tables is refused; the owner of the database needs no other rights', async () => {
  const { url } = await postgresServer()
  const name = `martlet_test_${randomUUID().replaceAll('-', '')}`
  const role = `${name}_user`
  await createDatabase(url, name)
  await administrate(url, `create role ${role} login`)
  const asRole = new URL(urlOf(url, name))
  asRole.username = role
  expect((await refusal(asRole.href)).message).toContain('Tables cannot be created')

  await administrate(url, `alter database ${name} owner to ${role}`)
  await using folder = await temporaryFolder()
  const needs = storeNeeds({ dataDir: folder.path })
  const store = await openStore({ ...needs, config: { ...needs.config, databaseUrl: asRole.href } })
  await store.probe()
  await store.close()
  await dropDatabase(url, name)
  await administrate(url, `drop role ${role}`)
})

/** Returns the error of a refused start, and checks that it never contains the password. */
async function refusal(databaseUrl: string): Promise<StartupError> {
  await using folder = await temporaryFolder()
  const needs = storeNeeds({ dataDir: folder.path })
  const error = await rejection(openStore({ ...needs, config: { ...needs.config, databaseUrl } }))
  expect(error).toBeInstanceOf(StartupError)
  expect((error as StartupError).message).not.toMatch(/secret|word@/)
  return error as StartupError
}
