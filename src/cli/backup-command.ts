/**
 * `martlet backup FILE`: writes the SQLite database, the large messages and the root key to one file, even while the
 * server runs.
 *
 * The database is copied as it is at one moment, and then the blobs that its rows refer to. A blob never changes, but it
 * disappears when its message is deleted: then the database is copied again. The file gets its name when it is complete; a
 * crash leaves a folder FILE.partial-….
 */
import { createReadStream } from 'node:fs'
import { mkdtemp, rename, rm, stat } from 'node:fs/promises'
import { dirname, join, resolve } from 'node:path'
import type { Config } from '../config/settings.ts'
import { StartupError } from '../errors.ts'
import { readRootKey } from '../server/root-key-file.ts'
import { blobFile } from '../store/blobs/blob-files.ts'
import { syncFolder } from '../store/folders.ts'
import { copyDatabase, listBlobKeys } from '../store/sqlite/sqlite-backup.ts'
import {
  type ArchiveWriter,
  blobEntry,
  createArchive,
  DATABASE,
  describeBlobCount,
  MANIFEST,
  type Manifest,
  ROOT_KEY,
} from './backup-archive.ts'
import { unwritable } from './write-error.ts'

/** Copies of the database at most. It is unlikely that messages are deleted during each; a file that is missing for another reason stays missing. */
const COPIES_MAX = 3

/**
 * @returns the exit code: 1 if blobs are missing in the blob folder; the file contains everything else
 * @throws StartupError with a sentence for the operator
 */
export async function runBackup(
  config: Pick<Config, 'dataDir' | 'blobsDir' | 'databaseUrl' | 'domain'>,
  file: string,
  { output, version }: { output: { write(text: string): unknown }; version: string },
): Promise<number> {
  checkSqlite(config)
  const target = resolve(file)
  if (await exists(target)) throw new StartupError(`${target} exists; choose another name`)
  const folder = await mkdtemp(`${target}.partial-`).catch((error: unknown) => {
    throw unwritable(target, error)
  })
  try {
    const now = Date.now()
    const unfinished = join(folder, 'backup.tar')
    const archive = await createArchive(unfinished, now, target)
    try {
      const database = join(folder, DATABASE)
      const { copied, missing } = await copyAll(config, archive, database)
      await appendFile(archive, DATABASE, database)
      const rootKey = await readRootKey(config.dataDir)
      if (rootKey !== undefined) await appendText(archive, ROOT_KEY, `${rootKey}\n`)
      const manifest: Manifest = {
        format: 1,
        version,
        created_at: new Date(now).toISOString(),
        domain: config.domain,
        database_bytes: (await stat(database)).size,
        blobs: copied,
      }
      await appendText(archive, MANIFEST, `${JSON.stringify(manifest, undefined, 2)}\n`)
      await archive.finish()
      await rename(unfinished, target)
      await syncFolder(dirname(target))
      output.write(`Saved to ${target}: the database (${manifest.database_bytes} bytes), ${describeBlobCount(copied)}`)
      output.write(rootKey === undefined ? '\n' : ', the root key. Keep the file secret.\n')
      if (missing > 0) output.write(`warn  missing in ${config.blobsDir}: ${describeBlobCount(missing)}\n`)
      return missing > 0 ? 1 : 0
    } finally {
      await archive.close()
    }
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

export function checkSqlite({ databaseUrl }: Pick<Config, 'databaseUrl'>): void {
  if (databaseUrl === undefined) return
  throw new StartupError('This command is for SQLite; with PostgreSQL use pg_dump and pg_restore (docs/operations.md)')
}

/** Copies the database to a file, and its blobs to the archive, until no blob has disappeared meanwhile. */
async function copyAll(
  { dataDir, blobsDir }: Pick<Config, 'dataDir' | 'blobsDir'>,
  archive: ArchiveWriter,
  database: string,
): Promise<{ copied: number; missing: number }> {
  const copied = new Set<string>()
  for (let copies = 1; ; copies++) {
    await rm(database, { force: true })
    await copyDatabase(dataDir, database)
    let missing = 0
    for (const key of listBlobKeys(database)) {
      if (copied.has(key)) continue
      if (await appendFile(archive, blobEntry(key), blobFile(blobsDir, key))) copied.add(key)
      else missing += 1
    }
    if (missing === 0 || copies === COPIES_MAX) return { copied: copied.size, missing }
  }
}

/** @returns false if the file does not exist */
async function appendFile(archive: ArchiveWriter, path: string, file: string): Promise<boolean> {
  const found = await stat(file).catch(absent)
  if (!found) return false
  const stream = createReadStream(file)
  const isOpen = await new Promise<boolean>((done, fail) => {
    stream.once('open', () => done(true)) // from now on it can be read, even if it is deleted
    stream.once('error', (error) => (isAbsent(error) ? done(false) : fail(error)))
  })
  if (isOpen) await archive.append(path, found.size, stream)
  return isOpen
}

async function appendText(archive: ArchiveWriter, path: string, text: string): Promise<void> {
  const bytes = Buffer.from(text)
  await archive.append(path, bytes.length, [bytes])
}

async function exists(file: string): Promise<boolean> {
  return (await stat(file).catch(absent)) !== undefined
}

function absent(error: NodeJS.ErrnoException): undefined {
  if (isAbsent(error)) return undefined
  throw error
}

function isAbsent(error: Error): boolean {
  return (error as NodeJS.ErrnoException).code === 'ENOENT'
}
