/** Queries for background jobs. Rows only; ../leases.ts claims jobs; mail/jobs and the enqueuing modules run them. */
import { sql } from 'kysely'
import type { Db, LeaseTime, Tx } from '../handles.ts'
import { type InterruptionBounds, isFree, isWithin, restrictionOf } from '../leases.ts'
import { prepareQuery } from '../prepared-query.ts'
import type { JobRow } from '../schema/job-rows.ts'

/**
 * Adds a job, or merges it into the existing one of the same kind and key: a job that waits runs at the earlier of both
 * times, and a running job runs once more.
 */
export async function insertOrJoin(tx: Tx, row: JobRow): Promise<void> {
  // An attempt is counted at its start, so a running job with zero attempts was enqueued again since (see `complete`).
  const isJustJoined = sql<boolean>`jobs.lease_until > ${tx.leaseNow} and jobs.attempts > 0`
  await tx
    .insertInto('jobs')
    .values(row)
    .onConflict((conflict) =>
      conflict.columns(['kind', 'key']).doUpdateSet({
        attempts: sql<number>`case when ${isJustJoined} then 0 else jobs.attempts end`,
        run_at: sql<number>`case
          when ${isJustJoined} or excluded.run_at < jobs.run_at then excluded.run_at
          else jobs.run_at end`,
      }),
    )
    .execute()
}

interface DueJobs {
  readonly kinds: readonly string[]
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

/** Failure: ends the lease; the job is retried at the given time. */
export async function recordFailure(
  tx: Tx,
  job: ClaimedJob,
  failure: { readonly runAt: number; readonly error: string },
): Promise<void> {
  await free(tx, job, { run_at: failure.runAt, last_error: failure.error, interruptions: 0 })
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
