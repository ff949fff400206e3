/**
 * Finds out how a commit ended whose answer never came, before anybody is told anything: a mail that was stored must not
 * be answered 451, nor one that was not 250.
 *
 *   fresh connection → transaction still running? end it → over: is its mark there? → committed, or not
 *
 * `pg_xact_status` tells when it is over. Whether it was committed is told by the mark that each transaction leaves in its
 * own first statement: after a crash that lost the end of its log, PostgreSQL gives the ids of the lost transactions to
 * others, and their "committed" would be taken for ours.
 * The server is away: tried again, for as long as the caller waits; its signal ends it with outcome_unknown.
 */
import { setTimeout as delay } from 'node:timers/promises'
import { MailError } from '../../errors.ts'
import type { Log } from '../../log.ts'
import type { PostgresConnection } from './connection.ts'
import { sqlState } from './errors.ts'

const RETRY_FIRST_MS = 20

/**
 * Where transactions leave their marks, one row a connection: one that PostgreSQL does not know to be lost still keeps its
 * row from others. Made beside the migrations: the first of them needs it.
 */
export const MARKS_TABLE = `create table if not exists commit_marks (
  writer text primary key,
  number bigint not null,
  marked_at timestamptz not null
)`

/** Of connections that are long gone. */
export const REMOVE_OLD_MARKS = `delete from commit_marks where marked_at < now() - interval '7 days'`

/** First statement of a transaction. Parameters: writer, number. */
export const MARK = `insert into commit_marks (writer, number, marked_at) values ($1, $2, now())
  on conflict (writer) do update set number = excluded.number, marked_at = excluded.marked_at
  returning pg_current_xact_id()::text as xid`

interface LostTransaction {
  readonly xid: string
  /** Names its connection. */
  readonly writer: string
  /** Its mark. */
  readonly number: number
}

interface LostCommitNeeds {
  /** To a server that takes writes: what a standby knows may be old. */
  readonly connect: () => Promise<PostgresConnection>
  readonly log: Log
  readonly retryMaxMs: number
  /** Aborts when nobody will wait any longer. */
  readonly signal: AbortSignal
}

export class LostCommit {
  readonly #needs: LostCommitNeeds
  #connection: PostgresConnection | undefined

  constructor(needs: LostCommitNeeds) {
    this.#needs = needs
  }

  /**
   * @returns how it ended, and the connection that found it out
   * @throws outcome_unknown
   */
  async settle(lost: LostTransaction): Promise<{ isCommitted: boolean; connection: PostgresConnection }> {
    const { connect, log, retryMaxMs, signal } = this.#needs
    for (let pauseMs = RETRY_FIRST_MS; !signal.aborted; pauseMs = Math.min(2 * pauseMs, retryMaxMs)) {
      try {
        this.#connection ??= await connect()
        const connection = this.#connection
        if (await isOver(connection, lost.xid)) return { isCommitted: await isMarked(connection, lost), connection }
        await end(connection, lost.xid)
      } catch (error) {
        log.warn({ err: error, xid: lost.xid }, 'the outcome of a commit could not be looked up yet')
        this.#connection?.destroy()
        this.#connection = undefined
      }
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
    // invalid_parameter_value, "in the future": a crash lost it, or this server never had it.
    if (sqlState(error) === '22023') return true
    throw error
  }
}

/** In a statement of its own: a snapshot from before the commit would not show it. */
async function isMarked(connection: PostgresConnection, { writer, number }: LostTransaction): Promise<boolean> {
  const { rows } = await connection.query<{ number: number }>('select number from commit_marks where writer = $1', [
    writer,
  ])
  return rows[0]?.number === number
}

/**
 * The server may not know yet that we are gone, and wait for us with all our locks. A session that is just committing
 * ends after that.
 */
async function end(connection: PostgresConnection, xid: string): Promise<void> {
  await connection.query(
    'select pg_terminate_backend(pid) from pg_stat_activity where backend_xid = $1::text::xid8::xid',
    [xid],
  )
}
