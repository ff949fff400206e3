/**
 * What a Kysely is made of that drives connections of ours: no driver of its own, no mutex, no transactions, which are
 * the group commit's.
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

/** Kysely's words for a database. */
export interface KyselyWords {
  readonly adapter: DialectAdapter
  readonly compiler: QueryCompiler
  readonly introspector: (db: Kysely<unknown>) => ReturnType<Dialect['createIntrospector']>
}

/** Lends a connection for one statement. */
export type ProvideConnection = <T>(use: (connection: DatabaseConnection) => Promise<T>) => Promise<T>

const driver = new DummyDriver() // Kysely's own transactions must not start one

/** @param guard called before each statement; what it throws the statement rejects with */
export function kyselyProps(words: KyselyWords, provide: ProvideConnection, guard: () => void): KyselyProps {
  const { adapter, compiler, introspector } = words
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
