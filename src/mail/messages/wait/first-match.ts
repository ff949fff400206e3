/**
 * Finds the first message that matches a filter, in repeated polls. Each poll continues where the last one ended.
 *
 *   the list of the inbox, as it was at a position in the log, oldest first → then the log from that position
 *
 * Each message is returned once. From the list: those that matched at that position. From the log: those that arrived
 * later, and those that began to match because their labels changed. No message is missed between the two, because the
 * position is fixed before the list is read.
 */
import { setImmediate } from 'node:timers/promises'
import type { Limits } from '../../../config/limits.ts'
import type { EventLogRow } from '../../../store/schema/event-rows.ts'
import type { Store } from '../../../store/store.ts'
import * as eventsTable from '../../../store/tables/events-table.ts'
import * as messages from '../../../store/tables/messages-table.ts'
import { hasPermission } from '../../access/access.ts'
import type { Actor } from '../../access/actor.ts'
import type { BodyMemory } from '../../access/body-memory.ts'
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

interface FirstMatchNeeds {
  readonly store: Store
  readonly limits: Limits
  readonly actor: Actor
  readonly criteria: messages.MessageCriteria
  readonly start: WaitPosition
  readonly memory: BodyMemory
  /** Whether the search must end early. */
  readonly isOver: () => boolean
}

export interface FirstMatch {
  /** The next message, or undefined when there is none yet. @throws cursor_expired, too_many_responses */
  search(): Promise<Message | undefined>
  position(): WaitPosition
}

export function createFirstMatch(needs: FirstMatchNeeds): FirstMatch {
  const { store, limits, actor, criteria, start, memory, isOver } = needs
  const { inboxId } = criteria
  const filter = filterOf(actor, { inboxIds: [inboxId], podIds: [], eventTypes: typesFor(actor) })
  let position = start
  return { search: async () => (await searchList()) ?? (await searchLog()), position: () => position }

  /** Searches the list for messages that matched at the position. */
  async function searchList(): Promise<Message | undefined> {
    while (position.listing !== undefined && !isOver()) {
      const from = position.listing === 'start' ? undefined : position.listing
      const window = { limit: 1, ascending: true, ...(from && { after: from }) }
      const page = await fillPage(window, limits, (keyset) => messages.scan(store.db, criteria, keyset))
      const [row] = await messages.listByIds(store.db, page.ids)
      const message = row && (await matchedAtPosition(row)) ? await showMessage(row) : undefined
      position = { ...position, listing: page.last }
      if (message) return message
      await setImmediate() // let other work run
    }
    return undefined
  }

  /** Whether a message that matches now also did at the position. If not, the search of the log finds it. */
  async function matchedAtPosition(row: messages.StoredMessageRow): Promise<boolean> {
    if (row.modseq <= position.seq) return true
    const first = await changeAfter(position.seq, row.id, [...arrivalTypes, ...labelTypes])
    if (!first) return true
    const labelChange = labelsAround(first)
    return labelChange !== undefined && matchesLabels(labelChange.before, criteria)
  }

  /** Searches the log for messages that arrived, or began to match, after the position. */
  async function searchLog(): Promise<Message | undefined> {
    while (position.listing === undefined && !isOver()) {
      const logRow = await eventsTable.requireLog(store.db)
      const endSeq = logRow.last_seq
      const request = { filter, afterSeq: position.seq, endSeq, limit: limits.events.batchMax }
      const range = await readEvents(request, { store, limits })
      const { changes, seq, cursor } = await wholeChanges(range, logRow)
      for (const change of changes) {
        if (!(await beginsToMatch(change))) continue
        const row = await messages.getMatching(store.db, criteria, change.messageId)
        const message = row && (await showMessage(row))
        if (!message) continue // changed again, or deleted
        position = { ...position, seq: change.last.seq, cursor: change.last.cursor }
        return message
      }
      position = { ...position, seq, cursor }
      if (seq >= endSeq) return undefined
      await setImmediate()
    }
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

  async function beginsToMatch(change: MessageChange): Promise<boolean> {
    const { messageId, last } = change
    const labelChange = labelsAround(change)
    if (labelChange) return matchesLabels(labelChange.after, criteria) && !matchesLabels(labelChange.before, criteria)
    const { labels } = last.payload
    if (Array.isArray(labels)) {
      // A message to oneself arrived when it was sent; labels added when it was received have events of their own.
      return !labels.includes('sent') && matchesLabels(labels as string[], criteria)
    }
    const row = await messages.getMatching(store.db, criteria, messageId)
    if (!row || row.modseq <= last.seq) return row !== undefined // most messages; a search of its later history is slow
    const later = await changeAfter(last.seq, messageId, labelTypes)
    return !later || matchesLabels(labelsAround(later)!.before, criteria) // unchanged since: its present labels count
  }

  async function changeAfter(
    afterSeq: number,
    messageId: string,
    types: readonly string[],
  ): Promise<MessageChange | undefined> {
    await setImmediate() // let other work run: this reads everything that happened in the inbox since
    const rowsMax = 2 * limits.messages.labelsPerMessageMax // a whole change: all labels removed, as many added
    const rows = await eventsTable.listOfMessage(store.db, { inboxId, messageId, afterSeq }, types, rowsMax)
    return changesOf(rows.map((row) => toEvent(row, store.epoch)))[0]
  }

  async function showMessage(row: messages.StoredMessageRow): Promise<Message | undefined> {
    const stillMatching = async () => {
      const again = await messages.getMatching(store.db, criteria, row.id)
      return again ? [again] : []
    }
    const [message] = await showWhole({ store, limits }, actor, [row], memory, stillMatching)
    if (!message) await memory.reserve(0) // the search may wait for the next message
    return message
  }
}
