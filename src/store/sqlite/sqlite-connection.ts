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
import { type Guard, type KyselyParts, kyselyProps as propsOf } from '../kysely-props.ts'
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
  readonly #statements = new LruCache<Prepared>(STATEMENTS_MAX)

  constructor(database: BetterSqlite.Database) {
    this.#database = database
  }

  get isInTransaction(): boolean {
    return this.#database.open && this.#database.inTransaction
  }

  /** Runs a statement that is not a query: begin, savepoint, pragma. */
  run(sql: string): BetterSqlite.RunResult {
    try {
      return this.#prepare(sql).statement.run()
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
      const { statement, toRow } = this.#prepare(sql)
      return toRow!(statement.get(...parameters) as unknown[]) as Row
    } catch (error) {
      throw classify(error)
    }
  }

  async executeQuery<Row>({ sql, parameters }: CompiledQuery): Promise<QueryResult<Row>> {
    try {
      this.beforeQuery()
      const { statement, toRow } = this.#prepare(sql)
      if (toRow) return { rows: (statement.all(parameters) as unknown[][]).map(toRow) as Row[] }
      const { changes, lastInsertRowid } = statement.run(parameters)
      return { rows: [], numAffectedRows: BigInt(changes), insertId: BigInt(lastInsertRowid) }
    } catch (error) {
      throw classify(error)
    }
  }

  /** Runs a query that returns rows, without a promise. */
  rowsOf({ sql, parameters }: CompiledQuery): unknown[] {
    try {
      this.beforeQuery()
      const { statement, toRow } = this.#prepare(sql)
      return (statement.all(parameters) as unknown[][]).map(toRow!)
    } catch (error) {
      throw classify(error)
    }
  }

  /** Runs a row statement for some rows. @returns the rows that it returned */
  runRows({ statement, rows }: RowStep): unknown[] {
    const { sql, valuesOf } = compileRows(statement)
    const returned: unknown[] = []
    try {
      const { statement: prepared, toRow } = this.#prepare(sql)
      for (const row of rows) {
        const values = valuesOf(row)
        if (toRow) for (const each of prepared.all(values)) returned.push(toRow(each as unknown[]))
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

  protected beforeQuery(): void {} // for subclasses; its errors are those of the query

  close(): void {
    this.#statements.clear()
    this.#database.close()
  }

  #prepare(sql: string): Prepared {
    return this.#statements.getOrAdd(sql, () => {
      if (CHANGES_COLUMNS.test(sql)) this.#statements.clear() // "select *" would return other columns
      const statement = this.#database.prepare(sql)
      return statement.reader ? { statement, toRow: rowFactory(statement.raw()) } : { statement }
    })
  }
}

interface Prepared {
  readonly statement: BetterSqlite.Statement
  /** Makes a row of the values of its columns; undefined: the statement returns no rows. */
  readonly toRow?: (values: readonly unknown[]) => unknown
}

const CHANGES_COLUMNS = /^\s*(?:alter|drop)\b/i

/**
 * The library returns arrays in half of the time in which it returns objects, because it sets each property by name.
 * A function that contains the object as a literal costs almost nothing, unlike a loop over the names.
 */
function rowFactory(statement: BetterSqlite.Statement): (values: readonly unknown[]) => unknown {
  const members = statement.columns().map(({ name }, index) => `${JSON.stringify(name)}: values[${index}]`)
  return new Function('values', `return { ${members.join(', ')} }`) as (values: readonly unknown[]) => unknown
}

export const sqliteKyselyParts: KyselyParts = {
  adapter: new SqliteAdapter(),
  compiler: new StableLimitCompiler(),
  introspector: (db: Kysely<unknown>) => new SqliteIntrospector(db),
}

export function sqliteKyselyProps(connection: () => DatabaseConnection, guard: Guard): KyselyProps {
  return propsOf(sqliteKyselyParts, (use) => use(connection()), guard)
}
