/**
 * The store: rows, events and blobs. This file is its interface for the rest of the program.
 *
 * `db` reads, `transaction` writes. Each commit sends a signal without data to the listeners. Code above this folder
 * does not know which database is used; `adapter` hides the differences.
 */
import { join } from 'node:path'
import type { Config } from '../config/settings.ts'
import { MailError } from '../errors.ts'
import { createEventLoop, type EventLoop } from '../event-loop.ts'
import type { Log } from '../log.ts'
import type { Metrics } from '../metrics.ts'
import { openFileBlobs } from './blobs/blob-files.ts'
import type { Blobs } from './blobs/blobs.ts'
import { openEventLog } from './commit/append-events.ts'
import { createCommitFailures } from './commit/commit-failures.ts'
import { createCommitNotifier } from './commit/commit-notifier.ts'
import { type BatchOptions, createGroupCommit, type TransactionOptions } from './commit/group-commit.ts'
import type { Batch } from './commit/run-batch.ts'
import { type FreeBytes, watchDisk } from './disk.ts'
import { startFileShrinker } from './file-shrinker.ts'
import type { Db, LeaseTime, Tx } from './handles.ts'
import { clearLeases } from './leases.ts'
import { migrate } from './migrations/migrate.ts'
import { createIds } from './new-id.ts'
import type { Database, DatabaseConfig, SqlAdapter } from './sql-adapter.ts'
import { type BlobsDirLock, lockBlobsDir } from './sqlite/blobs-dir-lock.ts'
import { sqlite } from './sqlite/sqlite-adapter.ts'

export type { Blobs } from './blobs/blobs.ts'
export { type Batch, type BatchResult, Refused, RUN_ALONE, RUN_LATER } from './commit/run-batch.ts'

export interface Store {
  /** Reads committed data, on separate connections. */
  readonly db: Db
  readonly blobs: Blobs
  /** The epoch of the event log: a random text, created with the log. */
  readonly epoch: string
  /** What differs between databases: unique violations. */
  readonly adapter: Pick<SqlAdapter, 'name' | 'isUniqueViolation'>

  /**
   * Runs `fn` in a transaction that is committed together with other callers' transactions (docs/adr/0003, 0011).
   * Resolves with the result of `fn`, and only after the commit is on disk.
   *
   * `fn` may run more than once: after a conflict with another node it is rolled back and run again later. So it must
   * change nothing but the database, and must pass results out only by returning them. Inside it, use only `tx`: no
   * network, no blob, no clock.
   *
   * @param options.fairnessKey set it for a transaction that can take long (commit/group-commit.ts)
   * @throws what `fn` threw: only this transaction is rolled back
   * @throws disk_full, unavailable, shutting_down: nothing was written
   * @throws outcome_unknown when the server stops before it knows whether the commit succeeded
   */
  transaction<T>(fn: (tx: Tx) => Promise<T>, options?: TransactionOptions): Promise<T>

  /**
   * Returns a function that runs the transaction of one item like `transaction`, but may run several items together:
   * `batch.run` gets all of them. Use it for transactions of which many run at the same time.
   */
  batched<Item, Result>(batch: Batch<Item, Result>): (item: Item, options?: BatchOptions) => Promise<Result>

  /** The present in leases, for queries outside a transaction. */
  leaseNow(): LeaseTime

  /** Calls `listener` after each commit, without data: it must read the tables. @returns a function that removes it */
  onCommit(listener: () => void): () => void

  /**
   * @throws disk_full below limits.store.diskFreeBytesMin; shutting_down after close(); what commits fail with, while they
   *   keep failing (commit/commit-failures.ts)
   */
  checkWritable(): void
  /** Like checkWritable, for the disk alone. @throws disk_full, or unavailable when it cannot be checked */
  checkDiskSpace(): void

  /** The server begins to stop: `shutdownGraceMs` now bounds the wait for a commit with an unknown outcome. */
  expectClose(): void

  /** Reads and writes once, for `martlet check`. @throws the error that a transaction would get */
  probe(): Promise<void>
  /**
   * For readiness: reads, and writes only if no commit has succeeded within limits.store.readyCommitMs. A write of its
   * own would wait for the transactions of all others, so that a busy server would seem to be a broken one.
   *
   * @throws the error that a transaction would get
   */
  requireReady(): Promise<void>

  /** Waits for queued transactions, then closes. Later transactions are rejected with shutting_down. */
  close(): Promise<void>
}

export interface StoreNeeds {
  readonly config: DatabaseConfig & { readonly blobsDir?: Config['blobsDir'] }
  readonly log: Log
  readonly metrics: Metrics
  /** Epoch ms; never goes back. */
  readonly clock: () => number
  /** Replaces the present in leases, for tests. */
  readonly leaseClock?: (() => number) | undefined
  /** Unpredictable bytes: `crypto.randomBytes`. */
  readonly random: (sizeBytes: number) => Buffer
  /** Returns the free space; defaults to that of the file system. */
  readonly freeBytes?: FreeBytes
  /** The event loop that the writer shares with the rest of the process. Default: nothing else shares it. */
  readonly eventLoop?: Pick<EventLoop, 'nextTurn'>
  /** Called before the schema is migrated. If it throws, nothing is migrated. */
  readonly beforeMigrating?: () => Promise<void>
}

/** Random bytes of the event log's epoch: enough that no two logs have the same one. */
const EPOCH_BYTES = 8

/** Loads the adapter of the configured database. */
export async function adapterFor({ databaseUrl }: DatabaseConfig): Promise<SqlAdapter> {
  if (databaseUrl === undefined) return sqlite
  const { postgres } = await import('./postgres/postgres-adapter.ts') // loads the driver too, which SQLite does not need
  return postgres
}

/**
 * Opens the store and creates or migrates its tables.
 *
 * @throws StartupError when a folder or the database is in use, cannot be used, or belongs to a newer version
 */
export async function openStore(needs: StoreNeeds): Promise<Store> {
  const { config, log } = needs
  const adapter = await adapterFor(config)
  const blobsDir = config.blobsDir ?? join(config.dataDir, 'blobs')
  const database = await adapter.open(needs)
  let blobsDirLock: BlobsDirLock | undefined
  try {
    if (database.isOnlyNode) blobsDirLock = lockBlobsDir({ blobsDir, dataDir: config.dataDir }, log)
    await needs.beforeMigrating?.()
    return await startStore(adapter, database, { ...needs, blobsDir, blobsDirLock })
  } catch (error) {
    blobsDirLock?.release()
    await database.close()
    throw error
  }
}

/**
 * Migrates the schema and closes the database again, for `martlet migrate`.
 *
 * @returns the numbers of the migrations that ran
 * @throws StartupError as `openStore` does
 */
export async function migrateDatabase(needs: Omit<StoreNeeds, 'random' | 'freeBytes'>): Promise<number[]> {
  const adapter = await adapterFor(needs.config)
  const database = await adapter.open(needs)
  try {
    return await migrate(database.writer, adapter, needs.clock())
  } finally {
    await database.close()
  }
}

interface StartNeeds extends StoreNeeds {
  readonly blobsDir: string
  readonly blobsDirLock: BlobsDirLock | undefined
}

async function startStore(adapter: SqlAdapter, database: Database, needs: StartNeeds): Promise<Store> {
  const { config, blobsDir, log, metrics, clock, random, eventLoop = createEventLoop(config.limits) } = needs
  for (const number of await migrate(database.writer, adapter, clock())) log.info({ number }, 'schema migrated')

  const commitNotifier = createCommitNotifier(log, metrics)
  database.onForeignCommit(commitNotifier.notify)
  const leaseNow = needs.leaseClock ?? database.leaseNow
  const failures = createCommitFailures({ limits: config.limits, log })
  const {
    transaction,
    batched,
    expectClose,
    close: finishTransactions,
  } = createGroupCommit({
    writer: database.writer,
    adapter,
    limits: config.limits,
    clock,
    leaseNow,
    newId: createIds(random),
    log,
    metrics,
    eventLoop,
    failures,
    onCommit() {
      commitNotifier.notify()
      database.notifyNodes()
    },
  })

  const epoch = await transaction(async (tx) => {
    if (database.isOnlyNode) await clearLeases(tx)
    return openEventLog(tx, random(EPOCH_BYTES).toString('hex'))
  })
  const blobs = await openFileBlobs({ root: blobsDir, random })
  const disk = await watchDisk({
    folders: [config.dataDir, blobsDir],
    freeBytesMin: config.limits.store.diskFreeBytesMin,
    intervalMs: config.limits.store.diskCheckMs,
    log,
    freeBytes: needs.freeBytes,
    // While commits fail, callers that first check checkWritable would never write again, so the probe tries to write.
    onCheck: () => void (failures.lasting && probe().catch(() => undefined)), // the group commit logs the failure
  })
  const shrinker =
    database.file && startFileShrinker({ file: database.file, transaction, ...needs, limits: config.limits })
  let closing: Promise<void> | undefined

  return {
    db: database.reader,
    blobs,
    epoch,
    adapter,
    transaction,
    batched,
    leaseNow,
    onCommit: commitNotifier.listen,
    expectClose,
    checkWritable() {
      if (closing) throw new MailError('shutting_down', {})
      disk.checkSpace()
      if (failures.lasting) throw failures.lasting
    },
    checkDiskSpace: disk.checkSpace,
    probe,
    requireReady,
    close() {
      closing ??= close()
      return closing
    },
  }

  async function probe(): Promise<void> {
    await readOnce()
    await transaction((tx) =>
      tx
        .updateTable('event_log')
        .set((eb) => ({ last_seq: eb.ref('last_seq') }))
        .execute(),
    )
  }

  async function requireReady(): Promise<void> {
    if (failures.sinceSuccessMs() > config.limits.store.readyCommitMs) return probe()
    await readOnce()
  }

  async function readOnce(): Promise<void> {
    await database.reader.selectFrom('event_log').select('epoch').execute()
  }

  async function close(): Promise<void> {
    disk.stop()
    await Promise.all([shrinker?.stop(), finishTransactions()]) // at once: from now on no transaction is accepted
    await database.close()
    needs.blobsDirLock?.release()
  }
}
