/** Ends access to an inbox or pod that is deleted: its API keys, its webhooks and its lists; and to an organization. */
import type { Tx } from '../../store/handles.ts'
import * as apiKeys from '../../store/tables/api-keys-table.ts'
import * as notificationRules from '../../store/tables/notification-rules-table.ts'
import * as webhooks from '../../store/tables/webhooks-table.ts'
import { type Actor, actorName } from '../access/actor.ts'
import { keyRevoked } from '../events/log/resource-events.ts'
import { CANCEL_PENDING, REMOVE_LIST_ENTRIES } from '../jobs/job-kinds.ts'
import { enqueue } from '../jobs/jobs.ts'

/**
 * Removes the keys of an inbox or pod and marks its webhooks as deleted. Jobs remove these with their deliveries, and the
 * entries of its lists, which no call can reach from now on.
 */
export async function revokeAccess(
  tx: Tx,
  actor: Actor,
  column: 'inbox_id' | 'pod_id',
  row: { readonly id: string; readonly organization_id: string },
): Promise<void> {
  await removeCredentials(tx, actor, column, row)
  await enqueue(tx, { kind: REMOVE_LIST_ENTRIES, key: row.id })
}

/**
 * Removes all keys, webhooks and notification rules of an organization: the next key belongs to somebody else, to whom the recipients of
 * notifications are strangers. Drafts that were scheduled are not sent without the key that scheduled them.
 */
export async function revokeOrganization(tx: Tx, actor: Actor, organizationId: string): Promise<void> {
  await removeCredentials(tx, actor, 'organization_id', { id: organizationId, organization_id: organizationId })
  await notificationRules.removeOfOrganization(tx, organizationId) // after the keys: none of them stores rules any more
}

async function removeCredentials(
  tx: Tx,
  actor: Actor,
  column: 'inbox_id' | 'pod_id' | 'organization_id',
  row: { readonly id: string; readonly organization_id: string },
): Promise<void> {
  for (const id of await apiKeys.removeBelongingTo(tx, column, row.id)) {
    tx.append(keyRevoked({ actor: actorName(actor), key: { id, organizationId: row.organization_id } }))
  }
  for (const id of await webhooks.markDeletingOf(tx, column, row.id)) {
    await enqueue(tx, { kind: CANCEL_PENDING, key: id })
  }
}
