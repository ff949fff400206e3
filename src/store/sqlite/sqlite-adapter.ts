/**
 * The SQL adapter for SQLite: one file in the data folder, used only by this process.
 *
 * One connection writes, another reads committed data, and a thread copies the write-ahead log back into the file
 * (checkpoint). Implements `SqlAdapter` (sql-adapter.ts); the longer parts are in this folder.
 */
import BetterSqlite from 'better-sqlite3'
import { Kysely } from 'kysely'
import { StartupError } from '../../errors.ts'
import { directKyselyProps } from '../kysely-props.ts'
import type { Schema } from '../schema/schema.ts'
import type { Database, DatabaseNeeds, SqlAdapter } from '../sql-adapter.ts'
import { Checkpointer } from './checkpointer.ts'
import { type DataDirLock, lockDataDir } from './data-dir-lock.ts'
import { SqliteConnection, sqliteKyselyParts } from './sqlite-connection.ts'
import { isIoError, isUniqueViolation, sqliteCode } from './sqlite-errors.ts'
import { inspectSqlite } from './sqlite-inspection.ts'
import { SqliteReader } from './sqlite-reader.ts'
import { SqliteWriter } from './sqlite-writer.ts'

/**
 * No other process writes while we run, except perhaps an operator with sqlite3. Waiting blocks the event loop; the
 * library's default is 5 s.
 */
const BUSY_TIMEOUT_MS = 50

const PAGE_BYTES = 4_096

/**
 * A file of the write-ahead log with more than this many times checkpointPages is shortened to that when it is overwritten: a long
 * read or a failure has made it long.
 */
const KEPT_LOG_LENGTHS = 4

export const sqlite: SqlAdapter = {
  name: 'sqlite',
  ddl: {
    text: 'text',
    integer: 'integer',
    bigint: 'integer',
    bytes: 'blob',
    identity: 'integer primary key autoincrement',
    table: 'strict',
    linkTable: 'strict, without rowid',
    inRow: () => [], // as it does by itself
    inRowIfPossible: () => [],
  },
  open,
  inspect: inspectSqlite,
  lockMigrations: async () => undefined, // one process, one writer
  skipLocked: (query) => query,
  forUpdate: (query) => query,
  forShare: (query) => query,
  conflict: () => undefined,
  isIoError,
  isUniqueViolation,
}

async function open({ config, log, metrics }: Omit<DatabaseNeeds, 'clock'>): Promise<Database> {
  const folder = lockDataDir(config.dataDir)
  try {
    return openConnections(folder, { config, log, metrics })
  } catch (error) {
    folder.release()
    const code = sqliteCode(error)
    if (code === undefined) throw error
    throw new StartupError(`The database ${folder.databaseFile} cannot be opened (${code})`, { cause: error })
  }
}

function openConnections(folder: DataDirLock, { config, log, metrics }: Omit<DatabaseNeeds, 'clock'>): Database {
  const file = folder.databaseFile
  const { checkpointPages, checkpointIdleMs } = config.limits.store
  const checkpointer = new Checkpointer({ file, checkpointPages, checkpointIdleMs, log, metrics })
  const endReadTransaction = () => reading.endReadTransaction()
  const writer = new SqliteWriter({
    open: () => openWriting(file, checkpointPages),
    ...{ checkpointer, endReadTransaction, log },
  })
  const reading = openReading(file, () => !checkpointer.isEmptying)
  return {
    reader: new Kysely<Schema>(directKyselyProps(sqliteKyselyParts, reading)),
    writer,
    isOnlyNode: true,
    leaseNow: () => Math.floor(performance.timeOrigin + performance.now()),
    onForeignCommit: () => undefined, // there are no other nodes
    notifyNodes: () => undefined,
    file: {
      freePages: () => reading.get<{ freelist_count: number }>('pragma freelist_count').freelist_count,
      releasePages: (pagesMax) => writer.releasePages(pagesMax),
      truncate: () => checkpointer.truncate(),
    },
    async close() {
      await checkpointer.close()
      reading.close()
      writer.close() // last: it copies the write-ahead log back, which a read-only connection cannot do
      folder.release()
    },
  }
}

function openWriting(file: string, checkpointPages: number): SqliteConnection {
  const database = new BetterSqlite(file, { timeout: BUSY_TIMEOUT_MS, fileMustExist: true })
  try {
    // The first two settings have an effect only before the first page is written, and switching to WAL writes it.
    database.pragma(`page_size = ${PAGE_BYTES}`)
    database.pragma('auto_vacuum = incremental')
    database.pragma('journal_mode = wal')
    database.pragma('synchronous = full') // a commit is on disk before we confirm it
    database.pragma('wal_autocheckpoint = 0') // the checkpointer does this
    database.pragma(`journal_size_limit = ${KEPT_LOG_LENGTHS * checkpointPages * PAGE_BYTES}`)
    database.pragma('foreign_keys = on')
    database.pragma('trusted_schema = off')
    // A savepoint keeps the former content of pages there. As a file, it takes a system call per page. (A migration that sorts a
    // large table should set it to file.)
    database.pragma('temp_store = memory')
    return new SqliteConnection(database)
  } catch (error) {
    database.close()
    throw error
  }
}

function openReading(file: string, mayShare: () => boolean): SqliteReader {
  return new SqliteReader(new BetterSqlite(file, { timeout: BUSY_TIMEOUT_MS, readonly: true }), mayShare)
}
