/**
 * Ownership of files that a command creates as root in the folder of the user of the service, who must be able to use them.
 */
import { lstatSync } from 'node:fs'
import { lchown, readdir, stat } from 'node:fs/promises'
import { join } from 'node:path'

/** Gives files and folders, if they exist, to the user; folders with what they contain. */
export type GiveTo = (paths: readonly string[]) => Promise<void>

/**
 * Call it before the command creates the folder.
 *
 * @returns a function that gives files to the present owner of `folder`; it does nothing unless this process runs as root,
 *   the folder exists, and another user owns it
 */
export async function ownerOf(folder: string): Promise<GiveTo> {
  const owner = process.getuid?.() === 0 ? await stat(folder).catch(() => undefined) : undefined
  if (!owner || owner.uid === 0) return async () => undefined
  return async (paths) => {
    for (const path of paths) {
      const found = lstatSync(path, { throwIfNoEntry: false })
      if (!found) continue
      const names = found.isDirectory() ? await readdir(path, { recursive: true }) : []
      // Links are not followed: that user may have put one to a file of root into the folder.
      for (const each of [path, ...names.map((name) => join(path, name))]) await lchown(each, owner.uid, owner.gid)
    }
  }
}
