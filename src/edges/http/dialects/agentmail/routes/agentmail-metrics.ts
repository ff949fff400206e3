/** Metrics routes, in all three scopes. Bare `/metrics` is the older name of `/metrics/events`. */
import { Type } from 'typebox'
import type { Limits } from '../../../../../config/limits.ts'
import type { ReportQuery } from '../../../../../mail/reports/report-query.ts'
import type { Reports } from '../../../../../mail/reports/reports.ts'
import type { HttpApp } from '../../../server/http-dialect.ts'
import { readTime } from '../../../server/requests/read-time.ts'
import { access } from '../../../server/route-access.ts'
import type { Rule } from '../openapi/openapi-schemas.ts'
import { INTEGER_MAX } from '../query-parameters.ts'
import { paramsOf, type ScopeRoute, scopeRoutes, withinOf } from '../scope-routes.ts'
import {
  EventMetrics,
  eventMetrics,
  RateMetrics,
  rateMetrics,
  UsageMetrics,
  usageMetrics,
} from '../wire/metrics-wire.ts'
import { timeText } from '../wire/request-texts.ts'
import { ok } from '../wire/shape-wire.ts'

const tags = ['Metrics']

function seconds(description: string, rule: Rule) {
  return Type.Optional(Type.Integer({ minimum: 1, description, rule: rule }))
}

const periodRange = ({ reports }: Limits) => ({
  minimum: reports.periodMsMin / 1_000,
  maximum: reports.periodMsMax / 1_000,
})
const ratesPeriodRange = ({ reports }: Limits) => ({
  minimum: reports.ratesPeriodMsMin / 1_000,
  maximum: reports.periodMsMax / 1_000,
})
const windowRange = ({ reports }: Limits) => ({ maximum: reports.windowMsMax / 1_000 })
const more = {
  errors: ['query_range_too_wide'] as const,
  rules: [
    'start must be before end',
    'window must be a multiple of period, at most … seconds',
    '… must be within the last … days',
  ],
}

const rangeQuery = {
  start: Type.Optional(timeText('ISO 8601, inclusive. Default: 24 hours before the end.')),
  end: Type.Optional(timeText('ISO 8601, exclusive. Default, and latest: now.')),
  limit: Type.Optional(Type.Integer({ minimum: 1, description: 'Points per type.', rule: { maximum: INTEGER_MAX } })),
  descending: Type.Optional(Type.Boolean({ description: 'Newest first.' })),
}

function typeList(description: string) {
  return Type.Optional(
    Type.Array(Type.String(), { description: `${description} Default: all. Unknown ones are ignored.` }),
  )
}

const eventQuery = Type.Object({
  ...rangeQuery,
  event_types: typeList('Types of events.'),
  period: seconds('Seconds, 1 to 86400: counts events by period. Without it, each point is one event.', periodRange),
})
const usageQuery = Type.Object({
  ...rangeQuery,
  usage_types: typeList('Types of usage.'),
  period: seconds('Seconds, 1 to 86400. Default: an hour, or a day if the range is too long for that.', periodRange),
})
const rateQuery = Type.Object({
  ...rangeQuery,
  rate_types: typeList('Types of rates.'),
  period: seconds('Seconds, 60 to 86400. Default: an hour.', ratesPeriodRange),
  window: seconds('Seconds, a multiple of period, at most 2592000. Default: a day.', windowRange),
})

interface RangeQuery {
  readonly start?: string
  readonly end?: string
  readonly period?: number
  readonly limit?: number
  readonly descending?: boolean
}

function readQuery({ start, end, period, limit, descending }: RangeQuery): ReportQuery {
  const times = { start: readTime('start', start), end: readTime('end', end) }
  return { ...times, periodMs: period === undefined ? undefined : period * 1_000, limit, descending }
}

export function metricsRoutes(app: HttpApp, { reports }: { readonly reports: Reports }): void {
  for (const scopeRoute of Object.values(scopeRoutes)) {
    addEvents(app, scopeRoute, reports)
    addOthers(app, scopeRoute, reports)
  }
}

function addEvents(app: HttpApp, scopeRoute: ScopeRoute, reports: Reports): void {
  for (const name of ['/metrics/events', '/metrics']) {
    const schema = {
      tags,
      summary: name === '/metrics' ? 'The older name of /metrics/events' : 'Count events',
      params: paramsOf(scopeRoute, {}),
      querystring: eventQuery,
      response: ok(EventMetrics),
      ...more,
      ...(name === '/metrics' && { isDeprecated: true }),
    }
    app.get(
      `${scopeRoute.path}${name}`,
      { schema, config: access('metrics_read', scopeRoute) },
      async ({ actor, params, query }) => {
        const wanted = { ...readQuery(query), types: query.event_types }
        return eventMetrics(await reports.events(actor, withinOf(params), wanted))
      },
    )
  }
}

function addOthers(app: HttpApp, scopeRoute: ScopeRoute, reports: Reports): void {
  const params = paramsOf(scopeRoute, {})
  const usage = {
    tags,
    summary: 'Usage over time',
    params,
    querystring: usageQuery,
    response: ok(UsageMetrics),
    ...more,
  }
  app.get(
    `${scopeRoute.path}/metrics/usage`,
    { schema: usage, config: access('metrics_read', scopeRoute) },
    async ({ actor, params, query }) => {
      const wanted = { ...readQuery(query), types: query.usage_types }
      return usageMetrics(await reports.usage(actor, withinOf(params), wanted))
    },
  )

  const rates = {
    tags,
    summary: 'Rates of bounces and complaints',
    params,
    querystring: rateQuery,
    response: ok(RateMetrics),
    ...more,
  }
  app.get(
    `${scopeRoute.path}/metrics/rates`,
    { schema: rates, config: access('metrics_read', scopeRoute) },
    async ({ actor, params, query }) => {
      const windowMs = query.window === undefined ? undefined : query.window * 1_000
      const wanted = { ...readQuery(query), types: query.rate_types, windowMs }
      return rateMetrics(await reports.rates(actor, withinOf(params), wanted))
    },
  )
}
