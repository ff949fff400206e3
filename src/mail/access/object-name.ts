/** The name that a caller gives to a pod or an API key. */
import type { Limits } from '../../config/limits.ts'
import { MailError } from '../../errors.ts'

/** @throws validation_error */
export function parseName(name: string | undefined, { messages: { displayNameCharsMax } }: Limits): string | undefined {
  if (name === undefined || (name.trim() !== '' && name.length <= displayNameCharsMax)) return name
  const detail = `name must have 1 to ${displayNameCharsMax} characters`
  throw new MailError('validation_error', { detail, path: ['name'] })
}
