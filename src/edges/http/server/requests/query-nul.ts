/** Refuses NUL in a query: no name, address or text that is stored contains it (json-body.ts). */
import { MailError } from '../../../../errors.ts'

/** Characters of a parameter's name that the error repeats. */
const NAME_CHARS_MAX = 64

/** @throws validation_error */
export function refuseNul(name: string, value: string | readonly string[]): void {
  if (!`${name}${value}`.includes('\0')) return
  const shown = name.replaceAll('\0', '').slice(0, NAME_CHARS_MAX)
  throw new MailError('validation_error', { detail: `${shown} contains a NUL character`, path: [shown] })
}
