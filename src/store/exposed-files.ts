/**
 * Finds files and folders that other users of this machine can access, although only this server should. Files that the
 * server creates are private, but a folder that existed before, or a restored backup, may not be. The modes are only
 * reported, not changed: the operator may have a reason for them.
 */
import { stat } from 'node:fs/promises'
import type { Config } from '../config/settings.ts'
import { databaseFiles } from './sqlite/data-dir-lock.ts'

export interface Exposed {
  readonly path: string
  /** Octal, as `chmod` expects it: "777". */
  readonly mode: string
  /** Shell command that removes the permissions of group and others. */
  readonly fix: string
}

const GROUP_AND_OTHERS = 0o077

/**
 * Checks the data folder, the SQLite database and the folder of large messages. Missing files are skipped.
 *
 * @param secretFiles  further files that only the server may read
 * @returns those on which group or others have any permission; none on Windows, which has no such modes
 */
export async function findExposed(
  { dataDir, blobsDir }: Pick<Config, 'dataDir' | 'blobsDir'>,
  secretFiles: readonly string[],
): Promise<Exposed[]> {
  if (process.platform === 'win32') return []
  const exposed: Exposed[] = []
  for (const path of [dataDir, blobsDir, ...databaseFiles(dataDir), ...secretFiles]) {
    const found = await stat(path).catch(() => undefined) // an unreadable file fails where it is used
    if (!found || (found.mode & GROUP_AND_OTHERS) === 0) continue
    const mode = (found.mode & 0o777).toString(8).padStart(3, '0')
    exposed.push({ path, mode, fix: `chmod ${found.isDirectory() ? '700' : '600'} ${quoted(path)}` })
  }
  return exposed
}

/** Quotes a path for a POSIX shell. */
function quoted(path: string): string {
  return `'${path.replaceAll("'", "'\\''")}'`
}
