/** Tests that reads of one turn share a transaction, and yet see everything that was committed. SQLite only. */
import { join } from 'node:path'
import { setImmediate } from 'node:timers/promises'
import BetterSqlite from 'better-sqlite3'
import { Kysely, sql } from 'kysely'
import { expect, onTestFinished, test, vi } from 'vitest'
import type { Database } from '../../src/store/sql-adapter.ts'
import { Checkpointer } from '../../src/store/sqlite/checkpointer.ts'
import { sqlite } from '../../src/store/sqlite/sqlite-adapter.ts'
import { SqliteReader } from '../../src/store/sqlite/sqlite-reader.ts'
import { storeNeeds, temporaryFolder } from './test-store.ts'

test('a read sees a commit of this process that came after another read of the same turn', async () => {
  await using folder = await temporaryFolder()
  const database = await sqlite.open(storeNeeds({ dataDir: folder.path }))
  const write = new Kysely(database.writer.kyselyProps(() => undefined))
  await database.writer.begin()
  await sql`create table numbers (number integer)`.execute(write)
  await database.writer.commit([])
  try {
    // Nothing from here on lets the turn end.
    for (const number of [1, 2, 3]) {
      await database.writer.begin()
      await sql`insert into numbers values (${number})`.execute(write)
      expect(await lastNumber(database)).toBe(number === 1 ? undefined : number - 1)
      await database.writer.commit([])
      expect(await lastNumber(database)).toBe(number)
    }
  } finally {
    await database.close()
  }
})

test('the reads of one turn see the same state, and the next turn a newer one', async () => {
  await using folder = await temporaryFolder()
  const file = join(folder.path, 'numbers.db')
  using other = closing(new BetterSqlite(file))
  other.database.pragma('journal_mode = wal')
  other.database.exec('create table numbers (number integer); insert into numbers values (1)')
  let mayShare = true
  const reader = new SqliteReader(new BetterSqlite(file, { readonly: true }), () => mayShare)
  const read = async () => {
    const query = { sql: 'select max(number) as number from numbers', parameters: [] }
    return (await reader.executeQuery<{ number: number }>(query as never)).rows[0]?.number
  }
  const write = (number: number) => other.database.exec(`insert into numbers values (${number})`)

  expect(await read()).toBe(1)
  write(2)
  expect(await read()).toBe(1)
  await setImmediate()
  expect(await read()).toBe(2)

  // While a checkpoint waits for readers, no statement keeps the state that it has read.
  await setImmediate()
  mayShare = false
  expect(await read()).toBe(2)
  write(3)
  expect(await read()).toBe(3)
  expect(other.database.pragma('wal_checkpoint(truncate)')).toMatchObject([{ busy: 0 }])
  reader.close()
})

test('while a checkpoint empties the log, the reads of one turn share no transaction', async () => {
  await using folder = await temporaryFolder()
  const database = await sqlite.open(storeNeeds({ dataDir: folder.path }))
  await using _closed = { [Symbol.asyncDispose]: () => database.close() }
  using other = closing(new BetterSqlite(join(folder.path, 'martlet.db')))
  other.database.exec('create table numbers (number integer); insert into numbers values (1)')
  const isEmptying = vi.spyOn(Checkpointer.prototype, 'isEmptying', 'get')
  onTestFinished(() => void isEmptying.mockRestore())
  const readAroundInsert = async (number: number) => {
    await setImmediate()
    const before = await lastNumber(database)
    other.database.exec(`insert into numbers values (${number})`)
    return [before, await lastNumber(database)]
  }

  isEmptying.mockReturnValue(false)
  expect(await readAroundInsert(2)).toEqual([1, 1])
  isEmptying.mockReturnValue(true)
  expect(await readAroundInsert(3)).toEqual([2, 3])
})

async function lastNumber({ reader }: Database): Promise<number | undefined> {
  const { rows } = await sql<{ number: number }>`select number from numbers`.execute(reader as Kysely<never>)
  return rows.at(-1)?.number
}

function closing(database: BetterSqlite.Database) {
  return { database, [Symbol.dispose]: () => void database.close() }
}
