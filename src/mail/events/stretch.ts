/**
 * The one way in which events of the past are read for somebody: a bounded stretch of the log, in order, through the
 * filter of whoever asks. Subscribers that come back (backfill.ts), lists and long polls (pages.ts) and those who wait for
 * a message all read here, so that they are told the same events under the same cursors.
 */
import { MailError } from '../../errors.ts'
import type { Store } from '../../store/store.ts'
import * as events from '../../store/tables/events.ts'
import { type Event, memoryOf, toEvent } from './event.ts'
import { permissionsToSee } from './event-types.ts'
import { type Filter, isWanted, maySee } from './interest.ts'
import { cursorAt } from './position.ts'

export interface StretchNeeds {
  readonly store: Pick<Store, 'db' | 'epoch'>
  readonly limits: { readonly listScanRowsMax: number }
}

export interface StretchRequest {
  readonly filter: Filter
  readonly afterSeq: number
  /** Where the log ends for this reader, inclusive. */
  readonly endSeq: number
  /** Events at most. */
  readonly limit: number
  /** Epoch ms; from inclusive, before exclusive. */
  readonly times?: { readonly from?: number | undefined; readonly before?: number | undefined }
}

export interface Stretch {
  readonly events: readonly Event[]
  /** Memory that they take. */
  readonly bytes: number
  /** All up to here were looked at. */
  readonly throughSeq: number
  /** Of that place. */
  readonly cursor: string
  /** Where the log ended when it was read. */
  readonly lastSeq: number
}

/** @throws cursor_expired when retention has overtaken the reader */
export async function readStretch(
  { filter, afterSeq, endSeq, limit, times }: StretchRequest,
  { store, limits }: StretchNeeds,
): Promise<Stretch> {
  // However few events of it are wanted: a query holds up the whole process.
  const throughSeq = Math.min(afterSeq + limits.listScanRowsMax, endSeq)
  const selection = { ...filter, types: [...filter.types], afterSeq, throughSeq, ...times }
  const rows = throughSeq > afterSeq ? await events.listSelected(store.db, selection, limit) : []
  // Read after the page: what retention removes later than this was still in it.
  const log = await events.requireLog(store.db)
  if (log.floor_seq > afterSeq) throw new MailError('cursor_expired', {})

  const wanted = rows.filter((row) => isWanted(filter, row))
  const bytes = wanted.reduce((sum, row) => sum + memoryOf(row), 0)
  const told = wanted
    .map((row) => toEvent(row, store.epoch))
    .filter((event) => maySee(filter.actor, permissionsToSee(event.payload)))
  const seq = rows.length === limit ? rows.at(-1)!.seq : Math.max(throughSeq, afterSeq)
  const last = told.at(-1)
  const cursor = last?.seq === seq ? last.cursor : await cursorAt(store, seq, log)
  return { events: told, bytes, throughSeq: seq, cursor, lastSeq: log.last_seq }
}
