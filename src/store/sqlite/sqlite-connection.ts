/**
 * One connection to the database file, used by Kysely. It caches prepared statements and classifies errors.
 *
 * Every statement runs synchronously on the event loop. So a result must be at most one page, and nothing is streamed.
 */
import type BetterSqlite from 'better-sqlite3'
import {
  type CompiledQuery,
  type DatabaseConnection,
  type Kysely,
  type KyselyProps,
  type QueryResult,
  SqliteAdapter,
  SqliteIntrospector,
} from 'kysely'
import { type Guard, kyselyProps as propsOf } from '../kysely-props.ts'
import { LruCache } from '../lru-cache.ts'
import type { RowStep } from '../row-statements.ts'
import { classify } from './sqlite-errors.ts'
import { StableLimitCompiler } from './sqlite-query-compiler.ts'
import { compileRows } from './sqlite-row-statements.ts'

/**
 * Cached prepared statements. Each takes some KiB; queries that differ only in a list's length must not fill memory.
 */
const STATEMENTS_MAX = 500

export class SqliteConnection implements DatabaseConnection {
  readonly #database: BetterSqlite.Database
  /** Keyed by SQL. */
  readonly #statements = new LruCache<BetterSqlite.Statement>(STATEMENTS_MAX)

  constructor(database: BetterSqlite.Database) {
    this.#database = database
  }

  get isInTransaction(): boolean {
    return this.#database.open && this.#database.inTransaction
  }

  /** Runs a statement that is not a query: begin, savepoint, pragma. */
  run(sql: string): BetterSqlite.RunResult {
    try {
      return this.#prepare(sql).run()
    } catch (error) {
      throw classify(error)
    }
  }

  /** Runs a statement to its end that returns an empty row for each step. */
  exec(sql: string): void {
    try {
      this.#database.exec(sql)
    } catch (error) {
      throw classify(error)
    }
  }

  get<Row>(sql: string, ...parameters: unknown[]): Row {
    try {
      return this.#prepare(sql).get(...parameters) as Row
    } catch (error) {
      throw classify(error)
    }
  }

  async executeQuery<Row>({ sql, parameters }: CompiledQuery): Promise<QueryResult<Row>> {
    try {
      const statement = this.#prepare(sql)
      if (statement.reader) return { rows: statement.all(parameters) as Row[] }
      const { changes, lastInsertRowid } = statement.run(parameters)
      return { rows: [], numAffectedRows: BigInt(changes), insertId: BigInt(lastInsertRowid) }
    } catch (error) {
      throw classify(error)
    }
  }

  /** Runs a row statement for some rows. @returns the rows that it returned */
  runRows({ statement, rows }: RowStep): unknown[] {
    const { sql, parameters } = compileRows(statement)
    const returned: unknown[] = []
    try {
      const prepared = this.#prepare(sql)
      for (const row of rows as readonly Record<string, unknown>[]) {
        const values = parameters.map((name) => row[name])
        if (prepared.reader) for (const each of prepared.all(values)) returned.push(each)
        else prepared.run(values)
      }
      return returned
    } catch (error) {
      throw classify(error)
    }
  }

  streamQuery(): never {
    throw new Error('streaming would block the connection for all other queries: read pages instead')
  }

  close(): void {
    this.#statements.clear()
    this.#database.close()
  }

  #prepare(sql: string): BetterSqlite.Statement {
    return this.#statements.getOrAdd(sql, () => this.#database.prepare(sql))
  }
}

const parts = {
  adapter: new SqliteAdapter(),
  compiler: new StableLimitCompiler(),
  introspector: (db: Kysely<unknown>) => new SqliteIntrospector(db),
}

export function sqliteKyselyProps(connection: () => DatabaseConnection, guard: Guard): KyselyProps {
  return propsOf(parts, (use) => use(connection()), guard)
}
