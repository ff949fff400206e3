/**
 * Rules that keep a key from granting more than it has: permissions, lifetime, and changes to stronger keys. api-keys.ts
 * calls them.
 */
import { MailError } from '../../../errors.ts'
import type { Db } from '../../../store/handles.ts'
import type { ApiKeyRow } from '../../../store/schema/tenant-rows.ts'
import * as apiKeys from '../../../store/tables/api-keys-table.ts'
import { keyOf } from '../access.ts'
import type { Actor, KeyActor } from '../actor.ts'
import { type Permission, parsePermissions } from '../permissions.ts'

export function checkNoEscalation(actor: KeyActor, granted: readonly Permission[] | undefined): void {
  if (actor.permissions === undefined) return
  if (granted === undefined) {
    const action = 'create an unrestricted key or remove the restrictions of a key'
    throw new MailError('unrestricted_key_required', { action })
  }
  for (const permission of granted) {
    if (!actor.permissions.has(permission)) throw new MailError('permission_escalation', { permission })
  }
}

/**
 * A key must not change or delete a key with more permissions than its own. That the other key has no wider scope
 * follows from how it is found (requireKeyRow).
 *
 * @throws forbidden
 */
export function checkNotStronger(actor: KeyActor, row: ApiKeyRow): void {
  const own = actor.permissions
  if (own === undefined) return
  if (row.permissions === null) {
    const detail = 'Only an unrestricted key can change or delete an unrestricted key'
    throw new MailError('forbidden', { detail })
  }
  const more = parsePermissions(row.permissions).find((permission) => !own.has(permission))
  if (more === undefined) return
  const detail = `A key cannot change or delete a key with the permission "${more}", which it does not have itself`
  throw new MailError('forbidden', { detail })
}

/** Whether a change gives the key a permission that it does not have yet. */
export function isRaised({ permissions }: ApiKeyRow, changed: readonly Permission[] | null): boolean {
  if (permissions === null) return false
  const before = new Set(parsePermissions(permissions))
  return changed === null || changed.some((permission) => !before.has(permission))
}

/**
 * A key must not outlive the key that grants its permissions: by default both expire at the same time
 * (docs/compatibility/agentmail.md).
 *
 * @param expiresAt epoch ms; null: never; undefined: when the actor's key expires
 * @throws forbidden
 */
export async function resolveExpiry(
  db: Db,
  actor: Actor,
  expiresAt: number | null | undefined,
): Promise<number | null> {
  const giver = await apiKeys.getById(db, keyOf(actor).apiKeyId)
  const latest = giver?.expires_at ?? null
  if (expiresAt === undefined) return latest
  if (latest === null || (expiresAt !== null && expiresAt <= latest)) return expiresAt
  throw new MailError('forbidden', {
    detail: 'expires_at must not be later than that of the key that creates this one',
  })
}
