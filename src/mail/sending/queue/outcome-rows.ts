/** The rows on which the outcomes of deliveries depend, locked and read together. Part of delivery-outcome.ts. */
import type { Tx } from '../../../store/handles.ts'
import { rowStep } from '../../../store/row-statements.ts'
import type { RecipientRow, SubmissionRow } from '../../../store/schema/sending-rows.ts'
import type { InboxRow } from '../../../store/schema/tenant-rows.ts'
import * as messages from '../../../store/tables/messages-table.ts'
import { selectEvenIfDeleting, selectFreeEvenIfDeleting } from '../../../store/tables/sender-inboxes-table.ts'
import * as submissions from '../../../store/tables/submissions-table.ts'

interface EndedAttempt {
  readonly submission: SubmissionRow
  readonly owner: string
  readonly recipients: readonly { readonly row: RecipientRow }[]
}

/** What outcomes depend on. */
export interface KnownRows {
  readonly inboxes: ReadonlyMap<string, InboxRow>
  readonly messages: ReadonlyMap<string, messages.StoredMessageRow>
  /** The labels of the messages; changed with them. */
  readonly labels: Map<string, readonly string[]>
  /** The number of entries in the history of each recipient that is still leased by the owner, by `leaseKey`. */
  readonly histories: ReadonlyMap<string, number>
}

/** Two attempts for one recipient may end at the same time. Only one of them has the lease. */
export function leaseKey(recipientId: string, owner: string): string {
  return `${recipientId} ${owner}`
}

/**
 * Reads everything in one round trip. Labels and counts of the inboxes will change, so they are locked; and removals lock an inbox
 * and then its recipients, in this order too. For several attempts, inboxes and recipients that another node has locked are left out.
 */
export async function lockAndRead(tx: Tx, all: readonly EndedAttempt[]): Promise<KnownRows> {
  const inboxIds = new Set(all.flatMap(({ submission }) => submission.inbox_id ?? []))
  const messageIds = [...new Set(all.flatMap(({ submission }) => submission.message_id ?? []))]
  const [lockedInboxes, leased, found, labelled] = await tx.runRows([
    rowStep(
      all.length > 1 ? selectFreeEvenIfDeleting : selectEvenIfDeleting,
      [...inboxIds].map((id) => ({ id })),
    ),
    rowStep(
      all.length > 1 ? submissions.selectAndLockFreeLeased : submissions.selectAndLockLeased,
      all.flatMap(({ recipients, owner }) => recipients.map(({ row: { id } }) => ({ id, owner }))),
    ),
    rowStep(
      messages.selectById,
      messageIds.map((id) => ({ id })),
    ),
    rowStep(
      messages.selectLabels,
      messageIds.map((message_id) => ({ message_id })),
    ),
  ])
  const labels = new Map<string, string[]>(messageIds.map((id) => [id, []]))
  for (const { message_id, label } of labelled) labels.get(message_id)!.push(label)
  return {
    inboxes: new Map(lockedInboxes.map((row) => [row.id, row])),
    messages: new Map(found.map((row) => [row.id, row])),
    labels,
    histories: new Map(leased.map(({ id, owner, history }) => [leaseKey(id, owner), history])),
  }
}

/** Whether all rows of an attempt were read and locked: not if another node has one of them, or if it has lost a lease. */
export function isFound({ submission, owner, recipients }: EndedAttempt, { inboxes, histories }: KnownRows): boolean {
  const hasInbox = submission.inbox_id === null || inboxes.has(submission.inbox_id)
  return hasInbox && recipients.every(({ row }) => histories.has(leaseKey(row.id, owner)))
}

/**
 * Returns the message whose delivery is recorded; undefined once it is deleted, or its inbox: `inbox.deleted` was its last
 * event, also while the messages are still being removed.
 */
export function messageOf({ inbox_id, message_id }: SubmissionRow, known: KnownRows) {
  const inbox = inbox_id === null ? undefined : known.inboxes.get(inbox_id)
  const message = message_id === null || inbox?.deleting_at !== null ? undefined : known.messages.get(message_id)
  return { inbox, message }
}
