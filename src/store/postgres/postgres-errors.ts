/**
 * Classifies PostgreSQL's errors: a full disk, a failure of the environment (server, connection or rights), a conflict
 * with another node, or a bug.
 *
 * Errors are classified by SQLSTATE (PostgreSQL manual, appendix A). The error of a broken connection has none.
 */
import pg from 'pg'
import { isMailError, MailError } from '../../errors.ts'

const DISK_FULL = '53100'

/** Prefixes of SQLSTATEs for failures of the server, the connection or rights: a later attempt may succeed. */
const ENVIRONMENT_FAILURES = [
  '08', // connection exceptions
  '25006', // read_only_sql_transaction: a standby, or a primary that has become one
  '25P03', // idle_in_transaction_session_timeout
  '25P04', // transaction_timeout
  '28', // invalid authorization: the password was changed under us
  '3D000', // invalid_catalog_name: the database does not exist, or was dropped
  '42501', // insufficient_privilege
  '53', // insufficient resources: memory, too many connections
  '57', // operator intervention: shutdown, crash, statement_timeout
  '58', // system errors: I/O
  'XX001', // data_corrupted
  'XX002', // index_corrupted
]

/** deadlock_detected, serialization_failure, lock_not_available. */
const WAITED = ['40P01', '40001', '55P03']
/** unique_violation, foreign_key_violation. */
const CHANGED = ['23505', '23503']

/** Returns disk_full or unavailable with the driver's error as cause; returns any other error unchanged. */
export function classify(error: unknown, isConnectionLost: boolean): unknown {
  if (error instanceof MailError) return error
  const code = sqlState(error)
  if (code === DISK_FULL) return new MailError('disk_full', {}, { cause: error })
  const isFailing = code === undefined ? isConnectionLost : ENVIRONMENT_FAILURES.some((known) => code.startsWith(known))
  if (!isFailing) return error
  return new MailError('unavailable', { detail: code ?? 'the connection to PostgreSQL broke' }, { cause: error })
}

export function conflict(error: unknown): 'changed' | 'waited' | undefined {
  const code = sqlState(error)
  if (code === undefined) return undefined
  if (CHANGED.includes(code)) return 'changed'
  if (isOutdatedPlan(error)) return 'waited'
  return WAITED.includes(code) ? 'waited' : undefined
}

/** @param error as `classify` returns it */
export function isIoError(error: unknown): boolean {
  return isMailError(error, 'unavailable') && sqlState(error.cause) === '58030' // io_error
}

export function isUniqueViolation(error: unknown): boolean {
  return sqlState(error) === '23505'
}

/**
 * Whether a newer node has changed a table since the statement was prepared ("cached plan must not change result
 * type"). The statement succeeds when it is prepared again. Permanent errors have the same SQLSTATE,
 * feature_not_supported.
 */
export function isOutdatedPlan(error: unknown): boolean {
  return sqlState(error) === '0A000' && (error as pg.DatabaseError).routine === 'RevalidateCachedQuery'
}

/** Whether the server closes the connection after this error. */
export function isFatal(error: unknown): boolean {
  return error instanceof pg.DatabaseError && (error.severity === 'FATAL' || error.severity === 'PANIC')
}

export function sqlState(error: unknown): string | undefined {
  return error instanceof pg.DatabaseError ? error.code : undefined
}
