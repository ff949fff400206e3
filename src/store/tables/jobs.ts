/** Background jobs. Rows only; claims are in ../leases.ts, what a job does is in mail/jobs and the rooms that enqueue. */
import { sql } from 'kysely'
import type { Db, JobRow, Tx } from '../schema.ts'

/**
 * Adds a job, or joins the one of the same kind and key: one that waits runs at the earlier of both times, one that is
 * running at the moment runs once more.
 */
export async function insertOrJoin(tx: Tx, row: JobRow): Promise<void> {
  // An attempt counts from its start: a running job with none was asked for since (see `complete`).
  const isJustJoined = sql<boolean>`jobs.lease_until > ${tx.now} and jobs.attempts > 0`
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

/** Whether a claim would find something, without writing. */
export async function isAnyDue(db: Db, kinds: readonly string[], now: number): Promise<boolean> {
  if (kinds.length === 0) return false
  const row = await db
    .selectFrom('jobs')
    .select('id')
    .where('run_at', '<=', now)
    .where('kind', 'in', kinds)
    .where((eb) => eb.or([eb('lease_until', 'is', null), eb('lease_until', '<=', now)]))
    .limit(1)
    .executeTakeFirst()
  return row !== undefined
}

/** Counted when an attempt begins, so that one which takes the process down with it counts too. */
export async function countAttempts(tx: Tx, ids: readonly string[]): Promise<void> {
  if (ids.length === 0) return
  await tx
    .updateTable('jobs')
    .set((eb) => ({ attempts: eb('attempts', '+', 1) }))
    .where('id', 'in', ids)
    .execute()
}

/** Which job, claimed by whom: a worker that lost its lease changes nothing. */
export interface ClaimedJob {
  readonly id: string
  readonly owner: string
}

/** Done: removes it, unless it was asked for again since it was claimed (`insertOrJoin`); then it is free to run anew. */
export async function complete(tx: Tx, { id, owner }: ClaimedJob): Promise<void> {
  await tx.deleteFrom('jobs').where('id', '=', id).where('lease_owner', '=', owner).where('attempts', '>', 0).execute()
  await free(tx, { id, owner }, { last_error: null, interruptions: 0 })
}

/** Failed: free again, to be tried at the given time. */
export async function recordFailure(
  tx: Tx,
  job: ClaimedJob,
  failure: { readonly runAt: number; readonly error: string },
): Promise<void> {
  await free(tx, job, { run_at: failure.runAt, last_error: failure.error, interruptions: 0 })
}

/** Cut short by us: free again at once, and the attempt does not count. */
export async function giveBack(tx: Tx, job: ClaimedJob, attemptsBefore: number): Promise<void> {
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
