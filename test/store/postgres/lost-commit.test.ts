/**
 * Tests a connection that breaks around COMMIT. A proxy between node and server cuts the connection at the chosen
 * moment. Stored rows are read on another connection that does not use the proxy.
 */
import pg from 'pg'
import { expect, test } from 'vitest'
import { withLimits } from '../../../src/config/limits.ts'
import { isMailError } from '../../../src/errors.ts'
import { createLog } from '../../../src/log.ts'
import { CommitRecovery } from '../../../src/store/postgres/commit-recovery.ts'
import { PostgresConnection } from '../../../src/store/postgres/postgres-connection.ts'
import { openStore, type Store } from '../../../src/store/store.ts'
import { type Cut, PostgresProxy } from '../../support/postgres-proxy.ts'
import { administrate } from '../../support/test-database.ts'
import { databaseUrlOf, event, insertOrganization, rejection, storeNeeds, temporaryFolder } from '../test-store.ts'

test.each<[Cut, boolean]>([
  ['before', false],
  ['after', true],
  ['silently', false],
])('connection cut %s the commit: stored, and reported so, is %s', async (cut, isKept) => {
  await using world = await startWorld()
  const result = world.add('a', cut)
  if (isKept) await result
  else expect(isMailError(await rejection(result), 'unavailable')).toBe(true)
  expect(await world.stored()).toEqual(isKept ? ['a'] : [])
  await world.add('b')
  expect(await world.stored()).toEqual(isKept ? ['a', 'b'] : ['b'])
  expect(await world.events()).toEqual(await world.stored())
})

test('connection cut during the commit, many times: exactly the resolved transactions are stored', async () => {
  await using world = await startWorld()
  const kept: string[] = []
  for (let round = 10; round < 30; round++) {
    const results = await Promise.allSettled(
      [`${round} a`, `${round} b`, `${round} c`].map((id) => world.add(id, 'at')),
    )
    for (const [index, { status }] of results.entries())
      if (status === 'fulfilled') kept.push(`${round} ${'abc'[index]}`)
  }
  expect(await world.stored()).toEqual(kept)
  expect(await world.events()).toEqual(kept)
})

test('all members of the group get the same outcome', async () => {
  await using world = await startWorld()
  const cut = world.proxy.cutNextCommit('after')
  const results = await Promise.allSettled(['a', 'b', 'c'].map((id) => world.add(id)))
  await cut
  expect(results.map(({ status }) => status)).toEqual(['fulfilled', 'fulfilled', 'fulfilled'])
})

test('while the server is down, members wait for the outcome and other transactions are refused', async () => {
  await using world = await startWorld({ store: { transactionMs: 1_000, retryMsMax: 50 } })
  let answer: string | undefined
  const cut = world.proxy.cutNextCommit('after', { thenDown: true })
  const lost = world.add('a').then(() => {
    answer = 'kept'
  })
  await cut
  const waiting = [await rejection(world.add('b')), await rejection(world.add('c'))]
  expect(waiting.map((error) => isMailError(error, 'unavailable'))).toEqual([true, true])
  expect(() => world.store.checkWritable()).toThrow(expect.objectContaining({ code: 'unavailable' }))
  expect(answer).toBeUndefined()

  world.proxy.up()
  await lost
  expect(answer).toBe('kept')
  world.store.checkWritable()
  await world.add('d')
  expect(await world.stored()).toEqual(['a', 'd'])
})

test('a server that stops before the outcome is known rejects with outcome_unknown, and stops', async () => {
  await using world = await startWorld({ server: { shutdownGraceMs: 50 }, store: { retryMsMax: 10 } })
  const cut = world.proxy.cutNextCommit('after', { thenDown: true })
  const lost = rejection(world.add('a'))
  await cut
  world.store.expectClose()
  expect(isMailError(await lost, 'outcome_unknown')).toBe(true)
  await world.store.close()
})

// It waited until the attempt had failed, longer than a stop may take.
test('a stop does not wait for a server that does not answer', async () => {
  await using world = await startWorld({ server: { shutdownGraceMs: 50 }, store: { connectMs: 600_000 } })
  const cut = world.proxy.cutNextCommit('after')
  world.proxy.ignoreNew()
  const lost = rejection(world.add('a'))
  await cut
  world.store.expectClose()
  expect(isMailError(await lost, 'outcome_unknown')).toBe(true)
  await world.store.close()
})

// After a crash that lost the end of its WAL, PostgreSQL reuses ids of lost transactions: "committed" is another one's.
test('another transaction with the same id does not count as ours', async () => {
  await using world = await startWorld()
  await world.add('a')
  // The state after such a crash: the status of the id is "committed", but the mark is older.
  await administrate(
    world.url,
    `create function forget_mark() returns trigger language plpgsql as $$ begin new.number := 0; return new; end $$;
     create trigger forget_mark before update on commit_marks for each row execute function forget_mark()`,
  )
  expect(isMailError(await rejection(world.add('b', 'after')), 'unavailable')).toBe(true)
})

// After a failover to a standby that did not have it, its id is given to another transaction: it was terminated.
test('another session whose transaction has the same id is left alone', async () => {
  await using world = await startWorld()
  const other = new pg.Client({ connectionString: world.url })
  other.on('error', () => undefined)
  await other.connect()
  await other.query('begin')
  const { rows } = await other.query('select pg_current_xact_id()::text as xid, pg_backend_pid() as pid')
  const lookUp = new CommitRecovery({
    connect: () => PostgresConnection.open({ url: world.url, limits: withLimits({}) }),
    log: createLog('silent'),
    retryMsMax: 50,
    signal: new AbortController().signal,
  })
  const found = lookUp.findOutcome({ xid: rows[0].xid, pid: rows[0].pid + 1, writer: 'lost', number: 1 })
  const looking = `select count(*)::int as count from pg_stat_activity
    where datname = current_database() and application_name = 'martlet' and query like '%is_committing%'`
  await expect.poll(async () => (await administrate(world.url, looking)).rows[0].count).toBe(1)
  await other.query('commit')
  await other.end()
  const { isCommitted, connection } = await found
  expect(isCommitted).toBe(false)
  await connection.close()
})

async function startWorld(limits: Parameters<typeof storeNeeds>[0]['limits'] = {}) {
  const folder = await temporaryFolder()
  const url = databaseUrlOf(folder.path)!
  const proxy = await PostgresProxy.open(url)
  const needs = storeNeeds({ dataDir: folder.path, limits })
  const store: Store = await openStore({ ...needs, config: { ...needs.config, databaseUrl: proxy.url } })
  return {
    store,
    proxy,
    url,
    add(id: string, cut?: Cut): Promise<void> {
      if (cut !== undefined) void proxy.cutNextCommit(cut)
      return store.transaction(async (tx) => {
        await insertOrganization(tx, id)
        tx.append(event(id))
      })
    },
    async stored(): Promise<string[]> {
      const { rows } = await administrate(url, 'select id from organizations order by id')
      return rows.map(({ id }) => id)
    },
    async events(): Promise<string[]> {
      const { rows } = await administrate(url, 'select type from events order by seq')
      return rows.map(({ type }) => type)
    },
    async [Symbol.asyncDispose]() {
      await store.close()
      await proxy[Symbol.asyncDispose]()
      await folder[Symbol.asyncDispose]()
    },
  }
}
