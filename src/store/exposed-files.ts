/**
 * Finds files and folders that other users of this machine may read or change, although only this server should. What the
 * server makes is private; a folder that existed before, or a restored backup, need not be. It changes no mode: an operator
 * may have a reason.
 */
import { stat } from 'node:fs/promises'
import type { Config } from '../config/settings.ts'
import { databaseFiles } from './sqlite/data-dir-lock.ts'

export interface Exposed {
  readonly path: string
  /** As `chmod` writes it: "777". */
  readonly mode: string
  /** For a shell: takes the rights of group and others away. */
  readonly mend: string
}

const GROUP_AND_OTHERS = 0o077

/**
 * Looks at the data folder, the SQLite database and the folder of large messages; what does not exist is passed over.
 *
 * @param secretFiles  further files that are the server's alone
 * @returns those on which the group or others have any right; none on Windows, which has no such modes
 */
export async function findExposed(
  { dataDir, blobsDir }: Pick<Config, 'dataDir' | 'blobsDir'>,
  secretFiles: readonly string[],
): Promise<Exposed[]> {
  if (process.platform === 'win32') return []
  const exposed: Exposed[] = []
  for (const path of [dataDir, blobsDir, ...databaseFiles(dataDir), ...secretFiles]) {
    const found = await stat(path).catch(() => undefined) // what cannot be looked at meets its user elsewhere
    if (!found || (found.mode & GROUP_AND_OTHERS) === 0) continue
    const mode = (found.mode & 0o777).toString(8).padStart(3, '0')
    exposed.push({ path, mode, mend: `chmod ${found.isDirectory() ? '700' : '600'} ${quoted(path)}` })
  }
  return exposed
}

/** For a POSIX shell. */
function quoted(path: string): string {
  return `'${path.replaceAll("'", "'\\''")}'`
}
