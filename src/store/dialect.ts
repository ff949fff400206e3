/**
 * Everything in which the databases differ, named once: the rest of the program never asks which one it is.
 *
 * `Dialect` is what queries and migrations need (no state); `Database` is an opened one, used by store.ts and
 * group-commit.ts only. Implemented by sqlite.ts; PostgreSQL comes beside it.
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
  readonly config: Pick<Config, 'dataDir' | 'limits'>
  readonly log: Log
  readonly metrics: Metrics
}

export interface Dialect {
  readonly name: 'sqlite' | 'postgres'

  /** @throws StartupError when the database cannot be opened or is in use by another process that excludes us */
  open(needs: DatabaseNeeds): Promise<Database>

  /** For migrations. */
  readonly ddl: DefinitionLanguage

  /** Inside the migrations' transaction: makes other nodes wait until it ends. */
  lockMigrations(handle: Kysely<Schema>): Promise<void>

  /** Just before the numbers of events are drawn: other nodes wait until the commit, so that seq order is commit order. */
  lockEventLog(handle: Kysely<Schema>): Promise<void>

  /** Makes a query that claims rows pass over those which another node is claiming at the moment. */
  skipLocked<DB, TB extends keyof DB, O>(query: SelectQueryBuilder<DB, TB, O>): SelectQueryBuilder<DB, TB, O>

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
  /** Statements that make the text index. */
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

  /** Calls back after commits of other nodes. */
  onForeignCommit(listener: () => void): void

  close(): Promise<void>
}

/**
 * The one connection that writes. One transaction at a time, and in it one savepoint at a time: its caller is the group
 * commit, which runs members one after another.
 */
export interface Writer {
  /** Starts a transaction, on a fresh connection if the last one was lost. */
  begin(): Promise<void>
  savepoint(): Promise<void>
  releaseSavepoint(): Promise<void>
  rollbackToSavepoint(): Promise<void>

  /** Whether the transaction is still there: a full disk or an I/O error ends it behind our back. */
  isInTransaction(): boolean

  /**
   * Resolves when the transaction is on disk, rejects when nothing of it will ever be. An outcome that is unknown (a
   * lost connection) is settled before either.
   */
  commit(): Promise<void>

  /** Leaves no transaction open, whatever that takes. Never rejects. */
  rollback(): Promise<void>

  /** What a Kysely on this connection is made of. `guard` is called before each statement and may throw. */
  kyselyProps(guard: () => void): KyselyProps
}
