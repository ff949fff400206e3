/**
 * Finds the first message that matches a filter, in repeated polls. Each poll continues where the last one ended.
 *
 *   the list of the inbox, as it was at a position in the log, oldest first → then the log from that position
 *
 * Each message is returned once. From the list: those that matched at that position. From the log: those that arrived
 * later, and those that began to match because their labels changed. No message is missed between the two, because the
 * position is fixed before the list is read.
 */
import { setTimeout as delay, setImmediate } from 'node:timers/promises'
import type { Limits } from '../../../config/limits.ts'
import type { EventLogRow } from '../../../store/schema/event-rows.ts'
import type { Store } from '../../../store/store.ts'
import * as eventsTable from '../../../store/tables/events-table.ts'
import * as messageScans from '../../../store/tables/message-scans-table.ts'
import * as messages from '../../../store/tables/messages-table.ts'
import { hasPermission } from '../../access/access.ts'
import type { Actor } from '../../access/actor.ts'
import type { BodyMemory } from '../../access/body-memory.ts'
import type { PagePosition } from '../../access/paging/page-tokens.ts'
import { filterOf } from '../../events/feed/subscription-filter.ts'
import { type EventRange, readEvents } from '../../events/history/read-events.ts'
import { toEvent } from '../../events/log/event.ts'
import { type EventTypeName, getEventType } from '../../events/log/event-types.ts'
import { cursorAt } from '../../events/log/log-position.ts'
import { receivedTypes } from '../../events/log/message-events.ts'
import { showWhole } from '../content/bodies.ts'
import { changesOf, labelsAround, labelTypes, type MessageChange, matchesLabels } from '../labels/label-history.ts'
import { fillPage } from '../scanning.ts'
import type { Message } from '../views/message.ts'
import type { WaitPosition } from './wait-cursor.ts'

/** Event types by which messages arrive. */
const arrivalTypes: readonly EventTypeName[] = ['message.sent', ...receivedTypes]

/** Returns the event types that may bring a match, limited to those that the actor may see. */
export function typesFor(actor: Actor): string[] {
  const mayReceive = (type: EventTypeName) => {
    const permission = getEventType(type)?.permission
    return permission === undefined || hasPermission(actor, permission)
  }
  return [...arrivalTypes.filter(mayReceive), ...labelTypes]
}

/** Comparing an event takes about as long as the database needs for this many rows that it skips. */
const EVENT_ROWS = 10

interface FirstMatchNeeds {
  readonly store: Store
  readonly limits: Limits
  readonly actor: Actor
  readonly criteria: messageScans.MessageCriteria
  readonly start: WaitPosition
  readonly memory: BodyMemory
  /** Until then a search continues; it then ends after `limits.lists.scanRowsMax` rows (performance.now()). */
  readonly waitsUntilMs: number
  /** Whether the search must end early. */
  readonly isOver: () => boolean
}

export interface FirstMatch {
  /**
   * Searches from the position to the end of the log. @throws cursor_expired, too_many_responses
   *
   * @returns the next message; without one, the time of the request is over, and the next one must continue the search.
   *   undefined: there is none yet
   */
  search(): Promise<{ readonly message?: Message } | undefined>
  position(): WaitPosition
}

export function createFirstMatch(needs: FirstMatchNeeds): FirstMatch {
  const { store, limits, actor, criteria, start, memory, waitsUntilMs, isOver } = needs
  const { inboxId } = criteria
  const filter = filterOf(actor, { inboxIds: [inboxId], podIds: [], eventTypes: typesFor(actor) })
  /** Events of a whole change: all labels removed, as many added. */
  const changeEventsMax = 2 * limits.messages.labelsPerMessageMax
  let position = start
  /** Since the last pause. Those of the log at most: some may be of other inboxes. */
  let rowsRead = 0
  return { search, position: () => position }

  async function search(): Promise<{ message?: Message } | undefined> {
    rowsRead = 0
    while (!isOver()) {
      const logRow = await eventsTable.requireLog(store.db)
      const message = await (position.listing === undefined ? searchLog(logRow) : searchList(position.listing))
      if (message) return { message }
      if (position.listing === undefined && position.seq >= logRow.last_seq) return undefined
      await setImmediate() // let other work run
      if (rowsRead < limits.lists.scanRowsMax) continue
      if (performance.now() >= waitsUntilMs) return {}
      await delay(limits.events.searchPauseMs)
      rowsRead = 0
    }
    return undefined
  }

  /** Searches a part of the list for a message that matched at the position. */
  async function searchList(listing: PagePosition | 'start'): Promise<Message | undefined> {
    const window = { limit: 1, ascending: true, ...(listing !== 'start' && { after: listing }) }
    const page = await fillPage(window, limits, (keyset) => messageScans.scan(store.db, criteria, keyset))
    const [row] = await messages.listByIds(store.db, page.ids)
    const message = row && (await matchedAtPosition(row)) ? await showMessage(row) : undefined
    position = { ...position, listing: page.last }
    rowsRead += page.rowsRead
    return message
  }

  /** Whether a message that matches now also did at the position. If not, the search of the log finds it. */
  async function matchedAtPosition(row: messages.StoredMessageRow): Promise<boolean> {
    const wasThere = position.newest !== undefined && row.number <= position.newest
    if (wasThere && row.labels_seq <= position.seq) return true // most messages
    const first = await changeAfter(position.seq, row.id, [...arrivalTypes, ...labelTypes])
    if (!first) return true
    const labelChange = labelsAround(first)
    return labelChange !== undefined && matchesLabels(labelChange.before, criteria)
  }

  /** Searches a range of the log for a message that arrived, or began to match, after the position. */
  async function searchLog(logRow: EventLogRow): Promise<Message | undefined> {
    const request = { filter, afterSeq: position.seq, endSeq: logRow.last_seq, limit: limits.events.batchMax }
    const range = await readEvents(request, { store, limits })
    const { changes, seq, cursor } = await wholeChanges(range, logRow)
    rowsRead += seq - position.seq + range.events.length * EVENT_ROWS
    const possible = changes.filter(mayBeginToMatch)
    const ids = new Set(possible.map(({ messageId }) => messageId))
    const rows = new Map((await messageScans.listMatching(store.db, criteria, [...ids])).map((row) => [row.id, row]))
    for (const change of possible) {
      const row = rows.get(change.messageId) // missing: changed again, or deleted
      const message = row && (await matchedAfter(change, row)) ? await showMessage(row) : undefined
      if (!message) continue
      position = { ...position, seq: change.last.seq, cursor: change.last.cursor }
      return message
    }
    position = { ...position, seq, cursor }
    return undefined
  }

  /** The end of a range may split a label change: the whole change is then left to the next range. */
  async function wholeChanges({ events, throughSeq, cursor }: EventRange, logRow: EventLogRow) {
    const changes = changesOf(events)
    const last = changes.at(-1)
    const seq = last === undefined ? throughSeq : last.events[0].seq - 1
    const isCut = throughSeq < logRow.last_seq && last?.last.seq === throughSeq && seq > position.seq
    if (!isCut) return { changes, seq: throughSeq, cursor }
    return { changes: changes.slice(0, -1), seq, cursor: await cursorAt(store, seq, logRow) }
  }

  /** Whether a message may have begun to match with this change, as far as its event says. */
  function mayBeginToMatch(change: MessageChange): boolean {
    const labelChange = labelsAround(change)
    if (labelChange) return matchesLabels(labelChange.after, criteria) && !matchesLabels(labelChange.before, criteria)
    const { labels } = change.last.payload
    // A message to oneself arrived when it was sent; labels added when it was received have events of their own.
    return !Array.isArray(labels) || (!labels.includes('sent') && matchesLabels(labels as string[], criteria))
  }

  /** Whether a message that may have begun to match with a change, and matches now, matched just after the change. */
  async function matchedAfter(change: MessageChange, row: messages.StoredMessageRow): Promise<boolean> {
    const { messageId, last } = change
    if (labelsAround(change) || Array.isArray(last.payload.labels)) return true // its event said so
    if (row.labels_seq <= last.seq) return true // most messages; a search of its later history is slow
    const later = await changeAfter(last.seq, messageId, labelTypes)
    return !later || matchesLabels(labelsAround(later)!.before, criteria) // unchanged since: its present labels count
  }

  async function changeAfter(
    afterSeq: number,
    messageId: string,
    types: readonly string[],
  ): Promise<MessageChange | undefined> {
    await setImmediate() // let other work run: this reads everything that happened in the inbox since
    const rows = await eventsTable.listOfMessage(store.db, { inboxId, messageId, afterSeq }, types, changeEventsMax)
    return changesOf(rows.map((row) => toEvent(row, store.epoch)))[0]
  }

  async function showMessage(row: messages.StoredMessageRow): Promise<Message | undefined> {
    const stillMatching = () => messageScans.listMatching(store.db, criteria, [row.id])
    const [message] = await showWhole({ store, limits }, actor, [row], memory, stillMatching)
    if (!message) await memory.reserve(0) // the search may wait for the next message
    return message
  }
}
