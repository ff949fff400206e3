/** Tests jobs over a real store. A second runner on the same store simulates another node. */
import { setImmediate } from 'node:timers/promises'
import { afterEach, beforeEach, expect, onTestFinished, test } from 'vitest'
import { withLimits } from '../../src/config/limits.ts'
import { createLog } from '../../src/log.ts'
import { createInterruptedWork } from '../../src/mail/jobs/interrupted-work.ts'
import { JobRunner } from '../../src/mail/jobs/job-runner.ts'
import { type EndableJob, enqueue, type NewJob } from '../../src/mail/jobs/jobs.ts'
import { createSweeps } from '../../src/mail/jobs/sweeps.ts'
import type { JobRow } from '../../src/store/schema/job-rows.ts'
import type { Store } from '../../src/store/store.ts'
import { FeedWorld } from '../events/feed-world.ts'
import { untilAborted } from '../support/until-aborted.ts'

const MINUTE = 60_000

let world: FeedWorld
const runners: JobRunner[] = []
beforeEach(async () => {
  world = await FeedWorld.open()
})
afterEach(async () => {
  await Promise.all(runners.splice(0).map((runner) => runner.stop()))
  await world[Symbol.asyncDispose]()
})

/** A job handler for tests: jobs queue up, and the test resolves or rejects each one. */
class Desk {
  readonly #jobs: (EndableJob & { resolve: () => void; reject: (error: unknown) => void })[] = []
  #arrived: (() => void) | undefined

  readonly handler = (job: EndableJob) =>
    new Promise<void>((resolve, reject) => {
      untilAborted(job.signal).catch(reject)
      this.#jobs.push({ ...job, resolve, reject })
      this.#arrived?.()
    })

  async next() {
    while (this.#jobs.length === 0) await new Promise<void>((resolve) => (this.#arrived = resolve))
    return this.#jobs.shift()!
  }

  get isEmpty(): boolean {
    return this.#jobs.length === 0
  }
}

function startRunner(owner: string, desk: Desk, options: { store?: Store; leaseMs?: number; jobs?: number } = {}) {
  const { limits, time, metrics } = world
  const runner = new JobRunner({
    store: options.store ?? world.store,
    handlers: { removal: desk.handler },
    interrupted: createInterruptedWork(limits),
    owner,
    clock: time.clock,
    log: createLog('silent'),
    metrics,
    limits: withLimits(limits, {
      jobs: { pollMs: 1, concurrencyMax: options.jobs ?? 4, leaseMs: options.leaseMs ?? 2 * MINUTE },
    }),
  })
  runner.start()
  runners.push(runner)
  return runner
}

async function ask(job: Partial<NewJob> = {}): Promise<void> {
  await world.store.transaction((tx) => enqueue(tx, { kind: 'removal', key: 'inbox', ...job }))
}

async function jobRows(): Promise<JobRow[]> {
  return world.store.db.selectFrom('jobs').selectAll().orderBy('key').execute()
}

async function until(condition: (rows: JobRow[]) => boolean): Promise<JobRow[]> {
  for (;;) {
    const rows = await jobRows()
    if (condition(rows)) return rows
    await setImmediate()
  }
}
const none = (rows: JobRow[]) => rows.length === 0
const allFree = (rows: JobRow[]) => rows.every((row) => row.lease_owner === null)

test('a job runs once, with its payload, and its row is deleted', async () => {
  const desk = new Desk()
  startRunner('a', desk)
  await ask({ payload: { inboxId: 'one' } })
  const job = await desk.next()
  expect(job).toMatchObject({ kind: 'removal', key: 'inbox', payload: { inboxId: 'one' }, attempt: 1 })
  job.resolve()
  await until(none)
  expect(desk.isEmpty).toBe(true)
})

test('a job that is enqueued in a failed transaction does not exist', async () => {
  const failed = world.store.transaction(async (tx) => {
    await enqueue(tx, { kind: 'removal', key: 'inbox' })
    throw new Error('no')
  })
  await expect(failed).rejects.toThrow('no')
  expect(await jobRows()).toEqual([])
})

test('two jobs of the same kind and key become one, at the earlier time', async () => {
  const { now } = world.time
  await ask({ runAt: now + 2 * MINUTE })
  await ask({ runAt: now + MINUTE })
  await ask({ runAt: now + 3 * MINUTE })
  expect(await jobRows()).toMatchObject([{ run_at: now + MINUTE }])
  const desk = new Desk()
  startRunner('a', desk)
  await world.append() // a commit makes the runner poll
  expect(desk.isEmpty).toBe(true)
  world.time.now += MINUTE
  ;(await desk.next()).resolve()
  await until(none)
})

test('a job that ends in the transaction of its work does not run again, unless it was enqueued again', async () => {
  const desk = new Desk()
  startRunner('a', desk)
  await ask()
  const first = await desk.next()
  expect(await world.store.transaction((tx) => first.complete(tx))).toBe(true)
  expect(await jobRows()).toEqual([])
  first.resolve()

  await ask({ key: 'again' })
  const second = await desk.next()
  await ask({ key: 'again' })
  expect(await world.store.transaction((tx) => second.complete(tx))).toBe(true)
  await world.append() // a commit makes the runner poll
  second.resolve()
  const third = await desk.next()
  expect(third).toMatchObject({ key: 'again', attempt: 1 })

  await world.store.transaction((tx) => tx.updateTable('jobs').set({ lease_owner: 'another node' }).execute())
  expect(await world.store.transaction((tx) => third.complete(tx))).toBe(false)
  expect(await jobRows()).toHaveLength(1)
  third.resolve()
})

// The second request was deleted with the row of the first, which could already have passed the new work.
test('a job that is enqueued while it runs, runs once more', async () => {
  const desk = new Desk()
  startRunner('a', desk)
  await ask()
  const first = await desk.next()
  await ask()
  first.resolve()
  const second = await desk.next()
  expect(second.attempt).toBe(1)
  second.resolve()
  await until(none)
})

test('a job that fails is retried after 1, 4, 16 minutes, and its row has the error', async () => {
  const desk = new Desk()
  startRunner('a', desk)
  await ask()
  for (const [index, wait] of [1, 4, 16].entries()) {
    const job = await desk.next()
    expect(job.attempt).toBe(index + 1)
    job.reject(new Error('the disk is full'))
    const [row] = await until(allFree)
    expect(row).toMatchObject({ run_at: world.time.now + wait * MINUTE, last_error: 'Error: the disk is full' })
    world.time.now += wait * MINUTE
  }
  ;(await desk.next()).resolve()
  await until(none)
})

test('no more jobs run at once than the limit allows, and the next starts when one ends', async () => {
  const desk = new Desk()
  startRunner('a', desk, { jobs: 2 })
  for (const key of ['1', '2', '3']) await ask({ key })
  const [first] = [await desk.next(), await desk.next()]
  for (let check = 0; check < 20; check++) await world.append() // each commit makes it poll
  expect((await jobRows()).filter((row) => row.lease_owner === 'a')).toHaveLength(2)
  first.resolve()
  expect((await desk.next()).key).toBe('3')
})

// Four replays or removals of one tenant delayed the mail of all others by minutes.
test('jobs that take long leave a place for those that end soon', async () => {
  const [removals, mails] = [new Desk(), new Desk()]
  const { limits, time, metrics, store } = world
  const runner = new JobRunner({
    ...{ store, metrics, owner: 'node', clock: time.clock, log: createLog('silent') },
    handlers: { removal: removals.handler, mail: mails.handler },
    shortKinds: ['mail'],
    interrupted: createInterruptedWork(limits),
    limits: withLimits(limits, { jobs: { pollMs: 60_000, concurrencyMax: 3 } }),
  })
  for (const key of ['1', '2', '3', '4']) await ask({ key })
  runner.start()
  runners.push(runner)
  const begun = [await removals.next(), await removals.next()]
  for (const key of ['5', '6']) await ask({ kind: 'mail', key })
  const first = await mails.next()
  expect([removals.isEmpty, mails.isEmpty]).toEqual([true, true])
  first.resolve()
  const second = await mails.next()
  for (const job of begun) job.resolve()
  for (const job of [await removals.next(), await removals.next(), second]) job.resolve()
  await expect.poll(jobRows).toEqual([])
})

test('another node runs the job of a dead node when its lease expires, and not before', async () => {
  const [dead, alive] = [new Desk(), new Desk()]
  const hanging: Store = Object.create(world.store)
  startRunner('dead', dead, { store: hanging })
  await ask()
  const lost = await dead.next()
  let comeBack: (() => void) | undefined
  const isBack = new Promise<void>((resolve) => (comeBack = resolve))
  // The dead node neither renews its lease nor writes an outcome.
  hanging.transaction = (fn) => isBack.then(() => world.store.transaction(fn))
  startRunner('alive', alive)
  world.time.now += 2 * MINUTE - 1
  await world.append()
  expect(alive.isEmpty).toBe(true)
  world.time.now += 1
  expect((await alive.next()).attempt).toBe(2) // the interrupted attempt counts
  expect(await jobRows()).toMatchObject([{ lease_owner: 'alive' }])
  lost.resolve()
  comeBack!() // its outcome is not recorded any more
  await runners[0]!.stop()
  expect(await jobRows()).toMatchObject([{ lease_owner: 'alive' }])
})

test('a lease is renewed while the job runs', async () => {
  const desk = new Desk()
  startRunner('a', desk, { leaseMs: 3 })
  await ask()
  const job = await desk.next()
  for (let round = 0; round < 3; round++) {
    world.time.now += 2
    await until(([row]) => row!.lease_until === world.time.now + 3)
  }
  expect(job.signal.aborted).toBe(false)
  job.resolve()
  await until(none)
})

test('a job whose lease another node has taken is aborted', async () => {
  const desk = new Desk()
  startRunner('a', desk, { leaseMs: 3 })
  await ask()
  const job = await desk.next()
  await world.store.transaction((tx) =>
    tx
      .updateTable('jobs')
      .set({ lease_owner: 'b', lease_until: tx.now + MINUTE })
      .execute(),
  )
  while (!job.signal.aborted) await setImmediate()
  expect(await until((rows) => rows.length === 1)).toMatchObject([{ lease_owner: 'b' }])
})

test('a stop releases leases at once, without counting the attempt', async () => {
  const desk = new Desk()
  const runner = startRunner('a', desk)
  await ask()
  await desk.next()
  await runner.stop()
  expect(await jobRows()).toMatchObject([{ lease_owner: null, lease_until: null, attempts: 0, last_error: null }])
  await ask({ key: 'another' })
  expect(desk.isEmpty).toBe(true)
  const next = new Desk()
  startRunner('b', next)
  expect((await next.next()).attempt).toBe(1)
})

test('a job whose attempts keep ending without an outcome is set aside for a day', async () => {
  const { interruptionsMax, setAsideMs } = world.limits.jobs
  await ask()
  await world.store.transaction((tx) => tx.updateTable('jobs').set({ interruptions: interruptionsMax }).execute())
  const desk = new Desk()
  startRunner('a', desk)
  const [row] = await until(([row]) => row?.last_error?.startsWith('Set aside') === true)
  expect(desk.isEmpty).toBe(true)
  expect(row).toMatchObject({ run_at: world.time.clock() + setAsideMs, lease_owner: null, interruptions: 0 })
})

// It ended the process again within the hour, as often as something enqueued it.
test('a job that is set aside waits, although it is enqueued again', async () => {
  const { interruptionsMax, setAsideMs } = world.limits.jobs
  await ask()
  await world.store.transaction((tx) => tx.updateTable('jobs').set({ interruptions: interruptionsMax }).execute())
  const desk = new Desk()
  startRunner('a', desk)
  const [row] = await until(([row]) => row?.last_error?.startsWith('Set aside') === true)
  await ask()
  await ask({ runAt: row!.run_at + MINUTE })
  expect(await jobRows()).toMatchObject([{ run_at: row!.run_at }])
  world.time.now += setAsideMs
  await world.append()
  const job = await desk.next()
  await ask()
  job.resolve()
  ;(await desk.next()).resolve()
  await until(none)
})

// It was deleted with the row: its lease was over, so the job did not count as running.
test('a job that is enqueued while its lease is over, but its worker still runs, runs once more', async () => {
  const desk = new Desk()
  const hanging: Store = Object.create(world.store)
  startRunner('a', desk, { store: hanging })
  await ask()
  const first = await desk.next()
  let comeBack: (() => void) | undefined
  const isBack = new Promise<void>((resolve) => (comeBack = resolve))
  hanging.transaction = (fn) => isBack.then(() => world.store.transaction(fn))
  world.time.now += 3 * MINUTE
  await ask() // whose commit makes the runner poll
  comeBack!()
  first.resolve()
  const second = await desk.next()
  expect(second.attempt).toBe(1)
  second.resolve()
  await until(none)
})

// The interrupted work waited until the time of the new request.
test('a job that is enqueued for later behind a lease that is over keeps its time; one that runs gets the new time', async () => {
  const { now } = world.time
  await ask()
  const leaseUntil = (until: number) =>
    world.store.transaction((tx) =>
      tx.updateTable('jobs').set({ lease_owner: 'another node', lease_until: until, attempts: 1 }).execute(),
    )
  await leaseUntil(now - 1)
  await ask({ runAt: now + 2 * MINUTE })
  expect(await jobRows()).toMatchObject([{ run_at: now, attempts: 0 }])
  await leaseUntil(now + MINUTE)
  await ask({ runAt: now + 2 * MINUTE })
  expect(await jobRows()).toMatchObject([{ run_at: now + 2 * MINUTE, attempts: 0 }])
})

// The runner claimed the job that it was running: that counted as an interruption, and the handler ran twice.
test('a runner claims no job that it runs, even if its lease is over, and the next renewal extends the lease', async () => {
  const desk = new Desk()
  const hanging: Store = Object.create(world.store)
  startRunner('a', desk, { store: hanging, leaseMs: 300 }) // a renewal every 100 ms, a poll every millisecond
  await ask()
  const job = await desk.next()
  let comeBack: (() => void) | undefined
  const isBack = new Promise<void>((resolve) => (comeBack = resolve))
  let waiting = 0
  hanging.transaction = (fn) => {
    waiting += 1
    return isBack.then(() => world.store.transaction(fn))
  }
  world.time.now += 3 * MINUTE
  await until(() => waiting > 0) // the renewal; a claim would be first
  comeBack!()
  const [row] = await until(([row]) => row!.lease_until! > world.time.clock())
  expect(row).toMatchObject({ lease_owner: 'a', interruptions: 0, attempts: 1 })
  expect(desk.isEmpty).toBe(true)
  job.resolve()
  await until(none)
})

test('a claim of a job with an expired lease counts as an interruption', async () => {
  await ask()
  await world.store.transaction((tx) =>
    tx
      .updateTable('jobs')
      .set({ lease_owner: 'dead', lease_until: tx.now - 1 })
      .execute(),
  )
  const desk = new Desk()
  startRunner('b', desk)
  await desk.next()
  expect(await jobRows()).toMatchObject([{ lease_owner: 'b', interruptions: 1 }])
})

// A claim that found nothing used to commit, and the signal of this commit started the next claim.
test('while an interrupted job runs, the next one waits without a commit', async () => {
  for (const key of ['first', 'second']) await ask({ key })
  await world.store.transaction((tx) => tx.updateTable('jobs').set({ interruptions: 1 }).execute())
  const desk = new Desk()
  startRunner('a', desk)
  const first = await desk.next()
  let commits = 0
  onTestFinished(world.store.onCommit(() => void commits++))
  for (let turn = 0; turn < 200; turn++) await setImmediate()
  expect(commits).toBe(0)
  expect(desk.isEmpty).toBe(true)
  first.resolve()
  ;(await desk.next()).resolve()
  await until(none)
})

test('a job that completes while the server stops is deleted', async () => {
  const runner = new JobRunner({
    ...{ store: world.store, owner: 'a', clock: world.time.clock, log: createLog('silent'), metrics: world.metrics },
    handlers: { removal: ({ signal }) => untilAborted(signal).catch(() => undefined) },
    interrupted: createInterruptedWork(withLimits()),
    limits: withLimits(),
  })
  runner.start()
  await ask()
  await until(([row]) => row?.lease_owner === 'a')
  await runner.stop()
  expect(await jobRows()).toEqual([])
})

test('a job of a kind that this node does not know is left alone', async () => {
  const desk = new Desk()
  startRunner('a', desk)
  await ask({ kind: 'of a later version' })
  await ask()
  ;(await desk.next()).resolve()
  const rows = await until((rows) => rows.length === 1)
  expect(rows).toMatchObject([{ kind: 'of a later version', lease_owner: null, attempts: 0 }])
})

test('claims that fail are counted and retried', async () => {
  const desk = new Desk()
  let failures = 2
  const store = Object.assign(Object.create(world.store), {
    transaction: (fn: Parameters<Store['transaction']>[0]) =>
      failures-- > 0 ? Promise.reject(new Error('the disk is gone')) : world.store.transaction(fn),
  })
  startRunner('a', desk, { store })
  await ask()
  await desk.next()
  const { values } = await world.metrics.backgroundErrors.get()
  expect(values).toMatchObject([{ labels: { loop: 'jobs' }, value: 2 }])
})

test('sweeps repeat, continue after failures, and stop', async () => {
  const limits = withLimits({ jobs: { firstSweepMs: 20 } })
  const sweeps = createSweeps({ limits, log: createLog('silent'), metrics: world.metrics })
  let runs = 0
  await new Promise<void>((resolve) => {
    sweeps.every(1, 'old things', async () => {
      runs += 1
      if (runs < 3) throw new Error('no')
      resolve()
    })
  })
  let wasAborted = false
  await new Promise<void>((resolve) => {
    sweeps.every(MINUTE, 'long', async (signal) => {
      resolve()
      await untilAborted(signal).catch(() => undefined)
      wasAborted = true
    })
  })
  await sweeps.stop()
  expect(wasAborted).toBe(true)
  const { values } = await world.metrics.backgroundErrors.get()
  expect(values).toMatchObject([{ labels: { loop: 'old things' }, value: 2 }])
})

test('a sweep does not run while the server starts, unless its interval is short', async () => {
  const limits = withLimits({ jobs: { firstSweepMs: MINUTE } })
  const sweeps = createSweeps({ limits, log: createLog('silent'), metrics: world.metrics })
  let runs = 0
  sweeps.every(60 * MINUTE, 'hourly', async () => {
    runs += 1
  })
  await new Promise<void>((resolve) => sweeps.every(1, 'short', async () => resolve()))
  await sweeps.stop()
  expect(runs).toBe(0)
})
