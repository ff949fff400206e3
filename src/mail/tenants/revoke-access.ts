/** Ends access to an inbox or pod that is deleted: its API keys and its webhooks. */
import type { Tx } from '../../store/handles.ts'
import * as apiKeys from '../../store/tables/api-keys-table.ts'
import * as webhooks from '../../store/tables/webhooks-table.ts'
import { type Actor, actorName } from '../access/actor.ts'
import { keyRevoked } from '../events/log/resource-events.ts'
import { CANCEL_PENDING } from '../jobs/job-kinds.ts'
import { enqueue } from '../jobs/jobs.ts'

/** Removes the keys of an inbox or pod and marks its webhooks as deleted; a job removes these with their deliveries. */
export async function revokeAccess(
  tx: Tx,
  actor: Actor,
  column: 'inbox_id' | 'pod_id',
  row: { readonly id: string; readonly organization_id: string },
): Promise<void> {
  for (const id of await apiKeys.removeBelongingTo(tx, column, row.id)) {
    tx.append(keyRevoked({ actor: actorName(actor), key: { id, organizationId: row.organization_id } }))
  }
  for (const id of await webhooks.markDeletingOf(tx, column, row.id)) {
    await enqueue(tx, { kind: CANCEL_PENDING, key: id })
  }
}
