/** Counts the statements that a function reads with. */
import type { DatabaseConnection, QueryExecutor } from 'kysely'
import type { Db } from '../../src/store/handles.ts'
import type { Store } from '../../src/store/store.ts'

/** @returns the store, and its number of select statements by the first table that each reads */
export function countStatements<S extends Store>(store: S): { counted: S; statements: Record<string, number> } {
  const statements: Record<string, number> = {}
  const counted = observeStatements(store, (table) => {
    statements[table] = (statements[table] ?? 0) + 1
  })
  return { counted, statements }
}

/** @returns the store, which calls `onRead` with the first table of each select statement; it may throw */
export function observeStatements<S extends Store>(store: S, onRead: (table: string) => void): S {
  const db = withOther(store.db, {
    selectFrom: (from: string) => {
      onRead(from)
      return store.db.selectFrom(from as 'messages')
    },
    // Queries that were compiled before (prepared-query.ts).
    getExecutor: () => countExecutor((store.db as unknown as { getExecutor(): QueryExecutor }).getExecutor(), onRead),
  }) as Db
  return Object.assign(Object.create(store) as S, { db })
}

/** @returns the store, which waits for `afterRead` after each prepared query, with the first table that it reads */
export function pauseAfterReads<S extends Store>(store: S, afterRead: (table: string) => Promise<void>): S {
  const getExecutor = () => {
    let table = ''
    const executor = countExecutor((store.db as unknown as { getExecutor(): QueryExecutor }).getExecutor(), (first) => {
      table = first
    })
    return withOther(executor, {
      provideConnection: async (use: (connection: DatabaseConnection) => Promise<unknown>) => {
        const result = await executor.provideConnection(use)
        await afterRead(table)
        return result
      },
    })
  }
  return Object.assign(Object.create(store) as S, { db: withOther(store.db, { getExecutor }) })
}

function countExecutor(executor: QueryExecutor, count: (table: string) => void): QueryExecutor {
  return withOther(executor, {
    provideConnection: (use: (connection: DatabaseConnection) => Promise<unknown>) =>
      executor.provideConnection((connection) =>
        use({
          executeQuery(query) {
            count(/ from "?(\w+)/.exec(query.sql)![1]!)
            return connection.executeQuery(query)
          },
          streamQuery: connection.streamQuery,
        }),
      ),
  })
}

/** Returns the object with other methods; its private fields work only through its own ones. */
function withOther<Whole extends object>(whole: Whole, others: Readonly<Record<string, unknown>>): Whole {
  return new Proxy(whole, {
    get(target, name) {
      const value: unknown = others[name as string] ?? Reflect.get(target, name, target)
      return typeof value === 'function' ? value.bind(target) : value
    },
  })
}
