/**
 * Classifies SQLite's errors: a full disk, a failure of the environment (disk, file or lock), or a bug.
 *
 * Codes are matched by prefix: an extended code (SQLITE_IOERR_FSYNC) begins with its base code.
 */
import BetterSqlite from 'better-sqlite3'
import { isMailError, MailError } from '../../errors.ts'

/** Failures of the disk, a file or a lock: a later attempt may succeed. Not errors of the statement itself. */
const ENVIRONMENT_FAILURES = [
  'SQLITE_IOERR',
  'SQLITE_BUSY',
  'SQLITE_LOCKED',
  'SQLITE_CANTOPEN',
  'SQLITE_READONLY',
  'SQLITE_CORRUPT',
  'SQLITE_NOTADB',
  'SQLITE_NOMEM',
  'SQLITE_PROTOCOL',
  'SQLITE_PERM',
  'SQLITE_AUTH',
  'SQLITE_INTERRUPT',
  'SQLITE_ABORT',
]

/** Returns disk_full or unavailable with the driver's error as cause; returns any other error unchanged. */
export function classify(error: unknown): unknown {
  const code = sqliteCode(error)
  if (code === undefined) return error
  if (code.startsWith('SQLITE_FULL')) return new MailError('disk_full', {}, { cause: error })
  if (ENVIRONMENT_FAILURES.some((known) => code.startsWith(known))) {
    return new MailError('unavailable', { detail: code }, { cause: error })
  }
  return error
}

/** @param error as `classify` returns it */
export function isIoError(error: unknown): boolean {
  return isMailError(error, 'unavailable') && (sqliteCode(error.cause)?.startsWith('SQLITE_IOERR') ?? false)
}

export function isUniqueViolation(error: unknown): boolean {
  const code = sqliteCode(error)
  return code === 'SQLITE_CONSTRAINT_UNIQUE' || code === 'SQLITE_CONSTRAINT_PRIMARYKEY'
}

/** Whether another connection has the lock that a statement needs. @param error of the driver */
export function isBusy(error: unknown): boolean {
  return sqliteCode(error)?.startsWith('SQLITE_BUSY') ?? false
}

/** Returns the extended result code of a better-sqlite3 error, such as SQLITE_IOERR_FSYNC. */
export function sqliteCode(error: unknown): string | undefined {
  return error instanceof BetterSqlite.SqliteError ? error.code : undefined
}
