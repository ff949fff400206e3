/**
 * Tests transactions that are committed together. Transactions that are started in the same synchronous code form one
 * group: the commit signal, sent once per commit, shows it. The tests read through the connection that sees only
 * committed rows.
 */
import { sql } from 'kysely'
import { expect, test } from 'vitest'
import { isMailError, MailError } from '../../src/errors.ts'
import type { Tx } from '../../src/store/handles.ts'
import { rowStep, updateRows } from '../../src/store/row-statements.ts'
import { notSupported } from '../support/test-database.ts'
import {
  asKysely,
  codeOf,
  deferred,
  event,
  insertOrganization,
  loggedEvents,
  openTestStore,
  organizationIds,
  rejection,
  type TestStore,
  temporaryFolder,
} from './test-store.ts'

test('a transaction that throws is rolled back alone, and the log has neither its events nor a gap', async () => {
  await using store = await openTestStore()
  const commits = countCommits(store)

  const results = await Promise.allSettled(
    ['a', 'b', 'c'].map((id) =>
      store.transaction(async (tx) => {
        await insertOrganization(tx, id)
        tx.append(event(`${id}.first`))
        tx.append(event(`${id}.second`))
        if (id === 'b') throw new Error('b has failed')
        return id
      }),
    ),
  )

  expect(results).toEqual([
    { status: 'fulfilled', value: 'a' },
    { status: 'rejected', reason: new Error('b has failed') },
    { status: 'fulfilled', value: 'c' },
  ])
  expect(commits.count).toBe(1)
  expect(await organizationIds(store)).toEqual(['a', 'c'])
  expect(await loggedEvents(store)).toEqual([
    [1, 'a.first'],
    [2, 'a.second'],
    [3, 'c.first'],
    [4, 'c.second'],
  ])
})

test('callers are answered in order, after the commit; the commit signal is sent last', async () => {
  await using store = await openTestStore()
  const order: string[] = []
  const signalled = new Promise<void>((resolve) =>
    store.onCommit(() => {
      order.push('signal')
      resolve()
    }),
  )

  const answered = ['a', 'b', 'c'].map((id) =>
    store
      .transaction(async (tx) => {
        await insertOrganization(tx, id)
        order.push(`ran ${id}`)
        if (id === 'b') throw new Error('no')
      })
      .then(
        () => order.push(`answered ${id}`),
        () => order.push(`refused ${id}`),
      ),
  )
  await Promise.all([...answered, signalled])

  // Listeners run before the callers continue, but only once all promises are settled and the rows can be read.
  expect(order).toEqual(['ran a', 'ran b', 'ran c', 'signal', 'answered a', 'refused b', 'answered c'])
})

test('rows of a group are not visible before its commit', async () => {
  await using store = await openTestStore()
  let seen: unknown
  await Promise.all([
    store.transaction((tx) => insertOrganization(tx, 'a')),
    store.transaction(async (tx) => {
      seen = await organizationIds(store)
      await insertOrganization(tx, 'b')
    }),
  ])
  expect(seen).toEqual([])
  expect(await organizationIds(store)).toEqual(['a', 'b'])
})

test('more transactions than fit into a group make several commits, and numbers continue', async () => {
  await using store = await openTestStore({ limits: { store: { transactionGroupMax: 10 } } })
  const commits = countCommits(store)
  const ids = Array.from({ length: 25 }, (_, index) => `organization-${String(index).padStart(2, '0')}`)
  await Promise.all(
    ids.map((id) =>
      store.transaction(async (tx) => {
        await insertOrganization(tx, id)
        tx.append(event(id))
      }),
    ),
  )
  expect(commits.count).toBe(3)
  expect(await loggedEvents(store)).toEqual(ids.map((id, index) => [index + 1, id]))
})

// Members that arrived while a group yielded joined it, and no caller had a result before the last of them.
test('a group that has used its time takes no more transactions', async () => {
  await using store = await openTestStore({ limits: { store: { groupMs: 5 } } })
  const commits = countCommits(store)
  const slow = async () => occupy(6)
  await Promise.all([addOrganization(store, 'a', slow), addOrganization(store, 'b', slow), addOrganization(store, 'c')])
  expect(commits.count).toBe(3)
})

test('a short transaction waits for one long one, and long ones take turns by fairness key', async () => {
  await using store = await openTestStore({ limits: { store: { groupMs: 5 } } })
  const answered: string[] = []
  const short: Promise<unknown>[] = []
  const note = (id: string) => () => answered.push(id)
  const add = (id: string) =>
    store
      .transaction(
        async (tx) => {
          await insertOrganization(tx, id)
          short.push(addOrganization(store, `short beside ${id}`).then(note(`short beside ${id}`)))
          occupy(6)
        },
        { fairnessKey: id.slice(0, 3) },
      )
      .then(note(id))
  await Promise.all(['ann 1', 'ann 2', 'ann 3', 'bob 1', 'bob 2'].map(add))
  await Promise.all(short)
  const turns = ['ann 1', 'bob 1', 'ann 2', 'bob 2', 'ann 3']
  expect(answered).toEqual(turns.flatMap((id) => [id, `short beside ${id}`]))
})

test('short transactions do not stop long ones', async () => {
  await using store = await openTestStore({ limits: { store: { transactionGroupMax: 1 } } })
  let isOver = false
  let count = 0
  const busy = [0, 1].map(async (each) => {
    for (; !isOver && count < 2_000; count += 1) await addOrganization(store, `${each} ${count}`)
  })
  for (const fairnessKey of ['ann', 'ann', 'bob']) await store.transaction(async () => occupy(1), { fairnessKey })
  isOver = true
  await Promise.all(busy)
  expect(count).toBeLessThan(2_000)
})

const onSqlite = notSupported('postgres', 'its full disk and failing commit are in store/postgres/failures.test.ts')

// SQLite ends the transaction by itself when the disk is full. The next savepoint then started its own transaction and
// committed it: a row was on disk although its caller had got an error.
onSqlite(
  'if the disk fills up in the middle of a group, all its members fail, and later commits work again',
  async () => {
    await using store = await openTestStore()
    await addOrganization(store, 'before')
    await store.transaction(limitPages)
    const commits = countCommits(store)

    const results = await Promise.allSettled([
      addOrganization(store, 'a'),
      addOrganization(store, 'b', async () => {
        throw new MailError('not_found', { what: 'Thing' })
      }),
      addOrganization(store, 'c', fillDisk),
    ])

    // Even the member that threw: rows of its group are gone, and one of them may have been the cause of its error.
    expect(results.map(codeOf)).toEqual(['disk_full', 'disk_full', 'disk_full'])
    expect(commits.count).toBe(0)
    expect(await organizationIds(store)).toEqual(['before'])
    expect(() => store.checkWritable()).toThrow(expect.objectContaining({ code: 'disk_full' }))

    await store.transaction(unlimitPages)
    await addOrganization(store, 'recovered')
    expect(await organizationIds(store)).toEqual(['before', 'recovered'])
    expect(await loggedEvents(store)).toEqual([
      [1, 'before'],
      [2, 'recovered'],
    ])
    store.checkWritable()
  },
)

onSqlite(
  'resolved transactions are on disk and rejected ones are not, also after a member that ignores a full disk',
  async () => {
    await using store = await openTestStore()
    await store.transaction(limitPages)
    const ids = ['a', 'b', 'hider', 'c', 'd']

    const results = await Promise.allSettled(
      ids.map((id) =>
        addOrganization(store, id, async (tx) => {
          if (id === 'hider') await fillDisk(tx).catch(() => undefined)
        }),
      ),
    )

    expect(results.slice(0, 3).map(codeOf)).toEqual(['unavailable', 'unavailable', 'unavailable'])
    const kept = ids.filter((_id, index) => results[index]!.status === 'fulfilled')
    expect(await organizationIds(store)).toEqual(kept)
    expect((await loggedEvents(store)).map(([, type]) => type)).toEqual(kept)
  },
)

// The statements of one call run without a pause in between: the ones after the failure were committed one by one.
onSqlite('statements after the one that ended the transaction write nothing', async () => {
  await using store = await openTestStore()
  await addOrganization(store, 'before')
  await store.transaction(limitPages)
  const rename = updateRows('organizations', 'id', { id: 'text', name: 'text' })
  const rows = (name: string) => rowStep(rename, [{ id: 'before', name }])
  const failed = store.transaction((tx) => tx.runRows([rows('x'.repeat(1_000_000)), rows('after')]))
  expect(await rejection(failed)).toMatchObject({ code: 'disk_full' })
  const ignored = store.transaction(async (tx) => {
    await fillDisk(tx).catch(() => undefined)
    await tx.updateTable('organizations').set({ name: 'after' }).execute()
  })
  await rejection(ignored)
  const names = await store.db.selectFrom('organizations').select('name').execute()
  expect(names).toEqual([{ name: 'before' }])
})

onSqlite('a disk that fills up only when the events are written fails the whole group', async () => {
  await using store = await openTestStore()
  await store.transaction(limitPages)
  const results = await Promise.allSettled([
    addOrganization(store, 'a'),
    store.transaction(async (tx) => tx.append(event('large', { payload: { text: 'x'.repeat(1_000_000) } }))),
  ])
  expect(results.map(codeOf)).toEqual(['disk_full', 'disk_full'])
  await store.transaction(unlimitPages)
  expect(await organizationIds(store)).toEqual([])
  expect(await loggedEvents(store)).toEqual([])
})

onSqlite('a commit that fails keeps nothing and rejects all members', async () => {
  await using store = await openTestStore()
  const results = await Promise.allSettled([
    addOrganization(store, 'a'),
    // Deferred by hand, so that it fails at the commit: none of our foreign keys is deferred.
    addOrganization(store, 'b', async (tx) => {
      await sql`pragma defer_foreign_keys = on`.execute(asKysely(tx))
      await tx.insertInto('thread_labels').values({ thread_id: 'none', label: 'x', message_count: 1 }).execute()
    }),
    addOrganization(store, 'c'),
  ])
  expect(results.map(codeOf)).toEqual(['unavailable', 'unavailable', 'unavailable'])
  expect(await organizationIds(store)).toEqual([])

  await addOrganization(store, 'd')
  expect(await organizationIds(store)).toEqual(['d'])
  expect(await loggedEvents(store)).toEqual([[1, 'd']])
})

test('a transaction that hangs is rejected after its time limit; the others are committed', async () => {
  await using store = await openTestStore({ limits: { store: { transactionMs: 200 } } })
  const commits = countCommits(store)
  const wakeUp = deferred()
  const lateResult = deferred<unknown>()

  const results = await Promise.allSettled([
    addOrganization(store, 'a'),
    addOrganization(store, 'hung', async (tx) => {
      const prepared = tx.insertInto('organizations').values({ id: 'late', created_at: 0, updated_at: 0 })
      await wakeUp.promise
      lateResult.resolve(await rejection(prepared.execute()))
    }),
    addOrganization(store, 'b'),
  ])
  expect(results.map(codeOf)).toEqual(['kept', 'unavailable', 'kept'])
  expect(await organizationIds(store)).toEqual(['a', 'b'])
  expect(commits.count).toBe(2) // `a` has waited long enough: its group ends with the member that hung

  // It continues while another transaction is open.
  const error = await store.transaction(async () => {
    wakeUp.resolve()
    return lateResult.promise
  })
  expect(String(error)).toContain('this transaction is over')
  expect(await organizationIds(store)).toEqual(['a', 'b'])
})

// On SQLite, statements are synchronous: a long transaction used to stop sockets and timers until it ended.
test('other work runs between the statements of a long transaction, and reads see nothing of it', async () => {
  await using store = await openTestStore()
  let turns = 0
  const seen: string[][] = []
  let isOver = false
  const reads = (async () => {
    while (!isOver) {
      seen.push(await organizationIds(store))
      await new Promise(setImmediate)
    }
  })()
  const otherWork = (async () => {
    for (; !isOver; turns += 1) await new Promise(setImmediate)
  })()
  await store.transaction(async (tx) => {
    for (const id of ['a', 'b', 'c', 'd']) {
      await insertOrganization(tx, id)
      occupy(11)
    }
    await insertOrganization(tx, 'e')
    isOver = true
  })
  await Promise.all([otherWork, reads])
  expect(turns).toBeGreaterThanOrEqual(4)
  // The last read began before the commit, and may have ended after it.
  expect(seen.slice(0, -1).flat()).toEqual([])
  expect(await organizationIds(store)).toEqual(['a', 'b', 'c', 'd', 'e'])
})

// Else a client that keeps the event loop busy could make every long transaction fail, again at each retry.
notSupported('postgres', 'a reply of the server waits for other work too')(
  'the time of other work between its statements does not count against a transaction',
  async () => {
    await using store = await openTestStore({ limits: { store: { transactionMs: 600 } } })
    let isOver = false
    const otherWork = (async () => {
      while (!isOver) {
        occupy(80)
        await new Promise(setImmediate)
      }
    })()
    const ids = Array.from({ length: 12 }, (_, index) => `o${index}`)
    await store
      .transaction(async (tx) => {
        for (const id of ids) {
          await insertOrganization(tx, id)
          occupy(4)
        }
      })
      .finally(() => {
        isOver = true
      })
    await otherWork
    expect((await organizationIds(store)).toSorted()).toEqual(ids.toSorted())
  },
)

// A statement that waits for its turn must not run in the next transaction.
test('a statement that waits while its transaction ends is not run', async () => {
  await using store = await openTestStore()
  let late!: Promise<unknown>
  await store.transaction(async (tx) => {
    await insertOrganization(tx, 'a')
    occupy(11)
    late = rejection(insertOrganization(tx, 'late'))
  })
  await addOrganization(store, 'b')
  expect(String(await late)).toContain('this transaction is over')
  expect(await organizationIds(store)).toEqual(['a', 'b'])
})

test('a transaction that has ended throws on every use', async () => {
  await using store = await openTestStore()
  let kept!: Tx
  await store.transaction(async (tx) => {
    kept = tx
    await insertOrganization(tx, 'a')
  })
  const isOver = 'this transaction is over'
  expect(() => kept.append(event('late'))).toThrow(isOver)
  expect(() => kept.newId()).toThrow(isOver)
  await expect(kept.selectFrom('organizations').selectAll().execute()).rejects.toThrow(isOver)
  await expect(insertOrganization(kept, 'b')).rejects.toThrow(isOver)
})

test('transactions beyond the queue limit are refused at once as unavailable', async () => {
  await using store = await openTestStore({ limits: { store: { transactionQueueMax: 2 } } })
  const results = await Promise.allSettled(['a', 'b', 'c'].map((id) => addOrganization(store, id)))
  expect(results.map(codeOf)).toEqual(['kept', 'kept', 'unavailable'])
})

test('close finishes queued transactions and refuses later ones', async () => {
  await using folder = await temporaryFolder()
  const store = await openTestStore({ dataDir: folder.path })
  const queued = addOrganization(store, 'queued')
  const closed = store.close()
  expect(() => store.checkWritable()).toThrow(expect.objectContaining({ code: 'shutting_down' }))
  expect(isMailError(await rejection(addOrganization(store, 'late')), 'shutting_down')).toBe(true)
  await Promise.all([queued, closed, store.close()])

  await using again = await openTestStore({ dataDir: folder.path })
  expect(await organizationIds(again)).toEqual(['queued'])
})

test('numbers continue after a restart, and the log keeps its epoch', async () => {
  await using folder = await temporaryFolder()
  const first = await openTestStore({ dataDir: folder.path })
  await first.transaction(async (tx) => tx.append(event('one')))
  await first.transaction(async (tx) => void (await asKysely(tx).deleteFrom('events').execute()))
  await first.close()

  await using second = await openTestStore({ dataDir: folder.path })
  await second.transaction(async (tx) => tx.append(event('two')))
  expect(await loggedEvents(second)).toEqual([[2, 'two']])
  expect(second.epoch).toBe(first.epoch)
})

test('ids of one transaction sort in the order of their creation', async () => {
  await using store = await openTestStore()
  const ids = await store.transaction(async (tx) => Array.from({ length: 5_000 }, () => tx.newId()))
  expect(new Set(ids).size).toBe(5_000)
  expect(ids.toSorted()).toEqual(ids)
})

test('a listener that throws stops neither the other listeners nor the writer', async () => {
  await using store = await openTestStore()
  const received: string[] = []
  store.onCommit(() => {
    throw new Error('broken listener')
  })
  const stop = store.onCommit(() => {
    received.push('first')
    stop()
  })
  store.onCommit(() => received.push('second'))
  await addOrganization(store, 'a')
  await addOrganization(store, 'b')
  expect(received).toEqual(['first', 'second', 'second'])
})

async function addOrganization(store: TestStore, id: string, then?: (tx: Tx) => Promise<void>): Promise<void> {
  await store.transaction(async (tx) => {
    await insertOrganization(tx, id)
    tx.append(event(id))
    await then?.(tx)
  })
}

function countCommits(store: TestStore): { count: number } {
  const commits = { count: 0 }
  store.onCommit(() => {
    commits.count++
  })
  return commits
}

/** Stops the growth of the database file, which for SQLite is the same as a full disk. */
async function limitPages(tx: Tx): Promise<void> {
  const { rows } = await sql<{ page_count: number }>`pragma page_count`.execute(asKysely(tx))
  await sql.raw(`pragma max_page_count = ${rows[0]!.page_count}`).execute(asKysely(tx))
}

async function unlimitPages(tx: Tx): Promise<void> {
  await sql`pragma max_page_count = 1000000`.execute(asKysely(tx))
}

async function fillDisk(tx: Tx): Promise<void> {
  await tx
    .insertInto('organizations')
    .values({ id: 'huge', name: 'x'.repeat(1_000_000), created_at: 0, updated_at: 0 })
    .execute()
}

/** Occupies the event loop. */
function occupy(timeMs: number): void {
  const until = performance.now() + timeMs
  while (performance.now() < until);
}
