/**
 * The two handles through which the rest of the program uses the tables: `Db` reads, `Tx` writes. Also `NewEvent`,
 * which a transaction appends to the event log.
 */
import type { Expression, Kysely, SelectQueryBuilder } from 'kysely'
import type { RowStep, StepResults } from './row-statements.ts'
import type { Visibility } from './schema/event-rows.ts'
import type { MailboxEntryRow } from './schema/mailbox-rows.ts'
import type { Schema } from './schema/schema.ts'

/** A handle that only reads. The root handle and a transaction both have this type; a write does not compile. */
export type Db = Pick<Kysely<Schema>, 'selectFrom' | 'selectNoFrom' | 'fn'>

/**
 * The present in leases (leases.ts), epoch ms: a number, or SQL for the database's clock. It has nothing to do with the
 * clock of the rows, which may be set forward or back while work is running (docs/adr/0033).
 */
export type LeaseTime = number | Expression<number>

/**
 * A handle that writes, inside `store.transaction` only: the database transaction and the buffer of its events. A
 * change and the event that reports it are committed together or not at all. A Tx that has ended throws when it is
 * used.
 */
export interface Tx extends Db, Pick<Kysely<Schema>, 'insertInto' | 'updateTable' | 'deleteFrom'> {
  /** The time of this transaction, epoch ms. The clock is read only once. */
  readonly now: number
  readonly leaseNow: LeaseTime
  /** Returns a new UUIDv7 with this transaction's time. */
  newId(): string
  /**
   * Makes a query lock the rows that it finds until the commit: another node that wants to lock or change them waits.
   * If another node has locked a row, the query waits and then reads the changed row. If a write depends on a row, lock
   * the row first and read it after that. Lock several rows in the order of their ids (docs/adr/0011).
   */
  forUpdate<TB extends keyof Schema, O>(query: SelectQueryBuilder<Schema, TB, O>): SelectQueryBuilder<Schema, TB, O>
  /** Makes a query take a shared lock: as `forUpdate`, but other nodes may take a shared lock on the same rows. */
  forShare<TB extends keyof Schema, O>(query: SelectQueryBuilder<Schema, TB, O>): SelectQueryBuilder<Schema, TB, O>
  /** Makes a query lock the rows that it finds, and leave out those that another node has locked: for claims of work. */
  skipLocked<TB extends keyof Schema, O>(query: SelectQueryBuilder<Schema, TB, O>): SelectQueryBuilder<Schema, TB, O>
  /**
   * Runs statements that are defined for rows (row-statements.ts), in order. PostgreSQL gets all of them in one round trip.
   * A step without rows is skipped.
   *
   * @returns for each step, the rows that it returned
   */
  runRows<const Steps extends readonly RowStep[]>(steps: Steps): Promise<StepResults<Steps>>
  /** Buffers an event; the store numbers and inserts it just before the commit. Discarded if this transaction fails. */
  append(event: NewEvent): void
}

/** Names an entry of a mailbox. */
export type EntryKey = Pick<MailboxEntryRow, 'mailbox_id' | 'uid'>

/** An event before the store numbers it. Ids and small values only; bodies are read from the message. */
export interface NewEvent {
  readonly type: string
  readonly visibility: Visibility
  readonly organizationId: string
  readonly podId?: string | undefined
  readonly inboxId?: string | undefined
  readonly messageId?: string | undefined
  /** The labels of the message changed: this event's number becomes its `labels_seq`. Not of an event that reports a new message. */
  readonly changesLabels?: true | undefined
  /** Entries of mailboxes whose MODSEQ becomes this event's number. */
  readonly entries?: readonly EntryKey[] | undefined
  /** The name of the actor, as `actorName` returns it. */
  readonly actor: string
  readonly payload: Readonly<Record<string, unknown>>
}
