/**
 * Tests commits that have to wait for a standby (synchronous_standby_names), which is away. Nothing may be acknowledged that only the
 * primary has, although PostgreSQL itself ends such a wait when the session is terminated.
 */
import { randomUUID } from 'node:crypto'
import { Writable } from 'node:stream'
import { expect, onTestFinished, test } from 'vitest'
import { isMailError } from '../../../src/errors.ts'
import { createLog } from '../../../src/log.ts'
import { openStore } from '../../../src/store/store.ts'
import { startPostgresServer } from '../../support/postgres-server.ts'
import { sharedByFile } from '../../support/shared-by-file.ts'
import { administrate, createDatabase, urlOf } from '../../support/test-database.ts'
import { event, insertOrganization, rejection, storeNeeds, temporaryFolder } from '../test-store.ts'

const sharedServer = sharedByFile(() => startPostgresServer())

test('a commit that waits for a standby is not acknowledged before the standby has it', async () => {
  const world = await startWorld()
  await world.add('a')
  await world.setStandby('away')
  const lost = world.add('b')
  await Promise.race([lost, world.logged(/waits for a standby/)])
  expect(await world.waiting()).toEqual(['commit'])
  expect(await world.stored()).toEqual(['a']) // no reader sees it either
  expect(isMailError(await rejection(world.add('c')), 'unavailable')).toBe(true)

  await world.setStandby('')
  await lost
  await world.add('d')
  expect(await world.stored()).toEqual(['a', 'b', 'd'])
})

test('one whose wait PostgreSQL has ended is not acknowledged before the standby has it', async () => {
  const world = await startWorld()
  await world.setStandby('away')
  let isAcknowledged = false
  const lost = world.add('a').then(() => {
    isAcknowledged = true
  })
  await expect.poll(world.waiting).toEqual(['commit'])
  await administrate(world.url, "select pg_terminate_backend(pid) from pg_stat_activity where wait_event = 'SyncRep'")
  // As after a crash of the primary: the transaction is visible, and the standby does not have it.
  await expect.poll(world.stored).toEqual(['a'])
  await Promise.race([lost, expect.poll(world.waiting).toEqual([expect.stringMatching(/^update commit_marks/)])])
  expect(isAcknowledged).toBe(false)

  await world.setStandby('')
  await lost
  await world.add('b')
  expect(await world.stored()).toEqual(['a', 'b'])
})

async function startWorld() {
  const server = await sharedServer()
  const name = `standby_${randomUUID().replaceAll('-', '')}`
  await createDatabase(server.url, name)
  const url = urlOf(server.url, name)
  const folder = await temporaryFolder()
  let log = ''
  const output = new Writable({
    write(chunk, _encoding, done) {
      log += chunk
      done()
    },
  })
  const limits = { store: { silenceMs: 1_500, lockWaitMs: 100, retryMsMax: 50, transactionMs: 1_000 } }
  const needs = storeNeeds({ dataDir: folder.path, limits })
  const store = await openStore({
    ...needs,
    config: { ...needs.config, databaseUrl: url },
    log: createLog('info', output),
  })
  onTestFinished(async () => {
    await setStandby('')
    await store.close()
    await folder[Symbol.asyncDispose]()
  })
  return {
    url,
    setStandby,
    async add(id: string): Promise<void> {
      await store.transaction(async (tx) => {
        await insertOrganization(tx, id)
        tx.append(event(id))
      })
    },
    async stored(): Promise<string[]> {
      const { rows } = await administrate(url, 'select id from organizations order by id')
      return rows.map(({ id }) => id)
    },
    /** Returns the statements whose commits wait for the standby. */
    async waiting(): Promise<string[]> {
      const { rows } = await administrate(url, "select query from pg_stat_activity where wait_event = 'SyncRep'")
      return rows.map(({ query }) => query)
    },
    logged: (text: RegExp) => expect.poll(() => log).toMatch(text),
  }

  /** @param standby the name of a standby, of which none is connected; '': commits wait for none */
  async function setStandby(standby: string): Promise<void> {
    await administrate(server.url, `alter system set synchronous_standby_names = '${standby}'`)
    await administrate(server.url, 'select pg_reload_conf()')
    const isSet = async () => (await administrate(server.url, 'show synchronous_standby_names')).rows[0]
    await expect.poll(isSet).toEqual({ synchronous_standby_names: standby })
  }
}
