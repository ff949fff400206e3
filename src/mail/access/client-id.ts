/**
 * client_id: a caller's own name for an object, so that a repeated create finds it (docs/compatibility/agentmail.md).
 */
import { MailError } from '../../errors.ts'

/** @throws validation_error */
export function parseClientId(clientId: string | undefined): string | undefined {
  if (clientId === undefined || /^[A-Za-z0-9._~-]{1,256}$/.test(clientId)) return clientId
  const detail = 'client_id must be 1 to 256 characters of A-Z a-z 0-9 - . _ ~'
  throw new MailError('validation_error', { detail, path: ['client_id'] })
}
