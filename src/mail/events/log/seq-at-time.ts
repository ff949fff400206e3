/**
 * Finds the position of a time in the log. Events are in commit order, and their times are nearly in order: the time of
 * a transaction is taken at its begin, and each node has its own clock. So a binary search finds the position in a few
 * small queries, the caller widens the range by `limits.events.disorderMs`, and the rows of a page are compared exactly.
 */
import type { Db } from '../../../store/handles.ts'
import type { EventLogRow } from '../../../store/schema/event-rows.ts'
import * as events from '../../../store/tables/events-table.ts'

/** @returns the number of the last event before a time, as far as times are in order; the floor when there is none */
export async function lastSeqBefore(
  db: Db,
  time: number,
  log: Pick<EventLogRow, 'floor_seq' | 'last_seq'>,
): Promise<number> {
  let low = log.floor_seq
  let high = log.last_seq
  while (low < high) {
    const middle = Math.ceil((low + high) / 2)
    const [event] = await events.listAges(db, middle - 1, 1)
    if (event !== undefined && event.at < time) low = middle
    else high = middle - 1
  }
  return low
}
