/** Deliveries as callers see them, replays of a time, test requests; and their calls. */
import type { WebhookDeliveryState } from '../../store/schema.ts'
import type { Actor, Within } from '../access/actor.ts'
import type { Page, PageRequest } from '../access/paging.ts'

export interface LoggedDelivery {
  readonly id: string
  readonly eventId: string
  readonly eventType: string
  readonly state: WebhookDeliveryState
  /** In order. */
  readonly attempts: readonly LoggedAttempt[]
  /** While it is pending; past: it is due, or under way. */
  readonly nextAttemptAt?: number
  readonly createdAt: number
  readonly updatedAt: number
  /** As it is sent each time; only of one that is asked for by its id. */
  readonly body?: string
}

export interface LoggedAttempt {
  /** 1, 2, … also beyond a delivery that was sent anew. */
  readonly attempt: number
  /** delivered, retry, failed, gone. */
  readonly outcome: string
  /** Absent when no answer came. */
  readonly code?: number
  /** The beginning of a stranger's text. */
  readonly response?: string
  /** Why there was no answer. */
  readonly error?: string
  readonly startedAt: number
  readonly durationMs: number
}

export interface LogFilter {
  /** Empty or undefined: all. */
  readonly states?: readonly WebhookDeliveryState[] | undefined
  readonly eventTypes?: readonly string[] | undefined
  /** When the delivery was made, epoch ms, exclusive. */
  readonly before?: number | undefined
  readonly after?: number | undefined
}

/** Every call throws not_found, missing_permission, forbidden, unknown_api_key. */
export interface DeliveryLog {
  /** The newest event first. @throws invalid_page_token */
  list(actor: Actor, within: Within, ref: string, filter: LogFilter, page: PageRequest): Promise<Page<LoggedDelivery>>
  /** With its body: takes what the event itself takes to be seen. */
  get(actor: Actor, within: Within, ref: string, deliveryId: string): Promise<LoggedDelivery>
  /**
   * Sends it again, under the same id and with the same bytes, and the schedule from its start. One that waits is due at
   * once; one that is under way is left alone.
   *
   * @throws webhook_disabled; event_not_told when the webhook is told of such events no longer
   */
  redeliver(actor: Actor, within: Within, ref: string, deliveryId: string): Promise<LoggedDelivery>
}

export interface ReplayRequest {
  /** Time of the events, epoch ms, inclusive. */
  readonly start: number
  /** Exclusive; now when left out. */
  readonly end?: number | undefined
  /** Empty or undefined: all that the webhook is told of. */
  readonly eventTypes?: readonly string[] | undefined
  /** Only those that it has been sent in vain: failed, cancelled, or waiting for a retry. */
  readonly isOnlyFailed?: boolean | undefined
  /** Counts and does nothing. */
  readonly isDryRun?: boolean | undefined
}

export interface Replay {
  /** Events that it was told of at the time of the call, but for those that are on their way anyway. */
  readonly count: number
  readonly start: number
  readonly end: number
  readonly isDryRun: boolean
}

export interface Replays {
  /**
   * Sends what happened in a time: what the webhook was never sent, and what it was once more, with the same event ids.
   * In the order of the log, by a job.
   *
   * @throws validation_error, range_expired (the log does not reach back to `start`), webhook_disabled, replay_running
   */
  replay(actor: Actor, within: Within, ref: string, request: ReplayRequest): Promise<Replay>
}

/** What a test request has met. */
export interface TestResult {
  readonly hasSucceeded: boolean
  readonly code?: number
  readonly response?: string
  readonly error?: string
  readonly durationMs: number
}

export interface WebhookTests {
  /**
   * Sends an event of its own at once, one time, signed like any other; also to one that is switched off.
   *
   * @throws too_many_at_once
   */
  test(actor: Actor, within: Within, ref: string): Promise<TestResult>
}
