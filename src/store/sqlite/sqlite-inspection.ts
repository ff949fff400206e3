/**
 * Opens the SQLite database to look at it (see ../inspection.ts).
 *
 * SQLite creates a -wal and a -shm file beside a database in WAL mode even if it is only read. So the file itself is opened
 * only if both exist: a server runs, or has crashed. After a clean stop the database file is complete, and is read as a
 * copy in memory.
 */
import { accessSync, constants, existsSync, readFileSync, statSync } from 'node:fs'
import BetterSqlite from 'better-sqlite3'
import { Kysely } from 'kysely'
import { StartupError } from '../../errors.ts'
import { existingFolder } from '../folders.ts'
import type { Schema } from '../schema/schema.ts'
import type { DatabaseConfig, Inspection } from '../sql-adapter.ts'
import { databaseFiles, isDataDirLocked, requireDatabaseOfLog } from './data-dir-lock.ts'
import { SqliteConnection, sqliteKyselyProps } from './sqlite-connection.ts'
import { sqliteCode } from './sqlite-errors.ts'

/** Offset of the two bytes that say whether a database is in WAL mode (2) or not (1): sqlite.org/fileformat.html §1.3.3. */
const FORMAT_OFFSET = 18

const nothing = { db: undefined, close: async () => undefined }

/** @throws StartupError */
export async function inspectSqlite({ dataDir, limits }: DatabaseConfig): Promise<Inspection> {
  try {
    accessSync(existingFolder(dataDir), constants.R_OK | constants.W_OK | constants.X_OK)
    const [file, wal, shm] = databaseFiles(dataDir) as [string, string, string]
    const isInUse = isDataDirLocked(dataDir)
    requireDatabaseOfLog(dataDir)
    const sizeBytes = statSync(file, { throwIfNoEntry: false })?.size ?? 0
    if (sizeBytes === 0) return { isInUse, ...nothing }
    accessSync(file, constants.R_OK | constants.W_OK)
    if (existsSync(wal) && existsSync(shm)) return { isInUse, ...reading(new BetterSqlite(file, { readonly: true })) }
    const bytesMax = limits.store.inspectedBytesMax
    if (sizeBytes > bytesMax) {
      const notReadReason = `no server runs, and the database is larger than ${bytesMax} bytes: start the server`
      return { isInUse, ...nothing, notReadReason }
    }
    return { isInUse, ...reading(inMemory(file)) }
  } catch (error) {
    if (error instanceof StartupError) throw error
    const code = sqliteCode(error) ?? (error as NodeJS.ErrnoException).code
    if (code === undefined) throw error
    const reason = existsSync(dataDir)
      ? `cannot be read and written by this user (${code}); run this as the user of the service`
      : `does not exist, and this user may not create it (${code})`
    throw new StartupError(`The data folder ${dataDir} ${reason}`, { cause: error })
  }
}

function reading(database: BetterSqlite.Database): Pick<Inspection, 'db' | 'close'> {
  const connection = new SqliteConnection(database)
  const db = new Kysely<Schema>(
    sqliteKyselyProps(
      () => connection,
      () => undefined,
    ),
  )
  return { db: hasTables(database) ? db : undefined, close: async () => connection.close() }
}

/** A start that failed, because of a port in use, leaves a database without tables. */
export function hasTables(database: BetterSqlite.Database): boolean {
  return database.prepare(`select 1 from sqlite_master where name = 'schema_migrations'`).get() !== undefined
}

function inMemory(file: string): BetterSqlite.Database {
  const bytes = readFileSync(file)
  bytes.fill(1, FORMAT_OFFSET, FORMAT_OFFSET + 2) // a database in memory cannot be in WAL mode
  return new BetterSqlite(bytes, { readonly: true })
}
