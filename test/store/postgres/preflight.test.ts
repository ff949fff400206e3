/** Tests servers and databases with which Martlet refuses to start, each with an error that says what to do. */
import { randomUUID } from 'node:crypto'
import { expect, test } from 'vitest'
import { StartupError } from '../../../src/errors.ts'
import { openStore } from '../../../src/store/store.ts'
import { administrate, createDatabase, dropDatabase, postgresServer, urlOf } from '../../support/test-database.ts'
import { rejection, storeNeeds, temporaryFolder } from '../test-store.ts'

const PASSWORD = 'secret-%40-word'

test('a port without a server is refused', async () => {
  const { message } = await refusal(`postgres://ada:${PASSWORD}@127.0.0.1:1/martlet`)
  expect(message).toContain('PostgreSQL at 127.0.0.1:1/martlet cannot be reached (ECONNREFUSED)')
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
