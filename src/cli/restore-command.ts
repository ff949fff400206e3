/**
 * `martlet restore FILE`: writes a backup into the data folder, with outbound mail and webhooks paused.
 *
 * The database gets its name last. A crash before that leaves blobs that no row refers to, and no database: restore again.
 */
import { open, rename, rm, stat } from 'node:fs/promises'
import { dirname } from 'node:path'
import { text } from 'node:stream/consumers'
import type { Config } from '../config/settings.ts'
import { StartupError } from '../errors.ts'
import { writeRootKey } from '../server/root-key-file.ts'
import { blobFile } from '../store/blobs/blob-files.ts'
import { makePrivateFolder, syncFolder } from '../store/folders.ts'
import { lockDataDir } from '../store/sqlite/data-dir-lock.ts'
import { pauseRestored, requireRestorable } from '../store/sqlite/sqlite-backup.ts'
import { type Archive, blobKeyOf, DATABASE, describeBlobCount, openArchive, ROOT_KEY } from './backup-archive.ts'
import { checkSqlite } from './backup-command.ts'
import { ownerOf } from './ownership.ts'

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
    const lock = lockDataDir(config.dataDir)
    try {
      await extract(config, archive, lock.databaseFile)
    } finally {
      lock.release()
    }
    await giveToOwner([config.dataDir, config.blobsDir])
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
  const { size } = await stat(databaseFile)
  if (size > 0) {
    throw new StartupError(`${dataDir} contains a database; move it away, or set MARTLET_DATA_DIR to a new folder`)
  }
  const unfinished = `${databaseFile}.restoring`
  try {
    // First: a backup that this version cannot use leaves no message and no root key in the folder.
    await writeFile(unfinished, read(entries.find(({ path }) => path === DATABASE)!))
    requireRestorable(unfinished)
    for (const entry of entries) {
      const key = blobKeyOf(entry.path)
      if (key !== undefined) await writeFile(blobFile(blobsDir, key), read(entry))
      if (entry.path === ROOT_KEY) await writeRootKey(dataDir, (await text(read(entry))).trim())
    }
    pauseRestored(unfinished, Date.now())
    await rename(unfinished, databaseFile)
    await syncFolder(dataDir)
  } catch (error) {
    // Also the empty database that locking created: a server that finds it would start as a new one.
    for (const each of [unfinished, `${unfinished}-wal`, `${unfinished}-shm`, databaseFile])
      await rm(each, { force: true })
    throw error
  }
}

/** Writes a file durably; a file of an interrupted restore is replaced. */
async function writeFile(file: string, chunks: AsyncIterable<Uint8Array>): Promise<void> {
  makePrivateFolder(dirname(file))
  await rm(file, { force: true })
  const handle = await open(file, 'wx', 0o600)
  try {
    for await (const chunk of chunks) await handle.writeFile(chunk)
    await handle.sync()
  } finally {
    await handle.close()
  }
  await syncFolder(dirname(file))
}
