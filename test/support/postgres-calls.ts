/** Counts what PostgreSQL is asked, for tests of what work costs. The caller restores the mocks. */
import { setImmediate as nextTurn } from 'node:timers/promises'
import { vi } from 'vitest'
import { PostgresConnection } from '../../src/store/postgres/postgres-connection.ts'

/**
 * Counts the statements of this process, and those that are sent while no other one of their connection is under way. Call it
 * before the store is opened if `settled` is used.
 */
export function countPostgresCalls() {
  let [statements, roundTrips] = [0, 0]
  let allUnderWay = 0
  const underWay = new WeakMap<PostgresConnection, number>()
  for (const name of ['run', 'query'] as const) {
    const original = PostgresConnection.prototype[name] as (...values: unknown[]) => Promise<unknown>
    vi.spyOn(PostgresConnection.prototype, name).mockImplementation(async function (
      this: PostgresConnection,
      ...values: unknown[]
    ) {
      const others = underWay.get(this) ?? 0
      statements += 1
      if (others === 0) roundTrips += 1
      underWay.set(this, others + 1)
      allUnderWay += 1
      try {
        return (await original.apply(this, values)) as never
      } finally {
        underWay.set(this, underWay.get(this)! - 1)
        allUnderWay -= 1
      }
    })
  }
  return {
    take() {
      const counted = { statements, roundTrips }
      ;[statements, roundTrips] = [0, 0]
      return counted
    },

    /**
     * Resolves when no statement is under way. After a commit, the notification of the other nodes still is; that of the next commit is sent
     * when it ends, and would be counted at some later time.
     */
    async settled(): Promise<void> {
      do await nextTurn()
      while (allUnderWay > 0)
    },
  }
}
