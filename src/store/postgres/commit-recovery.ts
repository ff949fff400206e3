/**
 * Commit recovery: looks up the outcome of a commit whose response was lost, before any caller gets a result. A message
 * that was stored must not get 451, and one that was not stored must not get 250.
 *
 *   new connection → still running? terminate it, unless it is committing → ended: does its mark exist? → committed, or not committed
 *
 * `pg_xact_status` shows that the transaction has ended. The mark that each transaction writes in its first statement
 * shows whether it was committed. The status alone is not enough: after a crash that lost the end of the write-ahead
 * log, PostgreSQL reuses the ids of the lost transactions, and we would mistake the status of another for ours.
 * The mark is found by a write of its own. If a commit has to wait for a standby (synchronous_standby_names), the commit of this write
 * has to wait for the same standby and for all that was written before, so the transaction counts only when the standby has it
 * (docs/adr/0098). A session that is committing is left alone: to terminate it would only end its wait.
 * Server or standby unreachable: retries as long as the caller waits. The caller's signal ends it with outcome_unknown.
 */
import { setTimeout as delay } from 'node:timers/promises'
import { waitUnlessAborted } from '../../deadline.ts'
import { MailError } from '../../errors.ts'
import type { Log } from '../../log.ts'
import { retryPauseMs } from '../../retry-pause.ts'
import type { PostgresConnection } from './postgres-connection.ts'
import { sqlState } from './postgres-errors.ts'

const RETRY_FIRST_MS = 20

/**
 * The table of commit marks. One row per connection: a session that the server still believes alive keeps its row
 * locked, so others must not use it. Created outside the migrations, because the first migration needs it.
 */
export const MARKS_TABLE = `create table if not exists commit_marks (
  writer text primary key,
  number bigint not null,
  marked_at timestamptz not null
)`

/** Deletes the marks of connections that ended long ago. */
export const REMOVE_OLD_MARKS = `delete from commit_marks where marked_at < now() - interval '7 days'`

/** The first statement of each transaction. Parameters: writer, number. */
export const MARK = `insert into commit_marks (writer, number, marked_at) values ($1, $2, now())
  on conflict (writer) do update set number = excluded.number, marked_at = excluded.marked_at
  returning pg_current_xact_id()::text as xid, pg_backend_pid() as pid`

/** What the first statement of a transaction returns. */
export interface BegunTransaction {
  readonly xid: string
  /** The process of its session. */
  readonly pid: number
}

interface LostTransaction extends BegunTransaction {
  /** The name of its connection. */
  readonly writer: string
  /** The number in its mark. */
  readonly number: number
}

interface Outcome {
  readonly isCommitted: boolean
  /** The connection that was used. */
  readonly connection: PostgresConnection
}

interface CommitRecoveryNeeds {
  /** Connects to a primary: the data of a standby may be old. */
  readonly connect: () => Promise<PostgresConnection>
  readonly log: Log
  readonly retryMsMax: number
  /** Aborts when the caller stops waiting. */
  readonly signal: AbortSignal
}

export class CommitRecovery {
  readonly #needs: CommitRecoveryNeeds
  #connection: PostgresConnection | undefined

  constructor(needs: CommitRecoveryNeeds) {
    this.#needs = needs
  }

  /**
   * @throws outcome_unknown when the signal aborts
   */
  async findOutcome(lost: LostTransaction): Promise<Outcome> {
    const { signal } = this.#needs
    try {
      // An attempt may take longer than a stop may wait: the server does not answer, or waits for a standby.
      return await waitUnlessAborted(this.#lookUp(lost), signal)
    } catch (error) {
      if (!signal.aborted) throw error
      this.#connection?.destroy()
      throw new MailError('outcome_unknown', {})
    }
  }

  async #lookUp(lost: LostTransaction): Promise<Outcome> {
    const { connect, log, retryMsMax, signal } = this.#needs
    let isWaitLogged = false
    for (let attempts = 1; !signal.aborted; attempts += 1) {
      try {
        this.#connection ??= await connect()
        signal.throwIfAborted()
        const connection = this.#connection
        if (await isOver(connection, lost.xid)) return { isCommitted: await isMarked(connection, lost), connection }
        if ((await endUnlessCommitting(connection, lost)) && !isWaitLogged) {
          isWaitLogged = true
          log.warn({ xid: lost.xid }, 'the commit still runs in PostgreSQL, or waits for a standby; waiting for it')
        }
      } catch (error) {
        if (!signal.aborted)
          log.warn({ err: error, xid: lost.xid }, 'looking up the outcome of a commit failed; will retry')
        this.#connection?.destroy()
        this.#connection = undefined
      }
      const pauseMs = retryPauseMs(attempts, RETRY_FIRST_MS, retryMsMax)
      await delay(pauseMs, undefined, { signal }).catch(() => undefined) // aborted: the loop ends
    }
    this.#connection?.destroy()
    throw new MailError('outcome_unknown', {})
  }
}

async function isOver(connection: PostgresConnection, xid: string): Promise<boolean> {
  try {
    const { rows } = await connection.query<{ status: string | null }>(
      'select pg_xact_status($1::text::xid8) as status',
      [xid],
    )
    return rows[0]!.status !== 'in progress'
  } catch (error) {
    // invalid_parameter_value, "in the future": a crash lost the transaction, or this server never had it.
    if (sqlState(error) === '22023') return true
    throw error
  }
}

/**
 * Looks for the mark in a separate statement, because a snapshot from before the commit would not show it. It writes, so that it waits for
 * a standby: after a crash, or when its session was terminated, a commit is visible without the standby. The number stays, so that it
 * can be repeated.
 */
async function isMarked(connection: PostgresConnection, { writer, number }: LostTransaction): Promise<boolean> {
  const { rowCount } = await connection.query(
    'update commit_marks set marked_at = now() where writer = $1 and number = $2',
    [writer, number],
  )
  return rowCount === 1
}

/**
 * Terminates the session of the lost transaction, unless it is committing: the server may not have noticed yet that the connection is
 * lost, and the session still has all its locks. The wait event is compared too, since an operator can turn off `track_activities`;
 * and the process, since after a failover to a standby without the transaction, another one gets its id.
 *
 * @returns whether the session is committing
 */
async function endUnlessCommitting(connection: PostgresConnection, { xid, pid }: BegunTransaction): Promise<boolean> {
  const { rows } = await connection.query<{ is_committing: boolean }>(
    `select is_committing, case when not is_committing then pg_terminate_backend(pid) end
     from (
       select pid, (state = 'active' and query = 'commit') or coalesce(wait_event = 'SyncRep', false) as is_committing
       from pg_stat_activity where backend_xid = $1::text::xid8::xid and pid = $2::integer
     ) as session`,
    [xid, pid],
  )
  return rows.some((row) => row.is_committing)
}
