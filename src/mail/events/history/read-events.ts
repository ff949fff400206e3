/**
 * Reads past events for a client: a bounded range of the log, in order, through the client's filter. Subscribers that
 * resume (backfill.ts), lists and long polls (event-pages.ts) and requests that wait for a message all use this
 * function, so that they get the same events with the same cursors.
 */
import type { Limits } from '../../../config/limits.ts'
import { MailError } from '../../../errors.ts'
import type { Store } from '../../../store/store.ts'
import * as events from '../../../store/tables/events-table.ts'
import { type CheckedFilter, matchesTypeAndScope, maySee } from '../feed/subscription-filter.ts'
import { type Event, memoryOf, toEvent } from '../log/event.ts'
import { permissionsToSee } from '../log/event-types.ts'
import { cursorAt } from '../log/log-position.ts'

export interface ReadEventsNeeds {
  readonly store: Pick<Store, 'db' | 'epoch'>
  readonly limits: Limits
}

export interface ReadEventsRequest {
  readonly filter: CheckedFilter
  readonly afterSeq: number
  /** The end of the range, inclusive. */
  readonly endSeq: number
  /** The maximum number of events. */
  readonly limit: number
  /** Epoch ms; from inclusive, before exclusive. */
  readonly times?: { readonly from?: number | undefined; readonly before?: number | undefined }
}

export interface EventRange {
  readonly events: readonly Event[]
  /** Their estimated memory. */
  readonly bytes: number
  /** All events up to here were read. */
  readonly throughSeq: number
  /** The cursor of `throughSeq`. */
  readonly cursor: string
  /** The end of the log at the time of the read. */
  readonly lastSeq: number
}

/** @throws cursor_expired when retention has purged events that the reader has not read yet */
export async function readEvents(
  { filter, afterSeq, endSeq, limit, times }: ReadEventsRequest,
  { store, limits }: ReadEventsNeeds,
): Promise<EventRange> {
  // Bounded by rows read, however few of them match: on SQLite a query blocks the whole process.
  const throughSeq = Math.min(afterSeq + limits.lists.scanRowsMax, endSeq)
  const selection = { ...filter, types: [...filter.types], afterSeq, throughSeq, ...times }
  const rows = throughSeq > afterSeq ? await events.listSelected(store.db, selection, limit) : []
  // Read the log's row after the page: events that retention purges later than this were still in the page.
  const logRow = await events.requireLog(store.db)
  if (logRow.floor_seq > afterSeq) throw new MailError('cursor_expired', {})

  const wanted = rows.filter((row) => matchesTypeAndScope(filter, row))
  const bytes = wanted.reduce((sum, row) => sum + memoryOf(row), 0)
  const visible = wanted
    .map((row) => toEvent(row, store.epoch))
    .filter((event) => maySee(filter.actor, permissionsToSee(event.payload)))
  const seq = rows.length === limit ? rows.at(-1)!.seq : Math.max(throughSeq, afterSeq)
  const last = visible.at(-1)
  const cursor = last?.seq === seq ? last.cursor : await cursorAt(store, seq, logRow)
  return { events: visible, bytes, throughSeq: seq, cursor, lastSeq: logRow.last_seq }
}
