/**
 * The only connection of this node that writes. `Writer` (../sql-adapter.ts) is its contract with the group commit.
 *
 * Begin and savepoints are sent together with the statement that follows and cost no round trip. The first statement of
 * a transaction returns its id and writes a mark; commit-recovery.ts uses both if the response to the commit is lost.
 * Its prepared statements never read a whole table if an index finds the rows (docs/adr/0092).
 * Crash of the server or loss of the connection: the transaction is lost, and the next `begin` connects again
 * (postgres-reconnect.ts).
 */
import { randomUUID } from 'node:crypto'
import type { KyselyProps } from 'kysely'
import type { Limits } from '../../config/limits.ts'
import { MailError } from '../../errors.ts'
import type { Log } from '../../log.ts'
import type { UnnumberedEvent } from '../commit/append-events.ts'
import { type Guard, kyselyProps } from '../kysely-props.ts'
import type { RowStep } from '../row-statements.ts'
import type { Writer } from '../sql-adapter.ts'
import { type BegunTransaction, CommitRecovery, MARK } from './commit-recovery.ts'
import { appendEvents } from './postgres-append-events.ts'
import { kyselyParts, type PostgresConnection } from './postgres-connection.ts'
import { createReconnect } from './postgres-reconnect.ts'

interface PostgresWriterNeeds {
  /** The first connection; others are opened when it is lost. */
  readonly connection: PostgresConnection
  /** Opens a connection to a server that accepts writes. */
  readonly connect: () => Promise<PostgresConnection>
  readonly log: Log
  readonly limits: Limits
}

export class PostgresWriter implements Writer {
  readonly #needs: PostgresWriterNeeds
  #connection: PostgresConnection
  /** The connection's name in the table of commit marks. */
  #name: string = randomUUID()
  #isOpen = false
  /** Whether lock_timeout currently lets statements wait for other nodes. */
  #waitsForLocks = true
  /** The number of the transaction; counts up. */
  #number = 0
  /** The open transaction. */
  #begun: Promise<BegunTransaction> = Promise.reject(new Error('no transaction was begun'))
  readonly #reconnect: () => Promise<PostgresConnection>
  readonly #giveUp = new AbortController()

  constructor(needs: PostgresWriterNeeds) {
    this.#needs = needs
    this.#connection = needs.connection
    this.#reconnect = createReconnect(needs)
    ignore(this.#begun)
    ignore(this.#connection.run(INDEXES_ONLY))
  }

  async begin({ hasTimeLimits } = { hasTimeLimits: true }): Promise<void> {
    if (this.#connection.isLost) this.#use(await this.#reconnect())
    const connection = this.#connection
    connection.forgetOutdated()
    connection.setTimeLimits(hasTimeLimits)
    connection.takeFailure()
    this.#isOpen = true
    connection.setInTransaction(true)
    this.#waitsForLocks = true
    this.#number += 1
    ignore(hasTimeLimits ? connection.query('begin', []) : connection.run(BEGIN_WITHOUT_LIMITS))
    this.#begun = connection.query<BegunTransaction>(MARK, [this.#name, this.#number]).then(({ rows }) => rows[0]!)
    ignore(this.#begun)
  }

  async savepoint(isFirst: boolean): Promise<void> {
    this.#setLockWait(isFirst)
    ignore(this.#connection.query('savepoint member', []))
  }

  async releaseSavepoint(): Promise<void> {
    if (this.#connection.takeFailure()) {
      await this.rollbackToSavepoint()
      throw new Error('a statement of this transaction failed, but its function ignored the error')
    }
    ignore(this.#connection.query('release savepoint member', []))
  }

  async rollbackToSavepoint(): Promise<void> {
    const rolledBack = this.#connection.run('rollback to savepoint member; release savepoint member')
    ignore(rolledBack)
    await this.#begun // if the transaction could not begin, it has no savepoint, and this error says why
    await rolledBack
    this.#connection.takeFailure()
  }

  async endSavepoints(): Promise<void> {
    this.#setLockWait(true)
  }

  isInTransaction(): boolean {
    return this.#isOpen && !this.#connection.isLost
  }

  async commit(events: readonly UnnumberedEvent[]): Promise<void> {
    const connection = this.#connection
    const begun = await this.#begun // if this failed, there is nothing to commit
    if (connection.isLost) throw new MailError('unavailable', { detail: 'the connection was lost before the commit' })
    // Sent together with the commit, which PostgreSQL turns into a rollback if one of them fails.
    const appended = appendEvents(connection, events)
    ignore(appended)
    if (connection.takeFailure()) {
      // Perhaps one could not be sent: PostgreSQL would commit the rest.
      await appended
      throw new Error('a statement failed before the commit')
    }
    this.#isOpen = false
    let command: string
    try {
      const committed = connection.run('commit')
      connection.setInTransaction(false)
      command = (await committed).command
    } catch (error) {
      if (!connection.isLost) throw error // the server itself reported the failure
      return this.#findOutcome(begun, error)
    }
    connection.setTimeLimits(true)
    await appended
    // PostgreSQL responds with ROLLBACK if a statement of the transaction had failed.
    if (command !== 'COMMIT') throw new Error(`the commit ended as ${command}`)
  }

  async rollback(): Promise<void> {
    const connection = this.#connection
    if (!this.#isOpen) return
    this.#isOpen = false
    if (connection.isLost) return
    try {
      const rolledBack = connection.run('rollback')
      connection.setInTransaction(false)
      await rolledBack
      connection.setTimeLimits(true)
    } catch (error) {
      this.#needs.log.error({ err: error }, 'rollback failed; reopening the write connection')
      connection.destroy()
    }
  }

  giveUp(): void {
    this.#giveUp.abort()
  }

  async runRows(step: RowStep): Promise<unknown[]> {
    return this.#connection.runRows(step)
  }

  kyselyProps(guard: Guard): KyselyProps {
    return kyselyProps(kyselyParts, (use) => use(this.#connection), guard)
  }

  async close(): Promise<void> {
    this.giveUp()
    await this.#connection.close()
  }

  #use(connection: PostgresConnection): void {
    this.#connection = connection
    this.#name = randomUUID()
    ignore(connection.run(INDEXES_ONLY))
  }

  /** Sends the setting only when it changes. A setting that was made before a savepoint survives the rollback to it. */
  #setLockWait(waitsForLocks: boolean): void {
    if (this.#waitsForLocks === waitsForLocks) return
    this.#waitsForLocks = waitsForLocks
    const { lockWaitMs, groupLockWaitMs } = this.#needs.limits.store
    ignore(this.#connection.query(`set local lock_timeout = ${waitsForLocks ? lockWaitMs : groupLockWaitMs}`, []))
  }

  /** Looks up how the commit ended. @throws unavailable when it was not committed; outcome_unknown after `giveUp` */
  async #findOutcome(begun: BegunTransaction, cause: unknown): Promise<void> {
    const { connect, log, limits } = this.#needs
    const { xid } = begun
    log.warn({ err: cause, xid }, 'the connection was lost during a commit; looking up the outcome')
    const lost = new CommitRecovery({
      connect,
      log,
      retryMsMax: limits.store.retryMsMax,
      signal: this.#giveUp.signal,
    })
    const { isCommitted, connection } = await lost.findOutcome({ ...begun, writer: this.#name, number: this.#number })
    this.#use(connection)
    log.warn({ xid, isCommitted }, 'outcome of the commit found')
    if (!isCommitted)
      throw new MailError('unavailable', { detail: 'the connection was lost during the commit' }, { cause })
  }
}

/**
 * A plan is kept while its table grows, until the next ANALYZE. One for a table that was analyzed while it was empty or small
 * would read all of it for each message.
 */
const INDEXES_ONLY = 'set enable_seqscan to off'

const BEGIN_WITHOUT_LIMITS = `begin;
  set local statement_timeout = 0; set local lock_timeout = 0; set local idle_in_transaction_session_timeout = 0`

/**
 * Ignores the result of a statement that is sent ahead of another. If it fails, every later statement of the
 * transaction fails too: the connection is lost, or PostgreSQL rejects further statements.
 */
function ignore(result: Promise<unknown>): void {
  result.catch(() => undefined)
}
