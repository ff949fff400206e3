/**
 * Metrics of an organization, pod or inbox: counts of events, rates of bounces and complaints, and usage.
 *
 * They are numbers and times, and never name a message: a key with metrics_read also counts mail of hidden classes,
 * which it may not be able to read.
 */
import type { Limits } from '../../config/limits.ts'
import type { Store } from '../../store/store.ts'
import { requireScope } from '../access/access.ts'
import type { Actor, Within } from '../access/actor.ts'
import { HOUR_MS, inOrder, periodEnds, periodStart, rollingSums, sumByPeriod, wholePeriods } from './buckets.ts'
import { type CountedType, countedTypes, recipientTypes } from './counted-events.ts'
import { createCountEvents, type EventCount } from './event-counts.ts'
import { readTotals, type UsageType, usageTypesOf } from './read-usage.ts'
import { checkBuckets, checkPeriod, invalid, type ReportQuery, readRange } from './report-query.ts'

export interface EventPoint {
  /** The time of one event, or the start of a period; epoch ms. */
  readonly at: number
  readonly count: number
}

export interface UsagePoint {
  /** Epoch ms. */
  readonly at: number
  /** The total at this time. */
  readonly value: number
}

export interface RatePoint {
  /** The end of the window, epoch ms. */
  readonly at: number
  /** Recipients that bounced or complained in the window, per recipient of the mail sent in it; undefined: none was sent. */
  readonly rate: number | undefined
  /** Recipients of the mail sent in the window. */
  readonly sent: number
}

export type RateType = 'bounce' | 'complaint'
export const rateTypes: readonly RateType[] = ['bounce', 'complaint']

/** The points of each requested type. */
export type Series<Type extends string, Point> = ReadonlyMap<Type, readonly Point[]>

/** All throw not_found, missing_permission (metrics_read), validation_error, query_range_too_wide. */
export interface Reports {
  /**
   * Counts events: one point per event, or per period in which there were any.
   *
   * @param types unknown ones are ignored; none: all
   */
  events(
    actor: Actor,
    within: Within,
    query: ReportQuery & { readonly types?: readonly string[] | undefined },
  ): Promise<Series<CountedType, EventPoint>>
  /**
   * Totals at the end of each period: limits.reports.snapshotMs, or a day if the range is too long for that.
   *
   * @param types those that do not exist for the scope are ignored; none: all
   */
  usage(
    actor: Actor,
    within: Within,
    query: ReportQuery & { readonly types?: readonly string[] | undefined },
  ): Promise<Series<UsageType, UsagePoint>>
  /** Rates over a window that ends at the end of each period: an hour, and a window of a day. */
  rates(
    actor: Actor,
    within: Within,
    query: ReportQuery & { readonly types?: readonly string[] | undefined; readonly windowMs?: number | undefined },
  ): Promise<Series<RateType, RatePoint>>
}

interface ReportsNeeds {
  readonly store: Pick<Store, 'db'>
  readonly clock: () => number
  readonly limits: Limits
}

const DAY_MS = 24 * HOUR_MS

const typeOfRate = { bounce: 'message.bounced', complaint: 'message.complained' } as const

export function createReports({ store, clock, limits }: ReportsNeeds): Reports {
  const countEvents = createCountEvents({ store, clock, limits })
  const { pointsMax, bucketsMax, windowMsMax } = limits.reports

  return {
    async events(actor, within, query) {
      const scope = await requireScope(store.db, actor, 'metrics_read', within)
      const range = readRange(query, clock(), limits)
      const types = requested(countedTypes, query.types)
      const common = { scope, types, unit: 'events' as const }
      if (query.periodMs === undefined) {
        const limit = Math.min(query.limit ?? pointsMax, pointsMax)
        const order = { limit, descending: query.descending ?? false }
        const counts = await countEvents({ ...common, range, periodMs: undefined, ...order })
        const byType = groupByType(counts)
        const pointsOf = (type: CountedType) => (byType.get(type) ?? []).map(({ at, count }) => ({ at, count }))
        return new Map(types.map((type) => [type, inOrder(pointsOf(type), order)]))
      }
      const periodMs = checkPeriod(query.periodMs, limits)
      checkBuckets(range, periodMs, limits)
      const byType = groupByType(await countEvents({ ...common, range: wholePeriods(range, periodMs), periodMs }))
      const pointsOf = (type: CountedType) =>
        [...sumByPeriod(byType.get(type) ?? [], periodMs)].map(([at, count]) => ({ at, count }))
      return new Map(types.map((type) => [type, inOrder(pointsOf(type), query)]))
    },

    async usage(actor, within, query) {
      const scope = await requireScope(store.db, actor, 'metrics_read', within)
      const now = clock()
      const range = readRange(query, now, limits)
      const hours = (range.before - range.from) / HOUR_MS
      const periodMs = checkPeriod(query.periodMs ?? (hours <= bucketsMax ? HOUR_MS : DAY_MS), limits)
      checkBuckets(range, periodMs, limits)
      const types = requested(usageTypesOf(scope), query.types)
      const times = periodEnds(range, periodMs)
      const totals = await readTotals({ store, limits }, scope, times, now)
      const pointsOf = (type: UsageType) => times.map((at, index) => ({ at, value: totals[index]![type] }))
      return new Map(types.map((type) => [type, inOrder(pointsOf(type), query)]))
    },

    async rates(actor, within, query) {
      const scope = await requireScope(store.db, actor, 'metrics_read', within)
      const range = readRange(query, clock(), limits)
      const { periodMs = HOUR_MS, windowMs = DAY_MS } = query
      checkPeriod(periodMs, limits, limits.reports.ratesPeriodMsMin)
      if (windowMs % periodMs !== 0 || windowMs < periodMs || windowMs > windowMsMax)
        throw invalid('window', `window must be a multiple of period, at most ${windowMsMax / 1_000} seconds`)
      const read = { ...range, from: range.from - windowMs }
      checkBuckets(read, periodMs, limits)
      const types = requested(rateTypes, query.types)
      const ends = periodEnds(range, periodMs)
      const whole = wholePeriods({ ...range, from: periodStart(range.from, periodMs) + periodMs - windowMs }, periodMs)
      const needed = recipientTypes.filter(
        (type) => type === 'message.sent' || types.some((rate) => typeOfRate[rate] === type),
      )
      const byType = groupByType(
        await countEvents({ scope, types: needed, unit: 'recipients', range: whole, periodMs }),
      )
      const sumsOf = (type: CountedType) =>
        rollingSums(sumByPeriod(byType.get(type) ?? [], periodMs), ends, { periodMs, windowMs })
      const sent = sumsOf('message.sent')
      return new Map(
        types.map((type) => {
          const failed = sumsOf(typeOfRate[type])
          const points = ends.map((at, index) => rateAt(at, failed[index]!, sent[index]!))
          return [type, inOrder(points, query)]
        }),
      )
    },
  }
}

/** A bounce may follow in a later window than its message was sent in: the rate is 1 at most. */
function rateAt(at: number, failed: number, sent: number): RatePoint {
  return { at, rate: sent === 0 ? undefined : Math.min(failed / sent, 1), sent }
}

/** Returns the requested types, in our order; all if none is requested. */
function requested<Type extends string>(all: readonly Type[], types: readonly string[] | undefined): readonly Type[] {
  return types === undefined || types.length === 0 ? all : all.filter((type) => types.includes(type))
}

function groupByType(counts: readonly EventCount[]): Map<CountedType, EventCount[]> {
  const groups = new Map<CountedType, EventCount[]>()
  for (const each of counts) {
    const group = groups.get(each.type)
    if (group) group.push(each)
    else groups.set(each.type, [each])
  }
  return groups
}
