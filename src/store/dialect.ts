/**
 * Everything in which the databases differ, named once: the rest of the program never asks which one it is.
 *
 * `Dialect` is what queries and migrations need (no state); `Database` is an opened one, used by store.ts and
 * group-commit.ts only. Implemented by sqlite.ts and postgres.ts.
 *
 * An implementation's statements reject with MailError disk_full or unavailable (its `cause` is the driver's error)
 * when the surroundings fail, and with the driver's own error otherwise.
 */
import type { Kysely, KyselyProps, SelectQueryBuilder } from 'kysely'
import type { Config } from '../config.ts'
import type { Log } from '../log.ts'
import type { Metrics } from '../metrics.ts'
import type { Db, Schema, Tx } from './schema.ts'

/** What opening a database takes. */
export interface DatabaseNeeds {
  /** Epoch ms; nodes of one database must agree on it. */
  readonly clock: () => number
  readonly config: DatabaseConfig
  readonly log: Log
  readonly metrics: Metrics
}

/** Where it is, and its limits; without a URL it is SQLite in the data folder. */
export type DatabaseConfig = Pick<Config, 'dataDir' | 'limits'> & { readonly databaseUrl?: Config['databaseUrl'] }

export interface Dialect {
  readonly name: 'sqlite' | 'postgres'

  /** @throws StartupError when the database cannot be opened or is in use by another process that excludes us */
  open(needs: DatabaseNeeds): Promise<Database>

  /** For migrations. */
  readonly ddl: DefinitionLanguage

  /** Inside the migrations' transaction: makes other nodes wait until it ends. */
  lockMigrations(handle: Kysely<Schema>): Promise<void>

  /** Makes a query that claims rows pass over those which another node is claiming at the moment. */
  skipLocked<DB, TB extends keyof DB, O>(query: SelectQueryBuilder<DB, TB, O>): SelectQueryBuilder<DB, TB, O>

  /** What `Tx.forUpdate` and `Tx.forShare` make of a query. */
  forUpdate<DB, TB extends keyof DB, O>(query: SelectQueryBuilder<DB, TB, O>): SelectQueryBuilder<DB, TB, O>
  forShare<DB, TB extends keyof DB, O>(query: SelectQueryBuilder<DB, TB, O>): SelectQueryBuilder<DB, TB, O>

  /**
   * Whether a statement failed because of another node, so that its transaction, run again, may go well: `changed`, the
   * other has taken a name or removed a row; `waited`, each waited for the other, or one for too long.
   */
  conflict(error: unknown): 'changed' | 'waited' | undefined

  /**
   * Whether a statement failed because the row is there already. To be asked of what `store.transaction` rejected
   * with: inside the transaction use `on conflict do nothing`, since PostgreSQL runs nothing after an error.
   */
  isUniqueViolation(error: unknown): boolean

  /** Puts a message's text into the index; searches see it after the commit. Long texts are cut. */
  indexText(tx: Tx, messageNumber: number, text: IndexedText): Promise<void>

  /** Takes it out again. To be called in the transaction that removes the message. */
  unindexText(tx: Tx, messageNumber: number): Promise<void>

  /** Finds messages by substrings, newest first. The query is data: no character in it has a meaning. */
  searchText(db: Db, search: TextSearch): Promise<TextFound>
}

/** Words of `create table` that differ. */
export interface DefinitionLanguage {
  /** Text that orders by code point. */
  readonly text: string
  readonly integer: string
  /** 64 bits: times, sizes, seq. */
  readonly bigint: string
  readonly bytes: string
  /** Primary key that the database counts up and never uses twice. */
  readonly identity: string
  /** Ends a table. */
  readonly table: string
  /** Ends a table of links, which is little more than its primary key. */
  readonly linkTable: string
  /** Statements that make the text index, which is another one on each database. */
  readonly textIndex: readonly string[]
}

export type TextColumn = 'subject' | 'addresses' | 'body'
export type IndexedText = Readonly<Record<TextColumn, string>>

/** Each text must be a substring of one of the columns, whatever its case. */
export interface TextClause {
  readonly columns: readonly TextColumn[]
  readonly allOf: readonly string[]
}

export interface TextSearch {
  readonly inboxId: string
  /**
   * A message is found when one clause fits. A text of one or two characters is beyond the index: next to a longer one
   * it is left out; a clause of only such texts looks at subject, addresses and preview, and not at the body.
   */
  readonly anyOf: readonly TextClause[]
  /** Where the last page ended: `nextNumber`. */
  readonly beforeNumber?: number | undefined
  readonly limit: number
  /** Candidates that may be looked at; the page may then be empty and still have a next one. */
  readonly scanRowsMax: number
}

export interface TextFound {
  readonly messages: readonly { readonly id: string; readonly number: number }[]
  /** undefined: there is no more. */
  readonly nextNumber: number | undefined
}

/** An opened database. */
export interface Database {
  /** Reads of what is committed, on connections of their own. */
  readonly reader: Kysely<Schema>
  readonly writer: Writer

  /** No other node works on this database: leases that are found at the start belong to the dead. */
  readonly isOnlyNode: boolean

  /** Calls back after commits of other nodes. One that is missed costs a poll interval. */
  onForeignCommit(listener: () => void): void
  /** To be called after our own commits, so that other nodes look. Does not wait for them. */
  tellOtherNodes(): void

  close(): Promise<void>
}

/**
 * The one connection that writes. One transaction at a time, and in it one savepoint at a time: its caller is the group
 * commit, which runs members one after another.
 */
export interface Writer {
  /**
   * Starts a transaction, on a fresh connection if the last one was lost.
   *
   * @param pace 'unhurried': without time limits, for migrations
   */
  begin(pace?: 'unhurried'): Promise<void>
  /** @param isFirst it holds nothing yet, so it may wait for other nodes; a later one keeps them waiting itself */
  savepoint(isFirst: boolean): Promise<void>
  /** Rejects, rolled back to the savepoint, when one of its statements has failed and was passed over. */
  releaseSavepoint(): Promise<void>
  rollbackToSavepoint(): Promise<void>
  /** Behind the last savepoint: what follows may wait for other nodes again. */
  endSavepoints(): Promise<void>

  /** Whether the transaction is still there: a full disk or an I/O error ends it behind our back. */
  isInTransaction(): boolean

  /**
   * Resolves when the transaction is on disk, rejects when nothing of it will ever be. An outcome that is unknown (a
   * lost connection) is settled before either, however long that takes; after `giveUp` it rejects with outcome_unknown.
   */
  commit(): Promise<void>
  /** Outcomes that are not known yet will not be waited for. */
  giveUp(): void

  /** Leaves no transaction open, whatever that takes. Never rejects. */
  rollback(): Promise<void>

  /** What a Kysely on this connection is made of. `guard` is called before each statement and may throw. */
  kyselyProps(guard: () => void): KyselyProps
}
