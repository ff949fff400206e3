/** Tests statements that are sent together in a transaction: their results, and what fails if one of them fails. */
import pg from 'pg'
import { afterEach, expect, test, vi } from 'vitest'
import { withLimits } from '../../../src/config/limits.ts'
import { PostgresConnection } from '../../../src/store/postgres/postgres-connection.ts'
import { StatementBatch } from '../../../src/store/postgres/statement-batch.ts'
import { createTestDatabase } from '../../support/test-database.ts'

const DIVIDE = 'select 1 / $1::integer as quotient'
const DOUBLE = 'select 2 * $1::integer as doubled'

afterEach(() => {
  vi.restoreAllMocks()
  vi.useRealTimers()
})

/** @param parameters of the URL */
async function connect(
  parameters: Readonly<Record<string, string>> = {},
): Promise<AsyncDisposable & { readonly connection: PostgresConnection }> {
  const database = await createTestDatabase()
  const url = new URL(database.url!)
  for (const [name, value] of Object.entries(parameters)) url.searchParams.set(name, value)
  const connection = await PostgresConnection.open({ url: url.href, limits: withLimits({}) })
  return {
    connection,
    async [Symbol.asyncDispose]() {
      await connection.close()
      await database[Symbol.asyncDispose]()
    },
  }
}

/** The statements of a transaction, and how each ended: its rows, or the SQLSTATE of its error. */
async function outcomes(
  connection: PostgresConnection,
  statements: readonly (readonly [sql: string, ...parameters: unknown[]])[],
): Promise<unknown[]> {
  connection.setInTransaction(true)
  const begun = connection.query('begin', [])
  const asked = statements.map(([sql, ...parameters]) => connection.query(sql, parameters))
  const results = await Promise.allSettled(asked)
  await begun
  const rolledBack = connection.run('rollback')
  connection.setInTransaction(false)
  await rolledBack
  return results.map((result) =>
    result.status === 'fulfilled' ? result.value.rows : (result.reason as { code: string }).code,
  )
}

test('statements of a transaction are one batch, and each gets its own rows', async () => {
  await using opened = await connect()
  const { connection } = opened
  const synced = vi.spyOn(StatementBatch.prototype, 'handleReadyForQuery')
  for (let round = 0; round < 3; round += 1) {
    expect(
      await outcomes(connection, [
        [DOUBLE, 4],
        ['create temporary table if not exists kept (name text) on commit drop'],
        ["insert into kept select 'x' from generate_series(1, $1::integer)", 3],
        ['select name, null::bigint as nothing from kept limit 2'],
        [DOUBLE, 5],
      ]),
    ).toEqual([
      [{ doubled: 8 }],
      [],
      [],
      [
        { name: 'x', nothing: null },
        { name: 'x', nothing: null },
      ],
      [{ doubled: 10 }],
    ])
  }
  expect(synced).toHaveBeenCalledTimes(3)
})

// Its rows were read with the columns of before, and a further one threw in the handler of the socket.
test('a statement that fails after its rows were described is described again', async () => {
  await using opened = await connect()
  const { connection } = opened
  await connection.run('create table kept (divisor integer); insert into kept values (2)')
  const statement = 'select kept.*, 4 / (divisor - $1::integer) as quotient from kept'
  expect(await outcomes(connection, [[statement, 2]])).toEqual(['22012'])
  await connection.run("alter table kept add column name text default 'x'")
  expect(await outcomes(connection, [[statement, 1]])).toEqual([[{ divisor: 2, name: 'x', quotient: 4 }]])
})

test('a statement that fails makes those after it fail, and they are prepared again', async () => {
  await using opened = await connect()
  const { connection } = opened
  for (let round = 0; round < 2; round += 1) {
    expect(
      await outcomes(connection, [
        [DOUBLE, 1],
        [DIVIDE, 0],
        ['select $1::text as after', 'a'],
      ]),
    ).toEqual([[{ doubled: 2 }], '22012', '22012'])
    expect(await outcomes(connection, [['select nothing from nowhere'], ['select $1::text as behind', 'a']])).toEqual([
      '42P01',
      '42P01',
    ])
    connection.forgetOutdated()
  }
  expect(
    await outcomes(connection, [
      [DIVIDE, 1],
      ['select $1::text as after', 'a'],
      ['select $1::text as behind', 'b'],
    ]),
  ).toEqual([[{ quotient: 1 }], [{ after: 'a' }], [{ behind: 'b' }]])
})

test('a statement of its own runs even if one before it has failed', async () => {
  await using opened = await connect()
  const { connection } = opened
  connection.setInTransaction(true)
  const sent = [
    connection.query('begin', []),
    connection.query('savepoint before', []),
    connection.query(DIVIDE, [0]),
    connection.run('rollback to savepoint before'),
    connection.query(DOUBLE, [3]),
    connection.run('commit'),
  ]
  connection.setInTransaction(false)
  const results = await Promise.allSettled(sent)
  expect(results.map(({ status }) => status)).toEqual([
    ...['fulfilled', 'fulfilled', 'rejected', 'fulfilled', 'fulfilled', 'fulfilled'],
  ])
})

test('outside a transaction, a statement gets its result when it is committed', async () => {
  await using opened = await connect()
  const { connection } = opened
  await connection.run('create table parents (id integer primary key)')
  await connection.run('create table children (parent integer references parents deferrable initially deferred)')
  const results = await Promise.allSettled([
    connection.query('insert into children values ($1::integer)', [1]), // fails at its commit
    connection.query('insert into parents values ($1::integer)', [1]),
    connection.query('insert into children values ($1::integer)', [1]),
  ])
  expect(results.map((result) => (result.status === 'fulfilled' ? result.value.rowCount : 'failed'))).toEqual([
    ...['failed', 1, 1],
  ])
})

test('a statement without a command does not move the results of those after it', async () => {
  await using opened = await connect()
  expect(await outcomes(opened.connection, [[DOUBLE, 1], [''], [DOUBLE, 2], ['-- nothing'], [DOUBLE, 3]])).toEqual([
    ...[[{ doubled: 2 }], [], [{ doubled: 4 }], [], [{ doubled: 6 }]],
  ])
})

// They were never answered, and the connection had a part of them without an end.
test('statements that cannot be written fail, and so does the connection', async () => {
  await using opened = await connect()
  const { connection } = opened
  await connection.query(DOUBLE, [1])
  const tooLarge = new RangeError('Array buffer allocation failed')
  vi.spyOn(pg.Connection.prototype as unknown as { bind(): void }, 'bind')
    .mockImplementationOnce(() => undefined)
    .mockImplementationOnce(() => {
      throw tooLarge
    })
  connection.setInTransaction(true)
  const sent = ['begin', DOUBLE, DIVIDE].map((sql) => connection.query(sql, sql === 'begin' ? [] : [1]))
  const committed = connection.run('commit')
  const failure = { status: 'rejected', reason: { code: 'unavailable', cause: tooLarge } }
  expect(await Promise.allSettled(sent)).toMatchObject([failure, failure, failure])
  await expect(committed).rejects.toMatchObject({ code: 'unavailable' })
  expect(connection.isLost).toBe(true)
})

// The driver's timer was not stopped, and closed the connection.
test('a connection stays open after the query_timeout of its URL', async () => {
  await using opened = await connect({ query_timeout: '60000' })
  const { connection } = opened
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
  await connection.query(DOUBLE, [1])
  vi.advanceTimersByTime(60_000)
  expect((await connection.query(DOUBLE, [2])).rows).toEqual([{ doubled: 4 }])
})

test('values arrive as they were sent', async () => {
  await using opened = await connect()
  const { connection } = opened
  const texts = ['', 'NULL', 'null', '{}', 'a,b', '"', '\\', '\\"', "'", ' a ', 'ä\n\t😀', null]
  const numbers = [0, -1, 2 ** 53 - 1, null]
  const bytes = Uint8Array.from([0, 255, 92])
  const { rows } = await connection.query(
    'select $1::text[] as texts, $2::text as text, $3::bigint[] as numbers, $4::bytea as bytes, $5::bytea[] as many, $6::text[] as none',
    [texts, 'a\0b', numbers, bytes, [bytes, null], []],
  )
  expect(rows).toEqual([
    {
      ...{ texts, text: 'a\ufffdb', numbers: numbers.map((value) => (value === null ? null : String(value))) },
      ...{ bytes: Buffer.from(bytes), many: [Buffer.from(bytes), null], none: [] },
    },
  ])
  await expect(connection.query('select $1::text', [new Date()])).rejects.toThrow('a parameter is')
})
