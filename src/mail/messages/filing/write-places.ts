/**
 * Writes placed messages. Part of file-messages.ts. The statements of a call are sent together, in an order in which each
 * row exists before another refers to it.
 */
import type { Tx } from '../../../store/handles.ts'
import { rowStep } from '../../../store/row-statements.ts'
import type { InboxRow } from '../../../store/schema/tenant-rows.ts'
import { insertBcc } from '../../../store/tables/addresses-table.ts'
import * as inboxes from '../../../store/tables/inboxes-table.ts'
import * as messages from '../../../store/tables/messages-table.ts'
import { setReferences } from '../../../store/tables/thread-references-table.ts'
import * as threads from '../../../store/tables/threads-table.ts'
import { contentSteps } from '../content/insert-content.ts'
import { unreadCountsOf } from '../labels/unread-counts.ts'
import type { PlacedMessage, Places } from './places.ts'

/**
 * Writes what belongs to no single message: contents, new threads, their Message-IDs, counters. Then writes the first
 * messages of each thread.
 *
 * @returns the numbers of the messages, by id
 */
export async function writeFirstRound(
  tx: Tx,
  { contents, references }: Places,
  placed: readonly PlacedMessage[],
): Promise<Map<string, number>> {
  const first = placed.filter(({ round }) => round === 0)
  const newThreads = first.filter(({ isNewThread }) => isNewThread).map(({ thread }) => thread)
  const [insertContents, insertAttachments, insertAddresses] = contentSteps(contents)
  const [, , , , , numbers] = await tx.runRows([
    insertContents,
    insertAttachments,
    insertAddresses,
    rowStep(threads.insertAll, newThreads),
    rowStep(setReferences, references),
    ...messageSteps(first),
    rowStep(inboxes.addCounts, countsOf(placed)),
  ])
  return numbersById(numbers)
}

/** Writes messages that join a thread after another message of the list: at most one per thread. */
export async function writeRound(tx: Tx, inRound: readonly PlacedMessage[]): Promise<Map<string, number>> {
  const [numbers] = await tx.runRows(messageSteps(inRound))
  return numbersById(numbers)
}

function messageSteps(inRound: readonly PlacedMessage[]) {
  const labels = inRound.flatMap(({ filing, row, thread }) =>
    filing.labels.map((label) => ({ message_id: row.id, thread_id: thread.id, label })),
  )
  return [
    rowStep(
      messages.insertAll,
      inRound.map(({ row }) => row),
    ),
    rowStep(
      threads.updateAfterMessage,
      inRound.filter(({ isNewThread }) => !isNewThread).map(({ thread }) => thread),
    ),
    rowStep(messages.insertLabels, labels),
    rowStep(
      insertBcc, // the other addresses belong to the content
      inRound.flatMap(({ row, bcc }) =>
        bcc.map(({ position, address, name }) => ({ message_id: row.id, position, address, name })),
      ),
    ),
    rowStep(
      threads.addToLabelCounts,
      labels.map(({ thread_id, label }) => ({ thread_id, label, message_count: 1 })),
    ),
    rowStep(
      threads.addParticipants,
      inRound.flatMap(({ thread, participants }) => threads.participantRows(thread.id, participants, 1)),
    ),
  ] as const
}

function numbersById(rows: readonly { readonly id: string; readonly number: number }[]): Map<string, number> {
  return new Map(rows.map(({ id, number }) => [id, number]))
}

const NO_COUNTS = {
  message_count: 0,
  unread_count: 0,
  unread_shown_count: 0,
  unread_unauthenticated_count: 0,
  thread_count: 0,
  size_bytes: 0,
}
type InboxCounts = Pick<InboxRow, 'id' | keyof typeof NO_COUNTS>

/** Returns what to add to the counters: one row per inbox. */
function countsOf(placed: readonly PlacedMessage[]) {
  const byInbox = new Map<string, InboxCounts>()
  for (const { filing, row, isNewThread } of placed) {
    const { id } = filing.inbox
    const sum = byInbox.get(id) ?? { id, ...NO_COUNTS }
    const unread = unreadCountsOf(filing.labels)
    sum.message_count += 1
    sum.unread_count += unread.unread_count
    sum.unread_shown_count += unread.unread_shown_count
    sum.unread_unauthenticated_count += unread.unread_unauthenticated_count
    if (isNewThread) sum.thread_count += 1
    sum.size_bytes += row.size_bytes
    byInbox.set(id, sum)
  }
  return [...byInbox.values()]
}
