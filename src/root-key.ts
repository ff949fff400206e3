/**
 * The file in the data folder that holds the first API key: where its operator finds it, and where the command line
 * finds what to speak with. Mode 0600; its text is in no log.
 */
import { mkdir, open, readFile, rename, rm } from 'node:fs/promises'
import { dirname, join } from 'node:path'

export function rootKeyFile(dataDir: string): string {
  return join(dataDir, 'root-key')
}

/** @returns undefined when there is none */
export async function readRootKey(dataDir: string): Promise<string | undefined> {
  try {
    return (await readFile(rootKeyFile(dataDir), 'utf8')).trim() || undefined
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw error
  }
}

/** Durable before it returns: a key whose hash is in the database and whose text is nowhere opens nothing. */
export async function writeRootKey(dataDir: string, key: string): Promise<void> {
  const path = rootKeyFile(dataDir)
  await mkdir(dirname(path), { recursive: true, mode: 0o700 })
  const temporary = `${path}.new`
  await rm(temporary, { force: true }) // left by a crash, or put there by another user of a folder that is open to all
  const file = await open(temporary, 'wx', 0o600)
  try {
    await file.writeFile(`${key}\n`)
    await file.sync()
  } finally {
    await file.close()
  }
  await rename(temporary, path)
}
