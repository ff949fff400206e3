/**
 * `martlet restore FILE`: writes a backup into the data folder, with outbound mail and webhooks paused.
 *
 * The database gets its name last. A crash before that leaves blobs that no row refers to, and no database: restore again.
 */
import { statSync } from 'node:fs'
import { type FileHandle, open, rename, rm } from 'node:fs/promises'
import { basename, dirname } from 'node:path'
import { text } from 'node:stream/consumers'
import type { Config } from '../config/settings.ts'
import { StartupError } from '../errors.ts'
import { writeRootKey } from '../server/root-key-file.ts'
import { blobFile } from '../store/blobs/blob-files.ts'
import { makePrivateFolder, syncFolder } from '../store/folders.ts'
import { requireUnusedBlobsDir } from '../store/sqlite/blobs-dir-lock.ts'
import { filesBeside, lockDataDir } from '../store/sqlite/data-dir-lock.ts'
import { pauseRestored, requireRestorable } from '../store/sqlite/sqlite-backup.ts'
import { type Archive, blobKeyOf, DATABASE, describeBlobCount, openArchive, ROOT_KEY } from './backup-archive.ts'
import { checkSqlite } from './backup-command.ts'
import { ownerOf } from './ownership.ts'
import { unwritable } from './write-error.ts'

/**
 * @returns the exit code
 * @throws StartupError with a sentence for the operator; then there is no database in the data folder
 */
export async function runRestore(
  config: Pick<Config, 'dataDir' | 'blobsDir' | 'databaseUrl'>,
  file: string,
  output: { write(text: string): unknown },
): Promise<number> {
  checkSqlite(config)
  const archive = await openArchive(file)
  try {
    const giveToOwner = await ownerOf(config.dataDir)
    const lock = lockDataDir(config.dataDir, { isRestore: true })
    try {
      await extract(config, archive, lock.databaseFile)
    } finally {
      lock.release()
      await giveToOwner([config.dataDir, config.blobsDir]) // also after an error: the lock file and large messages stay
    }
  } finally {
    await archive.close()
  }
  const { created_at, version, domain, blobs } = archive.manifest
  output.write(
    `Restored to ${config.dataDir}: the backup of ${created_at} (version ${version}, domain ${domain}, ${describeBlobCount(blobs)}).
Outbound mail and webhooks are paused. Start the server, cancel in the queue what has been sent since the backup
(martlet queue list), and run: martlet resume
`,
  )
  return 0
}

async function extract(
  { dataDir, blobsDir }: Pick<Config, 'dataDir' | 'blobsDir'>,
  { entries, read }: Archive,
  databaseFile: string,
): Promise<void> {
  const unfinished = `${databaseFile}.restoring`
  await requireNoDatabase(dataDir, databaseFile)
  try {
    requireUnusedBlobsDir({ blobsDir, dataDir })
    // Empty ones, and those of a restore that was killed: SQLite would use them with the new files of the same names.
    await removeAll([...filesBeside(databaseFile), unfinished, ...filesBeside(unfinished)])
    // First: a backup that this version cannot use leaves no message and no root key in the folder.
    await writeFile(unfinished, read(entries.find(({ path }) => path === DATABASE)!))
    requireRestorable(unfinished)
    for (const entry of entries) {
      const key = blobKeyOf(entry.path)
      if (key !== undefined) await writeFile(blobFile(blobsDir, key), read(entry))
      if (entry.path === ROOT_KEY) await writeRootKey(dataDir, (await text(read(entry))).trim())
    }
    // A restore that was killed may have created the folders of blobs, but not have flushed it.
    if (entries.some(({ path }) => blobKeyOf(path) !== undefined)) await syncFolder(blobsDir)
    pauseRestored(unfinished, Date.now())
    await rename(unfinished, databaseFile)
    await syncFolder(dataDir)
  } catch (error) {
    // Also the empty database that locking created: a server that finds it would start as a new one.
    await removeAll([unfinished, ...filesBeside(unfinished), databaseFile])
    throw error
  }
}

/**
 * The write-ahead log of a server that was killed has mail that is not in martlet.db yet. If only martlet.db was moved away, SQLite
 * would write that log into the restored database, and damage both.
 *
 * @throws StartupError that says what to move away
 */
async function requireNoDatabase(dataDir: string, databaseFile: string): Promise<void> {
  // Locking creates an empty file. SQLite deletes the log beside an empty database, so it must not stay there.
  if (sizeOf(databaseFile) === 0) await rm(databaseFile, { force: true })
  const found = [databaseFile, ...filesBeside(databaseFile)].filter((file) => sizeOf(file) > 0)
  // The -shm file is only an index of the log, which SQLite makes again.
  if (found.every((file) => file.endsWith('-shm'))) return
  const problem = `${dataDir} contains a database, or a part of one (${found.map((file) => basename(file)).join(', ')})`
  const remedy = 'move all of these files away together, or set MARTLET_DATA_DIR to a new folder'
  throw new StartupError(`${problem}; ${remedy}`)
}

function sizeOf(file: string): number {
  return statSync(file, { throwIfNoEntry: false })?.size ?? 0
}

async function removeAll(files: readonly string[]): Promise<void> {
  for (const file of files) await rm(file, { force: true })
}

/**
 * Writes a file durably; a file of an interrupted restore is replaced.
 *
 * @throws StartupError if it cannot be written; the errors of the chunks
 */
async function writeFile(file: string, chunks: AsyncIterable<Uint8Array>): Promise<void> {
  const fail = (error: unknown) => {
    throw unwritable(file, error)
  }
  const handle = await create(file).catch(fail)
  try {
    for await (const chunk of chunks) await handle.writeFile(chunk).catch(fail)
    await handle.sync().catch(fail)
  } finally {
    await handle.close()
  }
  await syncFolder(dirname(file))
}

async function create(file: string): Promise<FileHandle> {
  makePrivateFolder(dirname(file))
  await rm(file, { force: true })
  return open(file, 'wx', 0o600)
}
