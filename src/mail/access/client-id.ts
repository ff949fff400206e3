/**
 * client_id: a caller's own name for an object, so that a repeated create finds it (docs/compatibility/agentmail.md).
 */
import { MailError } from '../../errors.ts'
import { requirePermission } from './access.ts'
import { type Actor, actorName } from './actor.ts'
import type { Permission } from './permissions.ts'

/** @throws validation_error */
export function parseClientId(clientId: string | undefined): string | undefined {
  if (clientId === undefined || /^[A-Za-z0-9._~-]{1,256}$/.test(clientId)) return clientId
  const detail = 'client_id must be 1 to 256 characters of A-Z a-z 0-9 - . _ ~'
  throw new MailError('validation_error', { detail, path: ['client_id'] })
}

/**
 * Checks that a create may return the object that has this client_id. To the key that created it, this repeats its first
 * response; to any other key, it is reading.
 *
 * @param existing `created_by`: the name of an actor; null: the server itself
 * @param permission to read such objects
 * @throws missing_permission
 */
export function requireRepeatable(
  actor: Actor,
  existing: { readonly created_by: string | null },
  permission: Permission,
): void {
  if (existing.created_by !== actorName(actor)) requirePermission(actor, permission)
}
