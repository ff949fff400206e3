/** Tests failures of PostgreSQL inside a group, and the result that each member of the group gets. */

import { sql } from 'kysely'
import { expect, test } from 'vitest'
import { mergeLimits } from '../../../src/config/limits.ts'
import type { Tx } from '../../../src/store/handles.ts'
import { openStore } from '../../../src/store/store.ts'
import { PostgresProxy } from '../../support/postgres-proxy.ts'
import { startPostgresServer } from '../../support/postgres-server.ts'
import { administrate } from '../../support/test-database.ts'
import {
  asKysely,
  codeOf,
  databaseUrlOf,
  deferred,
  event,
  insertOrganization,
  loggedEvents,
  openTestStore,
  organizationIds,
  rejection,
  storeNeeds,
  type TestStore,
  temporaryFolder,
} from '../test-store.ts'

test('a full disk fails only the transaction that needed space; the others are committed', async () => {
  await using store = await openTestStore()
  const results = await Promise.allSettled([add(store, 'a'), add(store, 'b', fail('53100')), add(store, 'c')])
  expect(results.map(codeOf)).toEqual(['kept', 'disk_full', 'kept'])
  expect(await organizationIds(store)).toEqual(['a', 'c'])
})

test('if the disk is full at the commit, nothing of the group is kept and all members fail', async () => {
  await using store = await openTestStore()
  await failAtCommit(store, '53100')
  const results = await Promise.allSettled([add(store, 'a'), add(store, 'bad'), add(store, 'c')])
  expect(results.map(codeOf)).toEqual(['disk_full', 'disk_full', 'disk_full'])
  expect(() => store.checkWritable()).toThrow(expect.objectContaining({ code: 'disk_full' }))
  expect(await organizationIds(store)).toEqual([])

  await add(store, 'd')
  store.checkWritable()
  expect(await loggedEvents(store)).toEqual([[1, 'd']])
})

// The caller got the error of the rollback to its savepoint, which did not exist, and work was accepted as before.
test('if the disk is full at the first statement of a group, its caller gets this error', async () => {
  await using store = await openTestStore()
  await administrate(
    databaseUrlOf(store.dataDir)!,
    `create function full_disk() returns trigger language plpgsql as $$
       begin raise exception using errcode = '53100'; end $$;
     create trigger full_disk before insert on commit_marks for each row execute function full_disk()`,
  )
  expect((await Promise.allSettled([add(store, 'a')])).map(codeOf)).toEqual(['disk_full'])
  expect(() => store.checkWritable()).toThrow(expect.objectContaining({ code: 'disk_full' }))

  await administrate(databaseUrlOf(store.dataDir)!, 'drop trigger full_disk on commit_marks')
  await add(store, 'b')
  expect(await organizationIds(store)).toEqual(['b'])
})

// The rest of the group was committed without them.
test('if events cannot be sent, nothing of their group is kept', async () => {
  await using store = await openTestStore()
  const results = await Promise.allSettled(
    ['a', 'b'].map((id) =>
      store.transaction(async (tx) => {
        await insertOrganization(tx, id)
        tx.append(event(id, { actor: Symbol(id) as never }))
      }),
    ),
  )
  expect(results.map(codeOf)).toEqual(['unavailable', 'unavailable'])
  expect(await organizationIds(store)).toEqual([])
  await add(store, 'c')
  expect(await loggedEvents(store)).toEqual([[1, 'c']])
})

test('a commit that fails keeps nothing and rejects all members', async () => {
  await using store = await openTestStore()
  await failAtCommit(store, '23514')
  const results = await Promise.allSettled([add(store, 'a'), add(store, 'bad'), add(store, 'c')])
  expect(results.map(codeOf)).toEqual(['unavailable', 'unavailable', 'unavailable'])
  await add(store, 'd')
  expect(await organizationIds(store)).toEqual(['d'])
  expect(await loggedEvents(store)).toEqual([[1, 'd']])
})

test('a transaction that continues after a failed statement is rejected alone', async () => {
  await using store = await openTestStore()
  const results = await Promise.allSettled([
    add(store, 'a'),
    add(store, 'b', (tx) => fail('22012')(tx).catch(() => undefined)),
    add(store, 'c'),
  ])
  expect(results.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled'])
  expect(await organizationIds(store)).toEqual(['a', 'c'])
})

// It has no reply of the server to wait for, so that the failure before it must be over when it begins.
test('a failed transaction does not fail the next one of its group, which has no statements', async () => {
  await using store = await openTestStore()
  const results = await Promise.allSettled([
    add(store, 'a'),
    add(store, 'b', fail('22012')),
    store.transaction(async () => undefined),
    add(store, 'c'),
  ])
  expect(results.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled', 'fulfilled'])
  expect(await organizationIds(store)).toEqual(['a', 'c'])
})

// PostgreSQL answers COMMIT with ROLLBACK in this case, which is no error.
test('a group whose events cannot be stored is rejected', async () => {
  await using store = await openTestStore()
  await administrateOnce(store, 'raise_at_events', '22012')
  const result = store.transaction(async (tx) => {
    await insertOrganization(tx, 'a')
    tx.append(event('a'))
  })
  expect(await rejection(result)).toMatchObject({ code: 'unavailable', cause: { code: '22012' } })
  expect(await organizationIds(store)).toEqual([])
})

test('while the server is down, the store reconnects at growing intervals, not per transaction', async () => {
  await using folder = await temporaryFolder()
  await using proxy = await PostgresProxy.open(databaseUrlOf(folder.path)!)
  const needs = storeNeeds({ dataDir: folder.path, limits: { store: { retryMsMax: 60_000, readersMax: 1 } } })
  const store = await openStore({ ...needs, config: { ...needs.config, databaseUrl: proxy.url } })
  proxy.down()
  const before = proxy.attempts
  for (let round = 0; round < 200; round++) {
    expect(await rejection(add(store as TestStore, `${round}`))).toMatchObject({ code: 'unavailable' })
  }
  expect(proxy.attempts - before).toBeLessThan(30)
  await store.close()
})

// Ten reads at once opened ten connections, each of which is a process of PostgreSQL, and waited for them.
test('reads share a connection while another one is being opened', async () => {
  await using folder = await temporaryFolder()
  await using proxy = await PostgresProxy.open(databaseUrlOf(folder.path)!)
  const needs = storeNeeds({ dataDir: folder.path })
  const store = await openStore({ ...needs, config: { ...needs.config, databaseUrl: proxy.url } })
  await organizationIds(store)
  proxy.ignoreNew()
  const before = proxy.attempts
  const reads = Array.from({ length: 50 }, () => organizationIds(store))
  expect(await Promise.all(reads)).toEqual(reads.map(() => []))
  expect(proxy.attempts - before).toBe(1)
  await store.close()
})

test('if no connection can be opened, all reads that wait for one fail', async () => {
  await using folder = await temporaryFolder()
  await using proxy = await PostgresProxy.open(databaseUrlOf(folder.path)!)
  const needs = storeNeeds({ dataDir: folder.path, limits: { store: { connectMs: 1_000 } } })
  const store = await openStore({ ...needs, config: { ...needs.config, databaseUrl: proxy.url } })
  proxy.down()
  proxy.up()
  proxy.ignoreNew()
  const reads = Array.from({ length: 3 }, () => organizationIds(store))
  expect((await Promise.allSettled(reads)).map(codeOf)).toEqual(['unavailable', 'unavailable', 'unavailable'])
  await store.close()
})

// Reads stayed on it when the writer had found the new primary, and did not see what this node had committed.
test('a server that has become a standby is not read', async () => {
  await using store = await openTestStore()
  const url = databaseUrlOf(store.dataDir)!
  await administrate(
    url,
    `create function public.pg_is_in_recovery() returns boolean language sql as 'select true';
     do $$ begin execute format('alter database %I set search_path = public, pg_catalog', current_database()); end $$`,
  )
  const failure = { code: 'unavailable', params: { detail: 'the PostgreSQL server is a standby' } }
  expect(await rejection(organizationIds(store))).toMatchObject(failure)
  await administrate(url, 'drop function public.pg_is_in_recovery()')
  expect(await organizationIds(store)).toEqual([])
})

test('a deadlock after the last member makes the whole group run again', async () => {
  await using store = await openTestStore()
  let runs = 0
  await administrateOnce(store, 'raise_at_events', '40P01')
  await Promise.all(
    ['a', 'b'].map((id) =>
      add(store, id, async () => {
        runs += 1
      }),
    ),
  )
  expect(runs).toBe(4)
  expect(await organizationIds(store)).toEqual(['a', 'b'])
  expect(await loggedEvents(store)).toEqual([
    [1, 'a'],
    [2, 'b'],
  ])
})

test('if the server crashes in the middle of a group, nothing is kept; later transactions reconnect', async () => {
  await using server = await startPostgresServer()
  await using folder = await temporaryFolder()
  const needs = storeNeeds({ dataDir: folder.path, limits: { store: { retryMsMax: 100 } } })
  const store = await openStore({ ...needs, config: { ...needs.config, databaseUrl: server.url } })
  const received = deferred()
  await store.transaction((tx) => insertOrganization(tx, 'before'))

  const results = await Promise.allSettled([
    store.transaction((tx) => insertOrganization(tx, 'a')),
    store.transaction(async (tx) => {
      await server.stop('immediate')
      await insertOrganization(tx, 'b')
    }),
    store.transaction((tx) => insertOrganization(tx, 'c')),
  ])
  expect(results.map(codeOf)).toEqual(expect.arrayContaining(['unavailable', 'unavailable', 'unavailable']))
  expect(codeOf((await Promise.allSettled([organizationIds(store)]))[0]!)).toBe('unavailable')

  await server.start()
  store.onCommit(() => received.resolve()) // the LISTEN connection is open again too
  await expect.poll(() => store.probe().then(() => 'works', codeOfError)).toBe('works')
  await store.transaction((tx) => insertOrganization(tx, 'after'))
  await received.promise
  expect(await organizationIds(store)).toEqual(['after', 'before'])
  await store.close()
})

test('a statement that never ends is cancelled, and a connection that never answers is closed', async () => {
  await using store = await openTestStore({ limits: { store: { statementMs: 500 } } })
  const slow = rejection(store.transaction((tx) => sql`select pg_sleep(10)`.execute(asKysely(tx))))
  expect(await slow).toMatchObject({ code: 'unavailable', params: { detail: '57014' } })
  await add(store, 'a')

  const patient = { store: { statementMs: 60_000, transactionMs: 60_000 } }
  await using silent = await openTestStore({ limits: mergeLimits(patient, { store: { silenceMs: 1_500 } }) })
  const stuck = rejection(silent.transaction((tx) => sql`select pg_sleep(60)`.execute(asKysely(tx))))
  expect(await stuck).toMatchObject({ code: 'unavailable' })
  await add(silent, 'b')
})

async function add(store: TestStore, id: string, then?: (tx: Tx) => Promise<unknown>): Promise<void> {
  await store.transaction(async (tx) => {
    await insertOrganization(tx, id)
    tx.append(event(id))
    await then?.(tx)
  })
}

/** Returns a statement that fails with the given SQLSTATE. */
function fail(sqlState: string): (tx: Tx) => Promise<unknown> {
  return (tx) => sql.raw(`do $$ begin raise exception using errcode = '${sqlState}'; end $$`).execute(asKysely(tx))
}

/** Makes the commit of a group with an organization "bad" fail. */
async function failAtCommit(store: TestStore, sqlState: string): Promise<void> {
  await administrate(
    databaseUrlOf(store.dataDir)!,
    `create function fail() returns trigger language plpgsql as $$
       begin if new.id = 'bad' then raise exception using errcode = '${sqlState}'; end if; return new; end $$;
     create constraint trigger fail after insert on organizations deferrable initially deferred
       for each row execute function fail()`,
  )
}

/** Makes the first insert of events fail. */
async function administrateOnce(store: TestStore, name: string, sqlState: string): Promise<void> {
  await administrate(
    databaseUrlOf(store.dataDir)!,
    `create sequence ${name}_count;
     create function ${name}() returns trigger language plpgsql as $$
       begin if nextval('${name}_count') = 1 then raise exception using errcode = '${sqlState}'; end if; return new; end $$;
     create trigger ${name} before insert on events for each statement execute function ${name}()`,
  )
}

function codeOfError(error: { code?: string }): unknown {
  return error.code
}
