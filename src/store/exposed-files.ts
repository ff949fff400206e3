/**
 * Finds files and folders that other users of this machine can read or change, although only this server should. Files
 * that the server creates are private; a folder that existed before, or a restored backup, may not be. It changes no
 * mode, since an operator may have a reason for it.
 */
import { stat } from 'node:fs/promises'
import type { Config } from '../config/settings.ts'
import { databaseFiles } from './sqlite/data-dir-lock.ts'

export interface Exposed {
  readonly path: string
  /** In octal, as for `chmod`: "777". */
  readonly mode: string
  /** A shell command that removes the rights of group and others. */
  readonly mend: string
}

const GROUP_AND_OTHERS = 0o077

/**
 * Checks the data folder, the SQLite database and the folder of large messages, as far as they exist.
 *
 * @param secretFiles more files that only the server may access
 * @returns those on which the group or others have any right; none on Windows, which has no such modes
 */
export async function findExposed(
  { dataDir, blobsDir }: Pick<Config, 'dataDir' | 'blobsDir'>,
  secretFiles: readonly string[],
): Promise<Exposed[]> {
  if (process.platform === 'win32') return []
  const exposed: Exposed[] = []
  for (const path of [dataDir, blobsDir, ...databaseFiles(dataDir), ...secretFiles]) {
    const found = await stat(path).catch(() => undefined) // a path that cannot be read is reported where it is used
    if (!found || (found.mode & GROUP_AND_OTHERS) === 0) continue
    const mode = (found.mode & 0o777).toString(8).padStart(3, '0')
    exposed.push({ path, mode, mend: `chmod ${found.isDirectory() ? '700' : '600'} ${quoted(path)}` })
  }
  return exposed
}

/** Quotes a path for a POSIX shell. */
function quoted(path: string): string {
  return `'${path.replaceAll("'", "'\\''")}'`
}
