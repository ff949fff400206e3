/**
 * Reads the log after a position that a reader has in memory, and notices that the log was set back since: a backup was
 * restored, or a standby that lacks the last events has become the primary. Other events have the numbers up to this position
 * then, and the reader would miss them (docs/adr/0020).
 */
import type { Db } from '../../../store/handles.ts'
import type { EventRow } from '../../../store/schema/event-rows.ts'
import * as events from '../../../store/tables/events-table.ts'
import type { LogPosition } from './cursor.ts'

/**
 * @param position without an `eventId`, nothing can be noticed
 * @returns all events after the position, in order, up to a limit; undefined: the position is no longer in the log
 */
export async function readAfter(db: Db, position: LogPosition, limit: number): Promise<EventRow[] | undefined> {
  const { seq, eventId } = position
  if (eventId === null) return events.listAfter(db, seq, limit)
  const [last, ...rows] = await events.listAfter(db, seq - 1, limit + 1)
  if (last?.seq === seq && last.event_id === eventId) return rows
  const { floor_seq } = await events.requireLog(db)
  return floor_seq >= seq ? events.listAfter(db, seq, limit) : undefined // retention has purged the event
}
