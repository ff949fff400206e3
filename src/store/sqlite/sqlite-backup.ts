/**
 * Copies of the SQLite database for `martlet backup` and `martlet restore`. These commands are processes of their own:
 * SQLite's locks and the write-ahead log let them read beside the server.
 */
import { statSync } from 'node:fs'
import BetterSqlite from 'better-sqlite3'
import { StartupError } from '../../errors.ts'
import { requireFit } from '../migrations/migrate.ts'
import { databaseFiles, isDataDirLocked, requireDatabaseOfLog } from './data-dir-lock.ts'
import { sqlite } from './sqlite-adapter.ts'
import { sqliteCode } from './sqlite-errors.ts'
import { hasTables } from './sqlite-inspection.ts'

/** More pages than a database can have. */
const ALL_PAGES = 2 ** 31 - 1

/**
 * Copies the database as it is at one moment, while the server may be writing. Until the copy is complete, the server's
 * write-ahead log cannot be emptied and grows.
 *
 * @param to the file of the copy; it must not exist
 * @throws StartupError when there is no database, it has no tables, or this user may not read it
 */
export async function copyDatabase(dataDir: string, to: string): Promise<void> {
  const [file] = databaseFiles(dataDir) as [string]
  try {
    requireDatabaseOfLog(dataDir)
    if (!statSync(file, { throwIfNoEntry: false })) throw new StartupError(`There is no database in ${dataDir}`)
    // Without a server, only a writing connection removes the -wal and -shm files that SQLite creates for it.
    const isReadOnly = isDataDirLocked(dataDir)
    const database = new BetterSqlite(file, { readonly: isReadOnly, fileMustExist: true })
    try {
      if (!hasTables(database)) {
        throw new StartupError(
          `The database ${file} has no tables: no start has succeeded yet, so there is nothing to save`,
        )
      }
      // In one step: if the server writes between two steps, the copy begins again, perhaps for ever.
      await database.backup(to, { progress: () => ALL_PAGES })
    } finally {
      database.close()
    }
  } catch (error) {
    const code = sqliteCode(error) ?? (error as NodeJS.ErrnoException).code
    if (code === undefined) throw error
    throw new StartupError(describeFailedCopy(file, code), { cause: error })
  }
}

/** Codes of SQLite that another user would get, too. */
const NOT_OF_USER = ['SQLITE_IOERR', 'SQLITE_CORRUPT', 'SQLITE_NOTADB', 'SQLITE_NOMEM']

function describeFailedCopy(file: string, code: string): string {
  // Only the copy is written.
  if (code === 'SQLITE_FULL') {
    return `The copy of the database cannot be written (${code}): the disk of the backup is full. It needs space for two copies`
  }
  const fix = NOT_OF_USER.some((known) => code.startsWith(known)) ? '' : '; run this as the user of the service'
  return `The database ${file} cannot be copied (${code})${fix}`
}

/** Returns the keys of all blobs that the rows of a copy refer to. */
export function listBlobKeys(file: string): string[] {
  const database = new BetterSqlite(file, { fileMustExist: true })
  try {
    const keys = `select blob_key as key from contents where blob_key is not null
      union select parsed_blob_key from contents where parsed_blob_key is not null`
    return database.prepare(keys).pluck().all() as string[]
  } finally {
    database.close()
  }
}

/**
 * Checks that this version can use a restored copy.
 *
 * @throws StartupError when it is no database, or belongs to a newer program, or to another development version
 */
export function requireRestorable(file: string): void {
  change(file, (database) => {
    const applied = database.prepare('select * from schema_migrations order by number').all()
    requireFit(applied as Parameters<typeof requireFit>[0], sqlite.ddl, { isBackup: true })
  })
}

/**
 * Checks a restored copy for damage, and pauses its outbound mail and webhooks, before a server uses it.
 *
 * @throws StartupError when the copy is damaged
 */
export function pauseRestored(file: string, now: number): void {
  change(file, (database) => {
    const found = database.pragma('quick_check(1)', { simple: true })
    if (found !== 'ok') throw new StartupError(`The database of the backup is damaged: ${found}`)
    database.prepare('insert into outbound_pause (id, paused_at) values (1, ?) on conflict do nothing').run(now)
    for (const sql of RAISE_UID_VALIDITY) database.exec(sql)
    // Closing it would do that too, but without an error if it fails, and the log does not get the final name of the database.
    database.pragma('wal_checkpoint(truncate)')
  })
}

function change(file: string, use: (database: BetterSqlite.Database) => void): void {
  const database = new BetterSqlite(file, { fileMustExist: true })
  try {
    use(database)
  } catch (error) {
    if (sqliteCode(error) === undefined) throw error
    throw new StartupError(`The database of the backup cannot be used: ${(error as Error).message}`, { cause: error })
  } finally {
    database.close()
  }
}

/**
 * UIDs that were given since the backup will be given to other messages (RFC 9051 §2.3.1.1). As in
 * tables/mailboxes-table.ts, for a database that no server has opened.
 */
const RAISE_UID_VALIDITY = [
  'update mailboxes set uid_validity = max(uid_validity + 1, unixepoch())',
  'update mailbox_states set last_uid_validity = max(last_uid_validity + 1, unixepoch())',
]
