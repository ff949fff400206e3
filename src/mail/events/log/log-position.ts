/** Positions in the event log: checks those that clients send, and creates the cursors that clients get. */
import { MailError } from '../../../errors.ts'
import type { EventLogRow } from '../../../store/schema/event-rows.ts'
import type { Store } from '../../../store/store.ts'
import * as events from '../../../store/tables/events-table.ts'
import { formatCursor, type LogPosition, markOf, parseCursor } from './cursor.ts'

type LogStore = Pick<Store, 'db' | 'epoch'>

/** The position before the first retained event. */
export function floorOf(logRow: EventLogRow): LogPosition {
  return { seq: logRow.floor_seq, eventId: logRow.floor_event_id }
}

export function endOf(logRow: EventLogRow): LogPosition {
  return { seq: logRow.last_seq, eventId: logRow.last_event_id }
}

/**
 * @param after a cursor, `earliest` for all retained events, or `latest` for new events only
 * @param logRow the current row of the log
 * @returns the position after which to continue
 * @throws validation_error if it is not one of our cursors; cursor_expired if events after it were purged, or the
 *   cursor belongs to another log
 */
export async function parsePosition(store: LogStore, after: string, logRow: EventLogRow): Promise<LogPosition> {
  if (after === 'earliest') return floorOf(logRow)
  if (after === 'latest') return endOf(logRow)
  const { seq, mark } = parseCursor(after, store.epoch)
  const eventId = await eventIdAt(store, seq, logRow)
  if (eventId === undefined || markOf(eventId) !== mark) throw new MailError('cursor_expired', {})
  return { seq, eventId }
}

/** Returns the cursor of a position; the event at this position need not be visible to the client. */
export async function cursorAt(store: LogStore, seq: number, logRow: EventLogRow): Promise<string> {
  return formatCursor(store.epoch, { seq, eventId: (await eventIdAt(store, seq, logRow)) ?? null })
}

/** @returns undefined for a position that is not in the log: below the floor, or beyond the end of a restored log */
async function eventIdAt(store: LogStore, seq: number, logRow: EventLogRow): Promise<string | null | undefined> {
  if (seq === logRow.floor_seq) return logRow.floor_event_id
  return seq < logRow.floor_seq || seq > logRow.last_seq ? undefined : events.getEventId(store.db, seq)
}
