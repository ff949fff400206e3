/**
 * A real store in its own temporary folder, which is removed after the test; on PostgreSQL with a database that belongs
 * to the folder.
 */
import { randomBytes } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Kysely } from 'kysely'
import { expect } from 'vitest'
import { type LimitOverrides, withLimits } from '../../src/config/limits.ts'
import { createLog } from '../../src/log.ts'
import { createMetrics } from '../../src/metrics.ts'
import type { FreeBytes } from '../../src/store/disk.ts'
import type { NewEvent, Tx } from '../../src/store/handles.ts'
import type { Schema } from '../../src/store/schema/schema.ts'
import { openStore, type Store, type StoreNeeds } from '../../src/store/store.ts'
import { administrate, createTestDatabase } from '../support/test-database.ts'
import { diskFolder } from '../support/test-folders.ts'

export interface TestStoreOptions {
  dataDir?: string
  limits?: LimitOverrides
  freeBytes?: FreeBytes
  /** Epoch ms. Default: the clock of the machine. */
  clock?: () => number
  /** Epoch ms, of leases. Default: that of the database. */
  leaseClock?: () => number
}

export type TestStore = Store & AsyncDisposable & { readonly dataDir: string; readonly needs: StoreNeeds }

/** Opens a store. Disposing it closes the store, and removes the folder if this function created it. */
export async function openTestStore(options: TestStoreOptions = {}): Promise<TestStore> {
  const folder = options.dataDir === undefined ? await temporaryFolder() : undefined
  const dataDir = options.dataDir ?? folder!.path
  const needs = storeNeeds({ ...options, dataDir })
  const store = await openStore(needs)
  return Object.assign(store, {
    dataDir,
    needs,
    async [Symbol.asyncDispose]() {
      await store.close()
      await folder?.[Symbol.asyncDispose]()
    },
  })
}

export function storeNeeds({
  dataDir,
  limits,
  freeBytes,
  clock = Date.now,
  leaseClock,
}: TestStoreOptions & { dataDir: string }): StoreNeeds {
  return {
    config: {
      ...{ dataDir, databaseUrl: databaseUrlOf(dataDir) },
      // The clock of a test need not agree with PostgreSQL's. A busy machine must not split a group. Each connection costs PostgreSQL a
      // process.
      limits: withLimits(
        { store: { clockSkewMsMax: Number.MAX_SAFE_INTEGER, groupMs: Number.MAX_SAFE_INTEGER, readersMax: 2 } },
        limits,
      ),
    },
    log: createLog((process.env.TEST_LOG_LEVEL as 'silent') ?? 'silent'),
    metrics: createMetrics(),
    clock,
    random: randomBytes,
    ...(freeBytes ? { freeBytes } : {}),
    ...(leaseClock ? { leaseClock } : {}),
  }
}

/** Database URLs by data folder. */
const databaseUrls = new Map<string, string>()

/** Returns the folder's database URL; undefined: SQLite in the folder. */
export function databaseUrlOf(dataDir: string): string | undefined {
  return databaseUrls.get(dataDir)
}

/** @param isMigrated false: the database has no table yet */
export async function temporaryFolder({
  isMigrated = true,
  isOnDisk = false,
} = {}): Promise<AsyncDisposable & { readonly path: string }> {
  const path = await mkdtemp(join(isOnDisk ? diskFolder() : tmpdir(), 'martlet-store-'))
  const database = await createTestDatabase(isMigrated ? 'migrated' : undefined, path)
  if (database.url !== undefined) databaseUrls.set(path, database.url)
  return {
    path,
    async [Symbol.asyncDispose]() {
      databaseUrls.delete(path)
      await database[Symbol.asyncDispose]()
      await rm(path, { recursive: true, force: true })
    },
  }
}

/** Returns the Kysely behind a Tx, for statements that the program itself must not run. */
export function asKysely(tx: Tx): Kysely<Schema> {
  return tx as unknown as Kysely<Schema>
}

export async function insertOrganization(tx: Tx, id: string, name = id): Promise<void> {
  await tx.insertInto('organizations').values({ id, name, created_at: tx.now, updated_at: tx.now }).execute()
}

export async function organizationIds(store: Store): Promise<string[]> {
  const rows = await store.db.selectFrom('organizations').select('id').orderBy('id').execute()
  return rows.map(({ id }) => id)
}

export function event(type: string, more: Partial<NewEvent> = {}): NewEvent {
  return { type, visibility: 'public', organizationId: 'organization', actor: 'system:test', payload: {}, ...more }
}

/** Returns the log as [seq, type], in order. */
export async function loggedEvents(store: Store): Promise<[number, string][]> {
  const rows = await store.db.selectFrom('events').select(['seq', 'type']).orderBy('seq').execute()
  return rows.map(({ seq, type }) => [seq, type])
}

export async function rejection(promise: Promise<unknown>): Promise<unknown> {
  return promise.then(
    () => {
      throw new Error('it did not reject')
    },
    (error: unknown) => error,
  )
}

export function codeOf(result: PromiseSettledResult<unknown>): unknown {
  return result.status === 'rejected' ? (result.reason as { code?: unknown }).code : 'kept'
}

export function deferred<T = void>(): { promise: Promise<T>; resolve(value: T): void } {
  let resolve!: (value: T) => void
  const promise = new Promise<T>((resolvePromise) => {
    resolve = resolvePromise
  })
  return { promise, resolve }
}

/** Runs a transaction of another node up to the end of `act`; it stays open until `commit` is called. */
export async function holdOpen(store: Store, act: (tx: Tx) => Promise<unknown>): Promise<{ commit(): Promise<void> }> {
  const [isDone, mayEnd] = [deferred(), deferred()]
  const ended = store.transaction(async (tx) => {
    await act(tx)
    isDone.resolve()
    await mayEnd.promise
  })
  await isDone.promise
  return {
    commit() {
      mayEnd.resolve()
      return ended
    },
  }
}

/** Resolves when so many statements wait for locks of other nodes. */
export async function isWaiting({ dataDir }: { readonly dataDir: string }, statements = 1): Promise<void> {
  const query = `select count(*)::int as count from pg_stat_activity
    where datname = current_database() and wait_event_type = 'Lock'`
  await expect.poll(async () => (await administrate(databaseUrlOf(dataDir)!, query)).rows[0].count).toBe(statements)
}
