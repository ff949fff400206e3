/** Counts the statements that a function reads with. */
import type { Db } from '../../src/store/handles.ts'
import type { Store } from '../../src/store/store.ts'

/** @returns the store, and its number of select statements by the first table that each reads */
export function countStatements<S extends Store>(store: S): { counted: S; statements: Record<string, number> } {
  const statements: Record<string, number> = {}
  const db = new Proxy(store.db, {
    get(target, name) {
      const value: unknown = Reflect.get(target, name, target)
      if (typeof value !== 'function') return value
      if (name !== 'selectFrom') return value.bind(target)
      return (from: string) => {
        statements[from] = (statements[from] ?? 0) + 1
        return target.selectFrom(from as 'messages')
      }
    },
  }) as Db
  return { counted: { ...store, db }, statements }
}
