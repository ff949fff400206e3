/**
 * Tests that the write-ahead log stays short although the writer never pauses, that its file is used again, and that a failing
 * checkpoint blocks no writer.
 */
import { once } from 'node:events'
import { statSync } from 'node:fs'
import { stat } from 'node:fs/promises'
import { join } from 'node:path'
import type { Worker } from 'node:worker_threads'
import BetterSqlite from 'better-sqlite3'
import { expect, test } from 'vitest'
import { createLog } from '../../src/log.ts'
import { createMetrics } from '../../src/metrics.ts'
import { Checkpointer, type WalState } from '../../src/store/sqlite/checkpointer.ts'
import { insertOrganization, openTestStore, organizationIds, temporaryFolder } from './test-store.ts'

test('a writer that never pauses does not make the log grow without limit', async () => {
  // In memory the writer would be done before the checkpoint thread has started.
  await using folder = await temporaryFolder({ isOnDisk: true })
  const limits = { store: { checkpointPages: 100, transactionGroupMax: 1 } }
  await using store = await openTestStore({ dataDir: folder.path, limits })
  const name = 'x'.repeat(50_000)
  const ids = Array.from({ length: 400 }, (_, index) => String(index).padStart(4, '0'))
  await Promise.all(ids.map((id) => store.transaction((tx) => insertOrganization(tx, id, name))))

  const writtenBytes = ids.length * name.length
  const { size } = await stat(join(store.dataDir, 'martlet.db-wal'))
  expect(size).toBeLessThan(writtenBytes / 4)
  expect(await organizationIds(store)).toEqual(ids)
})

/** Opens a database with one table, and returns a function that writes so many pages and waits for the checkpoint that follows. */
function openWithCheckpointer(file: string, checkpointIdleMs: number) {
  const database = new BetterSqlite(file)
  for (const setting of ['journal_mode = wal', 'wal_autocheckpoint = 0']) database.pragma(setting)
  database.exec('create table t (bytes blob)')
  const log = createLog('silent')
  const checkpointer = new Checkpointer({ file, checkpointPages: 20, checkpointIdleMs, log, metrics: createMetrics() })
  const insert = database.prepare('insert into t values (zeroblob(?))')
  const walState = () => (database.pragma('wal_checkpoint(noop)') as [WalState])[0]
  const commit = async (pages: number) => {
    insert.run(pages * 4_096)
    checkpointer.afterCommit(walState())
    await checkpointer.whenIdle()
  }
  return { database, checkpointer, commit, walState }
}

test('the file of the log is overwritten', async () => {
  await using folder = await temporaryFolder()
  const file = join(folder.path, 'some.db')
  const { database, checkpointer, commit } = openWithCheckpointer(file, 60_000)
  const reader = new BetterSqlite(file)
  /** Writes so many pages, and as many again before the rest is copied: the reader keeps the first checkpoint from copying all. */
  const writeTwice = async (pages: number) => {
    reader.exec('begin')
    reader.prepare('select count(*) from t').get()
    await commit(pages)
    reader.exec('commit')
    await commit(pages)
    return statSync(`${file}-wal`).size
  }

  const sizeBytes = await writeTwice(25)
  expect(sizeBytes).toBeGreaterThan(50 * 4_096)
  expect([await writeTwice(25), await writeTwice(25)]).toEqual([sizeBytes, sizeBytes])
  reader.close()
  database.close()
  await checkpointer.close()
})

test('the thread ends when it has been idle, and the next checkpoint gets another one', async () => {
  await using folder = await temporaryFolder()
  const { database, checkpointer, commit, walState } = openWithCheckpointer(join(folder.path, 'some.db'), 1)
  const exits: Promise<unknown>[] = []
  const onWorker = (worker: Worker) => void exits.push(once(worker, 'exit'))
  process.on('worker', onWorker)
  try {
    await commit(25)
    expect(exits.length).toBe(1)
    await exits[0]
    await commit(25)
    const { log, checkpointed } = walState()
    expect([exits.length, log - checkpointed]).toEqual([2, 0])
    // It also waits for a thread that is ending: the last connection that closes copies the log.
    await checkpointer.close()
    await exits[1]
  } finally {
    process.off('worker', onWorker)
    database.close()
  }
})

// When a checkpoint had copied everything, the next commit began the log again, and the file kept its length until the server stopped.
test('a file of the log that has become unusually long is shortened by the commit that overwrites it', async () => {
  await using store = await openTestStore({ limits: { store: { checkpointPages: 20 } } })
  const file = join(store.dataDir, 'martlet.db')
  const sizeBytes = () => statSync(`${file}-wal`).size
  const insert = (id: string, bytes: number) => store.transaction((tx) => insertOrganization(tx, id, 'x'.repeat(bytes)))
  const other = new BetterSqlite(file)
  other.prepare('select count(*) from organizations').get() // before its first read, a connection does not know the log
  const isCopied = () => {
    const [{ log, checkpointed }] = other.pragma('wal_checkpoint(noop)') as [WalState]
    return log > 0 && log === checkpointed
  }

  await insert('long', 100 * 4_096)
  expect(sizeBytes()).toBeGreaterThan(100 * 4_096)
  await expect.poll(isCopied).toBe(true)
  await insert('short', 1)
  expect(sizeBytes()).toBe(4 * 20 * 4_096)
  other.close()
})

test('a checkpoint that fails is counted, retried when the log has grown, and blocks no writer', async () => {
  await using folder = await temporaryFolder()
  const metrics = createMetrics()
  const file = join(folder.path, 'is-not-there.db')
  const needs = { file, checkpointPages: 100, checkpointIdleMs: 60_000, log: createLog('silent'), metrics }
  const checkpointer = new Checkpointer(needs)

  for (const log of [99, 100, 150, 199, 200]) {
    checkpointer.afterCommit({ busy: 0, log, checkpointed: 0 })
    await checkpointer.whenWritable()
    await checkpointer.whenIdle()
  }
  expect((await metrics.backgroundErrors.get()).values).toMatchObject([{ labels: { loop: 'checkpoint' }, value: 2 }])
  await checkpointer.close()
})
