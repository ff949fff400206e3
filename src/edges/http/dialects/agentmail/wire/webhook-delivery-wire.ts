/** The delivery log of a webhook, replays and test requests: Martlet's own addition, in AgentMail's style. */
import { type Static, Type } from 'typebox'
import type { Page } from '../../../../../mail/access/paging/page-tokens.ts'
import type { TestResult } from '../../../../../mail/webhooks/delivery/test-request.ts'
import type { LogFilter, LoggedWebhookDelivery } from '../../../../../mail/webhooks/delivery/webhook-delivery-log.ts'
import type { ReplayRequest, Replay as ReplayView } from '../../../../../mail/webhooks/replay/replays.ts'
import { readTime } from '../../../server/requests/read-time.ts'
import { pageQuery } from '../query-parameters.ts'
import { timeText } from './request-texts.ts'
import { named, namedPage, optionalTime, pageHead, Time, time, type Wire } from './shape-wire.ts'

const PREFIX = 'dlv_'

/** @returns the id in the core; '', which no delivery has, if the prefix is missing */
export function readDeliveryId(ref: string): string {
  return ref.startsWith(PREFIX) ? ref.slice(PREFIX.length) : ''
}

const states = ['pending', 'waiting', 'delivered', 'failed', 'cancelled'] as const
const State = Type.Enum([...states], {
  description: '`waiting`: an earlier event of the same inbox is not delivered yet (ordered webhooks only).',
})

const Attempt = named('WebhookAttempt', {
  attempt: Type.Integer({ description: 'Number of the attempt. A redelivery continues the count.' }),
  outcome: Type.String({ description: '`delivered`, `retry`, `failed` or `gone`.' }),
  status_code: Type.Optional(Type.Integer({ description: 'Absent if there was no response.' })),
  response: Type.Optional(
    Type.String({ description: 'The beginning of the response, for keys that may see the event.' }),
  ),
  error: Type.Optional(Type.String({ description: 'Why there was no response.' })),
  started_at: Time,
  duration_ms: Type.Integer(),
})

export const Delivery = named('WebhookDelivery', {
  delivery_id: Type.String(),
  event_id: Type.String(),
  event_type: Type.String(),
  state: State,
  attempts: Type.Array(Attempt),
  next_attempt_at: Type.Optional(
    Type.String({ format: 'date-time', description: 'Present while the delivery is pending.' }),
  ),
  updated_at: Time,
  created_at: Time,
  body: Type.Optional(Type.String({ description: 'The body as it is sent, byte for byte. Not returned in lists.' })),
})

export function delivery(view: LoggedWebhookDelivery): Wire<typeof Delivery> {
  return {
    delivery_id: PREFIX + view.id,
    event_id: `evt_${view.eventId}`,
    event_type: view.eventType,
    state: view.state,
    attempts: view.attempts.map((each) => ({
      attempt: each.attempt,
      outcome: each.outcome,
      status_code: each.code,
      response: each.response,
      error: each.error,
      started_at: time(each.startedAt),
      duration_ms: each.durationMs,
    })),
    next_attempt_at: optionalTime(view.nextAttemptAt),
    updated_at: time(view.updatedAt),
    created_at: time(view.createdAt),
    body: view.body,
  }
}

export const DeliveryList = namedPage('ListWebhookDeliveriesResponse', { deliveries: Type.Array(Delivery) })

export function deliveryList(page: Page<LoggedWebhookDelivery>): Wire<typeof DeliveryList> {
  return { ...pageHead(page), deliveries: page.items.map(delivery) }
}

export const deliveryQuery = {
  ...pageQuery,
  state: Type.Optional(State),
  event_types: Type.Optional(Type.Array(Type.String(), { description: 'Only deliveries of these types.' })),
  before: Type.Optional(timeText('ISO 8601, exclusive: when the delivery was created.')),
  after: Type.Optional(timeText('ISO 8601, exclusive.')),
}

interface DeliveryQuery {
  readonly state?: (typeof states)[number]
  readonly event_types?: readonly string[]
  readonly before?: string
  readonly after?: string
}

/** @throws validation_error for an invalid date */
export function readDeliveryFilter({ state, event_types, before, after }: DeliveryQuery): LogFilter {
  return {
    states: state === undefined ? [] : [state],
    eventTypes: event_types,
    before: readTime('before', before),
    after: readTime('after', after),
  }
}

const replayMembers = {
  start: timeText('ISO 8601, inclusive: when the events happened.'),
  end: Type.Optional(timeText('ISO 8601, exclusive. Default: now.')),
  event_types: Type.Optional(
    Type.Array(Type.String(), { description: 'Types that the webhook is subscribed to. Default: all.' }),
  ),
  only_failed: Type.Optional(
    Type.Boolean({
      description: 'Only events whose delivery failed, was cancelled, or waits for a retry, which is then made now.',
    }),
  ),
  dry_run: Type.Optional(Type.Boolean({ description: 'Only counts the events.' })),
}

/** A misspelt `dry_run` would send the events. */
export const RequestReplay = named('ReplayWebhookRequest', replayMembers, { refusesUnknown: true })

/** @throws validation_error for an invalid date */
export function readReplay(body: Static<typeof RequestReplay>): ReplayRequest {
  return {
    start: readTime('start', body.start)!,
    end: readTime('end', body.end),
    eventTypes: body.event_types,
    isOnlyFailed: body.only_failed,
    isDryRun: body.dry_run,
  }
}

export const Replay = named('ReplayWebhookResponse', {
  count: Type.Integer({ description: 'Events that will be sent, or with `dry_run` would be.' }),
  start: Time,
  end: Time,
  dry_run: Type.Boolean(),
})

export function replay({ count, start, end, isDryRun }: ReplayView): Wire<typeof Replay> {
  return { count, start: time(start), end: time(end), dry_run: isDryRun }
}

export const TestOutcome = named('TestWebhookResponse', {
  success: Type.Boolean({ description: 'Whether the status was 2xx.' }),
  status_code: Type.Optional(Type.Integer({ description: 'Absent if there was no response.' })),
  response: Type.Optional(Type.String({ description: 'The beginning of the response.' })),
  error: Type.Optional(Type.String({ description: 'Why there was no response.' })),
  duration_ms: Type.Integer(),
})

export function testOutcome(result: TestResult): Wire<typeof TestOutcome> {
  return {
    success: result.hasSucceeded,
    status_code: result.code,
    response: result.response,
    error: result.error,
    duration_ms: result.durationMs,
  }
}
