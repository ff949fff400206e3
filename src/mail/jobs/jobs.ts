/**
 * Work that must be done although nobody waits for it (the removal of an inbox's mail, say): asked for in the
 * transaction that makes it necessary, so that neither is kept without the other, and done by runner.ts.
 */
import type { Tx } from '../../store/schema.ts'
import * as table from '../../store/tables/jobs.ts'

export interface NewJob {
  /** Which handler does it. */
  readonly kind: string
  /** What it is about. Two jobs of one kind and key are one. */
  readonly key: string
  /** Small and JSON; it outlives the version that wrote it. */
  readonly payload?: Readonly<Record<string, unknown>> | undefined
  /** Epoch ms; at once when left out. */
  readonly runAt?: number | undefined
}

/** A job as its handler gets it. */
export interface Job {
  readonly kind: string
  readonly key: string
  readonly payload: Readonly<Record<string, unknown>>
  /** 1 at the first try. */
  readonly attempt: number
  /** Aborts when the server stops or the job was lost to another node: throw its reason between two steps. */
  readonly signal: AbortSignal
}

/**
 * Does a job. Resolving means done: it is not run again, even when `signal` has aborted meanwhile. Throwing means later.
 * It may be run again after it was done (a crash in between), so it must go by what it finds.
 */
export type JobHandler = (job: Job) => Promise<void>

/**
 * Asks for a job. Where the same kind and key is asked for already, the earlier time counts and its payload stays; one
 * that is running at this moment runs once more afterwards.
 */
export async function enqueue(tx: Tx, job: NewJob): Promise<void> {
  await table.insertOrJoin(tx, {
    id: tx.newId(),
    kind: job.kind,
    key: job.key,
    payload: JSON.stringify(job.payload ?? {}),
    run_at: job.runAt ?? tx.now,
    attempts: 0,
    lease_owner: null,
    lease_until: null,
    interruptions: 0,
    last_error: null,
    created_at: tx.now,
  })
}
