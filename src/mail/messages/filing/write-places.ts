/**
 * Writes placed messages, and reads the threads that their events show. Part of file-messages.ts. The statements of a call
 * are sent together, in an order in which each row exists before another refers to it.
 */
import type { Limits } from '../../../config/limits.ts'
import type { Tx } from '../../../store/handles.ts'
import { rowStep, type StepResults } from '../../../store/row-statements.ts'
import type { InboxRow } from '../../../store/schema/tenant-rows.ts'
import { insertBcc } from '../../../store/tables/addresses-table.ts'
import * as inboxes from '../../../store/tables/inboxes-table.ts'
import * as messages from '../../../store/tables/messages-table.ts'
import * as threadParts from '../../../store/tables/thread-parts-table.ts'
import { setReferences } from '../../../store/tables/thread-references-table.ts'
import * as threads from '../../../store/tables/threads-table.ts'
import { contentSteps } from '../content/insert-content.ts'
import { unreadCountsOf } from '../labels/unread-counts.ts'
import type { ThreadParts } from '../views/message-views.ts'
import type { PlacedMessage, Places } from './places.ts'

/** What is known after messages of a round were written. */
export interface WrittenRound {
  /** The numbers of the messages, by id. */
  readonly numbers: ReadonlyMap<string, number>
  /** The parts, as they are now, of those threads that existed before and that the caller needs. */
  readonly threadParts: ThreadParts
}

/**
 * Writes what belongs to no single message: contents, new threads, their Message-IDs, counters. Then writes the first
 * messages of each thread.
 */
export async function writeFirstRound(
  tx: Tx,
  { contents, references }: Places,
  placed: readonly PlacedMessage[],
  limits: Limits,
): Promise<WrittenRound> {
  const first = placed.filter(({ round }) => round === 0)
  const newThreads = first.filter(({ isNewThread }) => isNewThread).map(({ thread }) => thread)
  const [insertContents, insertAttachments, insertAddresses] = contentSteps(contents)
  const [, , , , , , ...ofMessages] = await tx.runRows([
    insertContents,
    insertAttachments,
    insertAddresses,
    rowStep(threads.insertAll, newThreads),
    rowStep(setReferences, references),
    rowStep(inboxes.addCounts, countsOf(placed)),
    ...messageSteps(first, limits),
  ])
  return written(first, ofMessages)
}

/** Writes messages that join a thread after another message of the list: at most one per thread. */
export async function writeRound(tx: Tx, inRound: readonly PlacedMessage[], limits: Limits): Promise<WrittenRound> {
  return written(inRound, await tx.runRows(messageSteps(inRound, limits)))
}

function written(
  inRound: readonly PlacedMessage[],
  [numbers, , , , , , labels, participants, contents]: StepResults<ReturnType<typeof messageSteps>>,
): WrittenRound {
  return {
    numbers: new Map(numbers.map(({ id, number }) => [id, number])),
    threadParts: {
      labels: groupByThread(labels, ({ label }) => label),
      participants: groupByThread(participants, (row) => row),
      contentIds: groupByThread(contents, ({ content_id }) => content_id),
      inboxAddresses: new Map(inRound.map(({ filing: { inbox } }) => [inbox.id, inbox.address])),
    },
  }
}

/** Keeps the order of the rows. */
function groupByThread<Row extends { readonly thread_id: string }, Value>(
  rows: readonly Row[],
  shownOf: (row: Row) => Value,
): Map<string, Value[]> {
  const byThread = new Map<string, Value[]>()
  for (const row of rows) {
    const values = byThread.get(row.thread_id)
    if (values) values.push(shownOf(row))
    else byThread.set(row.thread_id, [shownOf(row)])
  }
  return byThread
}

/** The threads are read last, in the same round trip. One that is new is known without a query. */
function messageSteps(inRound: readonly PlacedMessage[], { lists }: Limits) {
  const labels = inRound.flatMap(({ filing, row, thread }) =>
    filing.labels.map((label) => ({ message_id: row.id, thread_id: thread.id, label })),
  )
  const toRead = inRound
    .filter(({ filing, isNewThread }) => filing.threadMask !== undefined && !isNewThread)
    .map(({ thread }) => ({ thread_id: thread.id }))
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
    rowStep(threadParts.selectLabels, toRead),
    rowStep(
      threadParts.selectParticipants,
      toRead.map(({ thread_id }) => ({ thread_id, rows_max: lists.threadParticipantsMax })),
    ),
    rowStep(
      threadParts.selectContents,
      toRead.map(({ thread_id }) => ({ thread_id, rows_max: lists.threadAttachmentMessagesMax })),
    ),
  ] as const
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
