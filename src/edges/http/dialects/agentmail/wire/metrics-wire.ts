/** Metrics: for each type a list of points (docs/compatibility/agentmail.md). */
import { type TSchema, Type } from 'typebox'
import { countedTypes } from '../../../../../mail/reports/counted-events.ts'
import { usageTypes } from '../../../../../mail/reports/read-usage.ts'
import {
  type EventPoint,
  type RatePoint,
  rateTypes,
  type Series,
  type UsagePoint,
} from '../../../../../mail/reports/reports.ts'
import { named, Time, time, type Wire } from './shape-wire.ts'

const MetricBucket = named('MetricBucket', {
  timestamp: Type.String({ format: 'date-time', description: 'The start of the period, or the time of the event.' }),
  count: Type.Integer(),
})

const MetricPoint = named('UsagePoint', {
  timestamp: Time,
  value: Type.Integer({ description: 'The total at this time.' }),
})

const MetricRate = named('RatePoint', {
  timestamp: Type.String({ format: 'date-time', description: 'The end of the window.' }),
  rate: Type.Union([Type.Number(), Type.Null()], { description: 'null: nothing was sent in the window.' }),
  sent: Type.Integer({ description: 'Recipients of the mail sent in the window.' }),
})

/** A list of points per type; types that were not requested are absent. */
function seriesOf<Point extends TSchema>(types: readonly string[], point: Point, title: string) {
  const members = Object.fromEntries(types.map((type) => [type, Type.Optional(Type.Array(point))]))
  return Type.Object(members, { title })
}

export const EventMetrics = seriesOf(countedTypes, MetricBucket, 'QueryMetricsResponse')
export const UsageMetrics = seriesOf(usageTypes, MetricPoint, 'QueryUsageResponse')
export const RateMetrics = seriesOf(rateTypes, MetricRate, 'QueryRatesResponse')

export function eventMetrics(series: Series<string, EventPoint>): Wire<typeof EventMetrics> {
  return membersOf(series, ({ at, count }) => ({ timestamp: time(at), count }))
}

export function usageMetrics(series: Series<string, UsagePoint>): Wire<typeof UsageMetrics> {
  return membersOf(series, ({ at, value }) => ({ timestamp: time(at), value }))
}

/** The rate is null without mail: the clients' types require the member. */
export function rateMetrics(series: Series<string, RatePoint>): Wire<typeof RateMetrics> {
  return membersOf(series, ({ at, rate = null, sent }) => ({ timestamp: time(at), rate, sent }))
}

function membersOf<Point, Shape>(series: Series<string, Point>, show: (point: Point) => Shape) {
  return Object.fromEntries([...series].map(([type, points]) => [type, points.map(show)]))
}
