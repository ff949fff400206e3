/**
 * The preflight check: verifies that Martlet can use a PostgreSQL server and database, and creates what the migrations
 * need: the table of commit marks. Each error says what to do.
 */

import type { Limits } from '../../config/limits.ts'
import { StartupError } from '../../errors.ts'
import { MARKS_TABLE, REMOVE_OLD_MARKS } from './commit-recovery.ts'
import { type ConnectionNeeds, PostgresConnection } from './postgres-connection.ts'
import { sqlState } from './postgres-errors.ts'

/** The key of the advisory lock: any number that no other program uses in this database. */
export const MIGRATION_LOCK = 0x6d_61_72_74

/** Another connection has used this session before. */
const DUPLICATE_PREPARED_STATEMENT = '42P05'

const OLDEST_VERSION = 150_000

/** Returns host:port/database, the part of the URL that may be shown. */
export function describeDatabase(databaseUrl: string): string {
  const { host, pathname } = new URL(databaseUrl)
  return `${host}${pathname}`
}

interface PreflightNeeds extends ConnectionNeeds {
  readonly clock: () => number
  readonly limits: ConnectionNeeds['limits'] & Limits
  /** Only checks: creates nothing, and lets nothing be written. */
  readonly isInspection?: boolean
}

/**
 * Connects to the database, checks it, and prepares it for the migrations.
 *
 * @returns the connection that was used
 * @throws StartupError when the database cannot be used
 */
export async function openFitDatabase({ clock, isInspection, ...needs }: PreflightNeeds): Promise<PostgresConnection> {
  const database = describeDatabase(needs.url)
  const connection = await connect(needs)
  try {
    await checkServer(connection, database)
    await checkClock(connection, { database, clock, skewMsMax: needs.limits.store.clockSkewMsMax })
    if (!isInspection) await prepare(connection, database)
    else {
      await checkSessions(connection, needs)
      await checkRights(connection, database)
    }
    return connection
  } catch (error) {
    await connection.close()
    throw sqlState(error) === DUPLICATE_PREPARED_STATEMENT ? poolsTransactions(database, error) : error
  }
}

async function connect(needs: ConnectionNeeds): Promise<PostgresConnection> {
  return PostgresConnection.open(needs).catch((error: unknown) => {
    throw new StartupError(`PostgreSQL at ${describeDatabase(needs.url)} ${whyUnreachable(error)}`, { cause: error })
  })
}

/**
 * Checks that no pooler shares one session among several connections: settings, prepared statements and LISTEN belong to a session.
 *
 * @param connections one that was lost is left out: after a restart of its machine, the server soon gives the number of its process again
 */
export function requireOwnSessions(connections: readonly PostgresConnection[], url: string): void {
  const pids = connections.flatMap(({ isLost, pid }) => (isLost ? [] : pid))
  if (new Set(pids).size < pids.length) throw poolsTransactions(describeDatabase(url))
}

/** The start compares the connections that it needs anyway. */
async function checkSessions(connection: PostgresConnection, needs: ConnectionNeeds): Promise<void> {
  const second = await connect(needs)
  try {
    requireOwnSessions([connection, second], needs.url)
  } finally {
    await second.close()
  }
}

function poolsTransactions(database: string, cause?: unknown): StartupError {
  return new StartupError(
    `PostgreSQL at ${database} is behind a pooler of transactions; let it pool sessions (PgBouncer: pool_mode = session)`,
    { cause },
  )
}

function whyUnreachable(error: unknown): string {
  switch (sqlState(error)) {
    case '28P01':
    case '28000':
      return 'rejected the user or password; correct MARTLET_DATABASE_URL'
    case '3D000':
      return "has no such database; create it with: create database … encoding 'UTF8' locale 'C.UTF-8' template template0"
  }
  const { code, message } = error as NodeJS.ErrnoException
  return `cannot be reached (${code ?? message}); start it, or correct MARTLET_DATABASE_URL`
}

interface Found {
  version: number
  version_name: string
  encoding: string
  ctype: string
  is_standby: boolean
}

async function checkServer(connection: PostgresConnection, database: string): Promise<void> {
  const { rows } = await connection.query<Found>(
    `select current_setting('server_version_num')::int as version, current_setting('server_version') as version_name,
       current_setting('server_encoding') as encoding, datctype as ctype, pg_is_in_recovery() as is_standby
     from pg_database where datname = current_database()`,
    [],
  )
  const found = rows[0]!
  if (found.version < OLDEST_VERSION) {
    throw new StartupError(`PostgreSQL at ${database} is version ${found.version_name}; Martlet needs 15 or newer`)
  }
  if (found.is_standby) {
    throw new StartupError(`PostgreSQL at ${database} is a standby, which accepts no writes; use its primary`)
  }
  if (found.encoding !== 'UTF8') throw new StartupError(unfit(database, `its encoding is ${found.encoding}`))
  // Filters compare lower-case text, and in these locales lower() knows only A to Z.
  if (/^(C|POSIX)$/i.test(found.ctype)) throw new StartupError(unfit(database, `its LC_CTYPE is ${found.ctype}`))
}

/** Checks the clock: the rows of all nodes are sorted together by their times. Leases do not use it (docs/adr/0033). */
async function checkClock(
  connection: PostgresConnection,
  { database, clock, skewMsMax }: { database: string; clock: () => number; skewMsMax: number },
): Promise<void> {
  const askedAt = clock()
  const { rows } = await connection.query<{ now: number }>(
    'select (extract(epoch from clock_timestamp()) * 1000)::bigint as now',
    [],
  )
  const tookMs = clock() - askedAt
  const skewMs = askedAt - rows[0]!.now
  if (Math.abs(skewMs) <= skewMsMax + tookMs) return
  const where = `${Math.round(Math.abs(skewMs) / 1_000)} s ${skewMs > 0 ? 'ahead of' : 'behind'}`
  throw new StartupError(
    `The clock of this machine is ${where} that of PostgreSQL at ${database}; synchronise both by NTP`,
  )
}

function unfit(database: string, why: string): string {
  return (
    `The database ${database} cannot store mail in every language: ${why}. Create another with: ` +
    "create database … encoding 'UTF8' locale 'C.UTF-8' template template0"
  )
}

/** Checks that a first start could create the tables. */
async function checkRights(connection: PostgresConnection, database: string): Promise<void> {
  await connection.run('set default_transaction_read_only = on')
  const { rows } = await connection.query<{ may_create: boolean }>(
    `select has_schema_privilege(current_schema(), 'create') as may_create`,
    [],
  )
  if (!rows[0]!.may_create) {
    throw new StartupError(`Tables cannot be created in ${database}; make the user of MARTLET_DATABASE_URL its owner`)
  }
}

async function prepare(connection: PostgresConnection, database: string): Promise<void> {
  await connection.run('begin; set local lock_timeout = 0; set local statement_timeout = 0')
  connection.setTimeLimits(false) // another node may be migrating
  await connection.run(`select pg_advisory_xact_lock(${MIGRATION_LOCK})`)
  const { rows } = await connection.query<{ has_letters: boolean }>(`select lower('ÜBER') = 'über' as has_letters`, [])
  if (!rows[0]!.has_letters) throw new StartupError(unfit(database, 'it knows no letters beyond a to z'))
  await connection.run(MARKS_TABLE).catch((error: unknown) => {
    const why = (error as Error).message
    throw new StartupError(
      `Tables cannot be created in ${database} (${why}); make the user of MARTLET_DATABASE_URL its owner`,
      {
        cause: error,
      },
    )
  })
  await connection.run(REMOVE_OLD_MARKS)
  await connection.run('commit')
  connection.setTimeLimits(true)
}
