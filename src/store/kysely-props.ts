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

/** Called before each statement. If it throws or rejects, so does the statement; a promise delays the statement. */
export type Guard = () => Promise<void> | undefined

export function kyselyProps(parts: KyselyParts, provide: ProvideConnection, guard: Guard): KyselyProps {
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
        const delay = guard()
        return delay ? delay.then(() => use(connection)) : use(connection)
      }),
  })
  return { config: { dialect }, dialect, driver, executor }
}
