/** What API keys (api-keys.ts) and app passwords (app-passwords.ts) have in common: both are rows of one table. */
import type { Limits } from '../../../config/limits.ts'
import { MailError } from '../../../errors.ts'
import type { Db, Tx } from '../../../store/handles.ts'
import type { ApiKeyRow } from '../../../store/schema/tenant-rows.ts'
import * as apiKeys from '../../../store/tables/api-keys-table.ts'
import * as inboxes from '../../../store/tables/inboxes-table.ts'
import * as signUps from '../../../store/tables/sign-ups-table.ts'
import * as tenants from '../../../store/tables/tenants-table.ts'
import { requireScope, type Scope } from '../access.ts'
import type { Actor, Within } from '../actor.ts'
import type { Permission } from '../permissions.ts'

const WHAT = { bearer: 'API key', app_password: 'App password', public_key: 'API key' } as const

type KeyRef = Within & { readonly kind: ApiKeyRow['kind']; readonly id: string }

/** Finds a key by its id, if its scope is that of the call or within it. @throws not_found, missing_permission */
export async function requireKeyRow(
  db: Db,
  actor: Actor,
  permission: Permission,
  { kind, id, ...within }: KeyRef,
): Promise<ApiKeyRow> {
  const scope = await requireScope(db, actor, permission, within as Within)
  const row = await apiKeys.getById(db, id)
  const isInScope =
    row?.kind === kind &&
    row.organization_id === scope.organizationId &&
    (scope.podId === undefined || row.pod_id === scope.podId) &&
    (scope.inboxId === undefined || row.inbox_id === scope.inboxId)
  if (!row || !isInScope) throw new MailError('not_found', { what: WHAT[kind] })
  return row
}

/** Locks the pod or inbox of a new key or webhook, because another node may be deleting it. @throws not_found */
export async function lockScope(tx: Tx, { podId, inboxId }: Scope): Promise<void> {
  if (inboxId !== undefined) {
    if (!(await inboxes.lockById(tx, inboxId))) throw new MailError('not_found', { what: 'Inbox' })
  } else if (podId !== undefined && !(await tenants.shareLockPod(tx, podId))) {
    throw new MailError('not_found', { what: 'Pod' })
  }
}

/**
 * A stolen key of a pod must not be able to fill the table. Nor must a stranger who has signed up, for whom each new key would also have
 * a new limit of requests.
 *
 * @throws limit_exceeded
 */
export async function checkKeyCount(tx: Tx, { organizationId, podId }: Scope, limits: Limits): Promise<void> {
  await tenants.lockOrganization(tx, organizationId)
  if (podId !== undefined) {
    const { apiKeysPerPodMax: max } = limits.access
    if ((await apiKeys.countOfPod(tx, podId, max)) >= max) {
      throw new MailError('limit_exceeded', { what: 'API keys in a pod', max })
    }
  }
  const signUp = await signUps.get(tx, organizationId)
  if (signUp?.verified_at !== null) return // undefined: nobody signed up
  const max = limits.signUp.unverifiedKeysMax
  if ((await apiKeys.countOfOrganization(tx, organizationId, max)) < max) return
  throw new MailError('limit_exceeded', { what: 'API keys and app passwords before the human is verified', max })
}
