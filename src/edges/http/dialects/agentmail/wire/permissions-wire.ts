/**
 * Permissions of a key: an object of flags on the wire, a list of granted permissions in the core. If the object is
 * absent, everything in scope is allowed. If it is present, it is an allowlist, even if it is empty or has only flags
 * that this version does not know (docs/compatibility/agentmail.md).
 */
import { Type } from 'typebox'
import { isPermission, type Permission, permissions } from '../../../../../mail/access/permissions.ts'
import { mapOf } from './shape-wire.ts'

/** Flags of AgentMail until July 2026. Clients of that time send them, and they mean nothing. */
const FORMER = ['thread_read', 'thread_delete']

export const Permissions = mapOf(Type.Boolean(), {
  knownNames: [...permissions, ...FORMER],
  title: 'ApiKeyPermissions',
  expected: 'an object of flags such as {"message_read": true}',
  maxProperties: 1_000, // in requests and responses: one component
  description: `Allowlist of flags; unknown ones grant nothing. Without it, everything in scope is allowed. ${permissions.join(', ')}.`,
})

type Flags = Readonly<Record<string, boolean>>

/**
 * Flags that AgentMail renamed: old and new clients must read and set the same permission
 * (docs/compatibility/agentmail.md).
 */
const synonyms: readonly (readonly [Permission, Permission])[] = [
  ['provider_connect', 'app_connect'],
  ['provider_share_owner', 'app_share_owner'],
]

/** Ignores unknown flags: older clients still send `thread_read` (docs/compatibility/agentmail.md). */
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
