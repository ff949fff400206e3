/** Makes the entries of messages what their labels say now. Part of catch-up.ts. */
import type { Tx } from '../../../store/handles.ts'
import type { MailboxEntryRow } from '../../../store/schema/mailbox-rows.ts'
import * as entriesTable from '../../../store/tables/mailbox-entries-table.ts'
import * as messages from '../../../store/tables/messages-table.ts'
import type * as placedMessages from '../../../store/tables/placed-messages-table.ts'
import type { Projection } from '../projection/mailbox-projection.ts'
import type { EntryChanges } from './entry-changes.ts'

/**
 * @param rows messages in the order in which new entries get their UIDs
 * @param modseqOf the MODSEQ of a change
 */
export async function compareMessages(
  tx: Tx,
  rows: readonly placedMessages.PlacedMessageRow[],
  modseqOf: (row: placedMessages.PlacedMessageRow) => number,
  projection: Projection,
  changes: EntryChanges,
): Promise<void> {
  const ids = rows.map(({ id }) => id)
  const labels = await messages.labelsOf(tx, ids)
  const entries = groupByItem(await entriesTable.listByItems(tx, ids))
  for (const row of rows) {
    const own = labels.get(row.id) ?? []
    const state = { flags: projection.flagsOf(own), hidden: row.hidden, modseq: modseqOf(row) }
    const wanted = new Set(projection.mailboxesOf(own))
    for (const entry of entries.get(row.id) ?? []) {
      const isWanted = wanted.has(entry.mailbox_id)
      // A reader who may see fewer classes than another would see the message appear before others: it gets a new UID.
      if (!isWanted || entry.hidden !== row.hidden) changes.remove(entry, state.modseq)
      else {
        wanted.delete(entry.mailbox_id)
        // \Deleted may have changed after the labels.
        const modseq = Math.max(entry.modseq, state.modseq)
        if (entry.flags !== state.flags) changes.change({ ...entry, ...state, modseq })
      }
    }
    for (const mailboxId of wanted) {
      const item = { item_kind: 'message', item_id: row.id } as const
      const size_bytes = row.size_bytes
      changes.add({ mailbox_id: mailboxId, ...item, ...state, size_bytes, is_deleted: 0, saved_at: tx.now })
    }
  }
}

/** Removes the entries of messages that do not exist any more. */
export async function removeEntriesOf(
  tx: Tx,
  modseqs: ReadonlyMap<string, number>,
  changes: EntryChanges,
): Promise<void> {
  for (const entry of await entriesTable.listByItems(tx, [...modseqs.keys()])) {
    changes.remove(entry, modseqs.get(entry.item_id)!)
  }
}

function groupByItem(entries: readonly MailboxEntryRow[]): Map<string, MailboxEntryRow[]> {
  const byItem = new Map<string, MailboxEntryRow[]>()
  for (const entry of entries) {
    const list = byItem.get(entry.item_id)
    if (list) list.push(entry)
    else byItem.set(entry.item_id, [entry])
  }
  return byItem
}
