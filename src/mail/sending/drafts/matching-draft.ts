/**
 * Finds the draft that a message of a mail program means: one that it edits (append-draft.ts) or sends (raw/raw-sending.ts). Its header names
 * the draft, or it has the Message-ID of the draft's revision.
 */
import { isUuid } from '../../../formats/ids.ts'
import type { Db, LeaseTime } from '../../../store/handles.ts'
import * as drafts from '../../../store/tables/drafts-table.ts'
import { hashId } from '../../messages/threads/threading.ts'

/** A header field with the id of a draft. Each revision has it; a message that is sent does not. */
export const DRAFT_FIELD = 'X-Martlet-Draft'

export interface DraftReference {
  /** The value of the field. */
  readonly draftId?: string | undefined
  /** With angle brackets. */
  readonly messageId?: string | undefined
}

export async function findMatchingDraft(
  db: Db,
  { organizationId, inboxId }: { readonly organizationId: string; readonly inboxId: string },
  { draftId, messageId }: DraftReference,
  leaseNow: LeaseTime,
): Promise<drafts.LeasedDraftRow | undefined> {
  const named = draftId !== undefined && isUuid(draftId)
  const byId = named ? await drafts.get(db, { organizationId, inboxId }, draftId, leaseNow) : undefined
  if (byId || messageId === undefined) return byId
  return drafts.getByMessageId(db, inboxId, hashId(messageId), leaseNow)
}
