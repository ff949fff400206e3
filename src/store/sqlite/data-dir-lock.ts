/**
 * Creates the data folder, private to this user, and locks it, so that only one process uses it at a time.
 *
 * The lock is an exclusive transaction on a small SQLite file. The operating system releases it when the process ends,
 * even after kill -9, so no stale lock can prevent a start; and it needs no native code of ours. SQLite uses POSIX
 * locks: no other code in this process may open and close the file `lock`, because closing it would release the lock.
 */
import { closeSync, existsSync, openSync, statSync } from 'node:fs'
import { join, resolve } from 'node:path'
import BetterSqlite from 'better-sqlite3'
import { StartupError } from '../../errors.ts'
import { makePrivateFolder } from '../folders.ts'
import { isBusy, sqliteCode } from './sqlite-errors.ts'

const DATABASE_FILE = 'martlet.db'

export function lockFile(folder: string): string {
  return join(folder, 'lock')
}

/** Returns the paths of the database and of the files that SQLite keeps beside it. Not all of them always exist. */
export function databaseFiles(folder: string): string[] {
  const file = join(folder, DATABASE_FILE)
  return [file, ...filesBeside(file)]
}

/**
 * Returns the paths of the files that SQLite may keep beside a database file. What a process that was killed left in them is a
 * part of that database, and SQLite writes it into any other file that gets the name of the database.
 */
export function filesBeside(databaseFile: string): string[] {
  return ['-wal', '-shm', '-journal'].map((suffix) => `${databaseFile}${suffix}`)
}

export interface DataDirLock {
  /** Absolute path of the database file, which exists. */
  readonly databaseFile: string
  release(): void
}

/**
 * @param options.isRestore the caller creates the database itself, and checks first what the folder contains
 * @throws StartupError when the folder cannot be used, or another process uses it
 */
export function lockDataDir(folder: string, { isRestore = false } = {}): DataDirLock {
  const databaseFile = join(folder, DATABASE_FILE)
  try {
    makePrivateFolder(folder)
  } catch (error) {
    throw unusable(folder, 'created', error)
  }
  const lock = takeDataDirLock(folder)
  try {
    if (!isRestore) requireDatabaseOfLog(folder)
    createPrivate(databaseFile)
  } catch (error) {
    lock.close()
    if (error instanceof StartupError) throw error
    throw unusable(folder, 'written', error)
  }
  return { databaseFile, release: () => lock.close() }
}

/** SQLite takes a file of one byte for an empty one too: it writes that byte on some file systems. */
const EMPTY_BYTES_MAX = 1

/**
 * Call it before SQLite opens the database. A write-ahead log beside an empty database file, or beside none, is deleted by SQLite
 * then, even if the database is only read; and the log can have the only copy of what was committed.
 *
 * No crash leaves this state. SQLite writes the first page of a new file with a rollback journal, and flushes it, before it creates
 * the log. So a server that was killed at its first start leaves a file of at least one page, and SQLite recovers the log.
 *
 * @throws StartupError that says what to do
 */
export function requireDatabaseOfLog(folder: string): void {
  const [file, log] = databaseFiles(folder) as [string, string]
  // The log first: while another process creates the database, its file is written before the log.
  if (sizeOf(log) === 0 || sizeOf(file) > EMPTY_BYTES_MAX) return
  throw new StartupError(
    `${file} is missing or empty, but its write-ahead log martlet.db-wal exists, and may have the only copy of mail. Put the ` +
      'martlet.db of this log back. To start with a new database, or to restore a backup, move martlet.db-wal and ' +
      'martlet.db-shm away, and keep them',
  )
}

function sizeOf(file: string): number {
  return statSync(file, { throwIfNoEntry: false })?.size ?? 0
}

/**
 * Whether a process uses the folder. Creates nothing.
 *
 * Must not be called by the process that uses it: closing the file would release its lock.
 *
 * @throws the driver's error if this user may not read the file
 */
export function isDataDirLocked(folder: string): boolean {
  const file = lockFile(folder)
  if (!existsSync(file)) return false
  const lock = new BetterSqlite(file, { readonly: true, timeout: 0 })
  try {
    lock.prepare('select 1 from sqlite_master').all()
    return false
  } catch (error) {
    if (isBusy(error)) return true
    throw error
  } finally {
    lock.close()
  }
}

function takeDataDirLock(folder: string): BetterSqlite.Database {
  try {
    return takeLock(folder)
  } catch (error) {
    if (isBusy(error)) {
      throw new StartupError(
        `The data folder ${folder} is in use by another Martlet process; stop that one, or set MARTLET_DATA_DIR`,
      )
    }
    throw unusable(folder, 'locked', error)
  }
}

/**
 * Locks a folder that exists, until the returned connection is closed.
 *
 * @throws the driver's error, for which `isBusy` is true if another process has the lock; or that of the file system
 */
export function takeLock(folder: string): BetterSqlite.Database {
  const file = lockFile(folder)
  let lock: BetterSqlite.Database | undefined
  try {
    createPrivate(file)
    lock = new BetterSqlite(file, { timeout: 0 })
    lock.exec('begin exclusive')
    return lock
  } catch (error) {
    lock?.close()
    throw error
  }
}

/**
 * Creates a file that only this user can read. SQLite would create it readable for all users, and its -wal and -shm
 * files inherit this mode. An existing file is not even opened: closing it would release this process's locks on it.
 */
function createPrivate(file: string): void {
  try {
    closeSync(openSync(file, 'ax', 0o600))
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
  }
}

/** SQLite gives its own code for a file that this user may not open, and for one that is no file. */
const NOT_PERMITTED = new Set(['EACCES', 'EPERM', 'SQLITE_CANTOPEN', 'SQLITE_READONLY'])

const NOT_REACHED =
  ': this user may not enter a folder above it; allow that (chmod o+x), or set MARTLET_DATA_DIR to another folder'

/** Names the cause and the remedy: at the first start of a service this is the most frequent error. */
function unusable(folder: string, action: 'created' | 'written' | 'locked', error: unknown): StartupError {
  const code = reason(error)
  const isAbove = (error as NodeJS.ErrnoException).syscall === 'stat'
  const remedy = isAbove && code === 'EACCES' ? NOT_REACHED : remedyFor(code, action, resolve(folder))
  return new StartupError(`The data folder ${folder} cannot be ${action} (${code})${remedy}`, { cause: error })
}

function remedyFor(code: string, action: string, folder: string): string {
  const uid = process.geteuid?.() ?? 'USER'
  const other = 'or set MARTLET_DATA_DIR to another folder'
  if (NOT_PERMITTED.has(code)) {
    const create = action === 'created' ? `mkdir -p '${folder}' && ` : ''
    return `: this user (uid ${uid}) lacks the permission; as root, run ${create}chown -R ${uid} '${folder}', ${other}`
  }
  if (code === 'ENOENT') return ': no folder can be created there; set MARTLET_DATA_DIR to another folder'
  if (code === 'ENOTDIR') return ': it, or a folder above it, is a file; set MARTLET_DATA_DIR to a folder'
  if (code === 'EROFS') return `: its file system is read-only; mount it for writing, ${other}`
  return ''
}

function reason(error: unknown): string {
  return sqliteCode(error) ?? (error as NodeJS.ErrnoException).code ?? String(error)
}
