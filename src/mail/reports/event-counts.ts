/**
 * Counts the events of a scope in a time range: from hourly counts where these are exact, otherwise from the event log.
 *
 *   period of whole hours → hourly counts
 *   other period, or single events → the log, as far back as it goes; hourly counts before that
 *
 * Bounded: an hourly count exists once per hour and type, and a range has at most 121 days. The log is read in chunks, with
 * other work in between, up to limits.reports.scanRowsMax events.
 */
import { setImmediate } from 'node:timers/promises'
import type { Limits } from '../../config/limits.ts'
import { isMailError, MailError } from '../../errors.ts'
import type { Store } from '../../store/store.ts'
import * as events from '../../store/tables/events-table.ts'
import * as rollups from '../../store/tables/rollups-table.ts'
import type { Scope } from '../access/access.ts'
import { lastSeqBefore } from '../events/log/seq-at-time.ts'
import { HOUR_MS, periodStart, periodStartAfter, type TimeRange } from './buckets.ts'
import { type CountedType, countOf, metricOf, type Unit } from './counted-events.ts'
import { CONSUMER } from './fold-events.ts'

/** Some events of a type. */
export interface EventCount {
  readonly type: CountedType
  /** The time of a single event, or the start of the hour of several; epoch ms. */
  readonly at: number
  readonly count: number
}

export interface CountQuery {
  readonly scope: Scope
  readonly types: readonly CountedType[]
  readonly unit: Unit
  readonly range: TimeRange
  /** undefined: single events. */
  readonly periodMs: number | undefined
  /** For single events: how many of each type are needed, from the start or, if descending, from the end. */
  readonly limit?: number
  readonly descending?: boolean
}

/** @returns the counts, oldest first @throws query_range_too_wide when the log has too many events in the range */
export type CountEvents = (query: CountQuery) => Promise<EventCount[]>

interface CountNeeds {
  readonly store: Pick<Store, 'db'>
  readonly clock: () => number
  readonly limits: Limits
}

export function createCountEvents({ store, clock, limits }: CountNeeds): CountEvents {
  const { scanRowsMax, scanChunkRows, uncountedRowsMax } = limits.reports
  const { disorderMs } = limits.events

  return async function countEvents(query) {
    const { range, periodMs } = query
    if (query.types.length === 0 || range.from >= range.before) return []
    if (periodMs !== undefined && periodMs % HOUR_MS === 0) return fromHours(query, range)
    const logStart = await firstHourOfLog()
    const old = { from: range.from, before: Math.min(range.before, logStart) }
    const recent = { from: Math.max(range.from, logStart), before: range.before }
    try {
      return [...(await fromHours(query, old)), ...(await fromLog(query, recent))]
    } catch (error) {
      // Too many for single events: their number by hour is still right, and a truncated list would not be.
      if (periodMs !== undefined || !isMailError(error, 'query_range_too_wide')) throw error
      return fromHours(query, { ...range, from: periodStart(range.from, HOUR_MS) })
    }
  }

  /** The log contains all events from this hour on; 0: nothing was purged. */
  async function firstHourOfLog(): Promise<number> {
    const { floor_seq } = await events.requireLog(store.db)
    if (floor_seq === 0) return 0
    const [first] = await events.listAges(store.db, floor_seq, 1)
    return periodStartAfter((first?.at ?? clock()) + disorderMs, HOUR_MS)
  }

  /** Reads whole hours: an hour belongs to the range, or to the period, in which it begins. */
  async function fromHours({ scope, types, unit }: CountQuery, range: TimeRange): Promise<EventCount[]> {
    const from = periodStartAfter(range.from, HOUR_MS)
    const before = periodStartAfter(range.before, HOUR_MS)
    if (from >= before) return []
    const typeOf = new Map(types.map((type) => [metricOf(type, unit), type]))
    const rows = await rollups.listCounts(store.db, {
      scope,
      from,
      before,
      metrics: [...typeOf.keys()],
      types,
      consumer: CONSUMER,
      logRowsMax: uncountedRowsMax,
    })
    const counts = rows.map(({ at, metric, count, payload }) =>
      payload === null
        ? { type: typeOf.get(metric)!, at, count }
        : { type: metric as CountedType, at: periodStart(at, HOUR_MS), count: countOf({ payload }, unit) },
    )
    return sumEqual(counts)
  }

  async function fromLog(query: CountQuery, { from, before }: TimeRange): Promise<EventCount[]> {
    if (from >= before) return []
    const { scope, unit, descending = false, limit = Number.POSITIVE_INFINITY } = query
    const log = await events.requireLog(store.db)
    const firstSeq = await lastSeqBefore(store.db, from - disorderMs, log)
    const lastSeq = await lastSeqBefore(store.db, before + disorderMs, log)
    const missing = new Map(query.types.map((type) => [type as string, limit]))
    const counts: EventCount[] = []
    const open = { afterSeq: firstSeq, throughSeq: lastSeq }
    const isOfInbox = scope.inboxId !== undefined
    if (query.periodMs !== undefined && !isOfInbox && lastSeq - firstSeq > scanRowsMax) throw tooManyEvents(scanRowsMax)
    let scanned = 0
    while (open.afterSeq < open.throughSeq && missing.size > 0) {
      if (scanned >= scanRowsMax) throw tooManyEvents(scanRowsMax)
      const chunk = nextChunk(open, isOfInbox, descending)
      const rows = await events.listCounted(
        store.db,
        scope,
        { ...chunk, descending, withPayload: unit === 'recipients' },
        scanChunkRows,
      )
      for (const row of rows) {
        const left = missing.get(row.type)
        if (left === undefined || row.at < from || row.at >= before) continue
        counts.push({ type: row.type as CountedType, at: row.at, count: countOf(row, unit) })
        if (left === 1) missing.delete(row.type)
        else missing.set(row.type, left - 1)
      }
      const isWhole = rows.length < scanChunkRows
      const readTo = isWhole ? (descending ? chunk.afterSeq : chunk.throughSeq) : rows.at(-1)!.seq
      scanned += isOfInbox ? rows.length : scanChunkRows
      if (descending) open.throughSeq = isWhole ? readTo : readTo - 1
      else open.afterSeq = readTo
      await setImmediate() // yield to the event loop
    }
    return counts.sort((one, other) => one.at - other.at)
  }

  /** For one inbox an index has only its events; otherwise the range bounds how many rows are read. */
  function nextChunk(open: { afterSeq: number; throughSeq: number }, isInbox: boolean, descending: boolean) {
    if (isInbox) return { ...open }
    return descending
      ? { afterSeq: Math.max(open.afterSeq, open.throughSeq - scanChunkRows), throughSeq: open.throughSeq }
      : { afterSeq: open.afterSeq, throughSeq: Math.min(open.throughSeq, open.afterSeq + scanChunkRows) }
  }
}

/** Adds up the counts of the same type and time, oldest first: several uncounted events may be in one hour. */
function sumEqual(counts: readonly EventCount[]): EventCount[] {
  const sums = new Map<string, EventCount>()
  for (const each of counts) {
    const key = `${each.type} ${each.at}`
    sums.set(key, { ...each, count: each.count + (sums.get(key)?.count ?? 0) })
  }
  return [...sums.values()].sort((one, other) => one.at - other.at)
}

function tooManyEvents(max: number): MailError<'query_range_too_wide'> {
  return new MailError('query_range_too_wide', {
    detail: `There are more than ${max} events in the time range; with a period of whole hours there is no such limit`,
  })
}
