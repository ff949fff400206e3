/**
 * Makes the entries of Drafts what the drafts of the inbox are now: one entry per draft, for its current revision. A new
 * revision is another message to a mail program, with another UID. Part of catch-up.ts.
 */
import type { Tx } from '../../../store/handles.ts'
import type { MailboxEntryRow, MailboxRow } from '../../../store/schema/mailbox-rows.ts'
import * as drafts from '../../../store/tables/drafts-table.ts'
import * as entriesTable from '../../../store/tables/mailbox-entries-table.ts'
import { flagsOfDraft, type Projection } from '../projection/mailbox-projection.ts'
import type { EntryChanges } from './entry-changes.ts'

type CurrentRevision = Awaited<ReturnType<typeof drafts.listRevisionsAfter>>[number]

/**
 * Compares some drafts with the entries of their current revisions.
 *
 * @param modseq of all changes
 */
export async function compareDrafts(
  tx: Tx,
  mailbox: MailboxRow,
  current: readonly CurrentRevision[],
  modseq: number,
  projection: Projection,
  changes: EntryChanges,
): Promise<void> {
  const entries = await entriesTable.listByItems(
    tx,
    current.map(({ revision_id }) => revision_id),
  )
  await compare(tx, { mailbox, current, entries, modseqOf: () => modseq }, projection, changes)
}

/**
 * Compares the drafts that events name.
 *
 * @param revisions with the number of their last event, in the order in which new entries get their UIDs
 */
export async function compareRevisions(
  tx: Tx,
  mailbox: MailboxRow,
  revisions: ReadonlyMap<string, number>,
  projection: Projection,
  changes: EntryChanges,
): Promise<void> {
  const ids = [...revisions.keys()]
  const found = await drafts.listCurrentRevisions(tx, mailbox.inbox_id, ids)
  const byRevision = new Map(found.map((draft) => [draft.revision_id, draft]))
  const current = ids.flatMap((id) => byRevision.get(id) ?? [])
  const entries = await entriesTable.listByItems(tx, ids)
  await compare(tx, { mailbox, current, entries, modseqOf: (id) => revisions.get(id)! }, projection, changes)
}

interface Compared {
  readonly mailbox: MailboxRow
  readonly current: readonly CurrentRevision[]
  readonly entries: readonly MailboxEntryRow[]
  readonly modseqOf: (revisionId: string) => number
}

async function compare(
  tx: Tx,
  { mailbox, current, entries, modseqOf }: Compared,
  projection: Projection,
  changes: EntryChanges,
): Promise<void> {
  const labels = await drafts.labelsOf(
    tx,
    current.map(({ id }) => id),
  )
  const byRevision = new Map(current.map((draft) => [draft.revision_id, draft]))
  for (const entry of entries) {
    const draft = byRevision.get(entry.item_id)
    // \Deleted may have changed after the draft.
    const modseq = Math.max(entry.modseq, modseqOf(entry.item_id))
    if (!draft) changes.remove(entry, modseq)
    else {
      byRevision.delete(entry.item_id)
      const flags = flagsOfDraft(projection, labels.get(draft.id) ?? [])
      if (entry.flags !== flags) changes.change({ ...entry, flags, modseq })
    }
  }
  for (const { id, revision_id, size_bytes } of byRevision.values()) {
    const item = { item_kind: 'revision', item_id: revision_id } as const
    const state = {
      flags: flagsOfDraft(projection, labels.get(id) ?? []),
      hidden: 0,
      size_bytes,
      is_deleted: 0,
      modseq: modseqOf(revision_id),
      saved_at: tx.now,
    }
    changes.add({ mailbox_id: mailbox.id, ...item, ...state })
  }
}
