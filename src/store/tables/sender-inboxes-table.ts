/**
 * Queries that lock the inboxes of sent mail when it is stored, and when its deliveries end. Rows only. Several inboxes are
 * locked in the order of their ids.
 */
import type { Tx } from '../handles.ts'
import { rowStep, selectRows } from '../row-statements.ts'
import type { InboxRow } from '../schema/tenant-rows.ts'
import { hasSendLists } from './list-entries-table.ts'
import { isUnverified } from './sign-ups-table.ts'

const inboxByIdLock = { of: 'inboxes', orderBy: 'inboxes.id' } as const

/** An inbox that sends, and what else decides whether it may. */
export type SenderInboxRow = InboxRow & {
  /** Its domain, and 1 if that is held; null once it is deleted. */
  readonly domain: string | null
  readonly holds_name: number | null
  /** 1: lists of its organization concern sent mail. */
  readonly has_send_lists: number
  /** 1: its organization was created by a sign-up, and its human is not verified. */
  readonly is_unverified: number
}

const senderById = `select inboxes.*, domains.domain, domains.holds_name, ${hasSendLists}, ${isUnverified} from inboxes
  left join domains on domains.id = inboxes.domain_id and domains.deleting_at is null
  where inboxes.id = :id and inboxes.deleting_at is null`

/** Returns inboxes and locks them, without those that another node has locked. */
export const selectFreeSenders = selectRows<Pick<InboxRow, 'id'>, SenderInboxRow>({ id: 'text' }, senderById, {
  ...inboxByIdLock,
  skipLocked: true,
})

const byId = 'select inboxes.* from inboxes where inboxes.id = :id'

/** Returns and locks inboxes, also those that are being deleted. It waits for other nodes. */
export const selectEvenIfDeleting = selectRows<Pick<InboxRow, 'id'>, InboxRow>({ id: 'text' }, byId, {
  ...inboxByIdLock,
  skipLocked: false,
})

/** The same without the inboxes that another node has locked. */
export const selectFreeEvenIfDeleting = selectRows<Pick<InboxRow, 'id'>, InboxRow>({ id: 'text' }, byId, {
  ...inboxByIdLock,
  skipLocked: true,
})

/** As `lockById`, for an inbox that sends. */
export async function lockSender(tx: Tx, id: string): Promise<SenderInboxRow | undefined> {
  const [[free]] = await tx.runRows([rowStep(selectFreeSenders, [{ id }])])
  return free ?? waitForSender(tx, id)
}

/**
 * The same for an inbox that `selectFreeSenders` has not returned: another node has locked it, or it was deleted. PostgreSQL reads what
 * is joined with the inbox as it was when the statement began, so the one that waits is not the one that reads.
 */
export async function waitForSender(tx: Tx, id: string): Promise<SenderInboxRow | undefined> {
  const [, [row]] = await tx.runRows([rowStep(selectEvenIfDeleting, [{ id }]), rowStep(selectFreeSenders, [{ id }])])
  return row
}
