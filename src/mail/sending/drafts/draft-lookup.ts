/** Finds a draft by a caller's reference: its id or, in the drafts of one inbox, its client_id. */
import { isMailError, MailError } from '../../../errors.ts'
import { isUuid } from '../../../formats/ids.ts'
import type { Db, LeaseTime } from '../../../store/handles.ts'
import * as drafts from '../../../store/tables/drafts-table.ts'
import { requireScope } from '../../access/access.ts'
import type { Actor, Within } from '../../access/actor.ts'
import { requireOwnOrReadable } from '../../access/own-or-readable.ts'
import type { Permission } from '../../access/permissions.ts'

/** @throws not_found, also for a draft outside the actor's scope; missing_permission, forbidden */
export async function requireDraft(
  db: Db,
  leaseNow: LeaseTime,
  actor: Actor,
  permission: Permission,
  within: Within,
  ref: string,
): Promise<drafts.LeasedDraftRow> {
  const scope = await requireScope(db, actor, permission, within)
  const byId = isUuid(ref) ? await drafts.get(db, scope, ref, leaseNow) : undefined
  // A client_id is unique in its inbox only.
  const row = byId ?? (scope.inboxId && (await drafts.getByClientId(db, scope.inboxId, ref, leaseNow)))
  if (!row) throw draftNotFound()
  return row
}

/**
 * A key that has created a draft gets it from calls that create or change it. To any other key this is reading it.
 *
 * @throws missing_permission
 */
export function requireShown(actor: Actor, row: Pick<drafts.LeasedDraftRow, 'created_by'>): void {
  requireOwnOrReadable(actor, row, 'draft_read')
}

/** Whether a call that changes a draft may also show it. */
export function isShownTo(actor: Actor, row: Pick<drafts.LeasedDraftRow, 'created_by'>): boolean {
  try {
    requireShown(actor, row)
    return true
  } catch (error) {
    if (isMailError(error, 'missing_permission')) return false
    throw error
  }
}

export function draftNotFound(): MailError {
  return new MailError('not_found', { what: 'Draft' })
}

/** @throws draft_sending */
export function refuseIfSending(row: drafts.LeasedDraftRow): void {
  if (row.is_leased === 1) throw new MailError('draft_sending', {})
}
