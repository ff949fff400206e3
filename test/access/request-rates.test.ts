/** Tests the limits of requests per key: on one node, and shared by nodes through their database. */
import { expect, test } from 'vitest'
import { loadConfig } from '../../src/config/settings.ts'
import { MailError } from '../../src/errors.ts'
import { createLog } from '../../src/log.ts'
import { createRequestRates } from '../../src/mail/access/keys/request-rates.ts'
import { SharedBuckets } from '../../src/mail/access/keys/shared-buckets.ts'
import { openTestStore, type TestStore } from '../store/test-store.ts'

const MINUTE = 60_000
const log = createLog('silent')

test('a key has its limit at once, then what it gains; the error says how long to wait', async () => {
  let now = 1_000
  const rates = ratesOf({ MARTLET_KEY_REQUESTS: '60' }, () => now)
  const key = { id: 'one', organization_id: 'org', is_root: 0 }
  expect(await rates.count(key)).toEqual({ limit: 60, remaining: 59, resetAt: 2_000 })
  for (let left = 58; left >= 0; left -= 1) expect((await rates.count(key))!.remaining).toBe(left)
  const { params, code } = (await rates.count(key).catch((error) => error)) as MailError
  expect([code, params]).toMatchObject([
    'rate_limit_exceeded',
    {
      max: 60,
      period: 'minute',
      retryAfterSeconds: 1,
      apiKeyId: 'one',
      rate: { limit: 60, remaining: 0, resetAt: 61_000 },
    },
  ])
  expect((await rates.count({ ...key, id: 'two' }))!.remaining).toBe(59)
  now += 1_000
  expect((await rates.count(key))!.remaining).toBe(0)
  await expect(rates.count(key)).rejects.toThrow('Too many requests of this API key: at most 60 per minute')
  for (let count = 0; count < 200; count += 1) expect(await rates.count({ ...key, is_root: 1 })).toBeUndefined()
})

test('keys of an organization share its limit, if there is one', async () => {
  const rates = ratesOf({ MARTLET_KEY_REQUESTS: '3', MARTLET_ORGANIZATION_REQUESTS: '4' }, () => 0)
  const count = (id: string, organization_id = 'org') => rates.count({ id, organization_id, is_root: 0 })
  for (const [id, limit, remaining] of [
    ['a', 3, 2],
    ['a', 3, 1],
    ['b', 4, 1],
    ['b', 4, 0],
  ] as const)
    expect(await count(id)).toMatchObject({ limit, remaining })
  await expect(count('b')).rejects.toThrow('requests of this organization: at most 4')
  expect(await count('a', 'other')).toMatchObject({ remaining: 0 })
  const unlimited = ratesOf({ MARTLET_KEY_REQUESTS: 'off' }, () => 0)
  expect(await unlimited.count({ id: 'a', organization_id: 'org', is_root: 0 })).toBeUndefined()
})

test('nodes share a bucket: together they permit the limit and little more, with few statements', async () => {
  await using store = await openTestStore()
  const now = 0
  const nodes = Array.from({ length: 4 }, () => nodeOf(store, 1_000, () => now))
  const permitted = async () => {
    const results = await Promise.all(
      Array.from({ length: 4_000 }, (_, index) => nodes[index % nodes.length]!.buckets.take('key')),
    )
    return results.filter(Boolean).length
  }
  const first = await permitted()
  expect(first).toBeGreaterThanOrEqual(1_000)
  // The bucket, what each node may permit alone, and what the store's clock has gained meanwhile.
  expect(first).toBeLessThanOrEqual(1_000 + 4 * 25 + 200)
  expect(statements(nodes)).toBeLessThan(80)
  // Refused ones cost no statement for a moment.
  const before = statements(nodes)
  for (const { buckets } of nodes)
    for (let count = 0; count < 100; count += 1) expect(await buckets.take('key')).toBe(false)
  expect(statements(nodes)).toBe(before)
  expect(nodes[0]!.buckets.tokensOf('key')).toBeLessThan(30)
})

test('a key with few requests never causes a statement, and a limit is shared however small it is', async () => {
  await using store = await openTestStore()
  const [one, two] = [nodeOf(store, 1_000, () => 0), nodeOf(store, 1_000, () => 0)]
  for (const { buckets } of [one, two])
    for (let count = 0; count < 25; count += 1) expect(buckets.take('key'), 'at once').toBe(true)
  expect(statements([one, two])).toBe(0)

  const small = [nodeOf(store, 3, () => 0), nodeOf(store, 3, () => 0)]
  const taken = await Promise.all(Array.from({ length: 10 }, (_, index) => small[index % 2]!.buckets.take('small')))
  expect(taken.filter(Boolean)).toHaveLength(3)
})

test('leased tokens end with the period, and the bucket fills again', async () => {
  let stored = 10 * MINUTE
  let now = 0
  await using store = await openTestStore({ leaseClock: () => stored })
  const node = nodeOf(store, 40, () => now)
  const permitted = async () => {
    let count = 0
    while (await node.buckets.take('key')) count += 1
    return count
  }
  expect(await permitted()).toBe(41) // one is the node's own
  stored += MINUTE / 2
  now += MINUTE / 2
  expect(await permitted()).toBe(20)
  stored += 9 * MINUTE
  now += 9 * MINUTE
  expect(await permitted()).toBe(41)
})

test('tokens that are leased before the others are used up are added to them, and all that are left are shown', async () => {
  await using store = await openTestStore({ leaseClock: () => 10 * MINUTE })
  const node = nodeOf(store, 400, () => 0)
  let permitted = 0
  let waits = 0
  for (;;) {
    const taken = node.buckets.take('key')
    if (typeof taken !== 'boolean') waits += 1
    if (!(await taken)) break
    permitted += 1
    await node.leased
    // Before the first lease, a node does not know what others have used.
    if (permitted > 10) expect(node.buckets.tokensOf('key')).toBe(410 - permitted)
  }
  expect(permitted).toBe(10 + 400) // its own ones, and those of the row
  expect([waits, node.statements < 60]).toEqual([1, true]) // only for the first lease
})

// The row gains these tokens again meanwhile, so that a node that kept them would permit more than the limit.
test('tokens that a node has leased and not used are dropped after the period', async () => {
  let stored = 10 * MINUTE
  let now = 0
  await using store = await openTestStore({ leaseClock: () => stored })
  const { buckets } = nodeOf(store, 400, () => now)
  const take = async (count: number) => {
    for (let taken = 0; taken < count; taken += 1) expect(await buckets.take('key')).toBe(true)
  }
  await take(10 + 1) // its own ones, and one of the ten that it leases
  stored += MINUTE + 1
  now += MINUTE + 1
  await take(10 + 400)
  expect(await buckets.take('key')).toBe(false)
})

// The clock of a node may differ from that of the database by 30 seconds (limits.store.clockSkewMsMax).
test('a node whose clock is behind permits what the bucket has gained; a clock that was set back empties no bucket', async () => {
  let nodeClock = 10 * MINUTE
  let stored = 10 * MINUTE
  await using store = await openTestStore({ clock: () => nodeClock, leaseClock: () => stored })
  const permitted = async (node: ReturnType<typeof nodeOf>) => {
    let count = 0
    while (await node.buckets.take('key')) count += 1
    return count
  }
  expect(await permitted(nodeOf(store, 30, () => 0))).toBe(30)
  nodeClock -= MINUTE
  stored += MINUTE
  expect(await permitted(nodeOf(store, 30, () => 0))).toBe(30)
  stored -= 60 * MINUTE
  expect(await permitted(nodeOf(store, 30, () => 0))).toBe(30)
  expect(await permitted(nodeOf(store, 30, () => 0))).toBe(0)
})

test('while the database cannot be reached, requests are permitted', async () => {
  const broken = { transaction: () => Promise.reject(new MailError('unavailable', {})) } as unknown as TestStore
  const { buckets } = nodeOf(broken, 40, () => 0)
  for (let count = 0; count < 100; count += 1) expect(await buckets.take('key')).toBe(true)
})

function ratesOf(env: Record<string, string>, clock: () => number) {
  const store = { transaction: () => Promise.reject(new Error('one node needs no statement')) }
  return createRequestRates({ config: loadConfig(env), store, log, clock, wallClock: clock })
}

function nodeOf(store: TestStore, max: number, clock: () => number) {
  const node = {
    statements: 0,
    /** Resolves when the last statement has ended. */
    leased: undefined as Promise<unknown> | undefined,
    buckets: new SharedBuckets({
      ...{ max, periodMs: MINUTE, keysMax: 10, kind: 'key', clock, log },
      store: {
        transaction: (run) => {
          node.statements += 1
          const taken = store.transaction(run)
          node.leased = taken
          return taken
        },
      },
    }),
  }
  return node
}

function statements(nodes: readonly { readonly statements: number }[]): number {
  return nodes.reduce((sum, node) => sum + node.statements, 0)
}
