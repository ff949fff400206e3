/**
 * Makes writes of SQLite fail with an I/O error, in databases that are opened while it exists. Every second error also
 * ends the transaction, as SQLite does for some of them (https://www.sqlite.org/lang_transaction.html).
 */
import BetterSqlite, { type Database, type Statement } from 'better-sqlite3'

export interface FailingDisk extends Disposable {
  /** Of this many statements that write, the last one fails; 1: each; undefined: none. */
  failEvery: number | undefined
  /** Statements that have failed. */
  readonly failed: number
}

export function failingDisk(): FailingDisk {
  const prototype = BetterSqlite.prototype as { prepare: Database['prepare'] }
  const { prepare } = prototype
  let counted = 0
  const disk = {
    failEvery: undefined as number | undefined,
    failed: 0,
    [Symbol.dispose]() {
      prototype.prepare = prepare
    },
  }
  prototype.prepare = function (this: Database, sql: string) {
    const statement: Statement = prepare.call(this, sql)
    if (/^(?:commit|insert|update|delete)/.test(sql)) beforeEachRun(statement, () => failSometimes(this))
    return statement
  } as Database['prepare']
  return disk

  function failSometimes(database: Database): void {
    counted += 1
    if (disk.failEvery === undefined || counted % disk.failEvery !== 0) return
    disk.failed += 1
    if (disk.failed % 2 === 0) database.exec('rollback')
    throw new BetterSqlite.SqliteError('disk I/O error', 'SQLITE_IOERR_WRITE')
  }
}

function beforeEachRun(statement: Statement, before: () => void): void {
  for (const method of ['run', 'all'] as const) {
    const original = statement[method].bind(statement) as (...values: unknown[]) => never
    statement[method] = (...values: unknown[]) => {
      before()
      return original(...values)
    }
  }
}
