/**
 * Reads and writes the file in the data folder with the root key. The operator reads it there, and the
 * command line authenticates with it. Mode 0600; the key is never logged.
 */
import { open, readFile, rename, rm } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { StartupError } from '../errors.ts'
import { makePrivateFolder, syncFolder } from '../store/folders.ts'

export function rootKeyFile(dataDir: string): string {
  return join(dataDir, 'root-key')
}

/**
 * @returns undefined when the file does not exist or is empty
 * @throws StartupError when this user may not read it
 */
export async function readRootKey(dataDir: string): Promise<string | undefined> {
  try {
    return (await readFile(rootKeyFile(dataDir), 'utf8')).trim() || undefined
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code === 'ENOENT') return undefined
    throw new StartupError(`${rootKeyFile(dataDir)} cannot be read (${code}); run this as the user of the service`)
  }
}

/**
 * Writes the file durably before it returns: if only the hash in the database survived a crash, the key would be lost.
 */
export async function writeRootKey(dataDir: string, key: string): Promise<void> {
  const path = rootKeyFile(dataDir)
  makePrivateFolder(dirname(path))
  const temporary = `${path}.new`
  await rm(temporary, { force: true }) // left by a crash, or created by another user if the folder is writable for all
  const file = await open(temporary, 'wx', 0o600)
  try {
    await file.writeFile(`${key}\n`)
    await file.sync()
  } finally {
    await file.close()
  }
  await rename(temporary, path)
  await syncFolder(dirname(path))
}
