/**
 * Background jobs: work for which no caller waits, for example removing the mail of an inbox. A job is enqueued in the
 * transaction that makes it necessary, so that both are committed or neither; job-runner.ts runs it.
 */
import type { Tx } from '../../store/handles.ts'
import * as jobs from '../../store/tables/jobs-table.ts'

export interface NewJob {
  /** Selects the handler. */
  readonly kind: string
  /** The object of the job. Two jobs with the same kind and key are one. */
  readonly key: string
  /** Small JSON. Later versions of Martlet must be able to read it. */
  readonly payload?: Readonly<Record<string, unknown>> | undefined
  /** Epoch ms; default: at once. */
  readonly runAt?: number | undefined
}

/** A job as its handler receives it. */
export interface Job {
  readonly kind: string
  readonly key: string
  readonly payload: Readonly<Record<string, unknown>>
  /** 1 for the first attempt. */
  readonly attempt: number
  /** Aborts when the server stops or the job was lost to another node: throw its reason between two steps. */
  readonly signal: AbortSignal
}

/** A job that its handler can end before it resolves. */
export interface EndableJob extends Job {
  /**
   * Ends the job in the transaction of its last work: both are committed or neither. For work that a second run could not recognise
   * as done. The handler must resolve after that.
   *
   * @returns false if the job was lost to another node, which does the work: change nothing
   */
  complete(tx: Tx): Promise<boolean>
}

/**
 * Runs a job. If it resolves, the job is done and does not run again, even if `signal` has aborted. If it throws, the
 * job is retried. After a crash, a finished job may run again, so the handler must depend only on the state it finds.
 */
export type JobHandler = (job: Job) => Promise<void>

/** The same for work that must not be done twice: the handler ends the job in the transaction of this work. */
export type EndingJobHandler = (job: EndableJob) => Promise<void>

/**
 * Enqueues a job. If a job of this kind and key is already queued, the earlier time counts and its payload is kept; one that is
 * set aside waits all the same. If it is running at this moment, it runs once more afterwards.
 */
export async function enqueue(tx: Tx, job: NewJob): Promise<void> {
  await jobs.insertOrJoin(tx, {
    id: tx.newId(),
    kind: job.kind,
    key: job.key,
    payload: JSON.stringify(job.payload ?? {}),
    run_at: job.runAt ?? tx.now,
    not_before: null,
    attempts: 0,
    lease_owner: null,
    lease_until: null,
    interruptions: 0,
    last_error: null,
    created_at: tx.now,
  })
}
