/** Tests the delivery worker on a real store, with a target whose failures the test sets. */
import { expect, onTestFinished, test } from 'vitest'
import { withLimits } from '../../src/config/limits.ts'
import { createLog } from '../../src/log.ts'
import { createInterruptedWork } from '../../src/mail/jobs/interrupted-work.ts'
import { createContents } from '../../src/mail/messages/content/contents.ts'
import { createBounceNotices } from '../../src/mail/sending/queue/bounce-notices.ts'
import { createRecordOutcome, type RecordOutcome } from '../../src/mail/sending/queue/delivery-outcome.ts'
import { createDeliveryWorker } from '../../src/mail/sending/queue/delivery-worker.ts'
import type { DeliveryTarget, Outcome } from '../../src/mail/sending/targets/delivery-target.ts'
import { createMetrics } from '../../src/metrics.ts'
import { insertRecipients } from '../store/rows.ts'
import { openTestStore, type TestStore } from '../store/test-store.ts'

const limits = withLimits({ delivery: { leaseMs: 60, pollMs: 10, retryFirstMs: 5 } })

test('a temporary failure is retried until the message is delivered, and the history has every attempt', async () => {
  await using store = await openTestStore()
  const outcomes: Outcome[] = [
    { kind: 'failed_for_now', code: 451, reply: 'later' },
    { kind: 'failed_for_now', code: 421, reply: 'later still' },
    { kind: 'delivered', code: 250, reply: 'ok' },
  ]
  const recorded = await work(store, () => outcomes.shift()!, createRecordOutcome(recording(store)), 3)

  expect(recorded).toBe(3)
  const rows = await store.db
    .selectFrom('recipient_history')
    .select(['position', 'outcome', 'reply'])
    .orderBy('position')
    .execute()
  expect(rows).toEqual([
    { position: 1, outcome: 'failed_for_now', reply: 'later' },
    { position: 2, outcome: 'failed_for_now', reply: 'later still' },
    { position: 3, outcome: 'delivered', reply: 'ok' },
  ])
  expect(await states(store)).toEqual([{ state: 'delivered', attempts: 3, lease_owner: null }])
})

test('a permanent failure is not retried', async () => {
  await using store = await openTestStore()
  const record = createRecordOutcome(recording(store))
  await work(store, () => ({ kind: 'failed_for_good', code: 550, enhancedCode: '5.1.1', reply: 'no' }), record, 1)
  expect(await states(store)).toEqual([{ state: 'bounced', attempts: 1, lease_owner: null }])
})

// The poll used to skip expired leases: only another message or a restart found such a recipient again.
test('a recipient whose outcome could not be written is claimed again when its lease expires', async () => {
  await using store = await openTestStore()
  const record = createRecordOutcome(recording(store))
  let failures = 1
  const failingOnce: RecordOutcome = async (attempted) => {
    if (failures-- > 0) throw new Error('the database went away')
    return record(attempted)
  }
  await work(store, () => ({ kind: 'delivered' }), failingOnce, 1)
  expect(await states(store)).toEqual([{ state: 'delivered', attempts: 1, lease_owner: null }])
})

test('recipients over the limit, or on later pages of domains, are delivered without waiting for a poll', async () => {
  await using store = await openTestStore()
  for (const domain of ['a.test', 'a.test', 'a.test', 'b.test', 'c.test']) {
    await store.transaction((tx) => insertRecipients(tx, [1], domain))
  }
  const worker = createDeliveryWorker({
    ...{ store, owner: 'worker', clock: Date.now, log: createLog('silent'), metrics: createMetrics() },
    limits: withLimits(limits, { delivery: { pollMs: 600_000, flowsPerPollMax: 1 } }),
    interrupted: createInterruptedWork(limits),
    contents: createContents({ store }),
    destinationOf: async (domain) => ({ name: domain, isLocal: false, concurrencyMax: 1 }),
    targetFor: async () => ({ name: 'test', deliver: async () => [{ kind: 'delivered' }] }),
    recordOutcome: createRecordOutcome(recording(store)),
  })
  worker.start()
  onTestFinished(() => worker.stop(0))
  await expect.poll(async () => (await states(store)).filter(({ state }) => state === 'delivered').length).toBe(5)
})

// Three quick kills of the process used to count three interruptions of the same harmless delivery, which was then held.
test('what was interrupted twice is not delivered at the start, but later, without a commit or a poll', async () => {
  await using store = await openTestStore()
  for (const [domain, interruptions] of Object.entries({ 'never.test': 0, 'once.test': 1, 'twice.test': 2 })) {
    await store.transaction(async (tx) => {
      await insertRecipients(tx, [1], domain)
      await tx.updateTable('recipients').set({ interruptions }).where('domain', '=', domain).execute()
    })
  }
  const delivered: string[] = []
  const start = (interruptedDelayMs: number) => {
    const rare = withLimits({ delivery: { pollMs: 600_000 }, jobs: { interruptedDelayMs } })
    const worker = createDeliveryWorker({
      ...{ store, owner: 'worker', clock: Date.now, log: createLog('silent'), metrics: createMetrics(), limits: rare },
      interrupted: createInterruptedWork(rare),
      contents: createContents({ store }),
      destinationOf: async (domain) => ({ name: domain, isLocal: false, concurrencyMax: 1 }),
      targetFor: async () => ({
        name: 'test',
        deliver: async ({ recipients }) => {
          delivered.push(...recipients.map((address) => address.split('@')[1]!))
          return recipients.map(() => ({ kind: 'delivered' }))
        },
      }),
      recordOutcome: createRecordOutcome(recording(store)),
    })
    worker.start()
    onTestFinished(() => worker.stop(0))
    return worker
  }
  const first = start(600_000)
  await expect.poll(async () => (await states(store)).filter(({ state }) => state === 'delivered').length).toBe(2)
  await first.stop(0)
  expect(delivered.toSorted()).toEqual(['never.test', 'once.test'])
  start(50)
  await expect.poll(() => delivered).toContain('twice.test')
})

// Both attempts used the process name as lease owner, so the first one overwrote the outcome of the second.
test('an attempt that has lost its lease writes no outcome and is aborted', async () => {
  await using store = await openTestStore()
  const record = createRecordOutcome(recording(store))
  await store.transaction((tx) => insertRecipients(tx, [1]))
  const signals: AbortSignal[] = []
  const endings: ((outcomes: Outcome[]) => void)[] = []
  const target: DeliveryTarget = {
    name: 'test',
    deliver: (_handover, signal) => {
      signals.push(signal)
      return new Promise((resolve) => endings.push(resolve))
    },
  }
  // Long enough that the second attempt keeps its lease on a busy machine.
  const longer = withLimits(limits, { delivery: { leaseMs: 900 } })
  const worker = createDeliveryWorker({
    ...{ store, limits: longer, owner: 'worker', clock: Date.now, log: createLog('silent'), metrics: createMetrics() },
    interrupted: createInterruptedWork(limits),
    contents: createContents({ store }),
    destinationOf: async (domain) => ({ name: domain, isLocal: false, concurrencyMax: 2 }),
    targetFor: async () => target,
    recordOutcome: record,
  })
  worker.start()
  onTestFinished(() => worker.stop(0))
  await expect.poll(() => endings.length).toBe(1)
  // As if this process had hung until its lease expired, and another node had claimed the recipient and died.
  const lost = { lease_owner: 'another', lease_until: 1 }
  await store.transaction(async (tx) => void (await tx.updateTable('recipients').set(lost).execute()))
  await expect.poll(() => endings.length).toBe(2)
  await expect.poll(() => signals[0]!.aborted).toBe(true)

  expect(signals[1]!.aborted).toBe(false)
  endings[0]!([{ kind: 'failed_for_good', reply: 'from the past' }])
  endings[1]!([{ kind: 'delivered', reply: 'ok' }])
  await expect.poll(() => states(store)).toEqual([{ state: 'delivered', attempts: 1, lease_owner: null }])
  const rows = await store.db.selectFrom('recipient_history').select(['outcome', 'reply']).execute()
  expect(rows).toEqual([{ outcome: 'delivered', reply: 'ok' }])
})

test('a stop aborts a delivery that hangs, and releases its lease', async () => {
  await using store = await openTestStore()
  await store.transaction((tx) => insertRecipients(tx, [1]))
  let begun = 0
  const target: DeliveryTarget = {
    name: 'test',
    deliver: (_handover, signal) => {
      begun += 1
      return new Promise((_resolve, reject) => signal.addEventListener('abort', () => reject(signal.reason)))
    },
  }
  const worker = createDeliveryWorker({
    ...{ store, limits, owner: 'worker', clock: Date.now, log: createLog('silent'), metrics: createMetrics() },
    interrupted: createInterruptedWork(limits),
    contents: createContents({ store }),
    destinationOf: async (domain) => ({ name: domain, isLocal: false, concurrencyMax: 2 }),
    targetFor: async () => target,
    recordOutcome: createRecordOutcome(recording(store)),
  })
  worker.start()
  await expect.poll(() => begun).toBe(1)
  await worker.stop(10)
  expect(await states(store)).toEqual([{ state: 'queued', attempts: 0, lease_owner: null }])
  expect(await store.db.selectFrom('recipient_history').select('id').execute()).toEqual([])
})

function recording(store: TestStore) {
  const contents = createContents({ store })
  const notices = createBounceNotices({ contents, hostname: 'mx.example.test', log: createLog('silent'), limits })
  return { store, discardBlobs: async () => undefined, notices, limits, spread: () => 0.5 }
}

/** Runs a worker on one due recipient until that many outcomes are written. */
async function work(
  store: TestStore,
  outcome: () => Outcome,
  record: RecordOutcome,
  outcomes: number,
): Promise<number> {
  await store.transaction((tx) => insertRecipients(tx, [1]))
  const target: DeliveryTarget = {
    name: 'test',
    deliver: async ({ recipients }) => recipients.map(() => outcome()),
  }
  let written = 0
  const done = new Promise<void>((resolve) => {
    const worker = createDeliveryWorker({
      ...{ store, limits, owner: 'worker', clock: Date.now, log: createLog('silent'), metrics: createMetrics() },
      interrupted: createInterruptedWork(limits),
      contents: createContents({ store }),
      destinationOf: async (domain) => ({ name: domain, isLocal: false, concurrencyMax: 1 }),
      targetFor: async () => target,
      async recordOutcome(attempted) {
        const recorded = await record(attempted)
        written += 1
        if (written === outcomes) resolve()
        return recorded
      },
    })
    worker.start()
    onTestFinished(() => worker.stop(0))
  })
  await done
  return written
}

function states(store: TestStore) {
  return store.db.selectFrom('recipients').select(['state', 'attempts', 'lease_owner']).execute()
}
