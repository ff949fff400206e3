/** Changes flags: labels of the messages, and \Deleted of the entries. */
import type { Limits } from '../../../config/limits.ts'
import type { Tx } from '../../../store/handles.ts'
import type { DraftRow } from '../../../store/schema/draft-rows.ts'
import type { MailboxEntryRow, MailboxRow } from '../../../store/schema/mailbox-rows.ts'
import type { InboxRow } from '../../../store/schema/tenant-rows.ts'
import type { Store } from '../../../store/store.ts'
import * as drafts from '../../../store/tables/drafts-table.ts'
import * as entriesTable from '../../../store/tables/mailbox-entries-table.ts'
import { actorName } from '../../access/actor.ts'
import { draftUpdated } from '../../events/log/draft-events.ts'
import { mailboxMarked } from '../../events/log/mailbox-events.ts'
import { applyLabels, type LabelChange, REPLIED } from '../../messages/labels/label-rules.ts'
import { changeLabelsOfMany } from '../../messages/labels/labels.ts'
import { changeOf, checkFlags, type FlagChange } from '../projection/flag-changes.ts'
import { flagsOfDraft } from '../projection/mailbox-projection.ts'
import {
  type ChangedMailbox,
  entriesOf,
  type FoundMessage,
  inTransactions,
  lockCaughtUp,
  messagesOf,
} from './lock-mailbox.ts'

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
  const isDrafts = mailboxRow.kind === 'drafts'
  const permission = isDrafts ? 'draft_update' : 'message_update'
  const modified = await inTransactions(needs, mailbox, uids, async (tx, some) => {
    const locked = await lockCaughtUp(tx, mailbox, permission, needs.limits)
    const { inbox, projection } = locked
    const checked = checkFlags(change, projection, needs.limits)
    const entries = await entriesOf(tx, mailbox, some)
    const found = isDrafts ? await draftsOf(tx, entries) : await messagesOf(tx, locked, entries)
    const flagsOf = isDrafts ? (labels: readonly string[]) => flagsOfDraft(projection, labels) : projection.flagsOf
    // The flags of an entry are older than the labels if these were changed in the same commit.
    const isFresh = ({ entry, labels }: Changeable) =>
      unchangedSince === undefined || (entry.modseq <= unchangedSince && entry.flags === flagsOf(labels))
    const changes = found.filter(isFresh).map((each) => {
      const { labels: labelChange, isDeleted } = changeOf(checked, each.labels, projection)
      return { ...each, labelChange, isDeleted }
    })
    const relabelled = changes.flatMap(({ row, labels, labelChange }) =>
      row ? [{ row, labels, change: labelChange }] : [],
    )
    await changeLabelsOfMany(tx, actorName(mailbox.actor), relabelled, inbox, needs.limits)
    await changeDraftLabels(tx, actorName(mailbox.actor), inbox, changes)
    const isMarked = ({ entry, isDeleted }: (typeof changes)[number]) =>
      isDeleted !== undefined && Number(isDeleted) !== entry.is_deleted
    await mark(
      tx,
      inbox,
      changes.filter(isMarked).map(({ entry, isDeleted }) => ({ ...entry, is_deleted: Number(isDeleted) })),
    )
    return found.filter((each) => !isFresh(each)).map(({ entry }) => entry.uid)
  })
  return { modified: modified.flat() }
}

/** A message or a draft. */
interface Changeable {
  readonly entry: MailboxEntryRow
  readonly labels: readonly string[]
  readonly row?: FoundMessage['row']
  readonly draft?: DraftRow
}

async function draftsOf(tx: Tx, entries: readonly MailboxEntryRow[]): Promise<Changeable[]> {
  const revisionIds = entries.map((entry) => entry.item_id)
  const found = await drafts.listByRevisions(tx, revisionIds, tx.leaseNow)
  const byRevision = new Map(found.map((draft) => [draft.revision_id, draft]))
  const labels = await drafts.labelsOf(
    tx,
    found.map(({ id }) => id),
  )
  return entries.flatMap((entry) => {
    const draft = byRevision.get(entry.item_id)
    return draft ? [{ entry, draft, labels: labels.get(draft.id) ?? [] }] : []
  })
}

/** Drafts have labels of their own. `unread` and `replied` mean nothing there. */
async function changeDraftLabels(
  tx: Tx,
  actor: string,
  { address: inboxAddress }: InboxRow,
  changes: readonly (Changeable & { readonly labelChange: LabelChange })[],
): Promise<void> {
  for (const { draft, labels: own, labelChange } of changes) {
    if (!draft) continue
    const { added, removed, labels: after } = applyLabels(own, labelChange)
    const isMeant = (label: string) => label !== 'unread' && label !== REPLIED
    if (!added.some(isMeant) && !removed.some(isMeant)) continue
    await drafts.setLabels(tx, draft.id, after.filter(isMeant))
    tx.append(draftUpdated({ actor, inboxAddress, draft, previousRevisionId: draft.revision_id }))
  }
}

async function mark(tx: Tx, inbox: InboxRow, entries: readonly MailboxEntryRow[]): Promise<void> {
  if (entries.length === 0) return
  await entriesTable.putRows(
    tx,
    entries.map((entry) => ({ ...entry, modseq: entriesTable.UNNUMBERED })),
  )
  tx.append(mailboxMarked(inbox, entries))
}
