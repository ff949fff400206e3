/**
 * The data folder: made, private, and used by one process at a time.
 *
 * The lock is a small SQLite file held in an exclusive transaction. The operating system frees it with the process,
 * even after kill -9, so no stale lock can keep a server from starting; and it needs no native code of ours.
 * The locks are POSIX ones: nobody in this process may open and close `lock` by other means, that would free it.
 */
import { closeSync, mkdirSync, openSync } from 'node:fs'
import { join } from 'node:path'
import BetterSqlite from 'better-sqlite3'
import { StartupError } from '../../errors.ts'
import { sqliteCode } from './sqlite-errors.ts'

const DATABASE_FILE = 'martlet.db'

/** The database and what SQLite keeps beside it; not all of them exist at all times. */
export function databaseFiles(folder: string): string[] {
  return ['', '-wal', '-shm'].map((suffix) => join(folder, `${DATABASE_FILE}${suffix}`))
}

export interface DataDirLock {
  /** Absolute path of the database file, which exists. */
  readonly databaseFile: string
  release(): void
}

/** @throws StartupError when the folder cannot be used, or another process uses it */
export function lockDataDir(folder: string): DataDirLock {
  const databaseFile = join(folder, DATABASE_FILE)
  const lockFile = join(folder, 'lock')
  try {
    mkdirSync(folder, { recursive: true, mode: 0o700 })
  } catch (error) {
    throw new StartupError(`The data folder ${folder} cannot be made or written to (${reason(error)})`)
  }
  const lock = takeLock(folder, lockFile)
  try {
    createPrivate(databaseFile)
  } catch (error) {
    lock.close()
    throw new StartupError(`The data folder ${folder} cannot be written to (${reason(error)})`)
  }
  return { databaseFile, release: () => lock.close() }
}

function takeLock(folder: string, lockFile: string): BetterSqlite.Database {
  let lock: BetterSqlite.Database | undefined
  try {
    createPrivate(lockFile)
    lock = new BetterSqlite(lockFile, { timeout: 0 })
    lock.exec('begin exclusive')
    return lock
  } catch (error) {
    lock?.close()
    if (sqliteCode(error)?.startsWith('SQLITE_BUSY')) {
      throw new StartupError(
        `The data folder ${folder} is in use by another Martlet process; stop that one, or set MARTLET_DATA_DIR`,
      )
    }
    throw new StartupError(`The data folder ${folder} cannot be locked (${reason(error)})`)
  }
}

/**
 * SQLite would make it readable for everybody; its -wal and -shm files take over the mode of this one. A file that is
 * there is not even opened: closing it would free this process's locks on it.
 */
function createPrivate(file: string): void {
  try {
    closeSync(openSync(file, 'ax', 0o600))
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
  }
}

function reason(error: unknown): string {
  return sqliteCode(error) ?? (error as NodeJS.ErrnoException).code ?? String(error)
}
