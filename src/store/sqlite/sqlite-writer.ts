/** The only connection that writes. `Writer` (../sql-adapter.ts) is its contract with the group commit. */
import type { KyselyProps } from 'kysely'
import type { Log } from '../../log.ts'
import { entriesOfEvents, lastLabelChanges, type UnnumberedEvent } from '../commit/append-events.ts'
import type { Guard } from '../kysely-props.ts'
import { type RowStep, rowStep } from '../row-statements.ts'
import type { Writer } from '../sql-adapter.ts'
import { insertAll as insertEvents } from '../tables/events-table.ts'
import { setModseqs as setEntryModseqs } from '../tables/mailbox-entries-table.ts'
import { setLabelsSeqs } from '../tables/messages-table.ts'
import type { Checkpointer, WalState } from './checkpointer.ts'
import { type SqliteConnection, sqliteKyselyProps } from './sqlite-connection.ts'

const TAKE_NUMBERS = 'update event_log set last_seq = last_seq + ?, last_event_id = ? returning last_seq'

interface SqliteWriterNeeds {
  open(): SqliteConnection
  checkpointer: Checkpointer
  /** Called before each commit: what reads after it must see it. */
  endReadTransaction(): void
  log: Log
}

export class SqliteWriter implements Writer {
  readonly #needs: SqliteWriterNeeds
  #connection: SqliteConnection
  #isLost = false
  #hasSavepoint = false

  constructor(needs: SqliteWriterNeeds) {
    this.#needs = needs
    this.#connection = needs.open()
  }

  async begin(): Promise<void> {
    await this.#needs.checkpointer.whenWritable()
    if (this.#isLost) {
      this.#connection = this.#needs.open()
      this.#isLost = false
    }
    // Immediate: a transaction that reads first and locks only when it writes could fail with SQLITE_BUSY.
    this.#connection.run('begin immediate')
  }

  /**
   * The first member of a group, which is most often the only one, needs no savepoint: nothing but its own work would be rolled
   * back. In a savepoint, SQLite first copies each page that changes to a temporary file, which took a twelfth of the time of
   * filing mail.
   */
  async savepoint(isFirst: boolean): Promise<void> {
    this.#hasSavepoint = !isFirst
    if (this.#hasSavepoint) this.#connection.run('savepoint member')
  }

  async releaseSavepoint(): Promise<void> {
    if (this.#hasSavepoint) this.#connection.run('release member')
  }

  async rollbackToSavepoint(): Promise<void> {
    if (this.#hasSavepoint) {
      this.#connection.run('rollback to member')
      this.#connection.run('release member')
      return
    }
    this.#connection.run('rollback')
    await this.begin()
  }

  isInTransaction(): boolean {
    return !this.#isLost && this.#connection.isInTransaction
  }

  async endSavepoints(): Promise<void> {} // there are no other nodes to wait for

  async commit(events: readonly UnnumberedEvent[]): Promise<void> {
    if (events.length > 0) this.#append(events)
    this.#needs.endReadTransaction()
    this.#connection.run('commit')
    this.#checkWal()
  }

  #append(events: readonly UnnumberedEvent[]): void {
    const log = this.#connection.get<{ last_seq: number }>(TAKE_NUMBERS, events.length, events.at(-1)!.event_id)
    const firstSeq = log.last_seq - events.length + 1
    this.#connection.runRows(
      rowStep(
        insertEvents,
        events.map((event, index) => ({ seq: firstSeq + index, ...event })),
      ),
    )
    const changed = [...lastLabelChanges(events)].map(([id, index]) => ({ id, labels_seq: firstSeq + index }))
    if (changed.length > 0) this.#connection.runRows(rowStep(setLabelsSeqs, changed))
    const entries = entriesOfEvents(events).map(({ index, ...key }) => ({ ...key, modseq: firstSeq + index }))
    if (entries.length > 0) this.#connection.runRows(rowStep(setEntryModseqs, entries))
  }

  async rollback(): Promise<void> {
    try {
      if (this.#connection.isInTransaction) this.#connection.run('rollback')
    } catch (error) {
      this.#needs.log.error({ err: error }, 'rollback failed; reopening the write connection')
      this.close()
    }
  }

  /** Part of `DatabaseFile`. */
  releasePages(pagesMax: number): void {
    this.#connection.exec(`pragma incremental_vacuum(${pagesMax})`)
  }

  giveUp(): void {} // the outcome of a commit is always known

  runRows(step: RowStep): unknown[] {
    this.#assertInTransaction()
    return this.#connection.runRows(step)
  }

  kyselyProps(guard: Guard): KyselyProps {
    const assertInTransaction = () => this.#assertInTransaction()
    const guardWriter = () => {
      const delay = guard()
      if (delay) return delay.then(assertInTransaction)
      assertInTransaction()
      return undefined
    }
    return sqliteKyselyProps(() => this.#connection, guardWriter)
  }

  close(): void {
    this.#isLost = true
    try {
      this.#connection.close()
    } catch (error) {
      this.#needs.log.error({ err: error }, 'closing the write connection failed')
    }
  }

  /** A full disk or an I/O error ends the transaction: what a later statement writes would be committed at once. */
  #assertInTransaction(): void {
    if (!this.isInTransaction()) throw new Error('the transaction was ended by an earlier error')
  }

  #checkWal(): void {
    try {
      // NOOP only reports the length of the log, in 2 µs. The file size does not show it: SQLite reuses the file.
      this.#needs.checkpointer.afterCommit(this.#connection.get<WalState>('pragma wal_checkpoint(noop)'))
    } catch (error) {
      this.#needs.log.warn({ err: error }, 'the length of the write-ahead log is unknown') // the commit is valid
    }
  }
}
