/**
 * A worker thread that copies the write-ahead log back into the database file, on a separate connection: copying and
 * fsync take tens of milliseconds, which must not block the event loop. checkpointer.ts sends one request at a time.
 *
 * A crash or stop at any moment is harmless: a checkpoint can be repeated.
 */
import { parentPort, workerData } from 'node:worker_threads'
import BetterSqlite from 'better-sqlite3'
import type { CheckpointRequest, WalState } from './checkpointer.ts'

/** Time to wait for readers of the log. Only this thread waits. */
const BUSY_TIMEOUT_MS = 1_000

const database = new BetterSqlite(workerData.file, { timeout: BUSY_TIMEOUT_MS, fileMustExist: true })
database.pragma('synchronous = full')
database.pragma('wal_autocheckpoint = 0')

parentPort!.on('message', (request: CheckpointRequest) => {
  if (request === 'close') {
    database.close()
    parentPort!.close()
    return
  }
  const [state] = database.pragma(`wal_checkpoint(${request})`) as WalState[]
  parentPort!.postMessage(state)
})
