/** Deliveries as callers see them, replays of a time range, and test requests; and the operations on them. */
import type { WebhookDeliveryState } from '../../../store/schema/webhook-rows.ts'
import type { Actor, Within } from '../../access/actor.ts'
import type { Page, PageRequest } from '../../access/paging/page-tokens.ts'

export interface LoggedDelivery {
  readonly id: string
  readonly eventId: string
  readonly eventType: string
  readonly state: WebhookDeliveryState
  /** Oldest first. */
  readonly attempts: readonly LoggedAttempt[]
  /** Present while the delivery is pending. A time in the past means: due, or being sent. */
  readonly nextAttemptAt?: number
  readonly createdAt: number
  readonly updatedAt: number
  /** The exact bytes of each attempt, as text; present only when the delivery is requested by its id. */
  readonly body?: string
}

export interface LoggedAttempt {
  /** 1, 2, … The count continues after a redelivery. */
  readonly attempt: number
  /** delivered, retry, failed, gone. */
  readonly outcome: string
  /** Absent when there was no response. */
  readonly code?: number
  /** The beginning of the response body; untrusted text. */
  readonly response?: string
  /** Why there was no response. */
  readonly error?: string
  readonly startedAt: number
  readonly durationMs: number
}

export interface LogFilter {
  /** Empty or undefined: all. */
  readonly states?: readonly WebhookDeliveryState[] | undefined
  readonly eventTypes?: readonly string[] | undefined
  /** When the delivery was created, epoch ms, exclusive. */
  readonly before?: number | undefined
  readonly after?: number | undefined
}

/** Every call throws not_found, missing_permission, forbidden, unknown_api_key. */
export interface DeliveryLog {
  /** Newest event first. @throws invalid_page_token */
  list(actor: Actor, within: Within, ref: string, filter: LogFilter, page: PageRequest): Promise<Page<LoggedDelivery>>
  /** Includes the body, so it needs the permissions that the event itself needs. */
  get(actor: Actor, within: Within, ref: string, deliveryId: string): Promise<LoggedDelivery>
  /**
   * Sends the delivery again, under the same id and with the same bytes; the retry schedule starts again. A delivery
   * that waits for a retry becomes due at once; one that is being sent is not changed.
   *
   * @throws webhook_disabled; event_not_told when the webhook is no longer subscribed to such events
   */
  redeliver(actor: Actor, within: Within, ref: string, deliveryId: string): Promise<LoggedDelivery>
}

export interface ReplayRequest {
  /** Earliest time of the events, epoch ms, inclusive. */
  readonly start: number
  /** Exclusive; default: now. */
  readonly end?: number | undefined
  /** Empty or undefined: all types that the webhook is subscribed to. */
  readonly eventTypes?: readonly string[] | undefined
  /** Replay only events whose delivery has not succeeded: failed, cancelled, or waiting for a retry. */
  readonly isOnlyFailed?: boolean | undefined
  /** Only counts the events; sends and changes nothing. */
  readonly isDryRun?: boolean | undefined
}

export interface Replay {
  /**
   * Number of events that match the webhook at the time of the call, except those whose delivery waits for its first
   * attempt.
   */
  readonly count: number
  readonly start: number
  readonly end: number
  readonly isDryRun: boolean
}

export interface Replays {
  /**
   * A job sends the events of a time range, in log order, whether or not they were sent to the webhook before. Event
   * ids stay the same.
   *
   * @throws validation_error, range_expired (the log does not go back to `start`), webhook_disabled, replay_running
   */
  replay(actor: Actor, within: Within, ref: string, request: ReplayRequest): Promise<Replay>
}

/** Result of a test request. */
export interface TestResult {
  readonly hasSucceeded: boolean
  readonly code?: number
  readonly response?: string
  readonly error?: string
  readonly durationMs: number
}

export interface WebhookTests {
  /**
   * Sends a synthetic event at once, with one attempt, signed like any other; also to a disabled webhook.
   *
   * @throws too_many_at_once
   */
  test(actor: Actor, within: Within, ref: string): Promise<TestResult>
}
