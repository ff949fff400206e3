/**
 * Files emails as messages of inboxes: received mail, sent copies, and what mail programs append. It writes all that changes
 * together: content, message, labels, addresses, thread, participants and counters. The caller's transaction also appends the
 * events.
 *
 *   find the places of all messages → write them, round by round, and read the threads that events show
 *
 * It files a list, because a statement for many rows costs little more than one for a single row (docs/adr/0039). The
 * result is the same as if they were filed one after the other. Only messages that join the same thread need several
 * rounds: the event of each shows the thread as it is after this message.
 */
import type { Limits } from '../../../config/limits.ts'
import type { Tx } from '../../../store/handles.ts'
import type { ThreadRow } from '../../../store/schema/message-rows.ts'
import * as threadsTable from '../../../store/tables/threads-table.ts'
import type { ThreadSnapshot } from '../../events/log/message-events.ts'
import { requestIndexing } from '../search/index-messages.ts'
import { showThreads, type ThreadParts } from '../views/message-views.ts'
import { bareThread, newThread } from './filed-thread.ts'
import type { FileMessages } from './filing.ts'
import { findPlaces, type PlacedMessage } from './places.ts'
import { writeFirstRound, writeRound } from './write-places.ts'

interface FilingNeeds {
  readonly limits: Limits
  /** Domain of the Message-IDs that we generate. */
  readonly domain: string
}

export function createFiling({ limits, domain }: FilingNeeds): FileMessages {
  return async function fileMessages(tx, filings, relabel = async () => filings) {
    const found = await findPlaces(tx, { filings, relabel, limits, domain })
    const placed = found.places.filter((place) => place.existing === undefined)
    const roundCount = placed.reduce((max, { round }) => Math.max(max, round + 1), 0)
    const threads = new Map<PlacedMessage, ThreadSnapshot>()

    for (let round = 0; round < roundCount; round += 1) {
      const inRound = placed.filter((message) => message.round === round)
      const { numbers, threadParts } = await (round === 0
        ? writeFirstRound(tx, found, placed, limits)
        : writeRound(tx, inRound, limits))
      for (const { filing, row } of inRound) {
        const requested = requestIndexing(tx, filing.inbox, numbers.get(row.id)!, limits)
        if (requested) await requested
      }
      for (const [message, thread] of await showThreadsOf(tx, inRound, threadParts)) threads.set(message, thread)
    }

    return found.places.map((place) => {
      if (place.existing) return place
      const { row, content } = place
      const thread = threads.get(place)
      return {
        id: row.id,
        threadId: row.thread_id,
        messageId: row.api_message_id,
        contentId: content.row.id,
        ...(thread && { thread }),
      }
    })
  }

  /** Returns the threads of messages whose caller needs them, as they are now. */
  async function showThreadsOf(
    tx: Tx,
    inRound: readonly PlacedMessage[],
    parts: ThreadParts,
  ): Promise<Map<PlacedMessage, ThreadSnapshot>> {
    const shown = new Map<PlacedMessage, ThreadSnapshot>()
    const toRead = new Map<number, PlacedMessage[]>()
    for (const message of inRound) {
      const { threadMask } = message.filing
      if (threadMask === undefined) continue
      if (message.isNewThread) shown.set(message, newThread(message, limits.lists.threadParticipantsMax))
      else toRead.set(threadMask, [...(toRead.get(threadMask) ?? []), message])
    }
    for (const [mask, messages] of toRead) {
      const cut = messages.filter(({ hasCutSubject }) => hasCutSubject).map(({ thread }) => thread.id)
      const whole = new Map((await threadsTable.listByIds(tx, cut)).map((row) => [row.id, row]))
      const rows: ThreadRow[] = messages.map(({ thread }) => whole.get(thread.id) ?? thread)
      const shownThreads = await showThreads(tx, rows, limits, mask, parts)
      const threads = new Map(shownThreads.map((thread) => [thread.id, thread]))
      for (const message of messages) {
        const { filing, row } = message
        const about = { id: row.thread_id, labels: filing.labels, messageId: row.api_message_id }
        shown.set(message, threads.get(row.thread_id) ?? bareThread(tx, about))
      }
    }
    return shown
  }
}
