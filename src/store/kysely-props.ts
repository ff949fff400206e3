/**
 * Builds the parts of a Kysely that runs statements on our own connections. It has no driver, no mutex and no
 * transactions: the group commit handles transactions.
 */
import {
  type DatabaseConnection,
  DefaultQueryExecutor,
  type Dialect,
  type DialectAdapter,
  DummyDriver,
  type Kysely,
  type KyselyProps,
  type QueryCompiler,
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

/** @param guard called before each statement; if it throws, the statement rejects with that error */
export function kyselyProps(parts: KyselyParts, provide: ProvideConnection, guard: () => void): KyselyProps {
  const { adapter, compiler, introspector } = parts
  const dialect = {
    createAdapter: () => adapter,
    createDriver: () => driver,
    createQueryCompiler: () => compiler,
    createIntrospector: introspector,
  }
  const executor = new DefaultQueryExecutor(compiler, adapter, {
    provideConnection: (use) =>
      provide((connection) => {
        guard()
        return use(connection)
      }),
  })
  return { config: { dialect }, dialect, driver, executor }
}
