/** The error of a file that a command cannot write, as a sentence for the operator. */
import { StartupError } from '../errors.ts'

const FULL = new Set(['ENOSPC', 'EDQUOT'])

/**
 * @param file as the operator knows it
 * @returns a StartupError for an error of the file system; any other error unchanged
 */
export function unwritable(file: string, error: unknown): unknown {
  const { code, syscall } = error as NodeJS.ErrnoException
  if (code === undefined || syscall === undefined) return error
  const reason = FULL.has(code) ? ': the disk is full, or a quota of it' : ''
  return new StartupError(`${file} cannot be written (${code})${reason}`, { cause: error })
}
