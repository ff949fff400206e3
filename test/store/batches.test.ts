/**
 * Tests transactions that run as one batch (docs/adr/0039): calls in the same synchronous code are in one group, so that
 * they can also be in one batch.
 */
import { sql } from 'kysely'
import { expect, test, vi } from 'vitest'
import { MailError } from '../../src/errors.ts'
import type { Tx } from '../../src/store/handles.ts'
import { type BatchResult, Refused, RUN_ALONE, RUN_LATER } from '../../src/store/store.ts'
import { notSupported } from '../support/test-database.ts'
import {
  asKysely,
  codeOf,
  event,
  insertOrganization,
  loggedEvents,
  openTestStore,
  organizationIds,
  type TestStore,
  type TestStoreOptions,
} from './test-store.ts'

interface Item {
  readonly id: string
  readonly sizeBytes?: number
  readonly fails?: boolean
  /** It must not run with others. */
  readonly waits?: boolean
  readonly isRefused?: boolean
  /** As `waits`, but it need not wait. */
  readonly isAlone?: boolean
}

/** Inserts an organization and an event per item, and records which items each run got. */
function organizationsOf(store: TestStore) {
  const runs: string[][] = []
  const insert = store.batched<Item, string>({
    async run(tx: Tx, items) {
      runs.push(items.map(({ id }) => id))
      const results: BatchResult<string>[] = []
      for (const { id, fails, waits, isRefused, isAlone } of items) {
        const isSkipped = items.length > 1 && (waits || isAlone)
        if (isRefused || isSkipped) {
          const refused = new Refused(new MailError('validation_error', { detail: id }))
          results.push(isRefused ? refused : isAlone ? RUN_ALONE : RUN_LATER)
          continue
        }
        await insertOrganization(tx, id)
        tx.append(event(id))
        if (fails) throw new MailError('validation_error', { detail: id })
        results.push(`inserted ${id}`)
      }
      return results
    },
    sizeBytes: ({ sizeBytes = 1 }) => sizeBytes,
  })
  return { runs, insert }
}

const names = (count: number) => Array.from({ length: count }, (_, index) => `o${String(index).padStart(3, '0')}`)

async function withStore(use: (store: TestStore) => Promise<void>, options: TestStoreOptions = {}): Promise<void> {
  await using store = await openTestStore(options)
  await use(store)
}

test('calls that wait together run as one batch, and each gets its own result', () =>
  withStore(async (store) => {
    const { runs, insert } = organizationsOf(store)
    const results = await Promise.all(names(5).map((id) => insert({ id })))
    expect(results).toEqual(names(5).map((id) => `inserted ${id}`))
    expect(runs).toEqual([names(5)])
    expect(await loggedEvents(store)).toEqual(names(5).map((id, index) => [index + 1, id]))
  }))

test('a batch has a largest number of items and a largest size, and one larger item is a batch', () =>
  withStore(
    async (store) => {
      const { runs, insert } = organizationsOf(store)
      const sizes = [10, 10, 10, 10, 60, 60, 200, 10]
      await Promise.all(names(8).map((id, index) => insert({ id, sizeBytes: sizes[index]! })))
      expect(runs.map((items) => items.length)).toEqual([3, 2, 1, 1, 1])
      expect(runs.flat()).toEqual(names(8))
    },
    { limits: { store: { batchMembersMax: 3, batchBytesMax: 100 } } },
  ))

test('an ordinary transaction does not run between the items of a batch', () =>
  withStore(async (store) => {
    const { runs, insert } = organizationsOf(store)
    await Promise.all([
      insert({ id: 'a' }),
      insert({ id: 'b' }),
      store.transaction((tx) => insertOrganization(tx, 'c')),
      insert({ id: 'd' }),
    ])
    expect(runs).toEqual([['a', 'b'], ['d']])
    expect(await organizationIds(store)).toEqual(['a', 'b', 'c', 'd'])
  }))

test('items of two kinds that arrive in turns run as two batches, each in its order', () =>
  withStore(async (store) => {
    const [first, second] = [organizationsOf(store), organizationsOf(store)]
    await Promise.all([
      first.insert({ id: 'a' }),
      second.insert({ id: 'b' }),
      first.insert({ id: 'c' }),
      second.insert({ id: 'd' }),
      store.transaction((tx) => insertOrganization(tx, 'e')),
      first.insert({ id: 'f' }),
    ])
    expect([first.runs, second.runs]).toEqual([[['a', 'c'], ['f']], [['b', 'd']]])
    expect(await loggedEvents(store)).toEqual(['a', 'c', 'b', 'd', 'f'].map((id, index) => [index + 1, id]))
  }))

test('only the item that fails gets the error, and nothing of it is stored', () =>
  withStore(async (store) => {
    const { insert } = organizationsOf(store)
    const ids = names(20)
    const failing = new Set([ids[3]!, ids[17]!])
    const results = await Promise.allSettled(ids.map((id) => insert({ id, fails: failing.has(id) })))
    expect(results.map(codeOf)).toEqual(ids.map((id) => (failing.has(id) ? 'validation_error' : 'kept')))
    const kept = ids.filter((id) => !failing.has(id))
    expect(await organizationIds(store)).toEqual(kept)
    expect(await loggedEvents(store)).toEqual(kept.map((id, index) => [index + 1, id]))
  }))

test('an item that its batch refuses gets its error, and the others run once', () =>
  withStore(async (store) => {
    const { runs, insert } = organizationsOf(store)
    const items = names(5).map((id, index) => ({ id, isRefused: index % 2 === 0 }))
    const results = await Promise.allSettled(items.map((item) => insert(item)))
    expect(results.map(codeOf)).toEqual(items.map(({ isRefused }) => (isRefused ? 'validation_error' : 'kept')))
    expect(runs).toEqual([names(5)])
    expect(await organizationIds(store)).toEqual(['o001', 'o003'])
    expect(codeOf((await Promise.allSettled([insert({ id: 'alone', isRefused: true })]))[0]!)).toBe('validation_error')
  }))

test('if every item of a group is refused, nothing is committed', () =>
  withStore(async (store) => {
    const { insert } = organizationsOf(store)
    let commits = 0
    store.onCommit(() => {
      commits += 1
    })
    const results = await Promise.allSettled(names(3).map((id) => insert({ id, isRefused: true })))
    expect(results.map(codeOf)).toEqual(Array(3).fill('validation_error'))
    expect(commits).toBe(0)
    expect(await insert({ id: 'later' })).toBe('inserted later')
  }))

test('an item that its batch cannot run with others runs alone in the same group', () =>
  withStore(async (store) => {
    const { runs, insert } = organizationsOf(store)
    let commits = 0
    store.onCommit(() => {
      commits += 1
    })
    const items = names(4).map((id, index) => ({ id, isAlone: index % 2 === 0 }))
    await Promise.all(items.map((item) => insert(item)))
    expect(runs).toEqual([names(4), ['o000'], ['o002']])
    expect(commits).toBe(1)
    expect(await organizationIds(store)).toEqual(names(4))
  }))

test('an item that is to run alone is in no batch', () =>
  withStore(async (store) => {
    const { runs, insert } = organizationsOf(store)
    await Promise.all([
      insert({ id: 'a' }),
      insert({ id: 'b' }, { isAlone: true }),
      insert({ id: 'c' }),
      insert({ id: 'd' }),
    ])
    expect(runs).toEqual([['a'], ['b'], ['c', 'd']])
  }))

test('if one item in a hundred fails, an item runs 1.52 times on average, in few batches', () =>
  withStore(async (store) => {
    const { runs, insert } = organizationsOf(store)
    const ids = names(400)
    await Promise.allSettled(ids.map((id, index) => insert({ id, fails: index % 100 === 42 })))
    expect({ runs: runs.flat().length / ids.length, batches: runs.length }).toEqual({ runs: 1.52, batches: 44 })
  }))

test('the members behind a failing one run together again, and none that must contain it runs as a whole', () =>
  withStore(async (store) => {
    const { runs, insert } = organizationsOf(store)
    const ids = names(16)
    await Promise.allSettled(ids.map((id, index) => insert({ id, fails: index === 9 })))
    const parts = [
      [0, 16],
      [0, 4],
      [4, 7],
      [7, 10],
      [7, 8],
      [8, 9],
      [9, 10],
      [10, 16],
    ] as const
    expect(runs).toEqual(parts.map(([from, to]) => ids.slice(from, to)))
    expect(await organizationIds(store)).toEqual(ids.toSpliced(9, 1))
  }))

test('however many items fail and wherever they are, only they get the error, and none runs often', () =>
  withStore(async (store) => {
    const { runs, insert } = organizationsOf(store)
    const failing: ((index: number) => boolean)[] = [
      (index) => index === 0,
      (index) => index === 49,
      (index) => index === 13 || index === 14,
      (index) => index % 10 === 3,
      (index) => index % 3 === 0,
      () => true,
    ]
    const allKept: string[] = []
    for (const [round, fails] of failing.entries()) {
      const ids = names(50).map((id) => `${round} ${id}`)
      const kept = ids.filter((_id, index) => !fails(index))
      runs.length = 0
      const results = await Promise.allSettled(ids.map((id, index) => insert({ id, fails: fails(index) })))
      expect(results.map(codeOf)).toEqual(ids.map((_id, index) => (fails(index) ? 'validation_error' : 'kept')))
      expect(runs.flat().length).toBeLessThan(5.1 * ids.length)
      allKept.push(...kept)
    }
    expect(await organizationIds(store)).toEqual(allKept)
    expect(await loggedEvents(store)).toEqual(allKept.map((id, index) => [index + 1, id]))
  }))

// Each part had a commit of its own on a slow database, where a batch that fails takes longer than a group may.
test.each([
  ['are in the same commit, however long it took to fail', 600_000, 1],
  ['are in the next commit, if failing took as long as a transaction may', 100_000, 2],
])('the parts of a batch that failed %s', (_where, transactionMs, expectedCommits) =>
  withStore(
    async (store) => {
      const now = performance.now.bind(performance)
      let laterMs = 0
      using _clock = vi.spyOn(performance, 'now').mockImplementation(() => now() + laterMs)
      let commits = 0
      store.onCommit(() => {
        commits += 1
      })
      const insert = store.batched<string, string>({
        async run(tx, items) {
          for (const id of items) {
            await insertOrganization(tx, id)
            tx.append(event(id))
          }
          if (!items.includes('o013')) return items
          if (items.length > 1) laterMs += 60_000
          throw new Error('planted')
        },
        sizeBytes: () => 1,
      })
      const results = await Promise.allSettled(names(20).map((id) => insert(id)))
      const kept = names(20).filter((id) => id !== 'o013')
      expect(results.filter(({ status }) => status === 'fulfilled')).toHaveLength(kept.length)
      expect(commits).toBe(expectedCommits)
      expect(await loggedEvents(store)).toEqual(kept.map((id, index) => [index + 1, id]))
    },
    { limits: { store: { groupMs: 30_000, transactionMs } } },
  ),
)

test('an item that has to wait runs in the next group, then alone, and the others are stored at once', () =>
  withStore(async (store) => {
    const { runs, insert } = organizationsOf(store)
    let commits = 0
    store.onCommit(() => {
      commits += 1
    })
    const items = ['a', 'b', 'c', 'd', 'e'].map((id) => ({ id, waits: ['b', 'd'].includes(id) }))
    const results = items.map(async (item) => ({ result: await insert(item), commits }))
    expect(await Promise.all(results)).toEqual([
      { result: 'inserted a', commits: 1 },
      { result: 'inserted b', commits: 2 },
      { result: 'inserted c', commits: 1 },
      { result: 'inserted d', commits: 2 },
      { result: 'inserted e', commits: 1 },
    ])
    expect(runs).toEqual([['a', 'b', 'c', 'd', 'e'], ['b', 'd'], ['b'], ['d']])
  }))

test('a batch that takes too long runs again in smaller ones, until only the guilty item fails', () =>
  withStore(
    async (store) => {
      const never = new Promise<never>(() => undefined)
      const insert = store.batched<string, string>({
        async run(tx, items) {
          for (const id of items) await insertOrganization(tx, id)
          return items.includes('hung') ? never : items
        },
        sizeBytes: () => 1,
      })
      const results = await Promise.allSettled(['a', 'hung', 'b', 'c'].map((id) => insert(id)))
      expect(results.map(codeOf)).toEqual(['kept', 'unavailable', 'kept', 'kept'])
      expect(await organizationIds(store)).toEqual(['a', 'b', 'c'])
    },
    { limits: { store: { transactionMs: 200 } } },
  ))

notSupported('postgres', 'a PostgreSQL server has its own disk')(
  'if the disk fills up in the middle of a batch, all its items fail, nothing of them is stored, and later ones are',
  () =>
    withStore(async (store) => {
      const { runs, insert } = organizationsOf(store)
      await insert({ id: 'before' })
      await store.transaction(async (tx) => {
        const { rows } = await sql<{ page_count: number }>`pragma page_count`.execute(asKysely(tx))
        await sql.raw(`pragma max_page_count = ${rows[0]!.page_count}`).execute(asKysely(tx))
      })
      const results = await Promise.allSettled(['a', 'b', 'x'.repeat(1_000_000), 'c'].map((id) => insert({ id })))
      expect(results.map(codeOf)).toEqual(Array(4).fill('disk_full'))
      expect(runs.map((items) => items.length)).toEqual([1, 4])
      expect(await organizationIds(store)).toEqual(['before'])

      await store.transaction(async (tx) => {
        await sql`pragma max_page_count = 1000000`.execute(asKysely(tx))
      })
      await Promise.all(['a', 'b'].map((id) => insert({ id })))
      expect(await organizationIds(store)).toEqual(['a', 'b', 'before'])
      expect(await loggedEvents(store)).toEqual([
        [1, 'before'],
        [2, 'a'],
        [3, 'b'],
      ])
    }),
)
