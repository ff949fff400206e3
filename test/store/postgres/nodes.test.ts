/** Tests two stores on one database: they wait for each other, retry, and notify each other of commits. */
import pg from 'pg'
import { expect, test } from 'vitest'
import { isMailError } from '../../../src/errors.ts'
import { createRecipientInboxes } from '../../../src/mail/receiving/recipient-inboxes.ts'
import type { Tx } from '../../../src/store/handles.ts'
import { migrateDatabase } from '../../../src/store/store.ts'
import * as contents from '../../../src/store/tables/contents-table.ts'
import * as idempotency from '../../../src/store/tables/idempotency-table.ts'
import * as inboxes from '../../../src/store/tables/inboxes-table.ts'
import { administrate } from '../../support/test-database.ts'
import { countMessage, insertContent, insertInbox, insertMessage } from '../rows.ts'
import {
  databaseUrlOf,
  deferred,
  event,
  insertOrganization,
  isWaiting,
  loggedEvents,
  openTestStore,
  organizationIds,
  rejection,
  storeNeeds,
  type TestStore,
  temporaryFolder,
} from '../test-store.ts'

test('two servers that start on an empty database at the same time migrate it once', async () => {
  await using folder = await temporaryFolder({ isMigrated: false })
  const needs = storeNeeds({ dataDir: folder.path })
  const runs = await Promise.all([migrateDatabase(needs), migrateDatabase(needs)])
  expect(runs.toSorted((a, b) => b.length - a.length)).toEqual([[1], []])
})

// "cached plan must not change result type": statements that an older server had prepared failed until it reconnected.
test('a server keeps working while a newer one changes a table', async () => {
  await using nodes = await startNodes()
  const read = () => nodes.one.db.selectFrom('organizations').selectAll().execute()
  const write = (id: string) =>
    nodes.one.transaction(async (tx) => {
      await tx.selectFrom('organizations').selectAll().execute()
      await insertOrganization(tx, id)
    })
  await read()
  await write('a')
  await administrate(nodes.url, 'alter table organizations add column extra text')
  expect(await read()).toMatchObject([{ id: 'a' }])
  await write('b')
  expect(await read()).toMatchObject([{ id: 'a' }, { id: 'b' }])
})

test('both have the same epoch', async () => {
  await using nodes = await startNodes()
  expect(nodes.one.epoch).toBe(nodes.two.epoch)
})

test('events are numbered in commit order, without a gap, whichever server commits', async () => {
  await using nodes = await startNodes()
  const seen: number[] = []
  let isOver = false
  const reader = (async () => {
    while (!isOver) {
      const rows = await nodes.one.db
        .selectFrom('events')
        .select('seq')
        .where('seq', '>', seen.at(-1) ?? 0)
        .orderBy('seq')
        .execute()
      seen.push(...rows.map(({ seq }) => seq))
    }
  })()
  const write = async (store: TestStore) => {
    for (let round = 0; round < 100; round++) await store.transaction(async (tx) => tx.append(event('tick')))
  }
  await Promise.all([write(nodes.one), write(nodes.two), write(nodes.one), write(nodes.two)])
  isOver = true
  await reader
  const { length } = await loggedEvents(nodes.one)
  expect(length).toBe(400)
  // A reader that saw 6 before 5 was visible would have skipped 5.
  expect(seen).toEqual(Array.from({ length: seen.length }, (_, index) => index + 1))
})

test('two servers that lock the same inboxes in opposite order both succeed', async () => {
  await using nodes = await startNodes()
  const [a, b] = await nodes.one.transaction(async (tx) => [await insertInbox(tx), await insertInbox(tx)] as const)
  let runs = 0
  const [oneHas, twoHas] = [deferred(), deferred()]
  const lock = async (tx: Tx, ids: readonly string[], has: { resolve(): void }) => {
    runs += 1
    for (const id of ids) {
      await inboxes.lockById(tx, id)
      await countMessage(tx, id)
      has.resolve()
      await Promise.all([oneHas.promise, twoHas.promise]) // each has locked its first inbox, and wants the other's
    }
  }
  await Promise.all([
    nodes.one.transaction((tx) => lock(tx, [a.inbox_id, b.inbox_id], oneHas)),
    nodes.two.transaction((tx) => lock(tx, [b.inbox_id, a.inbox_id], twoHas)),
  ])
  const rows = await nodes.one.db.selectFrom('inboxes').select('message_count').execute()
  expect(rows).toEqual([{ message_count: 2 }, { message_count: 2 }])
  expect(runs).toBeGreaterThan(2) // one of the two was run again
})

// A message to several inboxes waits for them with the locks that it has already.
test('two servers that receive for the same inboxes, which are named in opposite order, lock them in one order', async () => {
  await using nodes = await startNodes({ store: { lockWaitMs: 20_000 } })
  for (let count = 0; count < 3; count++) await nodes.one.transaction((tx) => insertInbox(tx))
  const rows = await nodes.one.db.selectFrom('inboxes').select('address').orderBy('address').execute()
  const addresses = rows.map(({ address }) => address)
  // Among so many, PostgreSQL finds them in the order in which they are asked for; it would read a small table from its beginning.
  await administrate(
    nodes.url,
    `insert into inboxes select copy.* from inboxes, generate_series(1, 1000) n,
     lateral jsonb_populate_record(inboxes, jsonb_build_object('id', inboxes.id || n, 'address', n || inboxes.address)) copy`,
  )
  await administrate(nodes.url, 'analyze inboxes, domains')
  let runs = 0
  const lock = (store: TestStore, recipients: readonly string[]) => {
    const recipientInboxes = createRecipientInboxes({ store, domain: 'mail.localhost' })
    return store.transaction((tx) => {
      runs += 1
      return recipientInboxes.lock(tx, recipients, { skipLocked: false })
    })
  }
  // Both come as far as the inbox in the middle: in opposite order, each would then have what the other one needs next.
  const holder = new pg.Client({ connectionString: nodes.url })
  await holder.connect()
  await holder.query('begin')
  await holder.query('select 1 from inboxes where address = $1 for update', [addresses[1]])
  const locking = Promise.all([lock(nodes.one, addresses), lock(nodes.two, addresses.toReversed())])
  await isWaiting(nodes.one, 2)
  await holder.query('commit')
  await holder.end()

  expect((await locking).map((found) => [...found.keys()].toSorted())).toEqual([addresses, addresses])
  expect(runs).toBe(2) // a deadlock would have made one of them run again
})

test('a member that needs a locked row lets earlier members of its group commit first', async () => {
  await using nodes = await startNodes({ store: { lockWaitMs: 5_000 } })
  const inbox = await nodes.one.transaction((tx) => insertInbox(tx))
  const [isHeld, mayEnd] = [deferred(), deferred()]
  const holding = nodes.one.transaction(async (tx) => {
    await inboxes.lockById(tx, inbox.inbox_id)
    isHeld.resolve()
    await mayEnd.promise
  })
  await isHeld.promise

  let isLate = false
  const late = () =>
    nodes.two.transaction(async (tx) => {
      await inboxes.lockById(tx, inbox.inbox_id)
      isLate = true
    })
  const [first, second] = [nodes.two.transaction((tx) => insertOrganization(tx, 'a')), late()]
  await first // while the inbox is still locked
  expect(isLate).toBe(false)
  mayEnd.resolve()
  await Promise.all([holding, second])
  expect(isLate).toBe(true)
})

test('the wait for a row that another server never unlocks is bounded, and other transactions succeed', async () => {
  await using nodes = await startNodes({ store: { lockWaitMs: 50, transactionRerunsMax: 2 } })
  const inbox = await nodes.one.transaction((tx) => insertInbox(tx))
  const [isHeld, mayEnd] = [deferred(), deferred()]
  const holding = nodes.one.transaction(async (tx) => {
    await inboxes.lockById(tx, inbox.inbox_id)
    isHeld.resolve()
    await mayEnd.promise
  })
  await isHeld.promise

  let runs = 0
  const stuck = rejection(
    nodes.two.transaction(async (tx) => {
      runs += 1
      await inboxes.lockById(tx, inbox.inbox_id)
    }),
  )
  await nodes.two.transaction((tx) => insertOrganization(tx, 'other'))
  expect(isMailError(await stuck, 'unavailable')).toBe(true)
  expect(runs).toBe(4) // once behind the other member, where it does not wait and the run does not count
  mayEnd.resolve()
  await holding
})

test('of two transactions that insert the same name, the second runs again and sees the first', async () => {
  await using nodes = await startNodes()
  const [oneHas, twoRan] = [deferred(), deferred()]
  const take = async (tx: Tx, id: string, then: () => Promise<void>) => {
    const known = await tx.selectFrom('organizations').select('id').where('id', '=', id).executeTakeFirst()
    await then()
    if (known) return 'found'
    await insertOrganization(tx, id)
    return 'made'
  }
  const results = await Promise.all([
    nodes.one.transaction((tx) =>
      take(tx, 'name', async () => {
        oneHas.resolve()
        await twoRan.promise
      }),
    ),
    oneHas.promise.then(() => nodes.two.transaction((tx) => take(tx, 'name', async () => twoRan.resolve()))),
  ])
  expect(results.toSorted()).toEqual(['found', 'made'])
  expect(await organizationIds(nodes.one)).toEqual(['name'])
})

test('a name that is taken permanently is a unique violation', async () => {
  await using nodes = await startNodes()
  await nodes.one.transaction((tx) => insertOrganization(tx, 'name'))
  const error = await rejection(nodes.two.transaction((tx) => insertOrganization(tx, 'name')))
  expect(nodes.two.adapter.isUniqueViolation(error)).toBe(true)
})

test('of two servers, only one takes an idempotency key', async () => {
  await using nodes = await startNodes()
  const row = { inbox_id: 'i', key: 'k', scope_id: 'o', fingerprint: '', state: 'running' as const, result: null }
  const take = (store: TestStore, lease_until: number) =>
    store.transaction(async (tx) => {
      const known = await idempotency.lock(tx, 'i', 'k')
      if (known) return known.lease_until
      await idempotency.insert(tx, { ...row, lease_until, created_at: tx.now, completed_at: null })
      return lease_until
    })
  const [one, two] = await Promise.all([take(nodes.one, 1), take(nodes.two, 2)])
  expect(one).toBe(two)
})

// Each server saw the other's message, which was just being deleted, and kept the content, so it was never deleted.
test('a shared content is deleted when two servers delete its last two messages at the same time', async () => {
  await using nodes = await startNodes()
  const [contentId, ids] = await nodes.one.transaction(async (tx) => {
    const contentId = await insertContent(tx)
    const messages = [await insertMessage(tx, await insertInbox(tx)), await insertMessage(tx, await insertInbox(tx))]
    const ids = messages.map(({ id }) => id)
    await tx.updateTable('messages').set({ content_id: contentId }).where('id', 'in', ids).execute()
    return [contentId, ids] as const
  })
  const [oneRemoved, twoRemoved] = [deferred(), deferred()]
  const both = Promise.all([oneRemoved.promise, twoRemoved.promise])
  const remove = (store: TestStore, id: string, removed: { resolve(): void }) =>
    store.transaction(async (tx) => {
      await tx.deleteFrom('messages').where('id', '=', id).execute()
      removed.resolve()
      await both
      await contents.removeUnused(tx, [contentId])
    })
  await Promise.all([remove(nodes.one, ids[0]!, oneRemoved), remove(nodes.two, ids[1]!, twoRemoved)])
  expect(await contents.getLocation(nodes.one.db, contentId)).toBeUndefined()
})

test('a commit notifies the other server, and its own listeners directly', async () => {
  await using nodes = await startNodes()
  const received = { one: notify(nodes.one), two: notify(nodes.two) }
  const ids = Array.from({ length: 20 }, (_, index) => `organization-${index + 10}`)
  for (const id of ids) await nodes.one.transaction((tx) => insertOrganization(tx, id))
  await received.two.promise
  await expect.poll(() => organizationIds(nodes.two)).toEqual(ids)
  expect(received.one.count - ids.length).toBeLessThanOrEqual(1) // the signal of the other server's start may arrive late
})

test('a lost LISTEN connection is reopened, and one signal reaches this server and the other', async () => {
  await using nodes = await startNodes()
  const again = [notify(nodes.one), notify(nodes.two)]
  await administrate(
    nodes.url,
    `select pg_terminate_backend(pid) from pg_stat_activity
     where datname = current_database() and application_name = 'martlet' and query ~ '^listen|notify'`,
  )
  await Promise.all(again.map(({ promise }) => promise))
  const received = notify(nodes.two)
  await nodes.one.transaction((tx) => insertOrganization(tx, 'a')) // its own connection may still be lost
  await received.promise
})

function notify(store: TestStore): { promise: Promise<void>; count: number } {
  const { promise, resolve } = deferred()
  const received = { promise, count: 0 }
  store.onCommit(() => {
    received.count += 1
    resolve()
  })
  return received
}

async function startNodes(limits: Parameters<typeof storeNeeds>[0]['limits'] = {}) {
  const folder = await temporaryFolder()
  const one = await openTestStore({ dataDir: folder.path, limits })
  const two = await openTestStore({ dataDir: folder.path, limits })
  return {
    one,
    two,
    url: databaseUrlOf(folder.path)!,
    async [Symbol.asyncDispose]() {
      await Promise.all([one.close(), two.close()])
      await folder[Symbol.asyncDispose]()
    },
  }
}
