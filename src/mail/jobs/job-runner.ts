/**
 * Runs background jobs.
 *
 *   commit signal or poll interval → claim due jobs (a lease, renewed while the handler runs) → handler → remove row
 *
 * Crash: the lease expires and the job is claimed again, here or on another node. A SQLite node clears its leases at
 *   start, so its jobs are due at once. Handlers depend only on the state that they find, and may run twice; one that must not
 *   ends its job in the transaction of its work.
 * Failure: logged, counted, and retried after 1, 4, 16 … minutes up to limits.jobs.retryMsMax. A job is never given
 *   up, since its work must be done (for example, a user's mail must be removed). A job whose attempts end without an
 *   outcome is retried while no other such work runs; after limits.jobs.interruptionsMax of them it waits for
 *   limits.jobs.setAsideMs (docs/adr/0022).
 * Fairness: one place is only for jobs that end soon, so that those that take minutes, such as replays and removals, do not delay them.
 * Lost lease: when this process hung, the handler's signal aborts, and none of its results count.
 * Stop: no new claims; signals abort. A job that then throws is released at once, without counting the attempt. A job
 *   that does not end within the grace period keeps its lease, so that no other node runs it at the same
 *   time.
 */

import type { Limits } from '../../config/limits.ts'
import { waitAtMost } from '../../deadline.ts'
import { contain } from '../../fault-boundary.ts'
import type { Log } from '../../log.ts'
import type { Metrics } from '../../metrics.ts'
import { retryPauseMs } from '../../retry-pause.ts'
import { createPollLoop, type PollLoop } from '../../store/commit/poll-loop.ts'
import { claimJobs, type InterruptionBounds, leaseEnd } from '../../store/leases.ts'
import type { JobRow } from '../../store/schema/job-rows.ts'
import type { Store } from '../../store/store.ts'
import * as jobs from '../../store/tables/jobs-table.ts'
import { createGuarded } from './guarded.ts'
import type { InterruptedWork } from './interrupted-work.ts'
import type { EndableJob, EndingJobHandler } from './jobs.ts'
import { createLeaseRenewal, type LeaseRenewal } from './lease-renewal.ts'

const RETRY_FACTOR = 4
/** Stored part of an error, for operators who read the table. */
const ERROR_CHARS_MAX = 1_000

interface RunnerNeeds {
  readonly store: Store
  /** Keyed by kind. Jobs of other kinds are left for nodes that know them. */
  readonly handlers: Readonly<Record<string, EndingJobHandler>>
  /** Kinds of jobs that end soon. Default: none, and no place is kept for them. */
  readonly shortKinds?: readonly string[]
  readonly interrupted: InterruptedWork
  /** Identifies this process; different from that of all other processes, including earlier ones. */
  readonly owner: string
  readonly clock: () => number
  readonly log: Log
  readonly metrics: Metrics
  readonly limits: Limits
}

interface Running {
  readonly kind: string
  readonly abort: AbortController
  readonly ended: Promise<void>
}

export class JobRunner {
  readonly #needs: RunnerNeeds
  readonly #kinds: readonly string[]
  readonly #shortKinds: readonly string[]
  readonly #running = new Map<string, Running>()
  readonly #loop: PollLoop
  readonly #renewal: LeaseRenewal
  #stopListening: (() => void) | undefined

  constructor(needs: RunnerNeeds) {
    this.#needs = needs
    this.#kinds = Object.keys(needs.handlers)
    this.#shortKinds = needs.shortKinds ?? []
    const { limits, log, metrics } = needs
    this.#loop = createPollLoop({
      name: 'jobs',
      poll: () => this.#poll(),
      pollMs: limits.jobs.pollMs,
      limits,
      log,
      metrics,
    })
    this.#renewal = createLeaseRenewal({
      store: needs.store,
      table: 'jobs',
      leaseMs: limits.jobs.leaseMs,
      running: () => [...this.#running].map(([id, { abort }]) => ({ owner: needs.owner, ids: [id], abort })),
      guarded: createGuarded('jobs', { log, metrics }),
    })
  }

  start(): void {
    const { store } = this.#needs
    this.#stopListening = store.onCommit(this.#loop.pollSoon)
    this.#loop.pollSoon()
    this.#renewal.start()
  }

  /** Resolves when no handler is running any more, or after the grace period. */
  async stop(graceMs = this.#needs.limits.server.shutdownGraceMs): Promise<void> {
    const endsAtMs = performance.now() + graceMs
    this.#stopListening?.()
    await this.#loop.stop()
    const running = [...this.#running.values()]
    for (const { abort } of running) abort.abort(new Error('the server stops'))
    await waitAtMost(endsAtMs - performance.now(), Promise.all(running.map(({ ended }) => ended)))
    this.#renewal.stop()
  }

  runningCount(): number {
    return this.#running.size
  }

  async #poll(): Promise<undefined> {
    for (const row of await this.#claim()) this.#start(row)
  }

  async #claim(): Promise<JobRow[]> {
    const { store, interrupted, clock, limits, owner } = this.#needs
    const { kinds, limit } = this.#capacity()
    if (limit <= 0) return []
    // This runs after every commit: it is only a read, and a transaction follows only when a job is due.
    const bounds = interrupted.bounds(this.#loop.pollSoon)
    // One that runs here is ours, also when its lease is over because the process hung: the next renewal prolongs it.
    const exceptIds = [...this.#running.keys()]
    const due = { kinds, exceptIds, now: clock(), leaseNow: store.leaseNow(), interrupted: bounds }
    if (!(await jobs.isAnyDue(store.db, due))) return []
    const claim = (reserved: InterruptionBounds) =>
      store.transaction(async (tx) => {
        const lease = { owner, untilMs: leaseEnd(tx, limits.jobs.leaseMs), limit }
        const rows = await claimJobs(tx, { ...lease, kinds, exceptIds, interrupted: reserved })
        const ids = rows.map((row) => row.id)
        await jobs.countAttempts(tx, ids)
        return rows
      })
    const claimed = await interrupted.claimWith(claim, (rows) => rows, this.#loop.pollSoon)
    if (claimed.length === limit) this.#loop.pollSoon() // there may be capacity for other kinds
    return claimed
  }

  /** Returns which jobs may begin, and how many. */
  #capacity(): { readonly kinds: readonly string[]; readonly limit: number } {
    const free = this.#needs.limits.jobs.concurrencyMax - this.#running.size
    if (this.#shortKinds.length === 0) return { kinds: this.#kinds, limit: free }
    const longMax = Math.max(1, this.#needs.limits.jobs.concurrencyMax - 1)
    const longCount = [...this.#running.values()].filter(({ kind }) => !this.#shortKinds.includes(kind)).length
    return longCount < longMax
      ? { kinds: this.#kinds, limit: Math.min(free, longMax - longCount) }
      : { kinds: this.#shortKinds, limit: free }
  }

  #start(row: JobRow): void {
    const abort = new AbortController()
    const ended = this.#work(row, abort.signal).finally(() => {
      this.#running.delete(row.id)
      if (this.#needs.interrupted.isInterrupted(row)) this.#needs.interrupted.ended()
      this.#loop.pollSoon() // there is capacity for another job
    })
    this.#running.set(row.id, { kind: row.kind, abort, ended })
  }

  /** Never rejects. */
  async #work(row: JobRow, signal: AbortSignal): Promise<void> {
    try {
      const outcome = await this.#attempt(row, signal)
      await this.#writeOutcome(row, outcome)
    } catch (error) {
      // The lease expires, and the job runs again.
      this.#report(error, { kind: row.kind, key: row.key }, 'outcome of a job could not be written')
    }
  }

  async #attempt(row: JobRow, signal: AbortSignal): Promise<JobOutcome> {
    const job: Omit<EndableJob, 'payload'> = {
      ...{ kind: row.kind, key: row.key, attempt: row.attempts + 1, signal },
      complete: (tx) => jobs.completeWithWork(tx, { id: row.id, owner: this.#needs.owner }),
    }
    if (row.interruptions >= this.#needs.limits.jobs.interruptionsMax) return this.#setAside(row)
    try {
      const payload = JSON.parse(row.payload) as EndableJob['payload']
      await contain('job', () => this.#needs.handlers[row.kind]!({ ...job, payload }))
      return { name: 'done' }
    } catch (error) {
      if (signal.aborted) return { name: 'aborted' }
      this.#report(error, { kind: row.kind, key: row.key, attempt: job.attempt }, 'job failed; will retry')
      return { name: 'failed', error }
    }
  }

  #setAside({ kind, key, interruptions }: JobRow): JobOutcome {
    this.#needs.metrics.workSetAside.inc({ work: 'job' })
    this.#needs.log.error({ kind, key, interruptions }, 'job set aside: each attempt ended without an outcome')
    return { name: 'set aside' }
  }

  async #writeOutcome(row: JobRow, outcome: JobOutcome): Promise<void> {
    const job = { id: row.id, owner: this.#needs.owner }
    await this.#needs.store.transaction(async (tx) => {
      switch (outcome.name) {
        case 'done':
          return jobs.complete(tx, job)
        case 'aborted':
          return jobs.release(tx, job, row.attempts)
        case 'failed': {
          const error = String(outcome.error).slice(0, ERROR_CHARS_MAX)
          return jobs.recordFailure(tx, job, { runAt: tx.now + this.#retryAfterMs(row.attempts + 1), error })
        }
        case 'set aside': {
          const error = 'Set aside: the last attempts ended without an outcome'
          return jobs.setAside(tx, job, { until: tx.now + this.#needs.limits.jobs.setAsideMs, error })
        }
      }
    })
  }

  #retryAfterMs(attempts: number): number {
    const { retryFirstMs, retryMsMax } = this.#needs.limits.jobs
    return retryPauseMs(attempts, retryFirstMs, retryMsMax, RETRY_FACTOR)
  }

  #report(error: unknown, fields: object, sentence: string): void {
    this.#needs.metrics.backgroundErrors.inc({ loop: 'jobs' })
    this.#needs.log.error({ err: error, ...fields }, sentence)
  }
}

type JobOutcome =
  | { readonly name: 'done' }
  | { readonly name: 'aborted' }
  | { readonly name: 'set aside' }
  | { readonly name: 'failed'; readonly error: unknown }
