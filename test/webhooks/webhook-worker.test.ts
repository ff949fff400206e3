/**
 * Tests that every delivery is sent until it ends, whatever its receiver does and whatever other deliveries are
 * pending. The tests use a real store, and answer the requests of the worker.
 */
import { expect, onTestFinished, test } from 'vitest'
import { type LimitOverrides, withLimits } from '../../src/config/limits.ts'
import { MailError } from '../../src/errors.ts'
import { createLog } from '../../src/log.ts'
import { createInterruptedWork } from '../../src/mail/jobs/interrupted-work.ts'
import { createCancelPending } from '../../src/mail/webhooks/delivery/cancel-pending.ts'
import { redeliver } from '../../src/mail/webhooks/delivery/redeliver.ts'
import type { WebhookProfile } from '../../src/mail/webhooks/delivery/webhook-profile.ts'
import { sweepWebhookDeliveries } from '../../src/mail/webhooks/delivery/webhook-sweep.ts'
import { createWebhookWorker, type WebhookWorker } from '../../src/mail/webhooks/delivery/webhook-worker.ts'
import { createMetrics } from '../../src/metrics.ts'
import { FetchFailed, type SafeRequest, type SafeResponse } from '../../src/net/fetch/safe-fetch.ts'
import { clearLeases } from '../../src/store/leases.ts'
import type { WebhookDeliveryRow, WebhookRow } from '../../src/store/schema/webhook-rows.ts'
import * as deliveryTable from '../../src/store/tables/webhook-deliveries-table.ts'
import { lockByEvents } from '../../src/store/tables/webhook-deliveries-table.ts'
import * as webhookTable from '../../src/store/tables/webhooks-table.ts'
import {
  deferred,
  holdOpen,
  insertOrganization,
  isWaiting,
  openTestStore,
  type TestStore,
} from '../store/test-store.ts'
import { notSupported } from '../support/test-database.ts'
import { untilAborted } from '../support/until-aborted.ts'
import { testProfile } from './hook-world.ts'

const limits = withLimits({ webhooks: { pollMs: 10, endpointConcurrencyMax: 2, concurrencyMax: 5 } })
const fine: SafeResponse = { status: 204, headers: {}, body: '' }

test('a due delivery is sent as it was stored, once', async () => {
  await using store = await openTestStore()
  const [webhook] = await addWebhooks(store, 1)
  await addDeliveries(store, webhook!, 3)
  const requests: SafeRequest[] = []
  const worker = work(store, async (request) => {
    requests.push(request)
    return fine
  })
  await expect.poll(() => states(store)).toEqual(Array(3).fill('delivered 1'))
  await worker.stop(0)
  expect(requests.map(({ url, method, body }) => [url, method, body])).toEqual(
    [1, 2, 3].map((seq) => ['http://hook-0.test/', 'POST', `body ${seq}`]),
  )
})

test('a failed delivery is retried on schedule, with its history, until the schedule ends', async () => {
  await using store = await openTestStore()
  const [webhook] = await addWebhooks(store, 1)
  await addDeliveries(store, webhook!, 1)
  const time = { now: 1_000_000 }
  const answers = [
    { status: 500, headers: {}, body: 'no\0t' },
    new FetchFailed('timeout', 'No answer'),
    { status: 503, headers: {}, body: 'x'.repeat(2_000) },
  ]
  let asked = 0
  const worker = work(
    store,
    async () => {
      const answer = answers[asked++]!
      if (answer instanceof Error) throw answer
      return answer
    },
    { clock: () => time.now },
  )
  await expect.poll(() => states(store)).toEqual(['pending 1'])
  expect(await failingSince(store)).not.toBeNull()
  await pollTimes(store, worker, 3)
  expect(asked).toBe(1)
  time.now += 1_000
  await expect.poll(() => states(store)).toEqual(['pending 2'])
  time.now += 1_999
  await pollTimes(store, worker, 3)
  expect(asked).toBe(2)
  time.now += 1
  await expect.poll(() => states(store)).toEqual(['failed 3'])
  await worker.stop(0)
  const rows = await store.db.selectFrom('webhook_attempts').selectAll().orderBy('attempt').execute()
  expect(rows.map(({ attempt, outcome, code, response, error }) => [attempt, outcome, code, response, error])).toEqual([
    [1, 'retry', 500, 'not', null],
    [2, 'retry', null, null, 'No answer'],
    [3, 'failed', 503, 'x'.repeat(1_024), null],
  ])
})

// The query plans (test/store/plans.test.ts) show that the rows of one webhook are not read on the way to another.
test('a receiver that hangs, with ten thousand deliveries, does not delay another webhook', async () => {
  await using store = await openTestStore()
  const [dead, healthy] = await addWebhooks(store, 2)
  await addDeliveries(store, dead!, 10_000)
  let toDead = 0
  const worker = work(store, async (request) => {
    if (request.url.includes('hook-1')) return fine
    toDead += 1
    return neverAnswered(request)
  })
  await expect.poll(() => toDead).toBe(2)
  await addDeliveries(store, healthy!, 50, 20_000)
  worker.signalPending([healthy!.id])
  await expect.poll(() => count(store, healthy!, 'delivered')).toBe(50)
  expect(toDead).toBe(2)
  await worker.stop(0)
})

test.each([1, 5])('each of many webhooks with %i deliveries is served without waiting for a poll', async (each) => {
  await using store = await openTestStore()
  const webhooks = await addWebhooks(store, 6)
  for (const webhook of webhooks) await addDeliveries(store, webhook, each)
  const worker = work(store, async () => fine, { more: { webhooks: { pollMs: 60_000 } } })
  await expect.poll(async () => new Set(await states(store))).toEqual(new Set(['delivered 1']))
  await worker.stop(0)
})

test('a webhook without a free slot is served when a request of another one ends', async () => {
  await using store = await openTestStore()
  const [a, b, c] = await addWebhooks(store, 3, 'pod')
  const answer = deferred<SafeResponse>()
  let asked = 0
  const fetch = ({ url }: SafeRequest) => {
    asked += 1
    return url.includes('hook-2') ? Promise.resolve(fine) : answer.promise
  }
  const worker = work(store, fetch, { more: { webhooks: { pollMs: 60_000 } } })
  for (const webhook of [a!, b!]) await addDeliveries(store, webhook, 2, webhook === a ? 1 : 3)
  worker.signalPending([a!.id, b!.id])
  await expect.poll(() => asked).toBe(3) // all that one pod may have
  await addDeliveries(store, c!, 1, 5)
  worker.signalPending([c!.id])
  await pollTimes(store, worker, 3)
  expect(await count(store, c!, 'delivered')).toBe(0)
  answer.resolve(fine)
  await expect.poll(() => count(store, c!, 'delivered')).toBe(1)
  await worker.stop(0)
})

test('a delivery that is committed while the worker claims is not missed', async () => {
  await using store = await openTestStore()
  const [webhook] = await addWebhooks(store, 1)
  await addDeliveries(store, webhook!, 1)
  let isFirst = true
  const slow = {
    ...store,
    transaction: (async (fn) => {
      const result = await store.transaction(fn)
      if (isFirst) {
        isFirst = false
        await addDeliveries(store, webhook!, 1, 2)
        worker.signalPending([webhook!.id])
      }
      return result
    }) as TestStore['transaction'],
  }
  const worker = work(slow, async () => fine, { more: { webhooks: { pollMs: 60_000 } } })
  await expect.poll(() => states(store)).toEqual(['delivered 1', 'delivered 1'])
  await worker.stop(0)
})

// The worker took it for one whose requests are running, whose end would cause a poll: it waited for the poll interval.
test('a webhook that was disabled while the worker claimed is served as soon as it is enabled', async () => {
  await using store = await openTestStore()
  const [webhook] = await addWebhooks(store, 1)
  await addDeliveries(store, webhook!, 1)
  const set = (is_enabled: number) =>
    store.transaction((tx) => tx.updateTable('webhooks').set({ is_enabled }).execute())
  let claims = 0
  const late = {
    ...store,
    transaction: (async (fn) => {
      if (claims === 0) await set(0)
      const result = await store.transaction(fn)
      claims += 1
      return result
    }) as TestStore['transaction'],
  }
  const worker = work(late, async () => fine, { more: { webhooks: { pollMs: 60_000 } } })
  await expect.poll(() => claims).toBe(1)
  await set(1)
  worker.signalPending([webhook!.id])
  await expect.poll(() => states(store), { timeout: 3_000 }).toEqual(['delivered 1'])
  await worker.stop(0)
})

// A claim for many webhooks takes some time. Its request was sent after the other node had answered that the webhook was deleted.
notSupported('sqlite', 'one process writes')(
  'no webhook is deleted between the claim of a delivery and its commit',
  async () => {
    await using store = await openTestStore()
    await using other = await openTestStore({ dataDir: store.dataDir })
    const [webhook] = await addWebhooks(store, 1)
    await addDeliveries(store, webhook!, 1)
    const order: string[] = []
    let deletion: Promise<unknown> | undefined
    const slow = {
      ...store,
      transaction: (async (fn) =>
        store.transaction(async (tx) => {
          const result = await fn(tx)
          if (deletion) return result
          deletion = other
            .transaction((otherTx) => webhookTable.markDeleting(otherTx, webhook!.id))
            .then(() => order.push('deleted'))
          await Promise.race([deletion, isWaiting(store)])
          return result
        })) as TestStore['transaction'],
    }
    const worker = work(slow, async () => {
      order.push('request')
      return fine
    })
    await expect.poll(() => order.length).toBe(2)
    expect(order).toEqual(['request', 'deleted'])
    await worker.stop(0)
  },
)

// Two claims with a shared lock that both wanted more waited for each other for a second, and both nodes wrote nothing meanwhile.
notSupported('sqlite', 'one process writes')(
  'a claim that cancels a delivery holds no lock while it waits for the claim of another node',
  async () => {
    await using store = await openTestStore()
    await using other = await openTestStore({ dataDir: store.dataDir, limits: { store: { lockWaitMs: 100 } } })
    const [webhook] = await addWebhooks(store, 1)
    await addDeliveries(store, webhook!, 1)
    await store.transaction((tx) => webhookTable.update(tx, webhook!.id, { updated_at: tx.now + 1 })) // by a narrower key, perhaps
    let runs = 0
    let worker: WebhookWorker | undefined
    await other.transaction(async (tx) => {
      runs += 1
      if (runs > 1) return // it got no lock in time
      await webhookTable.shareLockEnabledByIds(tx, [webhook!.id])
      worker ??= work(store, async () => expect.fail('the delivery is forbidden'))
      await isWaiting(store)
      await webhookTable.lockById(tx, webhook!.id)
    })
    expect(runs).toBe(1)
    await expect.poll(() => states(store)).toEqual(['cancelled 0'])
    await worker!.stop(0)
  },
)

test('failing receivers use at most half of the slots, however many they are', async () => {
  await using store = await openTestStore()
  const webhooks = await addWebhooks(store, 8)
  for (const webhook of webhooks.slice(0, 7)) await addDeliveries(store, webhook, 3)
  const hanging: (() => void)[] = []
  const worker = work(store, (request) => {
    if (request.url.includes('hook-7')) return Promise.resolve(fine)
    return new Promise((_resolve, reject) => hanging.push(() => reject(new FetchFailed('timeout', 'No answer'))))
  })
  // All have failed once and are due again: from now on they count as failing.
  for (let round = 0; round < 4; round += 1) {
    await expect.poll(() => hanging.length).toBeGreaterThan(1)
    for (const end of hanging.splice(0)) end()
    await store.transaction((tx) => tx.updateTable('webhook_deliveries').set({ next_attempt_at: 1 }).execute())
    worker.signalPending(webhooks.map(({ id }) => id))
  }
  await expect.poll(() => hanging.length).toBeGreaterThan(0)
  await addDeliveries(store, webhooks[7]!, 1, 500)
  worker.signalPending([webhooks[7]!.id])
  await expect.poll(() => count(store, webhooks[7]!, 'delivered')).toBe(1)
  for (const end of hanging.splice(0)) end()
  await worker.stop(0)
})

test('the outcome of a delivery is recorded by the worker that took it over', async () => {
  await using store = await openTestStore()
  const [webhook] = await addWebhooks(store, 1)
  const [id] = await addDeliveries(store, webhook!, 1)
  const answer = deferred<SafeResponse>()
  const worker = work(store, () => answer.promise)
  await expect.poll(async () => (await rows(store))[0]!.lease_owner).not.toBeNull()
  await store.transaction((tx) => tx.updateTable('webhook_deliveries').set({ lease_owner: 'heir' }).execute())
  answer.resolve({ ...fine, status: 410 })
  await worker.stop(1_000)
  expect(await rows(store)).toMatchObject([{ id, state: 'pending', attempts: 0, lease_owner: 'heir' }])
  expect(await webhookTable.getById(store.db, webhook!.id)).toMatchObject({ is_enabled: 1, failing_since: null })
  expect(await store.db.selectFrom('webhook_attempts').selectAll().execute()).toEqual([])
})

test('each claim has its own lease owner', async () => {
  await using store = await openTestStore()
  const [webhook] = await addWebhooks(store, 1)
  await addDeliveries(store, webhook!, 2)
  const owners = new Set<string | null>()
  const worker = work(store, async () => {
    for (const { lease_owner } of await rows(store)) owners.add(lease_owner)
    return { ...fine, status: 500 }
  })
  await expect.poll(() => states(store)).toEqual(['pending 1', 'pending 1'])
  await store.transaction((tx) => tx.updateTable('webhook_deliveries').set({ next_attempt_at: 1 }).execute())
  await expect.poll(() => states(store)).toEqual(['pending 2', 'pending 2'])
  await worker.stop(0)
  owners.delete(null)
  expect(owners.size).toBeGreaterThanOrEqual(2)
})

test('a stop aborts requests after the grace period without counting them, and the next start sends them', async () => {
  await using store = await openTestStore()
  const [webhook] = await addWebhooks(store, 1)
  await addDeliveries(store, webhook!, 3)
  const requests: SafeRequest[] = []
  const first = work(store, (request) => {
    requests.push(request)
    return neverAnswered(request)
  })
  await expect.poll(() => requests).toHaveLength(2)
  await first.stop(10)
  expect(await rows(store)).toMatchObject(Array(3).fill({ state: 'pending', attempts: 0, lease_owner: null }))
  expect(requests).toHaveLength(2)

  const second = work(store, async () => fine)
  await expect.poll(() => states(store)).toEqual(Array(3).fill('delivered 1'))
  await second.stop(0)
})

test('a stop waits for running requests and starts no others', async () => {
  await using store = await openTestStore()
  const [webhook] = await addWebhooks(store, 1)
  await addDeliveries(store, webhook!, 3)
  const answer = deferred<SafeResponse>()
  let asked = 0
  const worker = work(store, () => {
    asked += 1
    return answer.promise
  })
  await expect.poll(() => asked).toBe(2)
  const stopped = worker.stop(60_000)
  answer.resolve(fine)
  await stopped
  worker.signalPending([webhook!.id]) // it claims nothing any more
  expect((await states(store)).toSorted()).toEqual(['delivered 1', 'delivered 1', 'pending 0'])
})

test('the leases of a killed node are cleared at the next start', async () => {
  await using store = await openTestStore()
  const [webhook] = await addWebhooks(store, 1)
  await addDeliveries(store, webhook!, 1)
  await store.transaction((tx) =>
    tx
      .updateTable('webhook_deliveries')
      .set({ lease_owner: 'dead', lease_until: Date.now() + 60_000 })
      .execute(),
  )
  expect(await deliveryTable.listDueWebhooks(store.db, Date.now())).toEqual([])
  await store.transaction(clearLeases)
  expect(await deliveryTable.listDueWebhooks(store.db, Date.now())).toHaveLength(1)
})

test('an outcome that could not be stored is logged, and the delivery is sent again when its lease expires', async () => {
  await using store = await openTestStore()
  const [webhook] = await addWebhooks(store, 1)
  await addDeliveries(store, webhook!, 1)
  const time = { now: Date.now() }
  let isBroken = false
  let asked = 0
  const broken = {
    ...store,
    transaction: ((fn) =>
      isBroken ? Promise.reject(new Error('the disk failed')) : store.transaction(fn)) as TestStore['transaction'],
  }
  const worker = work(
    broken,
    async () => {
      asked += 1
      isBroken = asked === 1
      return fine
    },
    { clock: () => time.now },
  )
  await expect.poll(() => asked).toBe(1)
  isBroken = false
  time.now += limits.webhooks.leaseMs + 1
  await store.transaction((tx) => tx.updateTable('webhook_deliveries').set({ lease_until: 1 }).execute())
  await expect.poll(() => states(store)).toEqual(['delivered 1'])
  expect(asked).toBe(2)
  await worker.stop(0)
})

test('a delivery that is set aside fails without a request, and says nothing about its receiver', async () => {
  await using store = await openTestStore()
  const [webhook] = await addWebhooks(store, 1)
  await addDeliveries(store, webhook!, 1, 1, { interruptions: limits.jobs.interruptionsMax })
  let asked = 0
  const worker = work(store, async () => {
    asked += 1
    return fine
  })
  await expect.poll(() => states(store)).toEqual(['failed 1'])
  expect([asked, await failingSince(store)]).toEqual([0, null])
  await worker.stop(0)
})

test('a disabled webhook is not called, and its pending deliveries are cancelled in chunks', async () => {
  await using store = await openTestStore()
  const [off, on] = await addWebhooks(store, 2)
  await addDeliveries(store, off!, 25)
  await addDeliveries(store, on!, 5, 100)
  await store.transaction((tx) => webhookTable.update(tx, off!.id, { is_enabled: 0, term: 1 }))
  expect(await deliveryTable.listDueWebhooks(store.db, Date.now())).toMatchObject([{ webhookId: on!.id, dueAt: 1 }])
  const urls = new Set<string>()
  const worker = work(store, async ({ url }) => {
    urls.add(url)
    return fine
  })
  await expect.poll(() => count(store, on!, 'delivered')).toBe(5)
  await worker.stop(0)
  expect([...urls]).toEqual(['http://hook-1.test/'])

  await settle(store, off!.id)
  expect(await count(store, off!, 'cancelled')).toBe(25)
  // Enabled again: older deliveries stay unsent, newer ones are sent.
  await addDeliveries(store, off!, 2, 50)
  await addDeliveries(store, off!, 1, 52, { term: 1 })
  await store.transaction((tx) => webhookTable.update(tx, off!.id, { is_enabled: 1 }))
  await settle(store, off!.id)
  expect([await count(store, off!, 'cancelled'), await count(store, off!, 'pending')]).toEqual([27, 1])
})

test('a webhook that is enabled again does not send older deliveries, even before they are cancelled', async () => {
  await using store = await openTestStore()
  const [webhook] = await addWebhooks(store, 1)
  await addDeliveries(store, webhook!, 2)
  await addDeliveries(store, webhook!, 1, 3, { term: 1 })
  await store.transaction((tx) => webhookTable.update(tx, webhook!.id, { term: 1 }))
  const bodies: string[] = []
  const worker = work(store, async ({ body }) => {
    bodies.push(body)
    return fine
  })
  await expect.poll(() => count(store, webhook!, 'delivered')).toBe(1)
  await worker.stop(0)
  expect(bodies).toEqual(['body 3'])
  expect(await deliveryTable.listDueWebhooks(store.db, Date.now())).toEqual([])
})

test('a deleted webhook is removed with all its rows, in chunks', async () => {
  await using store = await openTestStore()
  const [webhook, other] = await addWebhooks(store, 2)
  await addDeliveries(store, webhook!, 25)
  await addDeliveries(store, other!, 1, 100)
  await store.transaction((tx) => webhookTable.markDeleting(tx, webhook!.id))
  expect(await deliveryTable.listDueWebhooks(store.db, Date.now())).toMatchObject([{ webhookId: other!.id, dueAt: 1 }])
  await settle(store, webhook!.id)
  expect(await store.db.selectFrom('webhooks').select('id').execute()).toEqual([{ id: other!.id }])
  expect(await rows(store)).toHaveLength(1)
  await settle(store, webhook!.id) // runs a second time, as after a crash
})

test('old deliveries are removed with their attempts', async () => {
  await using store = await openTestStore()
  const [webhook] = await addWebhooks(store, 1)
  await addDeliveries(store, webhook!, 25)
  const worker = work(store, async () => fine)
  await expect.poll(() => count(store, webhook!, 'delivered')).toBe(25)
  await worker.stop(0)
  const sweep = (clock: () => number) =>
    sweepWebhookDeliveries(
      { store, clock, limits: withLimits(limits, { webhooks: { chunkRows: 10 } }) },
      new AbortController().signal,
    )
  await sweep(() => Date.now() + limits.webhooks.retentionMs - 60_000)
  expect(await rows(store)).toHaveLength(25)
  await sweep(() => Date.now() + limits.webhooks.retentionMs + 60_000)
  expect(await rows(store)).toEqual([])
  expect(await store.db.selectFrom('webhook_attempts').selectAll().execute()).toEqual([])
})

notSupported('sqlite', 'one process writes')('a delivery that another node ends is not cancelled', async () => {
  await using store = await openTestStore()
  await using other = await openTestStore({ dataDir: store.dataDir })
  const [webhook] = await addWebhooks(store, 1)
  const [first] = await addDeliveries(store, webhook!, 25, 1, {
    lease_owner: 'other',
    lease_until: Date.now() + 60_000,
  })
  await store.transaction((tx) => webhookTable.update(tx, webhook!.id, { is_enabled: 0, term: 1 }))
  const ending = { attempts: 1, next_attempt_at: 0, scheduled_at: null, probes: 0, last_code: 204, last_error: null }
  const attempt = {
    attempt: 1,
    outcome: 'delivered',
    code: 204,
    response: null,
    error: null,
    started_at: 1,
    ended_at: 2,
  }
  const held = await holdOpen(other, (tx) =>
    deliveryTable.recordOutcome(tx, { id: first!, owner: 'other' }, { ...ending, state: 'delivered' }, attempt),
  )
  const settled = settle(store, webhook!.id)
  await isWaiting(store)
  await held.commit()
  await settled
  expect([await count(store, webhook!, 'cancelled'), await count(store, webhook!, 'delivered')]).toEqual([24, 1])
})

notSupported('sqlite', 'one process writes')('an old delivery that is sent again is not swept', async () => {
  await using store = await openTestStore()
  await using other = await openTestStore({ dataDir: store.dataDir })
  const [webhook] = await addWebhooks(store, 1)
  await store.transaction((tx) => webhookTable.update(tx, webhook!.id, { order_state: 'ordered' }))
  const [old] = await addDeliveries(store, webhook!, 1, 1, { state: 'delivered', ordering_key: 'a', created_at: 1 })
  const held = await holdOpen(other, async (tx) => {
    const row = (await webhookTable.lockById(tx, webhook!.id))!
    const [delivery] = await lockByEvents(tx, row.id, [1])
    await redeliver(tx, row, [{ row: delivery!, inboxId: 'a' }])
  })
  const sweeping = sweepWebhookDeliveries({ store, clock: Date.now, limits }, new AbortController().signal)
  await isWaiting(store)
  await held.commit()
  await addDeliveries(store, webhook!, 1, 2, { state: 'waiting', ordering_key: 'a' })
  await sweeping
  expect(await states(store)).toEqual(['pending 0', 'waiting 0'])
  expect((await rows(store))[0]!.id).toBe(old)
})

test('a profile can disable a webhook after some failures in a row, of any deliveries', async () => {
  await using store = await openTestStore()
  const [webhook] = await addWebhooks(store, 1)
  await addDeliveries(store, webhook!, 6)
  const statuses = [500, 500, 200, 500, 500, 500]
  const fetch = async () => ({ ...fine, status: statuses.shift()! })
  const worker = work(store, fetch, { profile: { failuresMax: 3 }, more: { webhooks: { endpointConcurrencyMax: 1 } } })
  await expect
    .poll(async () => (await webhookTable.getById(store.db, webhook!.id))!.is_enabled, { timeout: 10_000 })
    .toBe(0)
  await worker.stop(1_000)
  expect(await webhookTable.getById(store.db, webhook!.id)).toMatchObject({ failures: 3, disabled_reason: 'failing' })
})

test('a webhook with long retries continues with the long schedule of its profile', async () => {
  await using store = await openTestStore()
  const [webhook] = await addWebhooks(store, 1)
  await store.transaction((tx) => webhookTable.update(tx, webhook!.id, { has_long_retries: 1 }))
  await addDeliveries(store, webhook!, 1)
  const time = { now: 1_000 }
  const fetch = async () => ({ ...fine, status: 500 })
  const worker = work(store, fetch, { clock: () => time.now, profile: { longRetryAfterMs: [9_000] } })
  const waits: number[] = []
  for (let attempts = 1; attempts <= 4; attempts += 1) {
    await expect.poll(async () => (await rows(store))[0]!.attempts).toBe(attempts)
    const [row] = await rows(store)
    if (row!.state === 'pending') waits.push(row!.next_attempt_at - time.now)
    time.now = Math.max(row!.next_attempt_at, time.now + 60_000)
    worker.signalPending([webhook!.id])
  }
  await worker.stop(1_000)
  expect(waits).toEqual([1_000, 2_000, 9_000])
  expect(await states(store)).toEqual(['failed 4'])
})

// The poll claims for all webhooks in one transaction, which failed as a whole, again and again.
test('a webhook whose row is damaged delays no other webhook, and is called when it is repaired', async () => {
  await using store = await openTestStore()
  const webhooks = await addWebhooks(store, 5)
  const broken = webhooks[2]!
  const change = (event_types: string | null) =>
    store.transaction((tx) => webhookTable.update(tx, broken.id, { event_types }))
  await change('[')
  for (const [index, webhook] of webhooks.entries()) await addDeliveries(store, webhook, 1, index + 1)
  // Interrupted work is claimed one by one, also when it is claimed in parts.
  const interruptions = { interruptions: 1 }
  for (const webhook of [webhooks[1]!, broken, webhooks[4]!]) {
    await addDeliveries(store, webhook, 1, 100 + webhooks.indexOf(webhook), interruptions)
  }
  let running = 0
  const together: number[] = []
  const fetch = async ({ body }: SafeRequest) => {
    const isInterrupted = /body 10\d/.test(String(body))
    if (isInterrupted) together.push(++running)
    await new Promise((resolve) => setImmediate(resolve))
    if (isInterrupted) running -= 1
    return fine
  }
  const worker = work(store, fetch, { more: { webhooks: { errorPauseMs: 50, concurrencyMax: 100 } } })
  await expect
    .poll(async () => (await rows(store)).filter(({ state }) => state === 'pending').map(({ seq }) => seq))
    .toEqual([3, 102])
  await change(null)
  await expect.poll(async () => new Set(await states(store))).toEqual(new Set(['delivered 1']))
  await worker.stop(0)
  expect(together).toEqual([1, 1, 1])
})

// It counted as an error of the one webhook, which paused for errorPauseMs.
test('if the outcome of a claim is unknown, its webhook does not pause', async () => {
  await using store = await openTestStore()
  const [webhook] = await addWebhooks(store, 1)
  await addDeliveries(store, webhook!, 1)
  let failures = 0
  const failing: Omit<TestStore, symbol> = Object.assign(Object.create(store) as TestStore, {
    transaction: (...args: Parameters<TestStore['transaction']>) => {
      if (failures > 0) return store.transaction(...args)
      failures += 1
      throw new MailError('outcome_unknown', {})
    },
  })
  work(failing, async () => fine, { more: { webhooks: { errorPauseMs: 600_000 } } })
  await expect.poll(() => states(store)).toEqual(['delivered 1'])
  expect(failures).toBe(1)
})

function work(
  store: TestStore | Omit<TestStore, symbol>,
  fetch: (request: SafeRequest) => Promise<SafeResponse>,
  {
    clock = Date.now,
    more = {},
    profile = {},
  }: { clock?: () => number; more?: LimitOverrides; profile?: Partial<WebhookProfile> } = {},
): WebhookWorker {
  const worker = createWebhookWorker({
    ...{ store, fetch, clock, profiles: [{ ...testProfile, ...profile }], owner: 'worker', spread: () => 0 },
    interrupted: createInterruptedWork(limits),
    ...{ log: createLog('silent'), metrics: createMetrics(), limits: withLimits(limits, more) },
  })
  worker.start()
  onTestFinished(() => worker.stop(0))
  return worker
}

function neverAnswered({ signal }: SafeRequest): Promise<SafeResponse> {
  return untilAborted(signal!).catch(() => {
    throw new FetchFailed('aborted', 'cut')
  })
}

/** @param podId undefined: each has its own */
async function addWebhooks(store: TestStore, count: number, podId?: string): Promise<WebhookRow[]> {
  return store.transaction(async (tx) => {
    await insertOrganization(tx, 'organization')
    const made: WebhookRow[] = []
    for (let index = 0; index < count; index += 1) {
      const row: WebhookRow = {
        ...{
          id: tx.newId(),
          organization_id: 'organization',
          pod_id: podId ?? `pod ${index}`,
          inbox_id: null,
          client_id: null,
        },
        ...{ url: `http://hook-${index}.test/`, profile: 'test', event_types: null, pod_ids: null, inbox_ids: null },
        ...{ sender_filter: null, headers: null, secret: 'secret', is_enabled: 1, start_seq: 0, failing_since: null },
        ...{ old_secrets: null, order_state: 'none', term: 0, failed_at: null, failures: 0, has_long_retries: 0 },
        ...{
          disabled_reason: null,
          permissions: null,
          created_by: 'system:test',
          deleting_at: null,
          created_at: tx.now,
          updated_at: tx.now,
        },
      }
      await webhookTable.insert(tx, row)
      made.push(row)
    }
    return made
  })
}

/** Compressed as one stored block (RFC 1951 §3.2.4): zlib allocates memory for each call, which takes long for ten thousand. */
function storedBlock(text: string): Buffer {
  const bytes = Buffer.from(text)
  const head = Buffer.from([1, 0, 0, 0, 0])
  head.writeUInt16LE(bytes.length, 1)
  head.writeUInt16LE(~bytes.length & 0xffff, 3)
  return Buffer.concat([head, bytes])
}

async function addDeliveries(
  store: TestStore,
  webhook: WebhookRow,
  count: number,
  firstSeq = 1,
  lease: Partial<WebhookDeliveryRow> = {},
): Promise<string[]> {
  const ids: string[] = []
  for (let start = 0; start < count; start += 2_000) {
    const chunk = Math.min(2_000, count - start)
    const bodies = Array.from({ length: chunk }, (_, index) => storedBlock(`body ${firstSeq + start + index}`))
    const added = await store.transaction(async (tx) => {
      const added = Array.from({ length: chunk }, (_, index): WebhookDeliveryRow => {
        const seq = firstSeq + start + index
        return {
          ...{ id: tx.newId(), webhook_id: webhook.id, seq, event_id: `event-${seq}`, event_type: 'message.sent' },
          ...{ state: 'pending', attempts: 0, next_attempt_at: 1, lease_owner: null, lease_until: null },
          ...{ ordering_key: null, term: 0, attempts_before: 0, scheduled_at: null, probes: 0, interruptions: 0 },
          ...{
            body: bodies[index]!,
            last_code: null,
            last_error: null,
            created_at: tx.now,
            updated_at: tx.now,
          },
          ...lease,
        }
      })
      await deliveryTable.insert(tx, added)
      return added.map(({ id }) => id)
    })
    ids.push(...added)
  }
  return ids
}

function rows(store: TestStore): Promise<WebhookDeliveryRow[]> {
  return store.db.selectFrom('webhook_deliveries').selectAll().orderBy('seq').execute()
}

async function states(store: TestStore): Promise<string[]> {
  return (await rows(store)).map(({ state, attempts }) => `${state} ${attempts}`)
}

async function count(store: TestStore, webhook: WebhookRow, state: WebhookDeliveryRow['state']): Promise<number> {
  const query = store.db.selectFrom('webhook_deliveries').select(({ fn }) => fn.countAll<number>().as('count'))
  const { count } = await query
    .where('webhook_id', '=', webhook.id)
    .where('state', '=', state)
    .executeTakeFirstOrThrow()
  return Number(count)
}

async function failingSince(store: TestStore): Promise<number | null> {
  return (await store.db.selectFrom('webhooks').select('failing_since').executeTakeFirstOrThrow()).failing_since
}

async function settle(store: TestStore, key: string): Promise<void> {
  const handler = createCancelPending({ store, limits: withLimits({ webhooks: { chunkRows: 10 } }) })
  await handler({ kind: '', key, payload: {}, attempt: 1, signal: new AbortController().signal })
}

/** Makes the worker poll the table several times. */
async function pollTimes(store: TestStore, worker: WebhookWorker, times: number): Promise<void> {
  for (let count = 0; count < times; count += 1) {
    worker.signalPending(['any'])
    await store.transaction(async () => undefined) // a claim would have been committed together with this
    await new Promise((resolve) => setImmediate(resolve))
  }
}
