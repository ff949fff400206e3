/**
 * The one connection that writes. What the group commit relies on is in `Writer` (../dialect.ts).
 */
import type { KyselyProps } from 'kysely'
import type { Log } from '../../log.ts'
import type { Writer } from '../dialect.ts'
import type { Checkpointer, WalState } from './checkpointer.ts'
import { kyselyProps, type SqliteConnection } from './connection.ts'

interface SqliteWriterNeeds {
  open(): SqliteConnection
  checkpointer: Checkpointer
  log: Log
}

export class SqliteWriter implements Writer {
  readonly #needs: SqliteWriterNeeds
  #connection: SqliteConnection
  #isLost = false

  constructor(needs: SqliteWriterNeeds) {
    this.#needs = needs
    this.#connection = needs.open()
  }

  async begin(): Promise<void> {
    await this.#needs.checkpointer.writersTurn()
    if (this.#isLost) {
      this.#connection = this.#needs.open()
      this.#isLost = false
    }
    // Immediate: a transaction that reads first and writes later could find itself too late.
    this.#connection.run('begin immediate')
  }

  async savepoint(): Promise<void> {
    this.#connection.run('savepoint member')
  }

  async releaseSavepoint(): Promise<void> {
    this.#connection.run('release member')
  }

  async rollbackToSavepoint(): Promise<void> {
    this.#connection.run('rollback to member')
    this.#connection.run('release member')
  }

  isInTransaction(): boolean {
    return !this.#isLost && this.#connection.isInTransaction
  }

  async endSavepoints(): Promise<void> {} // there is nobody to wait for

  async commit(): Promise<void> {
    this.#connection.run('commit')
    this.#lookAtWal()
  }

  async rollback(): Promise<void> {
    try {
      if (this.#connection.isInTransaction) this.#connection.run('rollback')
    } catch (error) {
      this.#needs.log.error({ err: error }, 'rollback failed; the writing connection is opened anew')
      this.close()
    }
  }

  giveUp(): void {} // its outcomes are always known

  kyselyProps(guard: () => void): KyselyProps {
    return kyselyProps(() => this.#connection, guard)
  }

  close(): void {
    this.#isLost = true
    try {
      this.#connection.close()
    } catch (error) {
      this.#needs.log.error({ err: error }, 'closing the writing connection failed')
    }
  }

  #lookAtWal(): void {
    try {
      // NOOP only tells the log's length, in 2 µs: the file's size would not, since the log is used again from its start.
      this.#needs.checkpointer.look(this.#connection.get<WalState>('pragma wal_checkpoint(noop)'))
    } catch (error) {
      this.#needs.log.warn({ err: error }, 'the length of the write-ahead log is unknown') // the commit stands
    }
  }
}
