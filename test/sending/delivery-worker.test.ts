/** Tests the delivery worker on a real store, with a target whose failures the test sets. */
import { afterEach, expect, onTestFinished, test, vi } from 'vitest'
import { type LimitOverrides, withLimits } from '../../src/config/limits.ts'
import { MailError } from '../../src/errors.ts'
import { createLog } from '../../src/log.ts'
import { createInterruptedWork } from '../../src/mail/jobs/interrupted-work.ts'
import { createContents } from '../../src/mail/messages/content/contents.ts'
import { createBounceNotices } from '../../src/mail/sending/queue/bounce-notices.ts'
import { createRecordOutcome, type RecordOutcome } from '../../src/mail/sending/queue/delivery-outcome.ts'
import { createDeliveryWorker, type DeliveryWorker } from '../../src/mail/sending/queue/delivery-worker.ts'
import { findForbidden } from '../../src/mail/sending/queue/forbidden-recipients.ts'
import type { DeliveryTarget, Outcome } from '../../src/mail/sending/targets/delivery-target.ts'
import { createMetrics } from '../../src/metrics.ts'
import type { Tx } from '../../src/store/handles.ts'
import type { RecipientRow } from '../../src/store/schema/sending-rows.ts'
import { SqliteConnection } from '../../src/store/sqlite/sqlite-connection.ts'
import type { Store } from '../../src/store/store.ts'
import * as listEntries from '../../src/store/tables/list-entries-table.ts'
import { observeStatements } from '../store/count-statements.ts'
import { insertRecipients } from '../store/rows.ts'
import { deferred, insertOrganization, openTestStore, type TestStore } from '../store/test-store.ts'
import { countPostgresCalls } from '../support/postgres-calls.ts'
import { notSupported } from '../support/test-database.ts'
import { untilAborted } from '../support/until-aborted.ts'
import { OWNER, sendMail } from './sent-mail.ts'

const limits = withLimits({ delivery: { leaseMs: 60, pollMs: 10, retryFirstMs: 5 } })

afterEach(() => vi.restoreAllMocks())

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

// Each commit of the server used to cause a poll of all destinations while one of them had more mail than may begin.
test('while more is due than may begin, commits cause no polls', async () => {
  await using store = await openTestStore()
  for (const _mail of ['begun', 'due']) await store.transaction((tx) => insertRecipients(tx, [1]))
  let reads = 0
  const begun = deferred()
  const worker = createDeliveryWorker({
    ...{ owner: 'worker', clock: Date.now, log: createLog('silent'), metrics: createMetrics() },
    store: observeStatements(store, (table) => {
      if (table === 'recipients') reads += 1
    }),
    limits: withLimits({ delivery: { backlogFlowsMax: 1e-6, backlogPauseMsMax: 600_000, pollMs: 600_000 } }),
    interrupted: createInterruptedWork(limits),
    contents: createContents({ store }),
    destinationOf: async (domain) => ({ name: domain, isLocal: false, concurrencyMax: 1 }),
    targetFor: async () => ({
      name: 'test',
      deliver: (_handover, signal) => {
        begun.resolve()
        return untilAborted(signal)
      },
    }),
    recordOutcome: createRecordOutcome(recording(store)),
  })
  worker.start()
  onTestFinished(() => worker.stop(0))
  await begun.promise
  const before = reads
  expect(before).toBeGreaterThan(0)
  for (let count = 0; count < 5; count++) await store.transaction((tx) => insertRecipients(tx, [1], 'later.test'))
  expect(reads).toBe(before)
})

test('a backlog of one destination delays the first mail to another one by a pause of the queue at most', async () => {
  await using store = await openTestStore()
  for (const _mail of ['begun', 'due']) await store.transaction((tx) => insertRecipients(tx, [1]))
  const begun = [deferred(), deferred()]
  const worker = createDeliveryWorker({
    ...{ owner: 'worker', clock: Date.now, log: createLog('silent'), metrics: createMetrics(), store },
    // So many flows that the pause would end with the test, without its limit.
    limits: withLimits({ delivery: { backlogFlowsMax: 1e-6, pollMs: 600_000 } }),
    interrupted: createInterruptedWork(limits),
    contents: createContents({ store }),
    destinationOf: async (domain) => ({ name: domain, isLocal: false, concurrencyMax: 1 }),
    targetFor: async () => ({
      name: 'test',
      deliver: ({ recipients: [address] }, signal) => {
        begun[address!.endsWith('@later.test') ? 1 : 0]!.resolve()
        return untilAborted(signal)
      },
    }),
    recordOutcome: createRecordOutcome(recording(store)),
  })
  worker.start()
  onTestFinished(() => worker.stop(0))
  await begun[0]!.promise
  await store.transaction((tx) => insertRecipients(tx, [1], 'later.test'))
  await begun[1]!.promise
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
      return untilAborted(signal)
    },
  }
  // A lease of 60 ms would end on a busy machine, and the delivery would begin again.
  const worker = createDeliveryWorker({
    ...{ store, owner: 'worker', clock: Date.now, log: createLog('silent'), metrics: createMetrics() },
    limits: withLimits({ delivery: { pollMs: 10 } }),
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

// During a stop, an outcome was dropped after one failed write, and the next start delivered the message again.
test.each([
  ['while there is time', { pollMs: 10, graceMs: 60_000 }],
  ['once more at its end', { pollMs: 600_000, graceMs: 10 }],
])('an outcome that cannot be written during a stop is written again, %s', async (_when, { pollMs, graceMs }) => {
  await using store = await openTestStore()
  await store.transaction((tx) => insertRecipients(tx, [1]))
  const [begun, accepted] = [deferred(), deferred()]
  const record = createRecordOutcome(recording(store))
  let failures = 1
  const worker = createDeliveryWorker({
    ...{ store, owner: 'worker', clock: Date.now, log: createLog('silent'), metrics: createMetrics() },
    limits: withLimits({ delivery: { pollMs } }),
    interrupted: createInterruptedWork(limits),
    contents: createContents({ store }),
    destinationOf: async (domain) => ({ name: domain, isLocal: false, concurrencyMax: 1 }),
    targetFor: async () => ({
      name: 'test',
      async deliver() {
        begun.resolve()
        await accepted.promise
        return [{ kind: 'delivered', code: 250, reply: 'ok' }]
      },
    }),
    async recordOutcome(attempted) {
      if (failures-- > 0) throw new MailError('unavailable', {})
      return record(attempted)
    },
  })
  worker.start()
  await begun.promise
  const stopped = worker.stop(graceMs)
  accepted.resolve()
  await stopped
  expect(await states(store)).toEqual([{ state: 'delivered', attempts: 1, lease_owner: null }])
})

notSupported('postgres', 'its round trips are counted by the next test')(
  'the number of statements per delivery does not grow, and is smaller for deliveries that are claimed together',
  async () => {
    expect(await countStatements(['zoe@a.test'])).toBe(19)
    expect(await countStatements(['zoe@a.test'], { keptBytesMax: 0 })).toBe(20) // it reads the message twice
    const domains = Array.from({ length: 10 }, (_, index) => `${index}.test`)
    expect(await countStatements(domains.map((domain) => `zoe@${domain}`))).toBe(91)
  },
)

notSupported('sqlite', 'it has no server to wait for')(
  'the number of statements and round trips of an outcome does not grow',
  async () => {
    // On a busy machine, a transaction that yields waits for the server once more.
    const calls = countPostgresCalls()
    await using mail = await sendMail(['zoe@a.test'], {}, { store: { turnMs: 60_000 } })
    const [row] = await mail.claimed()
    await calls.settled()
    calls.take()
    await createRecordOutcome(recording(mail.store))({
      ...{ submission: mail.submission, target: 'direct', owner: OWNER, startedAt: mail.submission.created_at },
      recipients: [{ row: row!, outcome: { kind: 'delivered', code: 250, reply: 'ok' } }],
    })
    await calls.settled()
    expect(calls.take()).toEqual({ statements: 17, roundTrips: 5 }) // one of both notifies the other nodes
  },
)

// All recipients of the poll were released, and claimed again at once, again and again.
test.each([
  ['destinationOf', 0],
  ['targetFor', 0],
  ['targetFor', 1],
] as const)(
  'if %s fails for one flow, with %i interruptions, its mail waits, and that of the others is delivered',
  async (failing, interruptionsBefore) => {
    await using store = await openTestStore()
    const domains = ['a.test', 'b.test', 'broken.test', 'c.test', 'd.test']
    const interrupted = new Map([
      ['broken.test', interruptionsBefore],
      ['d.test', 1],
    ]) // they are delivered one by one
    for (const domain of domains) {
      await store.transaction(async (tx) => {
        await insertRecipients(tx, [1], domain)
        const interruptions = interrupted.get(domain) ?? 0
        await tx.updateTable('recipients').set({ interruptions }).where('domain', '=', domain).execute()
      })
    }
    const lines: string[] = []
    const log = createLog('error', { write: (line) => void lines.push(line) })
    let isBroken = true
    let failures = 0
    const failFor = (name: string, domain: string) => {
      if (name !== failing || !isBroken || domain !== 'broken.test') return
      failures += 1
      throw new TypeError('planted')
    }
    const start = (errorPauseMs: number) => {
      const worker = createDeliveryWorker({
        ...{ store, owner: 'worker', clock: Date.now, log, metrics: createMetrics() },
        limits: withLimits(limits, { delivery: { errorPauseMs, leaseMs: 60_000 } }),
        interrupted: createInterruptedWork(limits),
        contents: createContents({ store }),
        async destinationOf(domain) {
          failFor('destinationOf', domain)
          return { name: domain, isLocal: false, concurrencyMax: 1 }
        },
        async targetFor({ domain }) {
          failFor('targetFor', domain)
          return { name: 'test', deliver: async () => [{ kind: 'delivered' }] }
        },
        recordOutcome: createRecordOutcome(recording(store)),
      })
      worker.start()
      onTestFinished(() => worker.stop(0))
      return worker
    }
    const waiting = async () => {
      const rows = await store.db.selectFrom('recipients').selectAll().where('state', '!=', 'delivered').execute()
      return rows.map(({ domain, state, lease_owner }) => `${domain} ${state} ${lease_owner}`)
    }
    const first = start(600_000)
    await expect.poll(waiting).toEqual(['broken.test queued null'])
    const before = failures
    expect(before).toBeLessThan(5)
    for (const domain of ['e.test', 'f.test']) {
      await store.transaction((tx) => insertRecipients(tx, [1], domain)) // its commit causes a poll
      await expect.poll(waiting).toEqual(['broken.test queued null'])
    }
    expect(failures).toBe(before)
    await first.stop(0)
    const { submission_id } = await store.db
      .selectFrom('recipients')
      .select('submission_id')
      .where('domain', '=', 'broken.test')
      .executeTakeFirstOrThrow()
    const submission = failing === 'targetFor' ? submission_id : undefined // a destination is that of a whole flow
    const named = lines.map((line) => JSON.parse(line)).map((line) => [line.domain, line.submission])
    expect(named).toEqual([['broken.test', submission]])

    await store.transaction((tx) => tx.updateTable('recipients').set({ next_attempt_at: 1 }).execute())
    const second = start(20)
    await expect.poll(() => failures).toBeGreaterThan(before + 1) // it is tried again after each pause
    isBroken = false
    await expect.poll(waiting).toEqual([])
    await second.stop(0)
  },
)

// A poll claims up to 20,000 recipients, and other transactions waited while one compared them all with the lists.
test('the lists of many recipients are read in several transactions, and others run between them', async () => {
  await using mail = await sendMail(['ann@a.test', 'bob@b.test', 'cy@c.test', 'dan@b.test', 'eve@e.test'])
  const { store, organizationId: organization_id, submission } = mail
  await store.transaction((tx) =>
    listEntries.insertMissing(tx, [
      {
        ...{ scope_id: organization_id, organization_id, pod_id: null, inbox_id: null, direction: 'send' },
        ...{ list_type: 'block', entry: 'b.test', reason: null, read_only: 0, created_at: 1 },
      },
    ]),
  )
  const order: string[] = []
  const observed: Store = Object.assign(Object.create(store) as Store, {
    transaction: <Result>(act: (tx: Tx) => Promise<Result>) =>
      store.transaction((tx) => {
        order.push('lists')
        setImmediate(() => order.push('event loop'))
        void store.transaction(async () => void order.push('other'))
        return act(tx)
      }),
  })

  const rows = await mail.recipients()
  // The third one belongs to an organization without lists: its mail waited for all of these transactions.
  rows[2] = { ...rows[2]!, organization_id: 'other', inbox_id: 'other inbox' }
  const claims = rows.map((row) => ({ flow: { organizationId: row.organization_id }, rows: [row] }))
  const submissions = new Map([[submission.id, submission]])
  const known: string[] = []
  const forbidden = new Set<string>()
  for await (const part of findForbidden(
    observed,
    claims,
    submissions,
    withLimits({ delivery: { checkedRecipientsMax: 2 } }),
  )) {
    known.push(part.claims.map((claim) => claims.indexOf(claim)).join())
    order.push(`known ${known.at(-1)}`)
    for (const id of part.rejections.keys()) forbidden.add(id)
  }
  await store.transaction(async () => undefined) // after the other ones
  expect(rows.map(({ id }) => forbidden.has(id))).toEqual([false, true, false, true, false])
  const expected = ['known 2', 'lists', 'other', 'known 0,1', 'lists', 'other', 'known 3,4']
  expect(order.filter((each) => each !== 'event loop')).toEqual(expected)
  for (const between of order.join().split('lists,').slice(1, -1)) expect(between).toContain('event loop')
})

// One organization with many listed recipients delayed those of all others.
test('organizations with lists take turns', async () => {
  await using mail = await sendMail(['ann@a.test', 'bob@b.test', 'cy@c.test'])
  const { store, submission } = mail
  const entry = (organization_id: string) => ({
    ...{ scope_id: organization_id, organization_id, pod_id: null, inbox_id: null, direction: 'send' as const },
    ...{ list_type: 'block' as const, entry: 'b.test', reason: null, read_only: 0, created_at: 1 },
  })
  await store.transaction(async (tx) => {
    await insertOrganization(tx, 'other')
    await listEntries.insertMissing(tx, [entry(mail.organizationId), entry('other')])
  })
  const rows = await mail.recipients()
  rows[2] = { ...rows[2]!, organization_id: 'other', inbox_id: 'other inbox' }
  const claims = rows.map((row) => ({ flow: { organizationId: row.organization_id }, rows: [row] }))
  const parts: number[][] = []
  const found = findForbidden(
    ...([store, claims, new Map([[submission.id, submission]])] as const),
    withLimits({ delivery: { checkedRecipientsMax: 1 } }),
  )
  for await (const part of found) parts.push(part.claims.map((claim) => claims.indexOf(claim)))
  expect(parts).toEqual([[], [0], [2], [1]])
})

// The commit of the release caused the next poll, which claimed the same recipients again, as fast as possible.
test('after a temporary error, what was claimed is released, what could begin has begun, and the queue pauses', async () => {
  await using store = await openTestStore()
  for (const domain of ['a.test', 'broken.test', 'c.test', 'down.test', 'e.test']) {
    await store.transaction((tx) => insertRecipients(tx, [1], domain))
  }
  let claims = 0
  let isDown = true
  const start = (pollPauseMsMax: number) =>
    startWorker(store, {
      more: { store: { pollPauseMsMax }, delivery: { errorPauseMs: 1, leaseMs: 60_000, pollMs: 300_000 } },
      fail({ domain }) {
        if (domain === 'broken.test' && isDown) throw new TypeError('planted')
        if (domain !== 'down.test') return
        claims += 1
        if (isDown) throw new MailError('unavailable', {})
      },
    })
  const queued = async () => {
    const rows = await store.db.selectFrom('recipients').selectAll().where('state', '=', 'queued').execute()
    return rows.map(({ domain, lease_owner }) => `${domain} ${lease_owner}`).sort()
  }
  const released = ['broken.test null', 'down.test null', 'e.test null']
  const first = start(300_000)
  await expect.poll(queued).toEqual(released)
  for (let commits = 0; commits < 10; commits += 1) {
    await store.transaction((tx) => insertOrganization(tx, `organization ${commits}`)) // its commit is a signal
    await new Promise((resolve) => setImmediate(resolve))
  }
  expect(claims).toBe(1)
  expect(await queued()).toEqual(released)
  await first.stop(0)

  const second = start(5)
  await expect.poll(() => claims).toBeGreaterThan(2) // it is tried again after each pause
  isDown = false
  await expect.poll(queued).toEqual([])
  await second.stop(0)
})

// All mail of the flow waited: the recipients of the message that cannot be sent are due longest, and were claimed first each time.
test('a submission that cannot begin delays the others of its flow by one pause at most', async () => {
  await using store = await openTestStore()
  const broken = await store.transaction((tx) => insertRecipients(tx, [1, 1, 1]))
  await store.transaction((tx) => insertRecipients(tx, [2]))
  const worker = startWorker(store, {
    more: { delivery: { errorPauseMs: 50, leaseMs: 60_000 } },
    fail({ id }) {
      if (broken.includes(id)) throw new TypeError('planted')
    },
  })
  const delivered = async () => {
    const rows = await store.db.selectFrom('recipients').select('id').where('state', '=', 'delivered').execute()
    return rows.length
  }
  await expect.poll(delivered).toBe(1)
  await worker.stop(0)

  // It begins what is claimed together with it, and the flow does not pause.
  await store.transaction((tx) => tx.updateTable('recipients').set({ next_attempt_at: 1 }).execute())
  await store.transaction((tx) => insertRecipients(tx, [0]))
  startWorker(store, {
    more: { delivery: { errorPauseMs: 600_000, leaseMs: 60_000 } },
    fail({ id }) {
      if (broken.includes(id)) throw new TypeError('planted')
    },
  })
  await expect.poll(delivered).toBe(2)
  await store.transaction((tx) => insertRecipients(tx, [3]))
  await expect.poll(delivered).toBe(3)
  expect(await store.db.selectFrom('recipients').select('interruptions').distinct().execute()).toEqual([
    { interruptions: 0 },
  ])
})

/**
 * Delivers a message to all addresses at once.
 *
 * @returns the number of statements that a worker needs to read and change rows, from the claim to the last outcome. Those
 *   that poll for more work are not counted, and not those of a commit, which it may share with others
 */
async function countStatements(
  addresses: readonly string[],
  delivery: LimitOverrides['delivery'] = {},
): Promise<number> {
  await using mail = await sendMail(addresses)
  const { store, submission } = mail
  let statements = 0
  const { runRows, executeQuery } = SqliteConnection.prototype
  const rows = vi.spyOn(SqliteConnection.prototype, 'runRows').mockImplementation(function (
    this: SqliteConnection,
    step,
  ) {
    if (!('labels_seq' in step.statement.parameters)) statements += step.rows.length
    return runRows.call(this, step)
  })
  const queries = vi.spyOn(SqliteConnection.prototype, 'executeQuery').mockImplementation(function (
    this: SqliteConnection,
    query,
  ) {
    if (!query.sql.startsWith('select "next_attempt_at"')) statements += 1
    return executeQuery.call(this, query) as never
  })
  const record = createRecordOutcome(recording(store))
  const isDone = deferred()
  let outcomes = 0
  const worker = createDeliveryWorker({
    ...{ store, limits: withLimits({ delivery }), owner: 'worker', clock: () => submission.created_at },
    ...{ log: createLog('silent'), metrics: createMetrics(), interrupted: createInterruptedWork(limits) },
    contents: createContents({ store }),
    destinationOf: async (domain) => ({ name: domain, isLocal: false, concurrencyMax: 4 }),
    targetFor: async () => ({
      name: 'test',
      async deliver({ recipients, read }) {
        // As a target that uses SMTP does: first to see which extensions the message needs.
        for (const _reading of ['extensions', 'message']) for await (const _chunk of read());
        return recipients.map(() => ({ kind: 'delivered' }))
      },
    }),
    async recordOutcome(attempted) {
      const recorded = await record(attempted)
      outcomes += 1
      if (outcomes === addresses.length) isDone.resolve()
      return recorded
    },
  })
  worker.start()
  await isDone.promise
  rows.mockRestore()
  queries.mockRestore()
  await worker.stop(0)
  return statements
}

function recording(store: Store) {
  const contents = createContents({ store })
  const notices = createBounceNotices({ contents, hostname: 'mx.example.test', log: createLog('silent'), limits })
  return { store, discardBlobs: async () => undefined, notices, limits, spread: () => 0.5 }
}

/** Starts a worker whose deliveries succeed, if they begin: `fail` may throw. */
function startWorker(
  store: TestStore,
  { more, fail }: { more: LimitOverrides; fail: (row: RecipientRow) => void },
): DeliveryWorker {
  const worker = createDeliveryWorker({
    ...{ store, owner: 'worker', clock: Date.now, log: createLog('silent'), metrics: createMetrics() },
    limits: withLimits(limits, more),
    interrupted: createInterruptedWork(limits),
    contents: createContents({ store }),
    destinationOf: async (domain) => ({ name: domain, isLocal: false, concurrencyMax: 2 }),
    async targetFor(row) {
      fail(row)
      return { name: 'test', deliver: async ({ recipients }) => recipients.map(() => ({ kind: 'delivered' })) }
    },
    recordOutcome: createRecordOutcome(recording(store)),
  })
  worker.start()
  onTestFinished(() => worker.stop(0))
  return worker
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
