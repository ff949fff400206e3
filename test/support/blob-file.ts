/** Finds the files of blobs, so that a test can damage them. */
import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import type { World } from './world.ts'

/** Returns the path of a blob's file. */
export async function blobFile({ shared }: Pick<World, 'shared'>, key: string): Promise<string> {
  const entries = await readdir(shared.blobsDir, { recursive: true, withFileTypes: true })
  const { parentPath, name } = entries.find((entry) => entry.isFile() && entry.name.endsWith(key))!
  return join(parentPath, name)
}
