/** Changes flags: labels of the messages, and \Deleted of the entries. */
import type { Limits } from '../../../config/limits.ts'
import type { Tx } from '../../../store/handles.ts'
import type { MailboxEntryRow } from '../../../store/schema/mailbox-rows.ts'
import type { InboxRow } from '../../../store/schema/tenant-rows.ts'
import type { Store } from '../../../store/store.ts'
import * as entriesTable from '../../../store/tables/mailbox-entries-table.ts'
import * as messages from '../../../store/tables/messages-table.ts'
import { actorName } from '../../access/actor.ts'
import { mailboxMarked } from '../../events/log/mailbox-events.ts'
import { changeLabels } from '../../messages/labels/labels.ts'
import { changeOf, checkFlags, type FlagChange } from '../projection/flag-changes.ts'
import { type ChangedMailbox, inTransactions, lockCaughtUp } from './lock-mailbox.ts'

export interface StoreFlagsNeeds {
  readonly store: Pick<Store, 'transaction'>
  readonly limits: Limits
}

export interface FlagsRequest {
  readonly uids: readonly number[]
  readonly change: FlagChange
  /** Changes only messages whose MODSEQ is not larger (RFC 7162 §3.1.3). */
  readonly unchangedSince?: number | undefined
}

/**
 * Each transaction changes some of the messages: a command is no unit, but each message is (RFC 9051 §6.4.6).
 *
 * @returns the UIDs that `unchangedSince` left unchanged, ascending
 * @throws flag_not_allowed, missing_permission, validation_error for too many labels
 */
export async function storeFlags(
  needs: StoreFlagsNeeds,
  mailbox: ChangedMailbox,
  { uids, change, unchangedSince }: FlagsRequest,
): Promise<{ readonly modified: readonly number[] }> {
  const modified = await inTransactions(needs, mailbox, uids, async (tx, some) => {
    const { inbox, projection } = await lockCaughtUp(tx, mailbox, 'message_update', needs.limits)
    const checked = checkFlags(change, projection, needs.limits)
    const entries = await entriesOf(tx, mailbox, some)
    const fresh = entries.filter(({ modseq }) => unchangedSince === undefined || modseq <= unchangedSince)
    const ids = fresh.map((entry) => entry.item_id)
    const rows = new Map((await messages.listByIds(tx, ids)).map((row) => [row.id, row]))
    const labels = await messages.labelsOf(tx, ids)
    const marked: MailboxEntryRow[] = []
    for (const entry of fresh) {
      const row = rows.get(entry.item_id)
      if (!row) continue
      const { labels: labelChange, isDeleted } = changeOf(checked, labels.get(row.id) ?? [], projection)
      await changeLabels(tx, actorName(mailbox.actor), row, inbox.address, labelChange, needs.limits)
      if (isDeleted !== undefined && Number(isDeleted) !== entry.is_deleted) {
        marked.push({ ...entry, is_deleted: Number(isDeleted) })
      }
    }
    await mark(tx, inbox, mailbox, marked)
    return entries.filter((entry) => !fresh.includes(entry)).map(({ uid }) => uid)
  })
  return { modified: modified.flat() }
}

/** Returns the entries that the actor may see, in the order of their UIDs. */
export async function entriesOf(
  tx: Tx,
  { mailboxId, hiddenMask }: ChangedMailbox,
  uids: readonly number[],
): Promise<MailboxEntryRow[]> {
  const found = await entriesTable.mapByUids(tx, mailboxId, uids)
  return uids.flatMap((uid) => {
    const entry = found.get(uid)
    return entry && (entry.hidden & hiddenMask) === 0 ? [entry] : []
  })
}

async function mark(
  tx: Tx,
  inbox: InboxRow,
  { mailboxId }: ChangedMailbox,
  entries: readonly MailboxEntryRow[],
): Promise<void> {
  if (entries.length === 0) return
  await entriesTable.putRows(tx, entries)
  tx.append(mailboxMarked(inbox, { mailboxId, uids: entries.map(({ uid }) => uid) }))
}
