/** Queries that are compiled once run with the values of each call, on both databases. */
import { type Expression, sql } from 'kysely'
import { expect, test } from 'vitest'
import { prepareChange, prepareLock, prepareLookup, prepareQuery } from '../../src/store/prepared-query.ts'
import { administrate, notSupported } from '../support/test-database.ts'
import { databaseUrlOf, insertOrganization, openTestStore } from './test-store.ts'

interface Values {
  readonly names: readonly string[]
  readonly page: { readonly limit: number; readonly after?: string | undefined; readonly ascending: boolean }
}

/** @returns a query that finds organizations, and how often it was built */
function prepared() {
  const built = { count: 0 }
  const query = prepareQuery((db, { names, page }: Values) => {
    built.count += 1
    return db
      .selectFrom('organizations')
      .select('id')
      .where('name', 'in', names)
      .$if(page.after !== undefined, (each) => each.where('id', '>', page.after!))
      .orderBy('id', page.ascending ? 'asc' : 'desc')
      .limit(page.limit)
  })
  return { query, built }
}

test('each call uses its own values, and only another shape is built again', async () => {
  await using store = await openTestStore()
  await store.transaction(async (tx) => {
    for (const [id, name] of [
      ['a', 'x'],
      ['b', 'x'],
      ['c', 'y'],
      ['d', 'z'],
    ] as const)
      await insertOrganization(tx, id, name)
  })
  const { query, built } = prepared()
  const find = async (names: readonly string[], page: Partial<Values['page']> = {}) =>
    (await query(store.db, { names, page: { limit: 10, ascending: true, ...page } })).map(({ id }) => id)

  expect(await find(['x'])).toEqual(['a', 'b'])
  expect(await find(['y'])).toEqual(['c'])
  expect(await find(['x'], { limit: 1 })).toEqual(['a'])
  expect(built.count).toBe(1)
  expect(await find(['z', 'x'])).toEqual(['a', 'b', 'd'])
  expect(await find(['x', 'y'])).toEqual(['a', 'b', 'c'])
  expect(built.count).toBe(2)
  expect(await find(['x'], { ascending: false })).toEqual(['b', 'a'])
  expect(await find(['x'], { after: 'a' })).toEqual(['b'])
  expect(await find(['x'], { after: 'b' })).toEqual([])
  expect(built.count).toBe(4)
  expect(await Promise.all([find(['x']), find(['y']), find(['z'])])).toEqual([['a', 'b'], ['c'], ['d']])
})

test('a lookup returns its rows without a promise on SQLite, and in a transaction with one', async () => {
  await using store = await openTestStore()
  await store.transaction((tx) => insertOrganization(tx, 'a'))
  const lookup = prepareLookup((db, { id }: { id: string }) =>
    db.selectFrom('organizations').select('id').where('id', '=', id),
  )
  const found = lookup(store.db, { id: 'a' })
  expect(found instanceof Promise).toBe(databaseUrlOf(store.dataDir) !== undefined)
  expect([await found, await lookup(store.db, { id: 'b' })]).toEqual([[{ id: 'a' }], []])
  const inTransaction = await store.transaction((tx) => lookup(tx, { id: 'a' }) as Promise<object[]>)
  expect(inTransaction).toEqual([{ id: 'a' }])
})

test('a list without values is another query than a list with one', async () => {
  await using store = await openTestStore()
  await store.transaction(async (tx) => {
    await insertOrganization(tx, 'a')
    await insertOrganization(tx, 'b')
  })
  const query = prepareQuery((db, { names }: { names: readonly string[] }) =>
    db
      .selectFrom('organizations')
      .select('id')
      .$if(names.length > 0, (each) => each.where('name', 'in', names))
      .orderBy('id'),
  )
  expect(await query(store.db, { names: [] })).toEqual([{ id: 'a' }, { id: 'b' }])
  expect(await query(store.db, { names: ['b'] })).toEqual([{ id: 'b' }])
})

test('a transaction sees its own writes, and a query throws when the transaction is over', async () => {
  await using store = await openTestStore()
  const { query } = prepared()
  const values = { names: ['x'], page: { limit: 10, ascending: true } }
  const ended = await store.transaction(async (tx) => {
    await insertOrganization(tx, 'a', 'x')
    expect(await query(tx, values)).toEqual([{ id: 'a' }])
    return tx
  })
  await expect(query(ended, values)).rejects.toThrow('this transaction is over')
})

test('an object with another member is another shape, although it has as many', async () => {
  await using store = await openTestStore()
  await store.transaction((tx) => insertOrganization(tx, 'a', 'x'))
  const query = prepareQuery((db, { id, name }: { id?: string; name?: string }) =>
    db
      .selectFrom('organizations')
      .select('id')
      .$if(id !== undefined, (each) => each.where('id', '=', id!))
      .$if(name !== undefined, (each) => each.where('name', '=', name!)),
  )
  expect(await query(store.db, { id: 'a' })).toEqual([{ id: 'a' }])
  expect(await query(store.db, { name: 'a' })).toEqual([])
  expect(await query(store.db, { name: 'x' })).toEqual([{ id: 'a' }])
})

// The clock of PostgreSQL is one.
test('an expression among the values is part of the query of its call', async () => {
  await using store = await openTestStore()
  await store.transaction(async (tx) => {
    await insertOrganization(tx, 'a', 'xy')
    await insertOrganization(tx, 'b', 'xz')
  })
  const query = prepareQuery((db, { of }: { of: { name: string | Expression<string> } }) =>
    db.selectFrom('organizations').select('id').where('name', '=', of.name),
  )
  const endingWith = (end: string) => ({ of: { name: sql<string>`'x' || cast(${end} as text)` } })
  expect(await query(store.db, endingWith('y'))).toEqual([{ id: 'a' }])
  expect(await query(store.db, endingWith('z'))).toEqual([{ id: 'b' }])
  expect(await query(store.db, { of: { name: 'xz' } })).toEqual([{ id: 'b' }])
})

test('a statement that changes rows uses the values of each call, and is part of its transaction', async () => {
  await using store = await openTestStore()
  await store.transaction(async (tx) => {
    for (const id of ['a', 'b', 'c']) await insertOrganization(tx, id, id)
  })
  let built = 0
  const rename = prepareChange((tx, { ids, name }: { ids: readonly string[]; name: string }) => {
    built += 1
    return tx.updateTable('organizations').set({ name }).where('id', 'in', ids).returning('id')
  })
  expect(await store.transaction((tx) => rename(tx, { ids: ['a'], name: 'x' }))).toEqual([{ id: 'a' }])
  const undone = store.transaction(async (tx) => {
    await rename(tx, { ids: ['b'], name: 'y' })
    throw new Error('undone')
  })
  await expect(undone).rejects.toThrow('undone')
  expect(await store.transaction((tx) => rename(tx, { ids: ['c'], name: 'z' }))).toEqual([{ id: 'c' }])
  const rows = await store.db.selectFrom('organizations').select(['id', 'name']).orderBy('id').execute()
  expect(rows).toEqual([
    { id: 'a', name: 'x' },
    { id: 'b', name: 'b' },
    { id: 'c', name: 'z' },
  ])
  expect(built).toBe(1)
})

test('a query that looks at a value cannot be built', async () => {
  await using store = await openTestStore()
  const query = prepareQuery((db, { id }: { id: string }) =>
    db
      .selectFrom('organizations')
      .select('id')
      .$if(id > 'a', (each) => each.where('id', '=', id)),
  )
  await expect(query(store.db, { id: 'b' })).rejects.toThrow('must not look at its values')
})

notSupported('sqlite', 'it has no row locks')(
  'a query that locks is compiled once with its lock, and locks the rows of each call',
  async () => {
    await using store = await openTestStore()
    await store.transaction(async (tx) => {
      for (const id of ['a', 'b', 'c']) await insertOrganization(tx, id)
    })
    let built = 0
    const lock = prepareLock('forUpdate', (db, { id }: { id: string }) => {
      built += 1
      return db.selectFrom('organizations').select('id').where('id', '=', id)
    })
    const free = 'select id from organizations order by id for update skip locked'
    const ids = await store.transaction(async (tx) => {
      expect(await lock(tx, { id: 'a' })).toEqual([{ id: 'a' }])
      expect(await lock(tx, { id: 'c' })).toEqual([{ id: 'c' }])
      return (await administrate(databaseUrlOf(store.dataDir)!, free)).rows.map(({ id }) => id)
    })
    expect(ids).toEqual(['b'])
    expect(built).toBe(1)
  },
)
