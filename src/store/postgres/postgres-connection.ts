/**
 * One connection to PostgreSQL, used by Kysely and the writer. It caches prepared statements, converts values to our
 * types, classifies errors, and limits the time without a response.
 *
 * Statements are pipelined: sent at once, and executed in order. So a statement whose result we need not await (begin,
 * savepoint) costs no round trip. A lost connection is never reopened; its users open another.
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
 * Settings of each connection. We must not confirm a commit that is not on disk, whatever the server's default is. The
 * operator decides whether a commit also waits for a replica. JIT compilation costs more than any of our statements.
 */
const SESSION = `
  select set_config('synchronous_commit', 'on', false) where current_setting('synchronous_commit') = 'off';
  set default_transaction_isolation to 'read committed';
  set client_encoding to 'UTF8';
  set standard_conforming_strings to on;
  set jit to off`

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
  /** Names, keyed by SQL. */
  readonly #statements = new LruCache<string>(STATEMENTS_MAX, (name) => this.#outdated.push(name))
  #prepared = 0
  #isLost = false
  #hasTimeLimits = true
  #hasFailed = false

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
      statement_timeout: limits.store.statementMs,
      lock_timeout: limits.store.lockWaitMs,
      idle_in_transaction_session_timeout: limits.store.silenceMs,
    } as pg.ClientConfig)
    const connection = new PostgresConnection(client, limits)
    try {
      await client.connect()
      await connection.run(SESSION)
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

  /** Runs one or several statements without parameters. @returns the result of the last one */
  async run(text: string): Promise<pg.QueryResult> {
    const results: pg.QueryResult | pg.QueryResult[] = await this.#ask({ text })
    return Array.isArray(results) ? results.at(-1)! : results
  }

  /** @throws disk_full, unavailable, or the driver's error */
  async query<Row extends pg.QueryResultRow>(
    text: string,
    parameters: readonly unknown[],
  ): Promise<pg.QueryResult<Row>> {
    return this.#ask({ text, name: this.#nameOf(text), values: parameters.map(storable) })
  }

  async executeQuery<Row>({ sql, parameters }: CompiledQuery): Promise<QueryResult<Row>> {
    const { command, rowCount, rows } = await this.query(sql, parameters)
    return {
      rows: rows as Row[],
      ...(command !== 'SELECT' && { numAffectedRows: BigInt(rowCount ?? 0) }),
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
      delete (this.#client as unknown as Internals).connection.parsedStatements[name]
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

  async #ask<Result>(query: pg.QueryConfig): Promise<Result> {
    const timer = this.#hasTimeLimits ? setTimeout(() => this.destroy(), this.#limits.store.silenceMs) : undefined
    try {
      return (await this.#client.query(query)) as Result
    } catch (error) {
      this.#hasFailed = true
      if (isOutdatedPlan(error)) this.#statements.clear()
      if (isFatal(error)) this.#isLost = true
      throw classify(error, this.#isLost)
    } finally {
      clearTimeout(timer)
    }
  }

  #nameOf(text: string): string {
    return this.#statements.getOrAdd(text, () => `m${++this.#prepared}`)
  }
}

/** Private parts of the driver: there is no other way to drop a prepared statement or to cut a stuck connection. */
interface Internals {
  readonly connection: {
    readonly stream: { destroy(): void }
    readonly parsedStatements: Record<string, string>
  }
}

/** PostgreSQL does not accept NUL in text (JSON escapes it). Its replacement character still separates words. */
function storable(parameter: unknown): unknown {
  if (Array.isArray(parameter)) return parameter.map(storable)
  return typeof parameter === 'string' && parameter.includes('\0') ? parameter.replaceAll('\0', '\ufffd') : parameter
}
