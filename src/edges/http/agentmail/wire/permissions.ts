/**
 * A key's permissions: an object of flags on the wire, a list of granted ones in the core. Absent means everything in
 * scope; an object, even an empty one or one that holds only flags that this version does not know, is a whitelist
 * (docs/compatibility/agentmail.md).
 */
import { Type } from 'typebox'
import { isPermission, type Permission } from '../../../../mail/access/permissions.ts'
import { mapOf } from './shape.ts'

export const Permissions = mapOf(Type.Boolean())

type Flags = Readonly<Record<string, boolean>>

/**
 * Flags that AgentMail renamed: clients of before and after must read and set the same grant (docs/compatibility/agentmail.md).
 */
const synonyms: readonly (readonly [Permission, Permission])[] = [
  ['provider_connect', 'app_connect'],
  ['provider_share_owner', 'app_share_owner'],
]

/** Unknown flags are dropped, not refused: older clients still send `thread_read` (docs/compatibility/agentmail.md). */
export function readPermissions(flags: Flags): Permission[] {
  const granted = new Set(
    Object.entries(flags)
      .filter(([, isGranted]) => isGranted)
      .map(([name]) => name)
      .filter(isPermission),
  )
  for (const [older, newer] of synonyms) {
    if (granted.has(older) || granted.has(newer)) granted.add(older).add(newer)
  }
  return [...granted]
}

export function permissionFlags(granted: readonly Permission[]): Flags {
  return Object.fromEntries(granted.map((name) => [name, true]))
}
