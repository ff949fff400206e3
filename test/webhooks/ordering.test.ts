/**
 * Tests that an ordered webhook gets the events of one inbox in log order, whatever fails, ends or changes in between.
 * The tests use a real store and dispatch, and workers whose requests the test answers.
 */
import { expect, onTestFinished, test } from 'vitest'
import { type LimitOverrides, mergeLimits, withLimits } from '../../src/config/limits.ts'
import { createLog } from '../../src/log.ts'
import { createInterruptedWork } from '../../src/mail/jobs/interrupted-work.ts'
import { createCancelPending } from '../../src/mail/webhooks/delivery/cancel-pending.ts'
import { compressBody } from '../../src/mail/webhooks/delivery/webhook-body.ts'
import { createWebhookDeliveryLog } from '../../src/mail/webhooks/delivery/webhook-delivery-log.ts'
import { sweepWebhookDeliveries } from '../../src/mail/webhooks/delivery/webhook-sweep.ts'
import { createWebhookWorker, type WebhookWorker } from '../../src/mail/webhooks/delivery/webhook-worker.ts'
import { newWebhookDelivery } from '../../src/mail/webhooks/dispatch/insert-deliveries.ts'
import { createEnableOrdering } from '../../src/mail/webhooks/ordering/enable-ordering.ts'
import { assignOrderingKeys } from '../../src/mail/webhooks/ordering/ordering.ts'
import { createReplayWebhook } from '../../src/mail/webhooks/replay/replay-job.ts'
import { createReplays } from '../../src/mail/webhooks/replay/replays.ts'
import { createMetrics } from '../../src/metrics.ts'
import { FetchFailed, type SafeRequest, type SafeResponse } from '../../src/net/fetch/safe-fetch.ts'
import type { NewEvent } from '../../src/store/handles.ts'
import type { EventRow } from '../../src/store/schema/event-rows.ts'
import type { Store } from '../../src/store/store.ts'
import { insert, listDueWebhooks } from '../../src/store/tables/webhook-deliveries-table.ts'
import { lockById } from '../../src/store/tables/webhooks-table.ts'
import { sent, type TestInbox } from '../events/feed-world.ts'
import { untilAborted } from '../support/until-aborted.ts'
import { type HookWorld, NO_END, openHookWorld, testProfile } from './hook-world.ts'

const fine: SafeResponse = { status: 204, headers: {}, body: '' }
const broken: SafeResponse = { status: 500, headers: {}, body: '' }

/** A request that waits for the test's response. */
interface Asked {
  readonly seq: number
  readonly url: string
  answer(response: SafeResponse): void
}

test('each inbox has one request at a time, in order, and does not wait for other inboxes', async () => {
  await using hooks = await openHooks()
  const { inbox, feedWorld } = hooks.world
  const other = await feedWorld.addInbox({ organizationId: inbox.organizationId, podId: inbox.podId })
  await hooks.world.add({ eventTypes: TYPES, isOrdered: true })
  await feedWorld.append(sent(inbox), sent(inbox), sent(other), ofNone(inbox), ofNone(inbox), sent(inbox))
  await expect.poll(() => hooks.asked.map(({ seq }) => seq)).toEqual([1, 3, 4])
  await hooks.pollTimes(3)
  expect(hooks.asked).toHaveLength(3)
  await feedWorld.append(sent(inbox))
  await hooks.world.settled()

  for (const next of [2, 6, 7]) {
    hooks.open.find(({ seq }) => ![3, 4, 5].includes(seq))!.answer(fine)
    await expect.poll(() => hooks.open.map(({ seq }) => seq)).toContain(next)
    expect(hooks.open).toHaveLength(3)
  }
  await hooks.answerAll(fine)
  await expect.poll(() => hooks.states()).toEqual(Array(7).fill('delivered'))
  expect(hooks.asked.map(({ seq }) => seq)).toEqual([1, 3, 4, 2, 6, 7, 5])
})

test('a failing delivery keeps its position until its retries end, whichever node tries it', async () => {
  await using hooks = await openHooks({ retryAfterMs: [1, 1] })
  const { inbox, feedWorld } = hooks.world
  await hooks.world.add({ isOrdered: true })
  hooks.work() // simulates a second node
  await feedWorld.append(sent(inbox), sent(inbox))
  for (let attempt = 1; attempt <= 3; attempt += 1) {
    await expect.poll(() => hooks.asked.length).toBe(attempt)
    expect(hooks.asked.map(({ seq }) => seq)).toEqual(Array(attempt).fill(1))
    await hooks.answerAll(broken)
    await expect.poll(() => hooks.open.length).toBe(0)
    await hooks.pass(60_000)
  }
  await expect.poll(() => hooks.asked.map(({ seq }) => seq)).toEqual([1, 1, 1, 2])
  expect(await hooks.states()).toEqual(['failed', 'pending'])
  await hooks.answerAll(fine)
  await expect.poll(() => hooks.states()).toEqual(['failed', 'delivered'])
})

test('probes wait longer each time and as long as the receiver asks, and do not change when a delivery is given up', async () => {
  await using hooks = await openHooks({ retryAfterMs: [10_000, 30_000] }, { webhooks: { pauseMsMax: 1 } })
  const { inbox, feedWorld } = hooks.world
  await hooks.world.add({ isOrdered: true })
  await feedWorld.append(sent(inbox), sent(inbox))
  const begin = feedWorld.time.now
  const busy = { ...broken, status: 503, headers: { 'retry-after': '3' } }
  for (const [index, afterMs] of [0, 3_000, 5_000, 9_000, 10_000, 26_000, 40_000].entries()) {
    if (index > 0) {
      await hooks.pass(begin + afterMs - 1 - feedWorld.time.now)
      await hooks.pollTimes(3)
      expect(hooks.asked).toHaveLength(index)
      await hooks.pass(1)
    }
    await expect.poll(() => hooks.asked.map(({ seq }) => seq)).toEqual(Array(index + 1).fill(1))
    await hooks.answerAll(index === 0 ? busy : broken)
    await expect.poll(() => hooks.lastAt()).toBe(begin + afterMs)
  }
  await hooks.pass(1) // the pause of the webhook
  await expect.poll(() => hooks.asked.map(({ seq }) => seq)).toEqual([...Array(7).fill(1), 2])
  expect(await hooks.states()).toEqual(['failed', 'pending'])
  const attempts = await feedWorld.store.db
    .selectFrom('webhook_attempts')
    .select('ended_at')
    .orderBy('attempt')
    .execute()
  expect(attempts.map(({ ended_at }) => ended_at - begin)).toEqual([0, 10_000, 40_000])
})

test('a delivery that a dead node had started is sent again before any later one', async () => {
  await using hooks = await openHooks()
  const { inbox, feedWorld } = hooks.world
  await hooks.world.add({ isOrdered: true })
  await feedWorld.append(sent(inbox), sent(inbox))
  await expect.poll(() => hooks.asked.length).toBe(1) // and it is never answered
  hooks.work()
  await hooks.pass(feedWorld.limits.webhooks.leaseMs)
  await expect.poll(() => hooks.asked.map(({ seq }) => seq)).toEqual([1, 1])
  hooks.asked[1]!.answer(fine)
  await expect.poll(() => hooks.asked.map(({ seq }) => seq)).toEqual([1, 1, 2])
  // The node that was thought dead reports last, which changes nothing.
  hooks.asked[0]!.answer(broken)
  hooks.asked[2]!.answer(fine)
  await expect.poll(() => hooks.states()).toEqual(['delivered', 'delivered'])
})

test('a webhook that becomes ordered sends nothing until each pending delivery has its position', async () => {
  await using hooks = await openHooks({}, { webhooks: { endpointConcurrencyMax: 2 } })
  const { inbox, feedWorld } = hooks.world
  const id = await hooks.world.add()
  await feedWorld.append(...Array.from({ length: 6 }, () => sent(inbox)))
  await expect.poll(() => hooks.asked.map(({ seq }) => seq)).toEqual([1, 2])
  await hooks.world.update(id, { isOrdered: true }, hooks.world.owner)
  await hooks.enableOrdering(id)
  await feedWorld.append(sent(inbox))
  await hooks.world.settled()
  await hooks.pollTimes(3)
  expect(hooks.asked).toHaveLength(2)
  expect(await hooks.states()).toEqual(['pending', 'pending', ...Array(5).fill('waiting')])

  // Both running requests end, and one must be retried: it is sent first, then the others.
  hooks.asked[0]!.answer(broken)
  hooks.asked[1]!.answer(fine)
  await expect.poll(() => hooks.states()).toEqual(['pending', 'delivered', ...Array(5).fill('waiting')])
  await hooks.makeDue()
  await hooks.pollTimes(3)
  expect(hooks.asked).toHaveLength(2)
  await hooks.enableOrdering(id)
  await hooks.answerEach(fine, [1, 3, 4, 5, 6, 7])
})

test('when a webhook becomes ordered, the first delivery of each of many ordering keys is released', async () => {
  await using hooks = await openHooks({}, { webhooks: { endpointConcurrencyMax: 1 } })
  const { inbox, feedWorld } = hooks.world
  const { store } = feedWorld
  const within = { organizationId: inbox.organizationId, podId: inbox.podId }
  const inboxes = [inbox, ...(await Promise.all(Array.from({ length: 4 }, () => feedWorld.addInbox(within))))]
  const id = await hooks.world.add()
  await feedWorld.append(...inboxes.flatMap((each) => [sent(each), sent(each)]))
  await expect.poll(() => hooks.open.map(({ seq }) => seq)).toEqual([1])
  await hooks.world.settled()
  await hooks.world.update(id, { isOrdered: true }, hooks.world.owner)
  expect(await listDueWebhooks(store.db, feedWorld.time.now)).toEqual([]) // nothing is due before all have their positions
  hooks.open[0]!.answer(fine)
  await expect.poll(async () => (await hooks.states())[0]).toBe('delivered')
  await hooks.enableOrdering(id)
  const firsts = await store.db.selectFrom('webhook_deliveries').select('seq').where('state', '=', 'pending').execute()
  expect(firsts.map(({ seq }) => seq).toSorted((a, b) => a - b)).toEqual([2, 3, 5, 7, 9])
})

test('the first delivery of each ordering key is released even if transactions are repeated', async () => {
  await using hooks = await openHooks({}, { webhooks: { endpointConcurrencyMax: 1 } })
  const { inbox, feedWorld } = hooks.world
  const { store } = feedWorld
  const within = { organizationId: inbox.organizationId, podId: inbox.podId }
  const inboxes = [inbox, ...(await Promise.all(Array.from({ length: 4 }, () => feedWorld.addInbox(within))))]
  const id = await hooks.world.add({ isOrdered: true })
  const body = await compressBody('{}')
  await store.transaction(async (tx) => {
    const webhook = await lockById(tx, id)
    for (const [index, { inboxId }] of inboxes.entries()) {
      const eventRow = { seq: index + 1, event_id: `${index}`, type: 'message.sent', inbox_id: inboxId } as EventRow
      await insert(tx, [newWebhookDelivery(tx, { eventRow, webhook: webhook!, body })])
    }
  })
  // Each transaction is rolled back once and repeated, as when another node needs the same rows.
  const disturbed = {
    ...store,
    transaction: (async (fn) => {
      const first = store.transaction(async (tx) => {
        await fn(tx)
        throw new Error('in the way')
      })
      await first.catch(() => undefined)
      return store.transaction(fn)
    }) as Store['transaction'],
  }
  await hooks.enableOrdering(id, disturbed)
  const firsts = await store.db.selectFrom('webhook_deliveries').select('seq').where('state', '=', 'pending').execute()
  expect(firsts).toHaveLength(5)
})

test('the next delivery of an ordering key starts when the previous one ends, without a poll', async () => {
  await using hooks = await openHooks({}, { webhooks: { pollMs: 60_000 } })
  const { inbox, feedWorld } = hooks.world
  await hooks.world.add({ isOrdered: true })
  await feedWorld.append(sent(inbox), sent(inbox), sent(inbox))
  await hooks.answerEach(fine, [1, 2, 3])
})

test('a delivery that is claimed while positions are assigned keeps running', async () => {
  await using hooks = await openHooks()
  const { inbox, feedWorld } = hooks.world
  await hooks.world.add()
  await feedWorld.append(sent(inbox))
  await expect.poll(() => hooks.open.length).toBe(1)
  const { store } = feedWorld
  const rows = await store.db.selectFrom('webhook_deliveries').select(['id', 'seq']).execute()
  await store.transaction((tx) => assignOrderingKeys(tx, rows)) // as if they had been read just before the claim
  expect(await hooks.states()).toEqual(['pending'])
  await hooks.answerAll(fine)
  await expect.poll(() => hooks.states()).toEqual(['delivered'])
})

test('a webhook that is no longer ordered sends all its waiting deliveries at once', async () => {
  await using hooks = await openHooks()
  const { inbox, feedWorld } = hooks.world
  const id = await hooks.world.add({ isOrdered: true })
  await feedWorld.append(...Array.from({ length: 5 }, () => sent(inbox)))
  await expect.poll(() => hooks.asked.length).toBe(1)
  await hooks.world.update(id, { isOrdered: false }, hooks.world.owner)
  await hooks.enableOrdering(id)
  await expect.poll(() => hooks.open.map(({ seq }) => seq)).toEqual([1, 2, 3, 4, 5])
  // Ordered again: those five are running, and later ones wait for all of them.
  await hooks.world.update(id, { isOrdered: true }, hooks.world.owner)
  await hooks.enableOrdering(id)
  await feedWorld.append(sent(inbox), sent(inbox))
  await hooks.world.settled()
  await hooks.answerAll(fine)
  await expect.poll(() => hooks.states()).toEqual([...Array(5).fill('delivered'), 'waiting', 'waiting'])
  await hooks.enableOrdering(id)
  await hooks.answerEach(fine, [6, 7])
})

test('disabling and enabling a webhook cancels pending and waiting deliveries, and later ones are sent', async () => {
  await using hooks = await openHooks()
  const { inbox, feedWorld } = hooks.world
  const id = await hooks.world.add({ isOrdered: true })
  await feedWorld.append(sent(inbox), sent(inbox), sent(inbox))
  await expect.poll(() => hooks.asked.length).toBe(1)
  await hooks.world.update(id, { isEnabled: false }, hooks.world.owner)
  await hooks.world.update(id, { isEnabled: true }, hooks.world.owner)
  await feedWorld.append(sent(inbox), sent(inbox))
  await hooks.world.settled()
  await hooks.pollTimes(3)
  expect(hooks.asked).toHaveLength(1)
  await hooks.cancelPending(id)
  await hooks.pollTimes(3)
  await expect.poll(() => hooks.asked.map(({ seq }) => seq)).toEqual([1, 4])
  hooks.asked[1]!.answer(fine)
  await expect.poll(() => hooks.asked.map(({ seq }) => seq)).toEqual([1, 4, 5])
  await hooks.answerAll(fine)
  await expect.poll(() => hooks.states()).toEqual([...Array(3).fill('cancelled'), 'delivered', 'delivered'])
})

test('a delivery that waits longer than its retention time is removed, and the next one is sent', async () => {
  await using hooks = await openHooks()
  const { inbox, feedWorld } = hooks.world
  await hooks.world.add({ isOrdered: true })
  await feedWorld.append(sent(inbox), sent(inbox))
  await expect.poll(() => hooks.asked.length).toBe(1)
  await hooks.answerAll(broken)
  await expect.poll(() => hooks.states()).toEqual(['pending', 'waiting'])
  const { store, limits } = feedWorld
  const age = (seq: number) =>
    store.transaction((tx) =>
      tx.updateTable('webhook_deliveries').set({ created_at: 0, updated_at: 0 }).where('seq', '=', seq).execute(),
    )
  await age(1)
  await sweepWebhookDeliveries(
    { store, clock: () => limits.webhooks.retentionMs + 1, limits },
    new AbortController().signal,
  )
  expect(await hooks.states()).toEqual(['pending'])
  await hooks.pollTimes(1)
  await expect.poll(() => hooks.asked.map(({ seq }) => seq)).toEqual([1, 2])
  // A delivery that was sent again since then is still tried, however old it is.
  await store.transaction((tx) => tx.updateTable('webhook_deliveries').set({ created_at: 0 }).execute())
  await sweepWebhookDeliveries(
    { store, clock: () => limits.webhooks.retentionMs + 1, limits },
    new AbortController().signal,
  )
  expect(await hooks.states()).toEqual(['pending'])
  await hooks.answerAll(fine)
  await sweepWebhookDeliveries(
    { store, clock: () => limits.webhooks.retentionMs + 1, limits },
    new AbortController().signal,
  )
  expect(await hooks.states()).toEqual([])
})

test('a redelivery keeps its position in the ordering key: the earliest waiting one is sent next', async () => {
  await using hooks = await openHooks()
  const { inbox, feedWorld, owner } = hooks.world
  const { store, limits, time } = feedWorld
  await feedWorld.append(sent(inbox))
  const id = await hooks.world.add({ isOrdered: true })
  await feedWorld.append(sent(inbox), sent(inbox))
  await hooks.answerEach(fine, [2, 3])
  await feedWorld.append(sent(inbox), sent(inbox))
  await expect.poll(() => hooks.open.map(({ seq }) => seq)).toEqual([4])

  const deliveryLog = createWebhookDeliveryLog({
    store,
    profileName: testProfile.name,
    signalPending: hooks.notice,
    limits,
  })
  const { items } = await deliveryLog.list(owner, {}, id, {}, { ascending: true })
  expect(items.map(({ state }) => state)).toEqual(['delivered', 'delivered', 'pending', 'waiting'])
  expect(await deliveryLog.redeliver(owner, {}, id, items[1]!.id)).toMatchObject({ state: 'waiting' })
  expect(await deliveryLog.redeliver(owner, {}, id, items[3]!.id)).toMatchObject({ state: 'waiting' })
  const replays = createReplays({ store, profileName: testProfile.name, clock: () => time.now + 1, limits })
  expect(await replays.replay(owner, {}, id, { start: 1 }, NO_END)).toMatchObject({ count: 2 }) // the others wait anyway
  await createReplayWebhook({
    ...{ store, profiles: [testProfile], signalPending: hooks.notice, log: createLog('silent'), limits },
  })({ kind: '', payload: {}, attempt: 1, signal: new AbortController().signal, key: id })
  await hooks.pollTimes(3)
  expect(hooks.open.map(({ seq }) => seq)).toEqual([4])
  await hooks.answerEach(fine, [4, 1, 2, 3, 5])
  await expect.poll(() => hooks.states()).toEqual(Array(5).fill('delivered'))
  // If no other delivery of the ordering key waits, it is sent at once.
  expect(await deliveryLog.redeliver(owner, {}, id, items[1]!.id)).toMatchObject({ state: 'pending' })
  await hooks.answerEach(fine, [3])
})

// Which node sends a delivery, and each response, is random; the order must not be. On a busy machine the clock of this test
// passed several minutes during one request, and the other node took over its lease.
test('with two nodes and random failures and takeovers, each inbox gets its events in order, one at a time', async () => {
  const underWay = new Map<string, number>()
  const received = new Map<string, number[]>()
  const overlaps: string[] = []
  const answer = async ({ body }: SafeRequest): Promise<SafeResponse> => {
    const { seq, ordering_key } = JSON.parse(body) as { seq: number; ordering_key: string }
    if (underWay.has(ordering_key)) overlaps.push(`${seq} beside ${underWay.get(ordering_key)}`)
    underWay.set(ordering_key, seq)
    received.set(ordering_key, [...(received.get(ordering_key) ?? []), seq])
    for (let turns = Math.random() * 5; turns > 0; turns -= 1) await new Promise((resolve) => setImmediate(resolve))
    underWay.delete(ordering_key)
    if (Math.random() < 0.1) throw new FetchFailed('unreachable', 'chance')
    return Math.random() < 0.2 ? broken : fine
  }
  const render = async (event: { seq: number; inboxId?: string; type: string }) =>
    JSON.stringify({ seq: event.seq, type: event.type, ordering_key: event.inboxId ?? '' })
  const leases = { webhooks: { leaseMs: 1_000_000_000_000 } }
  await using hooks = await openHooks({ retryAfterMs: [1, 1, 1], render }, leases, answer)
  const { inbox, feedWorld } = hooks.world
  hooks.work()
  const other = await feedWorld.addInbox({ organizationId: inbox.organizationId, podId: inbox.podId })
  await hooks.world.add({ eventTypes: TYPES, isOrdered: true })
  const second = hooks.node()
  await second.start()
  onTestFinished(() => second.stop())
  const inboxes = [inbox, other]
  for (let round = 0; round < 40; round += 1) {
    const some = Array.from({ length: 1 + Math.floor(Math.random() * 4) }, () => {
      const inbox = inboxes[Math.floor(Math.random() * 2)]!
      return Math.random() < 0.2 ? ofNone(inbox) : sent(inbox)
    })
    await feedWorld.append(...some)
  }
  await hooks.world.settled()
  const waiting = async () => {
    await hooks.pass(60_000)
    return (await hooks.states()).filter((state) => state === 'pending' || state === 'waiting').length
  }
  await expect.poll(waiting).toBe(0)
  expect(overlaps).toEqual([])
  for (const seqs of received.values()) expect(seqs).toEqual(seqs.toSorted((a, b) => a - b))
  const all = new Set([...received.values()].flat())
  expect(all.size).toBe(await feedWorld.lastSeq())
})

const TYPES = ['message.sent', 'domain.verified']

/** An event that belongs to no inbox. */
function ofNone({ organizationId }: TestInbox): NewEvent {
  return { type: 'domain.verified', visibility: 'public', organizationId, actor: 'system:test', payload: {} }
}

/** Opens dispatch, and a worker whose requests wait for the test unless `fetch` answers them. */
async function openHooks(
  profile: Partial<typeof testProfile> = {},
  more: LimitOverrides = {},
  fetch?: (request: SafeRequest) => Promise<SafeResponse>,
) {
  const asked: Asked[] = []
  const open: Asked[] = []
  const workers: WebhookWorker[] = []
  const first = () => workers[0]!
  const world: HookWorld = await openHookWorld(
    {
      ...(profile.render && { render: profile.render }),
      worker: { signalPending: (ids) => first().signalPending(ids) },
    },
    mergeLimits({ webhooks: { pollMs: 10 } }, more),
  )
  const { store, limits } = world.feedWorld
  const job = { kind: '', payload: {}, attempt: 1, signal: new AbortController().signal }

  function ask({ url, body, signal }: SafeRequest): Promise<SafeResponse> {
    return new Promise((resolve, reject) => {
      const one: Asked = {
        ...{ seq: (JSON.parse(body) as { seq: number }).seq, url },
        answer(response) {
          open.splice(open.indexOf(one), 1)
          resolve(response)
        },
      }
      asked.push(one)
      open.push(one)
      untilAborted(signal!).catch(() => reject(new FetchFailed('aborted', 'cut')))
    })
  }

  function work(): WebhookWorker {
    const worker = createWebhookWorker({
      interrupted: createInterruptedWork(limits),
      ...{
        store,
        clock: world.feedWorld.time.clock,
        profiles: [{ ...testProfile, ...profile }],
        owner: `worker ${workers.length}`,
      },
      ...{ fetch: fetch ?? ask, spread: () => 0, log: createLog('silent'), metrics: createMetrics(), limits },
    })
    workers.push(worker)
    worker.start()
    return worker
  }
  work()

  const states = async () =>
    (await store.db.selectFrom('webhook_deliveries').select('state').orderBy('seq').execute()).map(({ state }) => state)

  /** When the last outcome was recorded. */
  const lastAt = async () =>
    Math.max(
      ...(
        await store.db
          .selectFrom('webhook_deliveries')
          .select('updated_at')
          .where('last_code', 'is not', null)
          .execute()
      ).map(({ updated_at }) => updated_at),
    )

  async function pollTimes(times: number): Promise<void> {
    for (let count = 0; count < times; count += 1) {
      for (const worker of workers) worker.signalPending(['any'])
      await store.transaction(async () => undefined) // a claim would have been committed together with this
      await new Promise((resolve) => setImmediate(resolve))
    }
  }

  return {
    ...{
      world,
      pollTimes,
      notice: (ids: Iterable<string>) => first().signalPending(ids),
      asked,
      open,
      work,
      states,
      lastAt,
    },
    node: () => world.node({ ...(profile.render && { render: profile.render }), worker: first() }),
    async answerAll(response: SafeResponse) {
      for (const one of [...open]) one.answer(response)
      if (response !== fine) return
      await expect
        .poll(async () => {
          for (const one of [...open]) one.answer(response)
          return (await states()).includes('pending')
        })
        .toBe(false)
    },
    /** Answers one request after another, and expects them in this order. */
    async answerEach(response: SafeResponse, seqs: readonly number[]) {
      for (const seq of seqs) {
        await expect.poll(() => open.map((one) => one.seq)).toEqual([seq])
        open[0]!.answer(response)
      }
    },
    async makeDue() {
      await store.transaction((tx) =>
        tx.updateTable('webhook_deliveries').set({ next_attempt_at: 1 }).where('state', '=', 'pending').execute(),
      )
    },
    /** Advances the clock of all nodes and makes their workers poll. */
    async pass(ms: number) {
      world.feedWorld.time.now += ms
      await pollTimes(1)
    },
    enableOrdering: (key: string, on = store) =>
      createEnableOrdering({
        ...{ store: on, signalPending: (ids) => first().signalPending(ids) },
        limits: withLimits(limits, { webhooks: { chunkRows: 2 } }),
      })({ ...job, key }),
    cancelPending: (key: string) =>
      createCancelPending({ store, limits: withLimits({ webhooks: { chunkRows: 2 } }) })({ ...job, key }),
    async [Symbol.asyncDispose]() {
      for (const worker of workers) await worker.stop(0)
      await world[Symbol.asyncDispose]()
    },
  }
}
