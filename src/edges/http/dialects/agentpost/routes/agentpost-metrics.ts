/** Counts of events by period, and rates of bounces and complaints. */
import { Type } from 'typebox'
import { shownEventTypes } from '../../../../../mail/events/log/seven-types.ts'
import type { EventPoint, Reports } from '../../../../../mail/reports/reports.ts'
import type { HttpApp } from '../../../server/http-dialect.ts'
import { readTime } from '../../../server/requests/read-time.ts'
import { access } from '../../../server/route-access.ts'
import { readInboxId } from '../prefixed-ids.ts'
import { time } from '../wire/agentpost-shape-wire.ts'
import { withinEnvironment } from './agentpost-inboxes.ts'

const HOUR_MS = 3_600_000

const querystring = Type.Object({
  start: Type.Optional(Type.String()),
  end: Type.Optional(Type.String()),
  period: Type.Optional(Type.Integer({ minimum: 1, description: 'Seconds. Default: an hour.' })),
  environment_id: Type.Optional(Type.String()),
  inbox_id: Type.Optional(Type.String()),
})

interface MetricsQuery {
  readonly start?: string
  readonly end?: string
  readonly period?: number
  readonly environment_id?: string
  readonly inbox_id?: string
}

export function metricsRoutes(app: HttpApp, { reports }: { readonly reports: Reports }): void {
  app.get('/metrics', { schema: { querystring }, config: access('metrics_read') }, async ({ actor, query }) => {
    const counts = await reports.events(actor, withinOf(query), readQuery(query))
    return { data: shownCounts(counts) }
  })

  app.get('/metrics/rates', { schema: { querystring }, config: access('metrics_read') }, async ({ actor, query }) => {
    const rates = await reports.rates(actor, withinOf(query), readQuery(query))
    return {
      data: [...rates].flatMap(([type, points]) =>
        points.map(({ at, rate, sent }) => ({ type, timestamp: time(at), rate: rate ?? null, sent })),
      ),
    }
  })
}

/** Several types of the core can be one here. */
function shownCounts(counts: ReadonlyMap<string, readonly EventPoint[]>) {
  const sums = new Map<string, { type: string; timestamp: string; count: number }>()
  for (const [coreType, points] of counts) {
    for (const type of shownEventTypes([coreType])) {
      for (const { at, count } of points) {
        const key = `${at} ${type}`
        sums.set(key, { type, timestamp: time(at), count: (sums.get(key)?.count ?? 0) + count })
      }
    }
  }
  return [...sums.values()]
}

function withinOf({ environment_id, inbox_id }: MetricsQuery) {
  return inbox_id === undefined ? withinEnvironment(environment_id) : { inbox: readInboxId(inbox_id) }
}

function readQuery({ start, end, period }: MetricsQuery) {
  return {
    start: readTime('start', start),
    end: readTime('end', end),
    periodMs: period === undefined ? HOUR_MS : period * 1_000,
  }
}
