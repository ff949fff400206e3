/**
 * Builds the parts of a Kysely that runs statements on our own connections. It has no driver, no mutex and no
 * transactions: the group commit handles transactions.
 */
import {
  type CompiledQuery,
  type DatabaseConnection,
  DefaultQueryExecutor,
  type Dialect,
  type DialectAdapter,
  DummyDriver,
  type Kysely,
  type KyselyProps,
  type QueryCompiler,
  type QueryExecutor,
} from 'kysely'

/** The parts of Kysely that depend on the database. */
export interface KyselyParts {
  readonly adapter: DialectAdapter
  readonly compiler: QueryCompiler
  readonly introspector: (db: Kysely<unknown>) => ReturnType<Dialect['createIntrospector']>
}

/** Lends a connection for one statement. */
export type ProvideConnection = <T>(use: (connection: DatabaseConnection) => Promise<T>) => Promise<T>

const driver = new DummyDriver() // Kysely itself must never start a transaction

/** Called before each statement. If it throws or rejects, so does the statement; a promise delays the statement. */
export type Guard = () => Promise<void> | undefined

export function kyselyProps(parts: KyselyParts, provide: ProvideConnection, guard: Guard): KyselyProps {
  const { adapter, compiler } = parts
  const executor = new DefaultQueryExecutor(compiler, adapter, {
    provideConnection: (use) =>
      provide((connection) => {
        const delay = guard()
        return delay ? delay.then(() => use(connection)) : use(connection)
      }),
  })
  return propsWith(parts, executor)
}

/** The same for a connection that never has to wait. */
export function directKyselyProps(parts: KyselyParts, connection: DirectConnection): KyselyProps {
  return propsWith(parts, new DirectExecutor(parts, connection))
}

function propsWith({ adapter, compiler, introspector }: KyselyParts, executor: QueryExecutor): KyselyProps {
  const dialect = {
    createAdapter: () => adapter,
    createDriver: () => driver,
    createQueryCompiler: () => compiler,
    createIntrospector: introspector,
  }
  return { config: { dialect }, dialect, driver, executor }
}

/** A connection that can return the rows of a query at once. */
export interface DirectConnection extends DatabaseConnection {
  rowsOf(query: CompiledQuery): unknown[]
}

/** An executor with a way to run a query without a promise. */
export class DirectExecutor extends DefaultQueryExecutor {
  readonly #connection: DirectConnection

  constructor({ adapter, compiler }: KyselyParts, connection: DirectConnection) {
    super(compiler, adapter, { provideConnection: (use) => use(connection) })
    this.#connection = connection
  }

  /** Runs a query that returns rows. */
  rowsOf<Row>(query: CompiledQuery): Row[] {
    return this.#connection.rowsOf(query) as Row[]
  }
}
