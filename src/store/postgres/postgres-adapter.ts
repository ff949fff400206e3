/**
 * The SQL adapter for PostgreSQL 15 to 18: one database for any number of identical nodes.
 *
 * Some connections read, one writes, one listens for the commits of other nodes. Implements `SqlAdapter`
 * (sql-adapter.ts); the longer parts are in this folder. docs/adr/0011 describes how conflicts between two nodes are
 * prevented.
 */
import { randomUUID } from 'node:crypto'
import { Kysely, sql } from 'kysely'
import { MailError, StartupError } from '../../errors.ts'
import { makePrivateFolder } from '../folders.ts'
import { kyselyProps } from '../kysely-props.ts'
import type { Schema } from '../schema/schema.ts'
import type { Database, DatabaseNeeds, SqlAdapter } from '../sql-adapter.ts'
import { CommitListener } from './commit-listener.ts'
import { kyselyParts, PostgresConnection } from './postgres-connection.ts'
import { conflict, isIoError, isUniqueViolation } from './postgres-errors.ts'
import { inspectPostgres } from './postgres-inspection.ts'
import { MIGRATION_LOCK, openFitDatabase, requireOwnSessions } from './postgres-preflight.ts'
import { Readers } from './postgres-readers.ts'
import { PostgresWriter } from './postgres-writer.ts'

/** Not `now()`, which is the beginning of the transaction. */
const DATABASE_CLOCK = sql<number>`(extract(epoch from clock_timestamp()) * 1000)::bigint`

export const postgres: SqlAdapter = {
  name: 'postgres',
  ddl: {
    text: 'text collate "C"',
    integer: 'integer',
    bigint: 'bigint',
    bytes: 'bytea',
    identity: 'bigint generated always as identity primary key',
    table: '',
    linkTable: '',
    inRow: (table, column) => [`alter table ${table} alter column ${column} set storage plain`],
    inRowIfPossible: (table, column) => [`alter table ${table} alter column ${column} set storage main`],
  },
  open,
  inspect: inspectPostgres,
  async lockMigrations(handle) {
    await sql`select pg_advisory_xact_lock(${sql.lit(MIGRATION_LOCK)})`.execute(handle)
  },
  skipLocked: (query) => query.forUpdate().skipLocked(),
  // Not FOR UPDATE: other nodes may still insert rows that refer to the locked row.
  forUpdate: (query) => query.forNoKeyUpdate(),
  forShare: (query) => query.forShare(),
  conflict,
  isIoError,
  isUniqueViolation,
}

async function open({ config, clock, log, metrics }: DatabaseNeeds): Promise<Database> {
  const { dataDir, databaseUrl: url, limits } = config
  if (url === undefined) throw new Error('PostgreSQL was chosen without a URL')
  makeFolder(dataDir)
  const connection = await openFitDatabase({ url, limits, clock })

  const node = randomUUID()
  const connect = () => connectToPrimary({ url, limits })
  const readers = new Readers({ connect, limits, connectionsMax: limits.store.readersMax })
  const writer = new PostgresWriter({ connection, connect, log, limits })
  const commitListener = new CommitListener({ connect, node, retryMsMax: limits.store.retryMsMax, log, metrics })
  try {
    requireOwnSessions([connection, await commitListener.start()], url)
  } catch (error) {
    await commitListener.close()
    await writer.close()
    throw error
  }
  return {
    reader: new Kysely<Schema>(
      kyselyProps(
        kyselyParts,
        (use) => readers.lend(use),
        () => undefined,
      ),
    ),
    writer,
    isOnlyNode: false,
    leaseNow: () => DATABASE_CLOCK,
    onForeignCommit: (listener) => commitListener.onCommit(listener),
    notifyNodes: () => commitListener.notify(),
    async close() {
      await commitListener.close()
      await readers.close()
      await writer.close()
    },
  }
}

/** Creates the data folder. It contains the blobs, unless they are stored elsewhere. Several processes may share it. */
function makeFolder(folder: string): void {
  try {
    makePrivateFolder(folder)
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    throw new StartupError(`The data folder ${folder} cannot be created or written (${code})`, { cause: error })
  }
}

/** Connects and checks that the server is not a standby: after a failover the old primary may return as one. */
async function connectToPrimary(needs: Parameters<typeof PostgresConnection.open>[0]): Promise<PostgresConnection> {
  const connection = await PostgresConnection.open(needs)
  try {
    // Not prepared: behind a pooler of transactions, this would fail with an error that does not say so.
    const { rows } = await connection.run('select pg_is_in_recovery() as is_standby')
    if (rows[0].is_standby) throw new MailError('unavailable', { detail: 'the PostgreSQL server is a standby' })
    return connection
  } catch (error) {
    connection.destroy()
    throw error
  }
}
