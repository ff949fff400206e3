/** Which keys get an object from a call that creates or changes it: the key that made it, and keys that may read such objects. */
import { hasPermission, requirePermission } from './access.ts'
import { type Actor, actorName } from './actor.ts'
import type { Permission } from './permissions.ts'

/**
 * Checks that the response to a call may show an object that exists. A repeated create shows it as it is now. To the key that
 * made it, this reveals nothing new; to any other key, it is reading.
 *
 * @param existing `created_by`: the name of an actor; null: the server itself
 * @param permission to read such objects
 * @throws missing_permission
 */
export function requireOwnOrReadable(
  actor: Actor,
  existing: { readonly created_by: string | null },
  permission: Permission,
): void {
  if (existing.created_by !== actorName(actor)) requirePermission(actor, permission)
}

/** As `requireOwnOrReadable`, for a response that shows less of the object to any other key. */
export function isOwnOrReadable(
  actor: Actor,
  existing: { readonly created_by: string | null },
  permission: Permission,
): boolean {
  return existing.created_by === actorName(actor) || hasPermission(actor, permission)
}
