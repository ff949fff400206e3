/** The queue's worker on a real store, with a target that fails as the test says. */
import { expect, onTestFinished, test } from 'vitest'
import { defaultLimits } from '../../src/config.ts'
import { createLog } from '../../src/log.ts'
import { createContents } from '../../src/mail/messages/contents.ts'
import { createDeliveryWorker } from '../../src/mail/sending/deliver.ts'
import { createNotices } from '../../src/mail/sending/notices.ts'
import { createRecordOutcome, type RecordOutcome } from '../../src/mail/sending/outcome.ts'
import type { DeliveryTarget, Outcome } from '../../src/mail/sending/target.ts'
import { createMetrics } from '../../src/metrics.ts'
import { insertRecipients } from '../store/rows.ts'
import { openTestStore, type TestStore } from '../store/test-store.ts'

const limits = { ...defaultLimits(), deliveryLeaseMs: 60, queuePollMs: 10, deliveryRetryFirstMs: 5 }

test('a recipient that failed for now is tried again until it is delivered, and its history tells each attempt', async () => {
  await using store = await openTestStore()
  const outcomes: Outcome[] = [
    { kind: 'failed_for_now', code: 451, reply: 'later' },
    { kind: 'failed_for_now', code: 421, reply: 'later still' },
    { kind: 'delivered', code: 250, reply: 'ok' },
  ]
  const recorded = await work(store, () => outcomes.shift()!, createRecordOutcome(recording(store)), 3)

  expect(recorded).toBe(3)
  const rows = await store.db
    .selectFrom('deliveries')
    .select(['attempt', 'outcome', 'reply'])
    .orderBy('attempt')
    .execute()
  expect(rows).toEqual([
    { attempt: 1, outcome: 'failed_for_now', reply: 'later' },
    { attempt: 2, outcome: 'failed_for_now', reply: 'later still' },
    { attempt: 3, outcome: 'delivered', reply: 'ok' },
  ])
  expect(await states(store)).toEqual([{ state: 'delivered', attempts: 3, lease_owner: null }])
})

test('a recipient that failed for good is not tried again', async () => {
  await using store = await openTestStore()
  const record = createRecordOutcome(recording(store))
  await work(store, () => ({ kind: 'failed_for_good', code: 550, enhancedCode: '5.1.1', reply: 'no' }), record, 1)
  expect(await states(store)).toEqual([{ state: 'bounced', attempts: 1, lease_owner: null }])
})

// The look at the queue passed over leases that had run out: only another mail or a restart brought such a recipient back.
test('a recipient whose outcome could not be written comes back when its lease has run out', async () => {
  await using store = await openTestStore()
  const record = createRecordOutcome(recording(store))
  let failures = 1
  const failingOnce: RecordOutcome = async (attempted) => {
    if (failures-- > 0) throw new Error('the database went away')
    await record(attempted)
  }
  await work(store, () => ({ kind: 'delivered' }), failingOnce, 1)
  expect(await states(store)).toEqual([{ state: 'delivered', attempts: 1, lease_owner: null }])
})

function recording(store: TestStore) {
  const contents = createContents({ store, limits, onLeftover: () => undefined })
  const notices = createNotices({ contents, hostname: 'mx.example.test', log: createLog('silent'), limits })
  return { store, removal: { dropBlobs: async () => undefined }, notices, limits, spread: () => 0.5 }
}

/** Runs a worker on one due recipient until so many outcomes were written. */
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
      contents: createContents({ store, limits, onLeftover: () => undefined }),
      targetFor: async () => target,
      async recordOutcome(attempted) {
        await record(attempted)
        written += 1
        if (written === outcomes) resolve()
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
