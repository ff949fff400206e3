/**
 * The one connection of this node that writes. What the group commit relies on is in `Writer` (../dialect.ts).
 *
 * Begin and savepoints are sent ahead of the statement that follows them and cost no round trip. With its first words a
 * transaction learns its id and leaves a mark: both are what a commit whose answer was lost is settled by
 * (lost-commit.ts).
 * Crash of the server, or of the way to it: the transaction is gone, and the next `begin` connects again, at growing
 * intervals. Whoever comes in between is refused at once.
 */
import { randomUUID } from 'node:crypto'
import type { KyselyProps } from 'kysely'
import { MailError } from '../../errors.ts'
import type { Limits } from '../../limits.ts'
import type { Log } from '../../log.ts'
import type { Writer } from '../dialect.ts'
import { kyselyProps } from '../kysely-props.ts'
import { type PostgresConnection, words } from './connection.ts'
import { classify } from './errors.ts'
import { LostCommit, MARK } from './lost-commit.ts'

const RETRY_FIRST_MS = 50

interface PostgresWriterNeeds {
  /** The first one; others are opened when it is lost. */
  readonly connection: PostgresConnection
  /** To a server that takes writes. */
  readonly connect: () => Promise<PostgresConnection>
  readonly log: Log
  readonly limits: Pick<Limits, 'lockWaitMs' | 'groupLockWaitMs' | 'databaseRetryMaxMs'>
}

export class PostgresWriter implements Writer {
  readonly #needs: PostgresWriterNeeds
  #connection: PostgresConnection
  /** Names the connection, where transactions leave their marks. */
  #name: string = randomUUID()
  #isOpen = false
  /** May it wait for other nodes, as the server was told? */
  #isPatient = true
  /** Of its transactions. */
  #number = 0
  /** Id of the open transaction. */
  #xid: Promise<string> = Promise.reject(new Error('no transaction was begun'))
  #failures = 0
  #refusedUntil = 0
  #refusal: unknown
  readonly #giveUp = new AbortController()

  constructor(needs: PostgresWriterNeeds) {
    this.#needs = needs
    this.#connection = needs.connection
    ignore(this.#xid)
  }

  async begin(pace?: 'unhurried'): Promise<void> {
    if (this.#connection.isLost) this.#use(await this.#reconnect())
    const connection = this.#connection
    connection.forgetOutdated()
    connection.setUnhurried(pace === 'unhurried')
    connection.takeFailure()
    this.#isOpen = true
    this.#isPatient = true
    this.#number += 1
    ignore(connection.run(pace === 'unhurried' ? BEGIN_UNHURRIED : 'begin'))
    this.#xid = connection.query<{ xid: string }>(MARK, [this.#name, this.#number]).then(({ rows }) => rows[0]!.xid)
    ignore(this.#xid)
  }

  async savepoint(isFirst: boolean): Promise<void> {
    this.#setPatient(isFirst)
    ignore(this.#connection.run('savepoint member'))
  }

  async releaseSavepoint(): Promise<void> {
    if (this.#connection.takeFailure()) {
      await this.rollbackToSavepoint()
      throw new Error('a statement of this transaction failed, and its function went on')
    }
    ignore(this.#connection.run('release savepoint member'))
  }

  async rollbackToSavepoint(): Promise<void> {
    await this.#connection.run('rollback to savepoint member; release savepoint member')
    this.#connection.takeFailure()
  }

  async endSavepoints(): Promise<void> {
    this.#setPatient(true)
  }

  isInTransaction(): boolean {
    return this.#isOpen && !this.#connection.isLost
  }

  async commit(): Promise<void> {
    const connection = this.#connection
    const xid = await this.#xid // had it failed, nothing would be there to commit
    if (connection.isLost) throw new MailError('unavailable', { detail: 'the connection was lost before the commit' })
    this.#isOpen = false
    let command: string
    try {
      command = (await connection.run('commit')).command
    } catch (error) {
      if (!connection.isLost) throw error // the server's own word
      return this.#settle(xid, error)
    }
    connection.setUnhurried(false)
    // What PostgreSQL says when it is asked to commit a transaction in which a statement has failed.
    if (command !== 'COMMIT') throw new Error(`the commit ended as ${command}`)
  }

  async rollback(): Promise<void> {
    const connection = this.#connection
    if (!this.#isOpen) return
    this.#isOpen = false
    if (connection.isLost) return
    try {
      await connection.run('rollback')
      connection.setUnhurried(false)
    } catch (error) {
      this.#needs.log.error({ err: error }, 'rollback failed; the writing connection is opened anew')
      connection.destroy()
    }
  }

  giveUp(): void {
    this.#giveUp.abort()
  }

  kyselyProps(guard: () => void): KyselyProps {
    return kyselyProps(words, (use) => use(this.#connection), guard)
  }

  async close(): Promise<void> {
    this.giveUp()
    await this.#connection.close()
  }

  #use(connection: PostgresConnection): void {
    this.#connection = connection
    this.#name = randomUUID()
  }

  /** Only told when it changes; what is set before a savepoint outlives its rollback. */
  #setPatient(isPatient: boolean): void {
    if (this.#isPatient === isPatient) return
    this.#isPatient = isPatient
    const { lockWaitMs, groupLockWaitMs } = this.#needs.limits
    ignore(this.#connection.run(`set local lock_timeout = ${isPatient ? lockWaitMs : groupLockWaitMs}`))
  }

  /** @throws unavailable when it did not end as a commit; outcome_unknown */
  async #settle(xid: string, cause: unknown): Promise<void> {
    const { connect, log, limits } = this.#needs
    log.warn({ err: cause, xid }, 'the connection was lost in a commit; its outcome is being looked up')
    const lost = new LostCommit({ connect, log, retryMaxMs: limits.databaseRetryMaxMs, signal: this.#giveUp.signal })
    const { isCommitted, connection } = await lost.settle({ xid, writer: this.#name, number: this.#number })
    this.#use(connection)
    log.warn({ xid, isCommitted }, 'the outcome of the commit is known')
    if (!isCommitted) throw new MailError('unavailable', { detail: 'the connection was lost in the commit' }, { cause })
  }

  async #reconnect(): Promise<PostgresConnection> {
    if (performance.now() < this.#refusedUntil) throw this.#refusal
    try {
      const connection = await this.#needs.connect()
      this.#failures = 0
      return connection
    } catch (error) {
      this.#failures += 1
      const pauseMs = Math.min(RETRY_FIRST_MS * 2 ** this.#failures, this.#needs.limits.databaseRetryMaxMs)
      this.#refusedUntil = performance.now() + pauseMs
      this.#refusal = classify(error, true)
      throw this.#refusal
    }
  }
}

const BEGIN_UNHURRIED = `begin;
  set local statement_timeout = 0; set local lock_timeout = 0; set local idle_in_transaction_session_timeout = 0`

/**
 * Sent ahead, not waited for. Should it fail, so does every statement behind it: the connection is lost, or PostgreSQL
 * refuses to go on in the transaction.
 */
function ignore(answer: Promise<unknown>): void {
  answer.catch(() => undefined)
}
