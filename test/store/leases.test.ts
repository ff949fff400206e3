/** Tests leases: rows are claimed in due order, by one owner at a time, and become free when the lease expires. */
import { expect, test } from 'vitest'
import { claimJobs, claimRecipients, releaseLeases, renewLeases, UNINTERRUPTED } from '../../src/store/leases.ts'
import { type FlowPosition, listFlows } from '../../src/store/tables/submissions-table.ts'
import { notSupported } from '../support/test-database.ts'
import { insertRecipients } from './rows.ts'
import { openTestStore, type TestStore, temporaryFolder } from './test-store.ts'

/** Every claim may include interrupted work. */
const ANY = { interruptionsBelow: 3, setAsideFrom: 3 }
const FAR_MS = 4_000_000_000_000

const START = { domain: '', podId: '' }

test('due recipients are claimed once, those due longest first', async () => {
  await using store = await openTestStore()
  const [late, early, future] = await addRecipients(store, [2_000, 1_000, FAR_MS])

  expect(await claim(store, 'one', FAR_MS, 1)).toEqual([early])
  expect(await claim(store, 'two', FAR_MS, 10)).toEqual([late])
  expect(await claim(store, 'three', FAR_MS, 10)).not.toContain(future)
})

test('a claim by another member of the same group takes other rows', async () => {
  await using store = await openTestStore()
  const ids = await addRecipients(store, [1, 2, 3, 4])
  const [one, two] = await Promise.all([claim(store, 'one', FAR_MS, 2), claim(store, 'two', FAR_MS, 2)])
  expect([...one, ...two]).toEqual(ids)
})

test('a claim takes due recipients of one domain, from a limited number of submissions', async () => {
  await using store = await openTestStore()
  const other = await store.transaction((tx) => insertRecipients(tx, [1], 'other.test'))
  const second = await addRecipients(store, [20, 21])
  const first = await addRecipients(store, [10, FAR_MS, 30])
  const take = (submissions: number, limit: number) =>
    store.transaction(async (tx) => {
      const claim = {
        owner: 'one',
        untilMs: FAR_MS,
        interrupted: ANY,
        domain: 'example.test',
        podId: 'pod',
        submissions,
        limit,
      }
      return (await claimRecipients(tx, claim)).map(({ id }) => id)
    })
  expect(await take(1, 10)).toEqual([first[0], first[2]])
  expect(await take(5, 1)).toEqual([second[0]])
  expect(await take(5, 10)).toEqual([second[1]])
  expect(await take(5, 10)).toEqual([])
  expect(
    await store.transaction((tx) =>
      listFlows(tx, { after: START, limit: 9, now: tx.now, leaseNow: tx.leaseNow, interrupted: ANY }),
    ),
  ).toMatchObject([
    { domain: 'example.test', isDue: false },
    { domain: 'other.test', isDue: true },
  ])
  expect(other).toHaveLength(1)
})

test('flows with queued recipients are listed by domain and pod; leased or later recipients are not due', async () => {
  await using store = await openTestStore()
  const flows = ['c.test pod', 'a.test two', 'd.test pod', 'b.test pod', 'a.test one', 'a.test two', 'b.test two']
  for (const flow of flows) {
    const [domain, podId] = flow.split(' ')
    await store.transaction((tx) => insertRecipients(tx, [1, 2], domain, podId))
  }
  await store.transaction((tx) => insertRecipients(tx, [FAR_MS], 'later.test'))
  await store.transaction((tx) => insertRecipients(tx, [1], 'done.test'))
  await store.transaction(async (tx) => {
    await tx.updateTable('recipients').set({ state: 'held' }).where('domain', '=', 'done.test').execute()
    await claimRecipients(tx, {
      owner: 'x',
      untilMs: FAR_MS,
      interrupted: ANY,
      domain: 'b.test',
      podId: 'pod',
      submissions: 9,
      limit: 9,
    })
  })
  const page = async (after: FlowPosition, limit: number) => {
    const found = await listFlows(store.db, { after, limit, now: 1_000, leaseNow: 1_000, interrupted: ANY })
    return found.map(({ domain, podId, isDue }) => `${domain} ${podId} ${isDue}`)
  }
  const all = [
    ...['a.test one true', 'a.test two true', 'b.test pod false', 'b.test two true'],
    ...['c.test pod true', 'd.test pod true', 'later.test pod false'],
  ]
  expect(await page(START, 10)).toEqual(all)
  expect(await page(START, 2)).toEqual(all.slice(0, 2))
  expect(await page({ domain: 'a.test', podId: 'one' }, 2)).toEqual(all.slice(1, 3))
  expect(await page({ domain: 'b.test', podId: '' }, 2)).toEqual(all.slice(2, 4))
  expect(await page({ domain: 'later.test', podId: 'pod' }, 2)).toEqual([])
})

test('a claim takes uninterrupted rows, those to set aside, and one interrupted unit below the given number', async () => {
  await using store = await openTestStore()
  const ids = new Map<number, string>()
  for (const interruptions of [0, 1, 2, 3]) {
    const [id] = await addRecipients(store, [1])
    ids.set(interruptions, id!)
    await store.transaction((tx) => tx.updateTable('recipients').set({ interruptions }).where('id', '=', id!).execute())
  }
  const take = (interruptionsBelow: number) =>
    store.transaction(async (tx) => {
      const claim = { owner: 'one', untilMs: FAR_MS, interrupted: { interruptionsBelow, setAsideFrom: 3 } }
      const rows = await claimRecipients(tx, {
        ...claim,
        domain: 'example.test',
        podId: 'pod',
        submissions: 9,
        limit: 9,
      })
      await releaseLeases(tx, 'recipients', { owner: 'one', ids: rows.map(({ id }) => id) })
      return rows.map(({ interruptions }) => interruptions).toSorted()
    })
  expect(await take(UNINTERRUPTED)).toEqual([0, 3])
  expect(await take(2)).toEqual([0, 1, 3])
  expect(await take(3)).toEqual([0, 1, 3]) // the other interrupted one is another unit
  await store.transaction((tx) => tx.deleteFrom('recipients').where('id', '=', ids.get(1)!).execute())
  expect(await take(2)).toEqual([0, 3])
  expect(await take(3)).toEqual([0, 2, 3])
})

test('only queued recipients are claimed', async () => {
  await using store = await openTestStore()
  await addRecipients(store, [1])
  await store.transaction(async (tx) => void (await tx.updateTable('recipients').set({ state: 'held' }).execute()))
  expect(await claim(store, 'one', FAR_MS, 10)).toEqual([])
})

test('an expired lease can be claimed by others, and its old owner notices at the next renewal', async () => {
  await using store = await openTestStore()
  const [id] = await addRecipients(store, [1])
  const longPast = 1_000
  expect(await claim(store, 'dead', longPast, 1)).toEqual([id])
  expect(await claim(store, 'heir', FAR_MS, 1)).toEqual([id])

  const renew = (owner: string) =>
    store.transaction((tx) => renewLeases(tx, 'recipients', { owner, ids: [id!], untilMs: FAR_MS + 1 }))
  expect(await renew('dead')).toEqual([])
  expect(await renew('heir')).toEqual([id])
})

test('a released row can be claimed at once; a lost row stays with its new owner', async () => {
  await using store = await openTestStore()
  const [id] = await addRecipients(store, [1])
  const giveBack = (owner: string) => store.transaction((tx) => releaseLeases(tx, 'recipients', { owner, ids: [id!] }))

  await claim(store, 'one', FAR_MS, 1)
  await giveBack('somebody else')
  expect(await claim(store, 'two', FAR_MS, 1)).toEqual([])
  await giveBack('one')
  expect(await claim(store, 'two', FAR_MS, 1)).toEqual([id])
})

test('jobs are claimed by kind', async () => {
  await using store = await openTestStore()
  const row = { payload: '{}', attempts: 0, interruptions: 0, created_at: 0, key: 'k' }
  await store.transaction((tx) =>
    tx
      .insertInto('jobs')
      .values([
        { id: 'late', kind: 'removal', run_at: 2, ...row },
        { id: 'early', kind: 'sweep', run_at: 1, ...row },
        { id: 'foreign', kind: 'newer version', run_at: 0, ...row },
      ])
      .execute(),
  )
  const jobs = await store.transaction((tx) =>
    claimJobs(tx, {
      owner: 'one',
      untilMs: FAR_MS,
      interrupted: ANY,
      limit: 10,
      kinds: ['removal', 'sweep'],
    }),
  )
  expect(jobs.map(({ id, lease_owner }) => [id, lease_owner])).toEqual([
    ['early', 'one'],
    ['late', 'one'],
  ])
})

notSupported('postgres', 'other nodes may still hold theirs')(
  'a start ends the leases of the previous process',
  async () => {
    await using folder = await temporaryFolder()
    const first = await openTestStore({ dataDir: folder.path })
    const [id] = await addRecipients(first, [1])
    expect(await claim(first, 'killed', FAR_MS, 1)).toEqual([id])
    await first.close()

    await using second = await openTestStore({ dataDir: folder.path })
    expect(await claim(second, 'new', FAR_MS, 1)).toEqual([id])
  },
)

async function addRecipients(store: TestStore, dueAt: number[]): Promise<string[]> {
  return store.transaction((tx) => insertRecipients(tx, dueAt))
}

async function claim(store: TestStore, owner: string, untilMs: number, limit: number): Promise<string[]> {
  const rows = await store.transaction((tx) =>
    claimRecipients(tx, {
      owner,
      untilMs,
      domain: 'example.test',
      podId: 'pod',
      submissions: limit,
      limit,
      interrupted: ANY,
    }),
  )
  return rows.map(({ id }) => id)
}
