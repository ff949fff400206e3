/** Counts what PostgreSQL is asked, for tests of what work costs. The caller restores the mocks. */
import { vi } from 'vitest'
import { PostgresConnection } from '../../src/store/postgres/postgres-connection.ts'

/** Counts the statements of this process, and those that are sent while no other one of their connection is under way. */
export function countPostgresCalls() {
  let [statements, roundTrips] = [0, 0]
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
      try {
        return (await original.apply(this, values)) as never
      } finally {
        underWay.set(this, underWay.get(this)! - 1)
      }
    })
  }
  return {
    take() {
      const counted = { statements, roundTrips }
      ;[statements, roundTrips] = [0, 0]
      return counted
    },
  }
}
