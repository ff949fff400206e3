/** Places of the event log that are there: from what clients send, and for what they are given. */
import { MailError } from '../../errors.ts'
import type { EventLogRow } from '../../store/schema.ts'
import type { Store } from '../../store/store.ts'
import * as events from '../../store/tables/events.ts'
import { formatCursor, markOf, type Position, parseCursor } from './cursor.ts'

type LogStore = Pick<Store, 'db' | 'epoch'>

/** What is kept lies behind it. */
export function floorOf(log: EventLogRow): Position {
  return { seq: log.floor_seq, eventId: log.floor_event_id }
}

export function endOf(log: EventLogRow): Position {
  return { seq: log.last_seq, eventId: log.last_event_id }
}

/**
 * @param after a cursor, `earliest` for everything that is kept, or `latest` for what comes from now on
 * @param log as of now
 * @returns the place after which to go on
 * @throws validation_error when it is no cursor of ours; cursor_expired when events after it are gone, or the log is another
 */
export async function requirePosition(store: LogStore, after: string, log: EventLogRow): Promise<Position> {
  if (after === 'earliest') return floorOf(log)
  if (after === 'latest') return endOf(log)
  const { seq, mark } = parseCursor(after, store.epoch)
  const eventId = await eventIdAt(store, seq, log)
  if (eventId === undefined || markOf(eventId) !== mark) throw new MailError('cursor_expired', {})
  return { seq, eventId }
}

/** Of a place that need not be an event of whoever is given it. */
export async function cursorAt(store: LogStore, seq: number, log: EventLogRow): Promise<string> {
  return formatCursor(store.epoch, { seq, eventId: (await eventIdAt(store, seq, log)) ?? null })
}

/** @returns undefined where nothing of the kind is kept: before the floor, or beyond the end of a log that was set back */
async function eventIdAt(store: LogStore, seq: number, log: EventLogRow): Promise<string | null | undefined> {
  if (seq === log.floor_seq) return log.floor_event_id
  return seq < log.floor_seq || seq > log.last_seq ? undefined : events.getEventId(store.db, seq)
}
