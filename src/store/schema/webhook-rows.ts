/** Rows of webhooks, deliveries, attempts and replays. Rows only; mail/webhooks decides what they mean. */

export interface WebhookRow {
  id: string
  organization_id: string
  pod_id: string | null
  inbox_id: string | null
  client_id: string | null
  url: string
  /** The service that it imitates: selects renderer, signature, schedule and timeout. Other services do not show it. */
  profile: string
  /** JSON lists; null: the standard types, and all pods or inboxes in its scope. Ids are ours, not addresses. */
  event_types: string | null
  pod_ids: string | null
  inbox_ids: string | null
  /** JSON of the senders whose messages it gets (dispatch/sender-filter.ts); null: all. */
  sender_filter: string | null
  /** JSON object of custom header fields; the API never returns their values. */
  headers: string | null
  secret: string
  /** JSON list of earlier secrets, each with the time when it expires; null: none. */
  old_secrets: string | null
  is_enabled: number
  /** How often it was disabled: deliveries of an earlier term are no longer sent. */
  term: number
  order_state: WebhookOrderState
  /** The webhook receives events after this one: the end of the log when it was created or enabled. */
  start_seq: number
  /** Since when no delivery has succeeded; null: the last one succeeded, or there was none. */
  failing_since: number | null
  /** Approximate time of the last failed attempt; null while none fails. */
  failed_at: number | null
  /** Failed attempts since the last success; counted only if its profile has a limit of them. */
  failures: number
  /** Whether its deliveries continue with the long schedule of its profile after the usual one. */
  has_long_retries: number
  /** Why the server disabled it; null if an API call did, or while it is enabled. */
  disabled_reason: string | null
  /** JSON of the permissions of the key that created or last changed it; null: an unrestricted key. */
  permissions: string | null
  /** The actor that created it. */
  created_by: string
  /** When its deletion was requested. From then on, it is hidden and receives nothing. */
  deleting_at: number | null
  created_at: number
  updated_at: number
}

/**
 * Whether deliveries are sent in the order of their inbox's events. `enabling`: existing deliveries are still getting
 * their ordering keys, and nothing is sent until all have one.
 */
export type WebhookOrderState = 'none' | 'enabling' | 'ordered'

/** `waiting`: the delivery of an earlier event with the same ordering key has not ended yet. */
export type WebhookDeliveryState = 'pending' | 'waiting' | 'delivered' | 'failed' | 'cancelled'

/** The delivery of one event to one webhook. */
export interface WebhookDeliveryRow {
  id: string
  webhook_id: string
  seq: number
  event_id: string
  event_type: string
  state: WebhookDeliveryState
  /** The ordering key: one delivery per key at a time. The inbox's id; '': event without inbox; null: not ordered. */
  ordering_key: string | null
  /** The webhook's term when the delivery was created or last sent again. */
  term: number
  attempts: number
  /** How many of them were made before it was last redelivered or replayed, which restarts the retry schedule. */
  attempts_before: number
  /** When it is due. It has no meaning after the delivery has ended. */
  next_attempt_at: number
  /** The next attempt of the retry schedule, if there are probes before it (ordering/probes.ts); else null. */
  scheduled_at: number | null
  /** Failed requests of an ordered delivery: the wait before the next probe grows with them. */
  probes: number
  lease_owner: string | null
  lease_until: number | null
  /** Claims in a row that ended without an outcome (docs/adr/0022). */
  interruptions: number
  /** The request body, fixed before the first attempt so that each retry sends the same bytes; compressed. */
  body: Uint8Array | null
  last_code: number | null
  last_error: string | null
  created_at: number
  updated_at: number
}

/** A replay: the events of a time range that a webhook receives again. Removed when all their deliveries exist. */
export interface WebhookReplayRow {
  id: string
  webhook_id: string
  /** The webhook's term: the replay ends when the webhook is disabled. */
  term: number
  /** Events in (position_seq, through_seq] are still to be read; earlier ones have their deliveries. */
  position_seq: number
  through_seq: number
  /** Time range of the events, epoch ms, [start_at, end_at). */
  start_at: number
  end_at: number
  /** JSON list; null: all types that the webhook receives. */
  event_types: string | null
  is_only_failed: number
  created_at: number
}

/** The rules by which an inbox reports received messages (mail/notifications). */
export interface NotificationRulesRow {
  inbox_id: string
  /** JSON list. */
  rules: string
  /** JSON of the permissions of the key that set them; null: an unrestricted key. */
  permissions: string | null
  /** New with each replacement. */
  version: string
  updated_at: number
}

/** One request to a webhook. */
export interface WebhookAttemptRow {
  id: string
  delivery_id: string
  attempt: number
  outcome: string
  code: number | null
  /** The beginning of the response. */
  response: string | null
  error: string | null
  started_at: number
  ended_at: number
}
