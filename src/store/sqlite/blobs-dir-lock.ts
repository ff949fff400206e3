/**
 * Ensures that no other server uses the folder of large messages. Each server deletes the files there to which its own database does not
 * refer, so two servers with one folder would delete each other's messages: a server for tests with a restored backup, for example, and
 * the original.
 *
 * The data folder itself, or a folder inside it, is covered by the lock of the data folder (data-dir-lock.ts). Another folder gets a file
 * `lock` of its own, whether MARTLET_BLOBS_URL names it or a link in the data folder. With PostgreSQL several servers share a folder,
 * so it has no lock.
 */
import { realpathSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'
import { StartupError } from '../../errors.ts'
import type { Log } from '../../log.ts'
import { existingFolder, makePrivateFolder } from '../folders.ts'
import { isDataDirLocked, takeLock } from './data-dir-lock.ts'
import { isBusy } from './sqlite-errors.ts'

export interface BlobsDir {
  /** Absolute. */
  readonly blobsDir: string
  /** Absolute. */
  readonly dataDir: string
}

export interface BlobsDirLock {
  release(): void
}

/**
 * Creates the folder and locks it. Some network file systems have no locks: this is logged, and prevents no start.
 *
 * @throws StartupError when another server uses the folder
 */
export function lockBlobsDir({ blobsDir, dataDir }: BlobsDir, log: Log): BlobsDirLock {
  try {
    requireUnusedBlobsDir({ blobsDir, dataDir })
    const { folder, parent, own } = resolveLinks({ blobsDir, dataDir })
    if (folder === own || parent === own) return { release: () => undefined }
    makePrivateFolder(blobsDir)
    const lock = takeLock(blobsDir)
    return { release: () => lock.close() }
  } catch (error) {
    if (error instanceof StartupError) throw error
    if (isBusy(error)) throw inUse(blobsDir)
    log.warn({ err: error, blobsDir }, 'the folder of large messages cannot be locked against a second server')
    return { release: () => undefined }
  }
}

/**
 * Creates nothing. Must not be called by the process that has locked the folder.
 *
 * @throws StartupError when a server uses the folder
 */
export function requireUnusedBlobsDir({ blobsDir, dataDir }: BlobsDir): void {
  const { folder, parent, own } = resolveLinks({ blobsDir, dataDir })
  // The parent may be the data folder of a server that has no other folder for large messages.
  if ([folder, parent].some((each) => each !== own && isLocked(each))) throw inUse(blobsDir)
}

/** Two servers may name one folder in two ways. A folder that does not exist has the path that it will get. */
function resolveLinks({ blobsDir, dataDir }: BlobsDir) {
  const folder = realPath(blobsDir)
  return { folder, parent: dirname(folder), own: realPath(dataDir) }
}

function realPath(folder: string): string {
  try {
    const found = existingFolder(folder)
    return join(realpathSync(found), relative(found, folder))
  } catch {
    return folder // this user may not look it up: what uses the folder reports that
  }
}

/** A file that this user may not read, or that is no lock, says nothing. */
function isLocked(folder: string): boolean {
  try {
    return isDataDirLocked(folder)
  } catch {
    return false
  }
}

function inUse(blobsDir: string): StartupError {
  return new StartupError(
    `The folder of large messages ${blobsDir} is in use by another Martlet server, which would delete the messages of this one, and this ` +
      'one those of the other: set MARTLET_BLOBS_URL to a folder that no other server uses',
  )
}
