/** Rows of submissions and their recipients, and of idempotency keys. */

/** Bytes and envelope that we accepted for delivery. */
export interface SubmissionRow {
  id: string
  organization_id: string
  inbox_id: string | null
  /** null for mail that Martlet itself composes. */
  message_id: string | null
  content_id: string
  /**
   * `bounce` and `delay`: notices to the sender of another submission (mail/sending/queue/bounce-notices.ts); `code`: the
   * one-time code of a sign-up (mail/accounts/human-code.ts).
   */
  kind: 'message' | 'bounce' | 'delay' | 'code' | 'notification' | 'challenge'
  envelope_sender: string
  dkim_selector: string | null
  smtputf8: number
  created_at: number
}

export type RecipientState = 'queued' | 'delivered' | 'held' | 'bounced' | 'rejected' | 'cancelled'

/** One envelope address of one submission. */
export interface RecipientRow {
  id: string
  submission_id: string
  message_id: string | null
  position: number
  address: string
  /** The domain of the address and the pod that sends, by which due recipients are claimed. */
  domain: string
  pod_id: string
  organization_id: string
  inbox_id: string | null
  state: RecipientState
  /** The route of a released recipient, regardless of MARTLET_OUTBOUND; null: the route of MARTLET_OUTBOUND. */
  route: 'relay' | 'direct' | null
  /** When the sender got a delay notice; null: not yet. */
  delay_notice_at: number | null
  /** When an API call released it: its age counts from that time; null: from created_at. */
  released_at: number | null
  /** Attempts since it was queued or last released. */
  attempts: number
  /** When it is due. It has a meaning only in the state `queued`. */
  next_attempt_at: number
  lease_owner: string | null
  lease_until: number | null
  /** When it was claimed, and the server that its delivery talks to, if that takes long. Valid only under a lease. */
  delivering_since: number | null
  delivering_to: string | null
  /** Claims in a row that ended without an outcome (docs/adr/0022). */
  interruptions: number
  last_code: number | null
  last_enhanced_code: string | null
  last_reply: string | null
  created_at: number
  updated_at: number
}

/** One attempt to deliver to a recipient, or (target "queue") one change by an API call. */
export interface RecipientHistoryRow {
  id: string
  recipient_id: string
  /** Position in the recipient's history, from 1. */
  position: number
  target: string
  outcome: string
  code: number | null
  enhanced_code: string | null
  reply: string | null
  /** The server that replied: "mx1.example.com [192.0.2.1]:25". */
  remote: string | null
  /** TLS version of the connection, with " (unverified)" if the certificate was not verified; null: no TLS. */
  tls: string | null
  started_at: number
  ended_at: number
}

export interface IdempotencyKeyRow {
  /** The inbox that sends. */
  inbox_id: string
  key: string
  /** Scope of the caller that used it last: an organization, a pod or an inbox. */
  scope_id: string
  /** SHA-256 of the request: endpoint, inbox, parent and message. */
  fingerprint: string
  state: 'running' | 'done'
  lease_until: number | null
  /** JSON of the response. */
  result: string | null
  created_at: number
  completed_at: number | null
}
