/**
 * Tests what one send over REST costs the database until its commit, authentication and look-ups included: statements on
 * SQLite, and on PostgreSQL how often it waits for the server. Both grow unnoticed.
 */
import { setTimeout as delay } from 'node:timers/promises'
import { afterEach, expect, vi } from 'vitest'
import { PostgresWriter } from '../../src/store/postgres/postgres-writer.ts'
import { SqliteConnection } from '../../src/store/sqlite/sqlite-connection.ts'
import { SqliteWriter } from '../../src/store/sqlite/sqlite-writer.ts'
import { countPostgresCalls } from '../support/postgres-calls.ts'
import { notSupported } from '../support/test-database.ts'
import { startWorld, type World } from '../support/world.ts'

/** What else the server does at the same time only adds to a count, so the smallest one is that of the send. */
const SENDS = 8
/** On a busy machine, a transaction that yields waits for the server once more. */
const WITHOUT_YIELDS = { limits: { store: { turnMs: 60_000 } }, startPaused: true }

afterEach(() => vi.restoreAllMocks())

interface Counted {
  readonly statements: number
  readonly roundTrips?: number
}

/**
 * Sends some messages, one after the other. @param take returns what was counted since its last call
 * @returns the smallest counts of a send, from the request to the end of its commit
 */
async function measure(
  world: World,
  writer: { commit(events: readonly unknown[]): Promise<void> },
  take: () => Counted,
  body: Readonly<Record<string, unknown>>,
): Promise<Counted> {
  const counted: Counted[] = []
  const { commit } = writer
  const spied = vi.spyOn(writer, 'commit').mockImplementation(async function (this: unknown, events) {
    await commit.call(this, events)
    if (events.length > 0) counted.push(take())
  })
  for (let index = 0; index < SENDS; index++) {
    do await delay(10)
    while (take().statements > 0) // the work that the send before has started
    const { status } = await world.request('POST', '/v0/inboxes/ada@mail.localhost/messages/send', { body })
    expect(status).toBe(200)
  }
  spied.mockRestore()
  return counted.reduce((least, each) => (each.statements < least.statements ? each : least))
}

const ONE = { to: 'zoe@elsewhere.test', subject: 's', text: 'hello' }
const TEN = { ...ONE, to: Array.from({ length: 10 }, (_, index) => `zoe${index}@elsewhere.test`) }

notSupported('postgres', 'its statements are counted by the next test')(
  'the number of statements per send does not grow, and is three more per further recipient',
  async () => {
    await using world = await startWorld(WITHOUT_YIELDS)
    await world.agentmail.inboxes.create({ username: 'ada' })
    let statements = 0
    const { runRows } = SqliteConnection.prototype
    vi.spyOn(SqliteConnection.prototype, 'runRows').mockImplementation(function (this: SqliteConnection, step) {
      statements += step.rows.length
      return runRows.call(this, step)
    })
    for (const name of ['run', 'get', 'executeQuery'] as const) {
      const original = SqliteConnection.prototype[name] as (...values: unknown[]) => unknown
      vi.spyOn(SqliteConnection.prototype, name).mockImplementation(function (this: unknown, ...values: unknown[]) {
        statements += 1
        return original.apply(this, values) as never
      })
    }
    const take = () => {
      const counted = { statements }
      statements = 0
      return counted
    }
    expect(await measure(world, SqliteWriter.prototype, take, ONE)).toEqual({ statements: 25 })
    expect(await measure(world, SqliteWriter.prototype, take, TEN)).toEqual({ statements: 52 })
  },
)

notSupported('sqlite', 'it has no server to wait for')(
  'the number of statements and round trips of a send does not grow, and does not depend on its recipients',
  async () => {
    await using world = await startWorld(WITHOUT_YIELDS)
    await world.agentmail.inboxes.create({ username: 'ada' })
    const { take } = countPostgresCalls()
    expect(await measure(world, PostgresWriter.prototype, take, ONE)).toEqual({ statements: 22, roundTrips: 7 })
    expect(await measure(world, PostgresWriter.prototype, take, TEN)).toEqual({ statements: 22, roundTrips: 7 })
  },
)
