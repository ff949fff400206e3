/**
 * Makes the entries of Drafts what the drafts of the inbox are now: one entry per draft, for its current revision. A new
 * revision is another message to a mail program, with another UID. Part of catch-up.ts.
 */
import type { Tx } from '../../../store/handles.ts'
import type { MailboxRow } from '../../../store/schema/mailbox-rows.ts'
import * as drafts from '../../../store/tables/drafts-table.ts'
import * as entriesTable from '../../../store/tables/mailbox-entries-table.ts'
import type { Projection } from '../projection/mailbox-projection.ts'
import type { EntryChanges } from './entry-changes.ts'

export async function compareDrafts(
  tx: Tx,
  mailbox: MailboxRow,
  modseq: number,
  projection: Projection,
  changes: EntryChanges,
): Promise<void> {
  const current = await drafts.listRevisionsOfInbox(tx, mailbox.inbox_id)
  const labels = await drafts.labelsOf(
    tx,
    current.map(({ id }) => id),
  )
  const byRevision = new Map(current.map((draft) => [draft.revision_id, draft]))
  for (const entry of await entriesTable.listAll(tx, mailbox.id)) {
    const draft = byRevision.get(entry.item_id)
    if (!draft) changes.remove(entry, modseq)
    else {
      byRevision.delete(entry.item_id)
      const flags = flagsOf(labels.get(draft.id) ?? [])
      if (entry.flags !== flags) changes.change({ ...entry, flags, modseq })
    }
  }
  for (const { id, revision_id, size_bytes } of byRevision.values()) {
    const item = { item_kind: 'revision', item_id: revision_id } as const
    const state = {
      flags: flagsOf(labels.get(id) ?? []),
      hidden: 0,
      size_bytes,
      is_deleted: 0,
      modseq,
      saved_at: tx.now,
    }
    changes.add({ mailbox_id: mailbox.id, ...item, ...state })
  }

  function flagsOf(own: readonly string[]): string {
    return `\\Draft ${projection.flagsOf(own)}`.trim().split(' ').sort().join(' ')
  }
}
