/**
 * The SQL adapter: all differences between the databases. The rest of the program never asks which database it uses.
 *
 * `SqlAdapter` is for queries and migrations and has no state. `Database` is an open database; only store.ts uses it,
 * and passes its `Writer` to the group commit and to the migrations. sqlite-adapter.ts and postgres-adapter.ts
 * implement both.
 *
 * Statements of an implementation reject with MailError disk_full or unavailable (`cause` is the driver's error) when
 * the disk, the server or the connection fails, and with the driver's own error otherwise.
 */
import type { Kysely, KyselyProps, SelectQueryBuilder } from 'kysely'
import type { Config } from '../config/settings.ts'
import type { Log } from '../log.ts'
import type { Metrics } from '../metrics.ts'
import type { UnnumberedEvent } from './commit/append-events.ts'
import type { Db, LeaseTime } from './handles.ts'
import type { Guard } from './kysely-props.ts'
import type { RowStep } from './row-statements.ts'
import type { Schema } from './schema/schema.ts'

/** Everything that an implementation needs to open a database. */
export interface DatabaseNeeds {
  /** Epoch ms; the clocks of all nodes of one database should agree. */
  readonly clock: () => number
  readonly config: DatabaseConfig
  readonly log: Log
  readonly metrics: Metrics
}

/** Location and limits of the database. Without a URL, it is SQLite in the data folder. */
export type DatabaseConfig = Pick<Config, 'dataDir' | 'limits'> & { readonly databaseUrl?: Config['databaseUrl'] }

/** What `martlet check` sees of a database. */
export interface Inspection {
  /** Whether a server uses the data folder; undefined: it cannot be known, because several may share the database. */
  readonly isInUse: boolean | undefined
  /** Reads the database; undefined: it is empty, or `notReadReason` says why it was not read. */
  readonly db: Db | undefined
  /** A clause without full stop. */
  readonly notReadReason?: string
  close(): Promise<void>
}

export interface SqlAdapter {
  readonly name: 'sqlite' | 'postgres'

  /** @throws StartupError when the database cannot be opened, or another process has locked it */
  open(needs: DatabaseNeeds): Promise<Database>

  /** Looks at a database, also beside a running server. Changes and creates nothing. @throws StartupError */
  inspect(config: DatabaseConfig): Promise<Inspection>

  /** Types and clauses for migrations. */
  readonly ddl: DefinitionLanguage

  /** Called inside the migrations' transaction: other nodes wait until it ends. */
  lockMigrations(handle: Kysely<Schema>): Promise<void>

  /** These implement `Tx.skipLocked`, `Tx.forUpdate` and `Tx.forShare`: they add the row lock to a query. */
  skipLocked<DB, TB extends keyof DB, O>(query: SelectQueryBuilder<DB, TB, O>): SelectQueryBuilder<DB, TB, O>
  forUpdate<DB, TB extends keyof DB, O>(query: SelectQueryBuilder<DB, TB, O>): SelectQueryBuilder<DB, TB, O>
  forShare<DB, TB extends keyof DB, O>(query: SelectQueryBuilder<DB, TB, O>): SelectQueryBuilder<DB, TB, O>

  /**
   * Whether a statement failed because of another node, so that its transaction may succeed if it is run again.
   * `changed`: the other node has taken a name or removed a row. `waited`: a deadlock, or a lock timeout.
   */
  conflict(error: unknown): 'changed' | 'waited' | undefined

  /**
   * Whether a file could not be read or written, which may happen once: the same transaction may succeed when it runs
   * again. It was certainly not committed. False for a lost connection and a full disk.
   */
  isIoError(error: unknown): boolean

  /**
   * Whether a statement failed because the row already exists. Call this with the error with which `store.transaction`
   * rejected. Inside the transaction, use `on conflict do nothing`: PostgreSQL runs no statement after an error.
   */
  isUniqueViolation(error: unknown): boolean
}

/** Types and clauses of `create table` that differ between databases. */
export interface DefinitionLanguage {
  /** Text that sorts by code point. */
  readonly text: string
  readonly integer: string
  /** 64 bits: times, sizes, seq. */
  readonly bigint: string
  readonly bytes: string
  /** A primary key that the database counts up; it never uses a value twice. */
  readonly identity: string
  /** The end of a `create table` statement. */
  readonly table: string
  /** The end of `create table` for a link table, which is little more than its primary key. */
  readonly linkTable: string
  /** Statements that make a table store a column of some KiB in the row, and not apart or compressed. */
  readonly inRow: (table: string, column: string) => readonly string[]
  /** The same as far as a row has room, and compressed. */
  readonly inRowIfPossible: (table: string, column: string) => readonly string[]
}

/** An open database. */
export interface Database {
  /** Reads committed data, on separate connections. */
  readonly reader: Kysely<Schema>
  readonly writer: Writer

  /** Whether no other node uses this database: leases found at the start then belong to a process that has ended. */
  readonly isOnlyNode: boolean

  /**
   * The present in leases. If this is the only node, the monotonic clock of the process; else the clock of the database,
   * which all nodes share.
   */
  leaseNow(): LeaseTime

  /** Calls the listener after commits of other nodes. Signals can be lost, so the listener must also poll. */
  onForeignCommit(listener: () => void): void
  /** Notifies the other nodes, so that they poll. Called after our own commits. Does not wait for the other nodes. */
  notifyNodes(): void

  /** undefined: the server of the database reuses its space by itself. */
  readonly file?: DatabaseFile

  close(): Promise<void>
}

/** The file of an embedded database. Deletions leave free pages in it, which only new rows would use. */
export interface DatabaseFile {
  freePages(): number
  /**
   * Moves up to `pagesMax` pages from the end of the file into free ones. Call it inside a transaction; its commit makes
   * the file shorter, at the next checkpoint.
   */
  releasePages(pagesMax: number): void
  /** Makes the file as short as the last commits say. Never rejects. */
  truncate(): Promise<void>
}

/**
 * The only connection that writes. It has one open transaction at a time, and in it one savepoint at a time, because
 * its caller is the group commit, which runs members one after another.
 */
export interface Writer {
  /**
   * Starts a transaction, on a new connection if the last one was lost.
   *
   * @param options `hasTimeLimits` is false only for migrations: their statements may take any time
   */
  begin(options?: { readonly hasTimeLimits: boolean }): Promise<void>
  /**
   * @param isFirst whether no earlier member of the group has run: no row is locked yet, so that this member may wait for
   *   other nodes without blocking them; and to roll back all is to roll back this member
   */
  savepoint(isFirst: boolean): Promise<void>
  /** Rolls back to the savepoint and rejects if one of its statements failed and the function ignored the error. */
  releaseSavepoint(): Promise<void>
  rollbackToSavepoint(): Promise<void>
  /** Called after the last savepoint: statements that follow may wait for other nodes again. */
  endSavepoints(): Promise<void>

  /** Whether the transaction is still open: a full disk or an I/O error ends it. */
  isInTransaction(): boolean

  /**
   * Numbers and inserts the events, in order, sets the MODSEQ of the messages they concern, and commits (append-events.ts).
   *
   * Resolves when the transaction is on disk; rejects when it is certain that it was not committed. If the outcome is
   * unknown (lost connection), looks it up first, however long that takes; rejects with outcome_unknown after `giveUp`.
   */
  commit(events: readonly UnnumberedEvent[]): Promise<void>
  /** From now on, do not wait for unknown outcomes. */
  giveUp(): void

  /** Leaves no transaction open; closes the connection if necessary. Never rejects. */
  rollback(): Promise<void>

  /**
   * Runs a row statement for some rows. Statements of several calls run in the order of the calls.
   *
   * @returns the rows that it returned; a promise only if they arrive later
   */
  runRows(step: RowStep): unknown[] | Promise<unknown[]>

  /** Returns the parts of a Kysely on this connection. */
  kyselyProps(guard: Guard): KyselyProps
}
