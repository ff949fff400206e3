/**
 * Where everything is kept: rows, events and large bytes. What the rest of the program sees of the store.
 *
 * Reads go through `db`, writes through `transaction`. The store knows no listener: a commit rings a bell without data.
 * Nothing above this folder knows which database it is; what queries need of it is in `dialect`.
 */
import { join } from 'node:path'
import type { Config } from '../config.ts'
import { MailError } from '../errors.ts'
import type { Log } from '../log.ts'
import type { Metrics } from '../metrics.ts'
import { createBell } from './bell.ts'
import type { Blobs } from './blobs/blobs.ts'
import { openFileBlobs } from './blobs/files.ts'
import type { Database, DatabaseConfig, Dialect } from './dialect.ts'
import { type FreeBytes, watchDisk } from './disk.ts'
import { openEventLog } from './event-log.ts'
import { createGroupCommit } from './group-commit.ts'
import { createIds } from './ids.ts'
import { clearLeases } from './leases.ts'
import { migrate } from './migrations/migrate.ts'
import type { Db, Tx } from './schema.ts'
import { sqlite } from './sqlite.ts'

export type { Blobs } from './blobs/blobs.ts'

export interface Store {
  /** Reads of what is committed, on connections of their own. */
  readonly db: Db
  readonly blobs: Blobs
  /** Of the event log, drawn when it was made. */
  readonly epoch: string
  /** What queries need that differs between databases: text search, claims, unique violations. */
  readonly dialect: Pick<
    Dialect,
    'name' | 'skipLocked' | 'isUniqueViolation' | 'indexText' | 'unindexText' | 'searchText'
  >

  /**
   * Runs `fn` in a transaction that is committed together with others' (docs/adr/0003, 0011): resolves with its result only
   * once the commit is on disk; rejects with what `fn` threw, rolled back alone; with disk_full, unavailable or
   * shutting_down, when nothing of it is kept; or with outcome_unknown, when the server stops before it is known.
   *
   * `fn` may run more than once: where another node was in its way it is rolled back and run again, some time later. So
   * it changes nothing but the database, and what it hands out it returns. Inside it only `tx`: no network, no blob, no
   * clock.
   */
  transaction<T>(fn: (tx: Tx) => Promise<T>): Promise<T>

  /** Rings after each commit, without data: whoever hears it looks at the tables. Returns what stops it. */
  onCommit(listener: () => void): () => void

  /** @throws disk_full below limits.diskFreeBytesMin; shutting_down after close() began; unavailable when it cannot write */
  requireRoom(): void

  /** The server begins to stop: a commit whose outcome cannot be learnt is waited for limits.shutdownGraceMs at most. */
  expectClose(): void

  /** Reads and writes, for readiness and `martlet check`. @throws what a transaction would meet */
  probe(): Promise<void>

  /** Waits for what is queued, then closes. Later transactions are refused with shutting_down. */
  close(): Promise<void>
}

export interface StoreNeeds {
  readonly config: DatabaseConfig & { readonly blobsDir?: Config['blobsDir'] }
  readonly log: Log
  readonly metrics: Metrics
  /** Epoch ms: `Date.now`. */
  readonly clock: () => number
  /** Unpredictable bytes: `crypto.randomBytes`. */
  readonly random: (sizeBytes: number) => Buffer
  /** Free space; the file system's when left out. */
  readonly freeBytes?: FreeBytes
}

/** Of the event log's epoch: unlike that of any other log. */
const EPOCH_BYTES = 8

async function dialectOf({ databaseUrl }: DatabaseConfig): Promise<Dialect> {
  if (databaseUrl === undefined) return sqlite
  const { postgres } = await import('./postgres.ts') // with its driver, which a start on SQLite does without
  return postgres
}

/**
 * Opens the store, making its tables or bringing them up to date.
 *
 * @throws StartupError when data folder or database are in use or cannot be used, or belong to a newer version
 */
export async function openStore(needs: StoreNeeds): Promise<Store> {
  const dialect = await dialectOf(needs.config)
  const database = await dialect.open(needs)
  try {
    return await startStore(dialect, database, needs)
  } catch (error) {
    await database.close()
    throw error
  }
}

/**
 * Brings the schema up to date and closes the database again: `martlet migrate`.
 *
 * @returns numbers of the migrations that were run
 * @throws StartupError as `openStore` does
 */
export async function migrateDatabase(needs: Omit<StoreNeeds, 'random' | 'freeBytes'>): Promise<number[]> {
  const dialect = await dialectOf(needs.config)
  const database = await dialect.open(needs)
  try {
    return await migrate(database.writer, dialect, needs.clock())
  } finally {
    await database.close()
  }
}

async function startStore(dialect: Dialect, database: Database, needs: StoreNeeds): Promise<Store> {
  const { config, log, metrics, clock, random } = needs
  for (const number of await migrate(database.writer, dialect, clock())) log.info({ number }, 'schema migrated')

  const bell = createBell(log, metrics)
  database.onForeignCommit(bell.ring)
  let commitFailure: MailError | undefined
  const {
    transaction,
    expectClose,
    close: finishTransactions,
  } = createGroupCommit({
    ...{ writer: database.writer, dialect, limits: config.limits, clock, newId: createIds(random), log, metrics },
    onCommit() {
      commitFailure = undefined
      bell.ring()
      database.tellOtherNodes()
    },
    onFailure(error) {
      commitFailure = error
    },
  })

  const epoch = await transaction(async (tx) => {
    if (database.isOnlyNode) await clearLeases(tx)
    return openEventLog(tx, random(EPOCH_BYTES).toString('hex'))
  })
  const blobsDir = config.blobsDir ?? join(config.dataDir, 'blobs')
  const blobs = await openFileBlobs({ root: blobsDir, random })
  const disk = await watchDisk({
    folders: [config.dataDir, blobsDir],
    freeBytesMin: config.limits.diskFreeBytesMin,
    intervalMs: config.limits.diskCheckMs,
    log,
    freeBytes: needs.freeBytes,
    // Whoever asks requireRoom first would never write again: so we try for them.
    onLook: () => void (commitFailure && probe().catch(() => undefined)), // its failure is logged with its group
  })
  let closing: Promise<void> | undefined

  return {
    db: database.reader,
    blobs,
    epoch,
    dialect,
    transaction,
    onCommit: bell.listen,
    expectClose,
    requireRoom() {
      if (closing) throw new MailError('shutting_down', {})
      disk.requireRoom()
      if (commitFailure) throw commitFailure
    },
    probe,
    close() {
      closing ??= close()
      return closing
    },
  }

  async function probe(): Promise<void> {
    await database.reader.selectFrom('event_log').select('epoch').execute()
    await transaction((tx) =>
      tx
        .updateTable('event_log')
        .set((eb) => ({ last_seq: eb.ref('last_seq') }))
        .execute(),
    )
  }

  async function close(): Promise<void> {
    disk.stop()
    await finishTransactions()
    await database.close()
  }
}
