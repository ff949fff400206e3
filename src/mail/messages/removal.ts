/**
 * Removes messages permanently: the row, its dependent rows, its share of its thread and of the inbox's counters, and
 * its bytes once nothing else refers to them. Its queued deliveries continue: its submission keeps the bytes.
 */
import type { Limits } from '../../config/limits.ts'
import type { NewEvent, Tx } from '../../store/handles.ts'
import { rowStep } from '../../store/row-statements.ts'
import type { KindAddress } from '../../store/schema/message-rows.ts'
import { addressesOf } from '../../store/tables/addresses-table.ts'
import * as contents from '../../store/tables/contents-table.ts'
import * as inboxes from '../../store/tables/inboxes-table.ts'
import * as messagesTable from '../../store/tables/messages-table.ts'
import * as submissions from '../../store/tables/submissions-table.ts'
import * as threads from '../../store/tables/threads-table.ts'
import { type Actor, actorName } from '../access/actor.ts'
import { messagesRemoved } from '../events/log/mailbox-events.ts'
import { type EventMessage, messageDeleted } from '../events/log/message-events.ts'
import { participantsOfMessage } from './content/mail-addresses.ts'
import { type UnreadCounts, unreadCountsOf } from './labels/unread-counts.ts'
import { removeFromIndex } from './search/index-messages.ts'
import { hiddenMaskOfThread, listFields, newestShown } from './threads/thread-fields.ts'
import { keepReferences } from './threads/threading.ts'
import { eventMessage } from './views/event-message.ts'

/** The event of each message that is removed. */
export interface RemovalReport {
  readonly inboxAddress: string
  /** @param message with the labels that it had */
  readonly eventOf: (message: EventMessage) => NewEvent
}

/** Reports that a user has deleted the messages. */
export function deletedBy(actor: Actor, inboxAddress: string): RemovalReport {
  return { inboxAddress, eventOf: (message) => messageDeleted({ actor: actorName(actor), message }) }
}

export interface Removal {
  /**
   * The caller must lock the inbox, and read the rows after that.
   *
   * @param report undefined: clients get no event, because another event already reports it (the inbox was deleted, the message replaced)
   * @returns keys of blobs to discard after the commit (discard-blobs.ts)
   */
  remove(
    tx: Tx,
    inboxId: string,
    rows: readonly messagesTable.StoredMessageRow[],
    report?: RemovalReport,
  ): Promise<string[]>
}

interface RemovalNeeds {
  readonly limits: Limits
}

export function createRemoval({ limits }: RemovalNeeds): Removal {
  return {
    async remove(tx, inboxId, rows, report) {
      const blobs: string[] = []
      for (const some of await inSteps(tx, rows)) blobs.push(...(await removeSome(tx, inboxId, some, report)))
      return blobs
    },
  }

  /** Divides messages so that no statement deletes too many addresses and attachments: SQLite runs it in one turn. */
  async function inSteps(
    tx: Tx,
    rows: readonly messagesTable.StoredMessageRow[],
  ): Promise<messagesTable.StoredMessageRow[][]> {
    if (rows.length === 0) return []
    const dependent =
      rows.length === 1
        ? new Map<string, number>()
        : await contents.countDependentRows(
            tx,
            rows.map((row) => row.content_id),
          )
    const steps: messagesTable.StoredMessageRow[][] = []
    let left = 0
    for (const row of rows) {
      const count = dependent.get(row.content_id) ?? 0
      if (steps.length > 0 && count <= left) steps.at(-1)!.push(row)
      else {
        steps.push([row])
        left = limits.jobs.removalStepRows
      }
      left -= count
    }
    return steps
  }

  async function removeSome(
    tx: Tx,
    inboxId: string,
    rows: readonly messagesTable.StoredMessageRow[],
    report: RemovalReport | undefined,
  ): Promise<string[]> {
    const ids = rows.map((row) => row.id)
    const labels = await messagesTable.labelsOf(tx, ids)
    if (report) {
      for (const row of rows) {
        tx.append(report.eventOf(eventMessage(row, report.inboxAddress, labels.get(row.id) ?? [])))
      }
    } else {
      const { organization_id, pod_id } = rows[0]!
      tx.append(messagesRemoved({ id: inboxId, organization_id, pod_id }, ids))
    }
    const addresses = await addressesOf(tx, rows)
    await messagesTable.remove(tx, ids)
    await removeFromIndex(
      tx,
      inboxId,
      rows.map((row) => row.number),
      limits,
    )

    let removedThreads = 0
    const ofRemaining: messagesTable.StoredMessageRow[] = []
    for (const [threadId, mine] of groupByThread(rows)) {
      await threads.removeParticipants(tx, threadId, countParticipants(mine, addresses))
      await threads.changeLabelCounts(tx, threadId, countLabels(mine, labels))
      if (await updateOrRemoveThread(tx, threadId, mine)) removedThreads += 1
      else ofRemaining.push(...mine)
    }
    await keepReferences(tx, ofRemaining)
    const unread = rows.map((row) => unreadCountsOf(labels.get(row.id) ?? []))
    const lessBy = (name: keyof UnreadCounts) => -unread.reduce((sum, counts) => sum + counts[name], 0)
    const counts = {
      id: inboxId,
      message_count: -rows.length,
      unread_count: lessBy('unread_count'),
      unread_shown_count: lessBy('unread_shown_count'),
      unread_unauthenticated_count: lessBy('unread_unauthenticated_count'),
      thread_count: -removedThreads,
      size_bytes: -rows.reduce((sum, row) => sum + row.size_bytes, 0),
    }
    await tx.runRows([rowStep(inboxes.addCounts, [counts])])
    await submissions.removeFinished(tx, 'message_id', ids)
    return contents.removeUnused(tx, [...new Set(rows.map((row) => row.content_id))])
  }

  /** Counts the messages of each participant that places.ts added for these messages. */
  function countParticipants(
    rows: readonly messagesTable.StoredMessageRow[],
    addresses: ReadonlyMap<string, KindAddress[]>,
  ): threads.ThreadParticipant[] {
    const byKey = new Map<string, threads.ThreadParticipant & { messageCount: number }>()
    for (const { id } of rows) {
      for (const one of participantsOfMessage(addresses.get(id) ?? [], limits.messages.participantsMax)) {
        const key = `${one.kind} ${one.address}`
        const known = byKey.get(key)
        if (known) known.messageCount += 1
        else byKey.set(key, { ...one, messageCount: 1 })
      }
    }
    return [...byKey.values()]
  }
}

function groupByThread(rows: readonly messagesTable.StoredMessageRow[]): Map<string, messagesTable.StoredMessageRow[]> {
  const byThread = new Map<string, messagesTable.StoredMessageRow[]>()
  for (const row of rows) byThread.set(row.thread_id, [...(byThread.get(row.thread_id) ?? []), row])
  return byThread
}

function countLabels(
  rows: readonly messagesTable.StoredMessageRow[],
  labels: ReadonlyMap<string, string[]>,
): Map<string, number> {
  const counts = new Map<string, number>()
  for (const row of rows) for (const label of labels.get(row.id) ?? []) counts.set(label, (counts.get(label) ?? 0) - 1)
  return counts
}

/** Updates a thread after messages were removed from it, or removes it with its last one. @returns whether it was removed */
async function updateOrRemoveThread(
  tx: Tx,
  threadId: string,
  removed: readonly messagesTable.StoredMessageRow[],
): Promise<boolean> {
  const [thread] = await threads.listByIds(tx, [threadId])
  if (!thread) return false
  const visibleCount = thread.visible_count - removed.filter((row) => row.hidden === 0).length
  const newest = await newestShown(tx, threadId, visibleCount)
  if (!newest) {
    await threads.remove(tx, [threadId])
    return true
  }
  await threads.update(tx, threadId, {
    ...listFields(newest),
    ...(removed.some((row) => row.hidden !== 0) && { subject: await oldestSubject(tx, threadId) }),
    message_count: thread.message_count - removed.length,
    visible_count: visibleCount,
    size_bytes: thread.size_bytes - removed.reduce((sum, row) => sum + row.size_bytes, 0),
    hidden: visibleCount > 0 ? 0 : await hiddenMaskOfThread(tx, threadId),
    received_timestamp: await threads.latestWith(tx, threadId, 'received'),
    sent_timestamp: await threads.latestWith(tx, threadId, 'sent'),
    updated_at: tx.now,
  })
  return false
}

/** The subject of a removed hidden message must not remain as its thread's subject. */
async function oldestSubject(tx: Tx, threadId: string): Promise<string | null> {
  const [oldest] = await messagesTable.listByThread(tx, threadId, { limit: 1, ascending: true })
  return oldest?.subject ?? null
}
