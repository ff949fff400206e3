/** EXPUNGE: removes the messages with \Deleted from a mailbox (../projection/placement.ts says how). */
import type { Limits } from '../../../config/limits.ts'
import { MailError } from '../../../errors.ts'
import type { Tx } from '../../../store/handles.ts'
import type { MailboxEntryRow, MailboxRow } from '../../../store/schema/mailbox-rows.ts'
import type { InboxRow } from '../../../store/schema/tenant-rows.ts'
import type { Store } from '../../../store/store.ts'
import * as contents from '../../../store/tables/contents-table.ts'
import * as drafts from '../../../store/tables/drafts-table.ts'
import { actorName } from '../../access/actor.ts'
import type { Permission } from '../../access/permissions.ts'
import { draftDeleted } from '../../events/log/draft-events.ts'
import type { DiscardBlobs } from '../../messages/content/discard-blobs.ts'
import { changeLabels } from '../../messages/labels/labels.ts'
import { deletedBy, type Removal } from '../../messages/removal.ts'
import type { Projection } from '../projection/mailbox-projection.ts'
import { removalOf } from '../projection/placement.ts'
import {
  type ChangedMailbox,
  entriesOf,
  type FoundMessage,
  inTransactions,
  lockCaughtUp,
  messagesOf,
} from './lock-mailbox.ts'

export interface ExpungeNeeds {
  readonly store: Pick<Store, 'transaction'>
  readonly removal: Removal
  readonly discardBlobs: DiscardBlobs
  readonly limits: Limits
}

export interface ExpungeRequest {
  readonly row: MailboxRow
  readonly uids: readonly number[]
  /** Also messages without \Deleted. */
  readonly isForced?: boolean
}

/**
 * Each transaction removes some of the messages. Those without \Deleted stay.
 *
 * @throws missing_permission; draft_sending for a draft that is being sent
 */
export async function expunge(
  needs: ExpungeNeeds,
  mailbox: ChangedMailbox,
  { row, uids, isForced = false }: ExpungeRequest,
): Promise<void> {
  await inTransactions(
    needs,
    mailbox,
    uids,
    async (tx, some) => {
      const { inbox, mailboxes, projection } = await lockCaughtUp(tx, mailbox, permissionOf(row), needs.limits)
      const entries = (await entriesOf(tx, mailbox, some)).filter(({ is_deleted }) => isForced || is_deleted === 1)
      if (row.kind === 'drafts') return removeDrafts(tx, mailbox, inbox, entries)
      // A mailbox that was deleted meanwhile has no messages any more.
      const place = mailboxes.find(({ id }) => id === row.id) ?? row
      const found = await messagesOf(tx, { projection }, entries)
      return removeMessages(tx, { inbox, place, found, projection })
    },
    needs.discardBlobs,
  )

  async function removeMessages(
    tx: Tx,
    removed: { inbox: InboxRow; place: MailboxRow; found: readonly FoundMessage[]; projection: Projection },
  ): Promise<readonly string[]> {
    const { inbox, place, found, projection } = removed
    if (row.kind === 'trash') {
      const rows = found.map((message) => message.row)
      if (rows.length === 0) return []
      return needs.removal.remove(tx, inbox.id, rows, deletedBy(mailbox.actor, inbox.address))
    }
    for (const message of found) {
      const change = removalOf(place, message.labels, projection)!
      await changeLabels(tx, actorName(mailbox.actor), message.row, inbox.address, change)
    }
    return []
  }
}

/** That of the same change over the API. */
function permissionOf({ kind }: MailboxRow): Permission {
  if (kind === 'drafts') return 'draft_delete'
  return kind === 'trash' ? 'message_delete' : 'message_update'
}

async function removeDrafts(
  tx: Tx,
  { actor }: ChangedMailbox,
  { address: inboxAddress }: InboxRow,
  entries: readonly MailboxEntryRow[],
): Promise<readonly string[]> {
  const unused: string[] = []
  for (const draft of await drafts.listByRevisions(
    tx,
    entries.map((entry) => entry.item_id),
    tx.leaseNow,
  )) {
    if (draft.is_leased === 1) throw new MailError('draft_sending', {})
    unused.push(...((await drafts.remove(tx, draft.id)) ?? []))
    tx.append(draftDeleted({ actor: actorName(actor), inboxAddress, draft }))
  }
  return contents.removeUnused(tx, unused)
}
