/**
 * One connection to PostgreSQL, used by Kysely and the writer. It caches prepared statements, converts values to our
 * types, classifies errors, and limits the time without a response.
 *
 * Statements are pipelined: sent at once, and executed in order. So a statement whose result we need not await (begin,
 * savepoint) costs no round trip. Those of a transaction that are sent before the code yields to the event loop are one batch
 * (statement-batch.ts), and are written together (docs/adr/0097). A lost connection is never reopened; its users open another.
 */
import {
  type CompiledQuery,
  type DatabaseConnection,
  PostgresAdapter,
  PostgresIntrospector,
  PostgresQueryCompiler,
  type QueryResult,
} from 'kysely'
import pg from 'pg'
import type { Limits } from '../../config/limits.ts'
import { LruCache } from '../lru-cache.ts'
import type { RowStep } from '../row-statements.ts'
import { classify, isFatal, isOutdatedPlan } from './postgres-errors.ts'
import { compileRows } from './postgres-row-statements.ts'
import {
  type PreparedStatement,
  type SentStatement,
  StatementBatch,
  type StatementResult,
  type WireValue,
  wireValue,
} from './statement-batch.ts'

/**
 * Prepared statements cached per connection. Parsing and planning cost more than executing most statements, but queries
 * that differ only in the length of a list must not fill the server's memory.
 */
const STATEMENTS_MAX = 200

const INT8 = 20
const NUMERIC = 1700

/** The driver returns bigint and numeric as strings. We read numbers: times, sizes, seq and counts stay below 2^53. */
const types = {
  getTypeParser: (oid: number, format?: 'text' | 'binary') =>
    oid === INT8 || oid === NUMERIC ? Number : pg.types.getTypeParser(oid, format),
} as pg.CustomTypesConfig

/**
 * Returns the settings of each connection, and asks for the process of its session. We must not confirm a commit that is not on
 * disk, whatever the server's default is. The operator decides whether a commit also waits for a replica. JIT compilation costs
 * more than any of our statements.
 * The driver would send the time limits with its first message, which PgBouncer refuses, or ignores if it is set up so.
 */
function sessionSettings({ store }: ConnectionNeeds['limits']): string {
  return `
    select set_config('synchronous_commit', 'on', false) where current_setting('synchronous_commit') = 'off';
    set default_transaction_isolation to 'read committed';
    set client_encoding to 'UTF8';
    set standard_conforming_strings to on;
    set jit to off;
    set statement_timeout to ${store.statementMs};
    set lock_timeout to ${store.lockWaitMs};
    set idle_in_transaction_session_timeout to ${store.silenceMs};
    select pg_backend_pid() as pid`
}

export const kyselyParts = {
  adapter: new PostgresAdapter(),
  compiler: new PostgresQueryCompiler(),
  introspector: (db: ConstructorParameters<typeof PostgresIntrospector>[0]) => new PostgresIntrospector(db),
}

export interface ConnectionNeeds {
  readonly url: string
  readonly limits: Limits
}

export class PostgresConnection implements DatabaseConnection {
  readonly #client: pg.Client
  readonly #limits: ConnectionNeeds['limits']
  /** Names of statements to deallocate. */
  #outdated: string[] = []
  /** Keyed by SQL. */
  readonly #statements = new LruCache<PreparedStatement>(STATEMENTS_MAX, ({ name }) => this.#outdated.push(name))
  #prepared = 0
  #pid = 0
  /** Statements of the transaction that are not sent yet. */
  #gathered: SentStatement[] = []
  #isInTransaction = false
  #isLost = false
  #hasTimeLimits = true
  #hasFailed = false
  /** Whether what is written now is held back until the code yields to the event loop. */
  #isCorked = false

  /** @throws what the driver throws */
  static async open({ url, limits }: ConnectionNeeds): Promise<PostgresConnection> {
    const client = new pg.Client({
      connectionString: url,
      application_name: 'martlet',
      types,
      pipeline: true,
      keepAlive: true,
      keepAliveInitialDelayMillis: limits.store.silenceMs,
      connectionTimeoutMillis: limits.store.connectMs,
    } as pg.ClientConfig)
    const connection = new PostgresConnection(client, limits)
    try {
      await client.connect()
      const { rows } = await connection.run(sessionSettings(limits))
      connection.#pid = rows[0].pid
      return connection
    } catch (error) {
      connection.destroy()
      throw error
    }
  }

  private constructor(client: pg.Client, limits: ConnectionNeeds['limits']) {
    this.#client = client
    this.#limits = limits
    const lose = () => {
      this.#isLost = true
    }
    client.on('error', lose) // running statements reject with it
    client.on('end', lose)
  }

  /** The process of its session. No other open connection has it, unless a pooler shares sessions among them. */
  get pid(): number {
    return this.#pid
  }

  get isLost(): boolean {
    return this.#isLost
  }

  /** Whether a statement has failed since the last call. If so, PostgreSQL rejects further ones in this transaction. */
  takeFailure(): boolean {
    const hasFailed = this.#hasFailed
    this.#hasFailed = false
    return hasFailed
  }

  /** Calls the listener when the connection is lost or closed. */
  onEnd(listener: () => void): void {
    this.#client.once('end', listener)
  }

  onNotification(listener: (payload: string) => void): void {
    this.#client.on('notification', ({ payload }) => listener(payload ?? ''))
  }

  /** Sets whether we limit the time of statements. The caller changes the limits of the server. */
  setTimeLimits(hasTimeLimits: boolean): void {
    this.#hasTimeLimits = hasTimeLimits
  }

  /**
   * Sets whether a transaction is open, or the next statement begins one. Inside, statements that follow on each other are sent as a
   * batch: one that fails makes those after it fail.
   */
  setInTransaction(isInTransaction: boolean): void {
    this.#isInTransaction = isInTransaction
  }

  /**
   * Runs one or several statements without parameters. It is no part of a batch: it runs, and may succeed, even if a statement before it
   * fails.
   *
   * @returns the result of the last one
   */
  async run(text: string): Promise<pg.QueryResult> {
    this.#sendGathered()
    this.#cork()
    const timer = this.#startTimer()
    try {
      const results: pg.QueryResult | pg.QueryResult[] = await this.#client.query({ text })
      return Array.isArray(results) ? results.at(-1)! : results
    } catch (error) {
      throw this.#failureOf(error)
    } finally {
      clearTimeout(timer)
    }
  }

  /** Runs a prepared statement. @throws disk_full, unavailable, or the driver's error */
  async query<Row>(text: string, parameters: readonly unknown[]): Promise<StatementResult<Row>> {
    try {
      return await this.#send<Row>(text, parameters.map(wireValue))
    } catch (error) {
      throw this.#failureOf(error)
    }
  }

  async executeQuery<Row>({ sql, parameters }: CompiledQuery): Promise<QueryResult<Row>> {
    const { command, rowCount, rows } = await this.query(sql, parameters)
    return {
      rows: rows as Row[],
      ...(command !== 'SELECT' && { numAffectedRows: BigInt(rowCount) }),
    }
  }

  /** Runs a row statement for some rows. @returns the rows that it returned */
  async runRows({ statement, rows }: RowStep): Promise<unknown[]> {
    const { sql, valuesOf } = compileRows(statement)
    return (await this.query(sql, valuesOf(rows))).rows
  }

  streamQuery(): never {
    throw new Error('streaming would block the connection for all other queries: read pages instead')
  }

  /** Deallocates outdated statements. Call this outside a transaction: an error here would end the transaction. */
  forgetOutdated(): void {
    for (const name of this.#outdated.splice(0)) {
      // It does not exist if its first use failed. If this statement fails, the connection's end deallocates it.
      this.#client.query(`deallocate "${name}"`).catch(() => undefined)
    }
  }

  /** Closes the connection cleanly. */
  async close(): Promise<void> {
    this.#isLost = true
    const timer = setTimeout(() => this.destroy(), this.#limits.store.connectMs) // the server may not respond
    await this.#client.end().catch(() => undefined) // it is closed either way
    clearTimeout(timer)
  }

  /** Closes the connection at once; running statements reject. */
  destroy(): void {
    this.#isLost = true
    ;(this.#client as unknown as Internals).connection.stream.destroy()
  }

  #send<Row>(text: string, values: readonly WireValue[]): Promise<StatementResult<Row>> {
    const prepared = this.#statements.getOrAdd(text, () => ({
      ...{ text, name: this.#newName() },
      ...{ isSent: false, columns: undefined },
    }))
    this.#cork()
    return new Promise((resolve, reject) => {
      this.#gathered.push({ prepared, values, resolve, reject })
      if (!this.#isInTransaction) this.#sendGathered()
    })
  }

  #sendGathered(): void {
    if (this.#gathered.length === 0) return
    const statements = this.#gathered
    this.#gathered = []
    const timer = this.#startTimer()
    const onUnparsed = (prepared: PreparedStatement) => {
      this.#outdated.push(prepared.name)
      prepared.name = this.#newName()
      prepared.isSent = false
      prepared.columns = undefined // the database may describe other ones by then
    }
    const batch = new StatementBatch(statements, { types, onUnparsed, onEnd: () => clearTimeout(timer) })
    try {
      this.#client.query(batch)
    } catch (error) {
      // The driver forgets it. A part may be written, without its Sync, so that nothing else can be sent.
      this.destroy()
      batch.handleError(error)
    }
  }

  /** Writes everything that is sent before the code yields to the event loop with one system call. */
  #cork(): void {
    if (this.#isCorked) return
    this.#isCorked = true
    const { stream } = (this.#client as unknown as Internals).connection
    stream.cork()
    process.nextTick(() => {
      this.#sendGathered()
      this.#isCorked = false
      stream.uncork()
    })
  }

  #startTimer(): NodeJS.Timeout | undefined {
    return this.#hasTimeLimits ? setTimeout(() => this.destroy(), this.#limits.store.silenceMs) : undefined
  }

  #failureOf(error: unknown): unknown {
    this.#hasFailed = true
    if (isOutdatedPlan(error)) this.#statements.clear()
    if (isFatal(error)) this.#isLost = true
    return classify(error, this.#isLost)
  }

  #newName(): string {
    this.#prepared += 1
    return `m${this.#prepared}`
  }
}

/** Private parts of the driver: there is no other way to write several statements at once, or to cut a stuck connection. */
interface Internals {
  readonly connection: {
    readonly stream: { destroy(): void; cork(): void; uncork(): void }
  }
}
