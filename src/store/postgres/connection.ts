/**
 * One connection to PostgreSQL, as Kysely and the writer drive it: statements prepared and kept, values in our types,
 * errors told apart, silence bounded.
 *
 * Statements are sent at once and answered in order, so that what needs no answer (begin, savepoint) costs no round trip.
 * Once lost, a connection stays lost; its users open another.
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
import type { Limits } from '../../limits.ts'
import { classify, isFatal, isOutdatedPlan } from './errors.ts'

/** Parsing and planning cost more than most statements; queries that differ only in the length of a list must not fill the server's memory. */
const STATEMENTS_MAX = 200

const INT8 = 20
const NUMERIC = 1700

/** What differs from the driver's ways: times, sizes, seq and counts stay far below 2^53. */
const types = {
  getTypeParser: (oid: number, format?: 'text' | 'binary') =>
    oid === INT8 || oid === NUMERIC ? Number : pg.types.getTypeParser(oid, format),
} as pg.CustomTypesConfig

/**
 * Set on each connection. A commit that is not on disk must not be told, whatever the server's default; waiting for a
 * replica as well is the operator's choice. JIT costs more than any of our statements.
 */
const SESSION = `
  select set_config('synchronous_commit', 'on', false) where current_setting('synchronous_commit') = 'off';
  set default_transaction_isolation to 'read committed';
  set client_encoding to 'UTF8';
  set standard_conforming_strings to on;
  set jit to off`

export const words = {
  adapter: new PostgresAdapter(),
  compiler: new PostgresQueryCompiler(),
  introspector: (db: ConstructorParameters<typeof PostgresIntrospector>[0]) => new PostgresIntrospector(db),
}

export interface ConnectionNeeds {
  readonly url: string
  readonly limits: Pick<Limits, 'databaseConnectMs' | 'databaseSilenceMs' | 'statementMs' | 'lockWaitMs'>
}

export class PostgresConnection implements DatabaseConnection {
  readonly #client: pg.Client
  readonly #limits: ConnectionNeeds['limits']
  /** SQL → name, least recently used first. */
  readonly #statements = new Map<string, string>()
  /** Names that the server may forget. */
  #outdated: string[] = []
  #prepared = 0
  #isLost = false
  #isUnhurried = false
  #hasFailed = false

  /** @throws what the driver throws */
  static async open({ url, limits }: ConnectionNeeds): Promise<PostgresConnection> {
    const client = new pg.Client({
      connectionString: url,
      application_name: 'martlet',
      types,
      pipeline: true,
      keepAlive: true,
      keepAliveInitialDelayMillis: limits.databaseSilenceMs,
      connectionTimeoutMillis: limits.databaseConnectMs,
      statement_timeout: limits.statementMs,
      lock_timeout: limits.lockWaitMs,
      idle_in_transaction_session_timeout: limits.databaseSilenceMs,
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
    client.on('error', lose) // what was under way rejects with it
    client.on('end', lose)
  }

  get isLost(): boolean {
    return this.#isLost
  }

  /** Whether a statement has failed since this was last asked: then PostgreSQL runs no more in the open transaction. */
  takeFailure(): boolean {
    const hasFailed = this.#hasFailed
    this.#hasFailed = false
    return hasFailed
  }

  /** When the connection is lost, or closed by us. */
  onEnd(listener: () => void): void {
    this.#client.once('end', listener)
  }

  onNotification(listener: (payload: string) => void): void {
    this.#client.on('notification', ({ payload }) => listener(payload ?? ''))
  }

  /** From now on statements may take as long as they take; the caller lifts the server's own limits. */
  setUnhurried(isUnhurried: boolean): void {
    this.#isUnhurried = isUnhurried
  }

  /** One statement or several, without parameters. @returns the last one's result */
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

  streamQuery(): never {
    throw new Error('an open cursor would keep the connection from everybody else: read pages instead')
  }

  /** Outside a transaction: an error here would end it. */
  forgetOutdated(): void {
    for (const name of this.#outdated.splice(0)) {
      // Not there when its first use failed; and what was not forgotten goes with the connection.
      this.#client.query(`deallocate "${name}"`).catch(() => undefined)
      delete (this.#client as unknown as Internals).connection.parsedStatements[name]
    }
  }

  /** Says goodbye. */
  async close(): Promise<void> {
    this.#isLost = true
    const timer = setTimeout(() => this.destroy(), this.#limits.databaseConnectMs) // nobody there to say it to
    await this.#client.end().catch(() => undefined) // it is gone either way
    clearTimeout(timer)
  }

  /** Ends it without a word; what is under way rejects. */
  destroy(): void {
    this.#isLost = true
    ;(this.#client as unknown as Internals).connection.stream.destroy()
  }

  async #ask<Result>(query: pg.QueryConfig): Promise<Result> {
    const timer = this.#isUnhurried ? undefined : setTimeout(() => this.destroy(), this.#limits.databaseSilenceMs)
    try {
      return (await this.#client.query(query)) as Result
    } catch (error) {
      this.#hasFailed = true
      if (isOutdatedPlan(error)) this.#forgetAll()
      if (isFatal(error)) this.#isLost = true
      throw classify(error, this.#isLost)
    } finally {
      clearTimeout(timer)
    }
  }

  #forgetAll(): void {
    this.#outdated.push(...this.#statements.values())
    this.#statements.clear()
  }

  #nameOf(text: string): string {
    const known = this.#statements.get(text)
    if (known !== undefined) this.#statements.delete(text)
    else if (this.#statements.size >= STATEMENTS_MAX) {
      for (const [oldest, name] of this.#statements) {
        this.#statements.delete(oldest)
        this.#outdated.push(name)
        break
      }
    }
    const name = known ?? `m${++this.#prepared}`
    this.#statements.set(text, name)
    return name
  }
}

/** What the driver does not show: it has no other way to forget a statement, or to end a connection that is stuck. */
interface Internals {
  readonly connection: {
    readonly stream: { destroy(): void }
    readonly parsedStatements: Record<string, string>
  }
}

/** PostgreSQL takes no NUL in text (JSON has it escaped). The replacement character keeps two words apart. */
function storable(parameter: unknown): unknown {
  return typeof parameter === 'string' && parameter.includes('\0') ? parameter.replaceAll('\0', '\ufffd') : parameter
}
