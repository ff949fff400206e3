/**
 * Where in the log a time lies. Events are in the order of their commits, and their times nearly so: a transaction has its
 * time from its begin, and nodes have clocks of their own. So a search by halves finds the place in a few small queries,
 * `limits.eventDisorderMs` further out than asked, and the rows of a page are compared exactly.
 */
import type { Db, EventLogRow } from '../../store/schema.ts'
import * as events from '../../store/tables/events.ts'

/** @returns number of the last event before a time, as far as they are in order; the floor when there is none */
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
