/** Queries for background jobs. Rows only; ../leases.ts claims jobs; mail/jobs and the enqueuing modules run them. */
import { sql } from 'kysely'
import type { Db, LeaseTime, Tx } from '../handles.ts'
import { type InterruptionBounds, isFree, isWithin, restrictionOf } from '../leases.ts'
import { prepareQuery } from '../prepared-query.ts'
import type { JobRow } from '../schema/job-rows.ts'

/**
 * Adds a job, or merges it into the existing one of the same kind and key: a job that waits runs at the earlier of both
 * times, but not before the end of the time for which it is set aside, and a running job runs once more.
 */
export async function insertOrJoin(tx: Tx, row: JobRow): Promise<void> {
  // An attempt is counted at its start, so a running job with zero attempts was enqueued again since (see `complete`). Its
  // lease may have expired: until another node claims it, its worker can still complete it. But then it may also be dead, and the job
  // that it left must not wait longer.
  const isJustJoined = sql<boolean>`jobs.lease_owner is not null and jobs.attempts > 0`
  const isRunning = sql<boolean>`${isJustJoined} and jobs.lease_until > ${tx.leaseNow}`
  await tx
    .insertInto('jobs')
    .values(row)
    .onConflict((conflict) =>
      conflict.columns(['kind', 'key']).doUpdateSet({
        attempts: sql<number>`case when ${isJustJoined} then 0 else jobs.attempts end`,
        run_at: sql<number>`case
          when jobs.not_before > excluded.run_at then jobs.run_at
          when ${isRunning} or excluded.run_at < jobs.run_at then excluded.run_at
          else jobs.run_at end`,
      }),
    )
    .execute()
}

interface DueJobs {
  readonly kinds: readonly string[]
  /** Ids of jobs that do not count. */
  readonly exceptIds: readonly string[]
  readonly now: number
  readonly leaseNow: LeaseTime
  readonly interrupted: InterruptionBounds
}

/** Whether a claim would find a job, without writing. */
export async function isAnyDue(db: Db, { interrupted, ...due }: DueJobs): Promise<boolean> {
  if (due.kinds.length === 0) return false
  return (await anyDue(db, { restriction: restrictionOf(interrupted), ...due })).length > 0
}

/** Runs after every commit. */
const anyDue = prepareQuery(
  (
    db,
    {
      kinds,
      exceptIds,
      now,
      leaseNow,
      restriction,
    }: Omit<DueJobs, 'interrupted'> & { restriction: InterruptionBounds | undefined },
  ) =>
    db
      .selectFrom('jobs')
      .select('id')
      .where('run_at', '<=', now)
      .where('kind', 'in', kinds)
      .$if(exceptIds.length > 0, (query) => query.where('id', 'not in', exceptIds))
      .where(isFree(leaseNow))
      .$if(restriction !== undefined, (query) => query.where(isWithin(restriction!)))
      .limit(1),
)

/** Counts an attempt. Called when it begins, so that an attempt that crashes the process is counted too. */
export async function countAttempts(tx: Tx, ids: readonly string[]): Promise<void> {
  if (ids.length === 0) return
  await tx
    .updateTable('jobs')
    .set((eb) => ({ attempts: eb('attempts', '+', 1) }))
    .where('id', 'in', ids)
    .execute()
}

/** A job and the owner of its lease: a worker that has lost its lease changes nothing. */
export interface ClaimedJob {
  readonly id: string
  readonly owner: string
}

/** Success: deletes the job, unless it was enqueued again since the claim (`insertOrJoin`); then it can run again. */
export async function complete(tx: Tx, { id, owner }: ClaimedJob): Promise<void> {
  await tx.deleteFrom('jobs').where('id', '=', id).where('lease_owner', '=', owner).where('attempts', '>', 0).execute()
  await free(tx, { id, owner }, { last_error: null, interruptions: 0 })
}

/**
 * Success, in the transaction of the job's last work. A job that was enqueued again meanwhile stays under its lease: `complete`
 * follows when its handler has ended.
 *
 * @returns false if the lease was lost: another worker runs the job
 */
export async function completeWithWork(tx: Tx, { id, owner }: ClaimedJob): Promise<boolean> {
  const isOwn = { id, lease_owner: owner }
  const { numDeletedRows } = await tx
    .deleteFrom('jobs')
    .where((eb) => eb.and(isOwn))
    .where('attempts', '>', 0)
    .executeTakeFirstOrThrow()
  if (numDeletedRows > 0n) return true
  const left = await tx
    .selectFrom('jobs')
    .select('id')
    .where((eb) => eb.and(isOwn))
    .executeTakeFirst()
  return left !== undefined
}

/** Failure: ends the lease; the job is retried at the given time. */
export async function recordFailure(
  tx: Tx,
  job: ClaimedJob,
  failure: { readonly runAt: number; readonly error: string },
): Promise<void> {
  await free(tx, job, { run_at: failure.runAt, last_error: failure.error, interruptions: 0 })
}

/** Ends the lease; the job does not run before the given time, not even if it is enqueued again. */
export async function setAside(
  tx: Tx,
  job: ClaimedJob,
  { until, error }: { readonly until: number; readonly error: string },
): Promise<void> {
  await free(tx, job, { run_at: until, not_before: until, last_error: error, interruptions: 0 })
}

/** The server interrupted the job: ends the lease at once, and does not count the attempt. */
export async function release(tx: Tx, job: ClaimedJob, attemptsBefore: number): Promise<void> {
  await free(tx, job, { attempts: attemptsBefore })
}

async function free(tx: Tx, { id, owner }: ClaimedJob, change: Partial<JobRow>): Promise<void> {
  await tx
    .updateTable('jobs')
    .set({ ...change, lease_owner: null, lease_until: null })
    .where('id', '=', id)
    .where('lease_owner', '=', owner)
    .execute()
}
