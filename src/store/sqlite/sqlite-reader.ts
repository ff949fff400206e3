/**
 * The connection that reads committed data. The statements of one turn share a read transaction: the locks of the write-ahead
 * log, three system calls to take and release them, are most of the time of a statement that reads one row. A turn is the time
 * from one check phase of the event loop, in which `setImmediate` calls back, to the next.
 *
 * A reader sees what this process has committed, because the writer ends the transaction before each commit. What another
 * process writes, such as an operator's sqlite3, it sees in the next turn.
 */
import type BetterSqlite from 'better-sqlite3'
import { outsideUnits } from '../../fault-boundary.ts'
import { SqliteConnection } from './sqlite-connection.ts'

export class SqliteReader extends SqliteConnection {
  readonly #begin: BetterSqlite.Statement
  /** There is nothing to commit. */
  readonly #rollback: BetterSqlite.Statement
  readonly #mayShare: () => boolean
  #isEndScheduled = false

  /** @param mayShare false while statements must not share a transaction: a checkpoint that empties the log waits for readers */
  constructor(database: BetterSqlite.Database, mayShare: () => boolean) {
    super(database)
    this.#begin = database.prepare('begin')
    this.#rollback = database.prepare('rollback')
    this.#mayShare = mayShare
  }

  /** Ends the transaction of this turn; the next statement begins another. */
  endReadTransaction(): void {
    if (this.isInTransaction) this.#rollback.run()
  }

  protected override beforeQuery(): void {
    if (this.isInTransaction || !this.#mayShare()) return
    this.#begin.run()
    if (this.#isEndScheduled) return
    this.#isEndScheduled = true
    outsideUnits(() => setImmediate(() => this.#endTurn()))
  }

  #endTurn(): void {
    this.#isEndScheduled = false
    this.endReadTransaction()
  }
}
