/** Adds an inbox with its event: for a client that creates one, and for a sign-up. */
import type { Limits } from '../../config/limits.ts'
import { MailError } from '../../errors.ts'
import type { Tx } from '../../store/handles.ts'
import * as domains from '../../store/tables/domains-table.ts'
import * as inboxes from '../../store/tables/inboxes-table.ts'
import * as tenants from '../../store/tables/tenants-table.ts'
import { inboxCreated } from '../events/log/resource-events.ts'
import { requireInboxAllowed } from '../tenants/organization-state.ts'
import type { Inbox } from './inbox.ts'
import { releaseAddress } from './release-address.ts'
import { showInbox } from './show-inbox.ts'

/**
 * @param actor its name, for the row and the event
 * @param row   the address is one that `parseInboxAddress` has returned, in the domain of `domain_id`
 * @param takenFix what to do if the address is taken; undefined: what the catalogue says
 * @throws resource_taken, resource_deleting; not_found if the pod has just been deleted; limit_exceeded
 */
export async function addInbox(
  tx: Tx,
  actor: string,
  row: Omit<inboxes.NewInboxRow, 'created_by'>,
  limits: Limits,
  takenFix?: string,
): Promise<Inbox> {
  const { address, pod_id, organization_id } = row
  // Aliases are unique among the addresses of inboxes: with this lock, no other node adds one meanwhile (aliases.ts).
  await domains.lockById(tx, row.domain_id)
  await releaseAddress(tx, address, row.domain_id)
  if (await inboxes.isBeingRemoved(tx, address))
    throw new MailError('resource_deleting', { what: `The inbox ${address}` })
  if (await inboxes.isAddressUsed(tx, address)) {
    throw new MailError('resource_taken', {
      what: `The inbox ${address}`,
      ...(takenFix !== undefined && { fix: takenFix }),
    })
  }
  if (!(await tenants.lockPod(tx, pod_id))) throw new MailError('not_found', { what: 'Pod' })
  await requireInboxAllowed(tx, organization_id, limits)
  const inbox = showInbox(await inboxes.insert(tx, { ...row, created_by: actor }))
  await tenants.addInboxCount(tx, pod_id, 1)
  tx.append(inboxCreated({ actor, inbox }))
  return inbox
}
