/** Folders of the server's own files: creates them, finds them, and makes changes in them durable. */
import { closeSync, fsyncSync, mkdirSync, openSync, statSync } from 'node:fs'
import { open } from 'node:fs/promises'
import { dirname } from 'node:path'

/**
 * Creates a folder with its parents, durably: after a crash, a file that was flushed in a new folder could be lost with the folder
 * (fsync(2)). Not by mkdir's `recursive`: below /proc, where no folder can be created, Node repeats
 * that call forever (mkdir reports ENOENT although the parent exists).
 *
 * @throws the error of the file system
 */
export function makePrivateFolder(folder: string): void {
  const missing: string[] = []
  for (let each = folder; !exists(each); each = dirname(each)) missing.push(each)
  for (const each of missing.toReversed()) {
    try {
      mkdirSync(each, { mode: 0o700 })
    } catch (error) {
      // Another node may have created it just now.
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
    }
    syncParent(each)
  }
}

function syncParent(folder: string): void {
  let parent: number
  try {
    parent = openSync(dirname(folder), 'r')
  } catch (error) {
    // A folder of others, in which this user may create folders, but which it may not read.
    if ((error as NodeJS.ErrnoException).code === 'EACCES') return
    throw error
  }
  try {
    fsyncSync(parent)
  } finally {
    closeSync(parent)
  }
}

/** Returns the folder itself, or the nearest parent that exists. */
export function existingFolder(folder: string): string {
  let found = folder
  while (!exists(found)) found = dirname(found)
  return found
}

/** Makes durable which files the folder contains: after a crash, a renamed file could have its old name (fsync(2)). */
export async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder, 'r')
  try {
    await handle.sync()
  } finally {
    await handle.close()
  }
}

function exists(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false }) !== undefined
}
