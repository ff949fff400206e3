/** The error of a file that a command cannot write, as a sentence for the operator. */
import { existsSync } from 'node:fs'
import { dirname, resolve } from 'node:path'
import { StartupError } from '../errors.ts'

const FULL = new Set(['ENOSPC', 'EDQUOT'])

/**
 * @param file as the operator knows it
 * @returns a StartupError for an error of the file system; any other error unchanged
 */
export function unwritable(file: string, error: unknown): unknown {
  const { code, syscall } = error as NodeJS.ErrnoException
  if (code === undefined || syscall === undefined) return error
  return new StartupError(`${file} cannot be written (${code})${reasonOf(code, file)}`, { cause: error })
}

function reasonOf(code: string, file: string): string {
  if (FULL.has(code)) return ': the disk is full, or a quota of it'
  const folder = dirname(resolve(file))
  // Where no file can be created, as in /proc, the code is the same.
  return code === 'ENOENT' && !existsSync(folder) ? `: the folder ${folder} does not exist` : ''
}
