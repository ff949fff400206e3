/** Changes flags: labels of the messages, and \Deleted of the entries. */
import type { Limits } from '../../../config/limits.ts'
import type { Tx } from '../../../store/handles.ts'
import type { MailboxEntryRow, MailboxRow } from '../../../store/schema/mailbox-rows.ts'
import type { InboxRow } from '../../../store/schema/tenant-rows.ts'
import type { Store } from '../../../store/store.ts'
import * as drafts from '../../../store/tables/drafts-table.ts'
import * as entriesTable from '../../../store/tables/mailbox-entries-table.ts'
import * as messages from '../../../store/tables/messages-table.ts'
import { actorName } from '../../access/actor.ts'
import { draftChanged, mailboxMarked } from '../../events/log/mailbox-events.ts'
import { applyLabels, type LabelChange, REPLIED } from '../../messages/labels/label-rules.ts'
import { changeLabelsOfMany, type LabelsToChange } from '../../messages/labels/labels.ts'
import { changeOf, checkFlags, type FlagChange } from '../projection/flag-changes.ts'
import { type ChangedMailbox, entriesOf, inTransactions, lockCaughtUp } from './lock-mailbox.ts'

export interface StoreFlagsNeeds {
  readonly store: Pick<Store, 'transaction'>
  readonly limits: Limits
}

export interface FlagsRequest {
  readonly row: MailboxRow
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
  { row: mailboxRow, uids, change, unchangedSince }: FlagsRequest,
): Promise<{ readonly modified: readonly number[] }> {
  const modified = await inTransactions(needs, mailbox, uids, async (tx, some) => {
    const isDrafts = mailboxRow.kind === 'drafts'
    const permission = isDrafts ? 'draft_update' : 'message_update'
    const { inbox, projection } = await lockCaughtUp(tx, mailbox, permission, needs.limits)
    const checked = checkFlags(change, projection, needs.limits)
    const entries = await entriesOf(tx, mailbox, some)
    const fresh = entries.filter(({ modseq }) => unchangedSince === undefined || modseq <= unchangedSince)
    const ids = fresh.map((entry) => entry.item_id)
    const rows = new Map((await messages.listByIds(tx, ids)).map((row) => [row.id, row]))
    const labels = await messages.labelsOf(tx, ids)
    const marked: MailboxEntryRow[] = []
    const toChange: LabelsToChange[] = []
    for (const entry of fresh) {
      const row = rows.get(entry.item_id)
      if (!row && !isDrafts) continue
      const { labels: labelChange, isDeleted } = changeOf(checked, labels.get(entry.item_id) ?? [], projection)
      if (row) toChange.push({ row, labels: labels.get(row.id) ?? [], change: labelChange })
      if (isDeleted !== undefined && Number(isDeleted) !== entry.is_deleted) {
        marked.push({ ...entry, is_deleted: Number(isDeleted) })
      }
    }
    await changeLabelsOfMany(tx, actorName(mailbox.actor), toChange, inbox, needs.limits)
    if (isDrafts) await changeDraftLabels(tx, inbox, fresh, (own) => changeOf(checked, own, projection).labels)
    await mark(tx, inbox, mailbox, marked)
    return entries.filter((entry) => !fresh.includes(entry)).map(({ uid }) => uid)
  })
  return { modified: modified.flat() }
}

/** Drafts have labels of their own. `unread` and `replied` mean nothing there. */
async function changeDraftLabels(
  tx: Tx,
  inbox: InboxRow,
  entries: readonly MailboxEntryRow[],
  labelChangeOf: (labels: readonly string[]) => LabelChange,
): Promise<void> {
  const revisionIds = entries.map((entry) => entry.item_id)
  const found = await drafts.listByRevisions(tx, revisionIds, tx.leaseNow)
  const labels = await drafts.labelsOf(
    tx,
    found.map(({ id }) => id),
  )
  for (const { id, revision_id } of found) {
    const own = labels.get(id) ?? []
    const { added, removed, labels: after } = applyLabels(own, labelChangeOf(own))
    const isMeant = (label: string) => label !== 'unread' && label !== REPLIED
    if (!added.some(isMeant) && !removed.some(isMeant)) continue
    await drafts.setLabels(tx, id, after.filter(isMeant))
    tx.append(draftChanged(inbox, [revision_id]))
  }
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
