/**
 * The type of every table for Kysely, and the two handles through which the rest of the program uses them:
 * `Db` reads, `Tx` writes. Rows only; mail/ decides what they mean.
 *
 * Conventions: ids are UUIDv7 text; times are epoch milliseconds; flags are 0 or 1; JSON is text; a `_hash` column is
 * the SHA-256 (hex) of a text that may be too long for an index key.
 */
import type { Generated, Kysely, SelectQueryBuilder } from 'kysely'

/** Reads only: the root handle and a transaction both fit this type, and a write does not compile. */
export type Db = Pick<Kysely<Schema>, 'selectFrom' | 'selectNoFrom' | 'fn'>

/**
 * Writes, inside `store.transaction` only: the database transaction and the buffer of its events. A change and the
 * event that reports it are committed together or not at all. A Tx that has ended throws when it is used.
 */
export interface Tx extends Db, Pick<Kysely<Schema>, 'insertInto' | 'updateTable' | 'deleteFrom'> {
  /** The one clock reading of this transaction, epoch ms. */
  readonly now: number
  /** Returns a new UUIDv7 with this transaction's time. */
  newId(): string
  /**
   * Makes a query lock the rows that it finds until the commit: another node that wants to lock or change them waits.
   * If another node has locked a row, the query waits and reads the row as it is afterwards. If a write depends on a
   * row, lock the row first and read it then. Lock several rows in the order of their ids (docs/adr/0011).
   */
  forUpdate<TB extends keyof Schema, O>(query: SelectQueryBuilder<Schema, TB, O>): SelectQueryBuilder<Schema, TB, O>
  /** Makes a query take a shared lock: as `forUpdate`, but other nodes may take a shared lock on the same rows. */
  forShare<TB extends keyof Schema, O>(query: SelectQueryBuilder<Schema, TB, O>): SelectQueryBuilder<Schema, TB, O>
  /** Buffers an event; the store numbers and inserts it just before the commit. Discarded if this transaction fails. */
  append(event: NewEvent): void
}

/**
 * Who receives an event: subscribers that name no type receive `public` events (except those of hidden classes);
 * `optional` events go only to subscribers that name the type; `internal` events only to the nodes of this program.
 */
export type Visibility = 'public' | 'optional' | 'internal'

/** An event before the store numbers it. Ids and small values only; bodies are read from the message. */
export interface NewEvent {
  readonly type: string
  readonly visibility: Visibility
  readonly organizationId: string
  readonly podId?: string | undefined
  readonly inboxId?: string | undefined
  /** The message whose MODSEQ becomes this event's number (RFC 7162 §3.1). */
  readonly messageId?: string | undefined
  /** The name of the actor, as in `access.actorName`. */
  readonly actor: string
  readonly payload: Readonly<Record<string, unknown>>
}

export interface EventRow {
  seq: number
  event_id: string
  at: number
  organization_id: string
  pod_id: string | null
  inbox_id: string | null
  type: string
  visibility: Visibility
  actor: string
  message_id: string | null
  /** JSON object. */
  payload: string
}

export interface OrganizationRow {
  id: string
  name: string | null
  created_at: number
  updated_at: number
}

export interface PodRow {
  id: string
  organization_id: string
  name: string
  client_id: string | null
  /** 1 for the pod of resources that are created without naming a pod. */
  is_default: number
  inbox_count: number
  /** When its deletion was requested; hidden from then on (`resource_deleting`). */
  deleting_at: number | null
  created_at: number
  updated_at: number
}

export interface DomainRow {
  id: string
  /** null: the service's shared domain, open to every organization. */
  organization_id: string | null
  pod_id: string | null
  /** A-labels, lower case. */
  domain: string
  status: string
  dkim_selector: string
  deleting_at: number | null
  created_at: number
  updated_at: number
}

/** A secret that all nodes share: DKIM keys, the key that signs URLs, certificates. */
export interface SecretRow {
  kind: string
  name: string
  value: string
  created_at: number
}

export interface ApiKeyRow {
  id: string
  kind: 'bearer' | 'public_key'
  organization_id: string
  /** Scope: null is the whole organization. */
  pod_id: string | null
  /** Scope: null is the whole pod or organization. */
  inbox_id: string | null
  name: string
  /** Visible first characters of the key. */
  prefix: string
  /** SHA-256 (hex) of the whole key; the key itself is not stored. */
  key_hash: string
  /** JSON array of granted permissions; null: all permissions in its scope. */
  permissions: string | null
  /** 1 for the key of MARTLET_ROOT_KEY or the root-key file. */
  is_root: number
  /** The actor that created it. */
  created_by: string
  expires_at: number | null
  used_at: number | null
  created_at: number
  updated_at: number
}

export interface InboxRow {
  id: string
  organization_id: string
  pod_id: string
  domain_id: string
  /** local@domain, lower case; unique. */
  address: string
  display_name: string | null
  client_id: string | null
  /** JSON object of string, number or boolean. */
  metadata: string | null
  status: 'active' | 'paused'
  message_count: number
  unread_count: number
  thread_count: number
  size_bytes: number
  deleting_at: number | null
  created_at: number
  updated_at: number
}

export interface ThreadRow {
  id: string
  organization_id: string
  pod_id: string
  inbox_id: string
  subject: string | null
  preview: string | null
  /** api_message_id of the newest message. */
  last_message_id: string
  message_count: number
  /** Number of messages in no hidden class. */
  visible_count: number
  size_bytes: number
  /** Bitmask of the hidden classes of its messages if none is visible, else 0. */
  hidden: number
  /** Of the newest message. */
  timestamp: number
  received_timestamp: number | null
  sent_timestamp: number | null
  deleting_at: number | null
  created_at: number
  updated_at: number
}

export interface ThreadLabelRow {
  thread_id: string
  label: string
  message_count: number
}

export interface ThreadParticipantRow {
  thread_id: string
  kind: 'sender' | 'recipient'
  address: string
  /** As last seen: "Name <address>" or the address. */
  display: string
  message_count: number
}

/** Maps a Message-ID to a thread of an inbox: the Message-IDs of its messages and those that they refer to. */
export interface ThreadReferenceRow {
  inbox_id: string
  message_id_hash: string
  thread_id: string
}

export interface MessageRow {
  /** Local number, used by the text index only; never leaves the store. */
  number: Generated<number>
  id: string
  organization_id: string
  pod_id: string
  inbox_id: string
  thread_id: string
  content_id: string
  /** The id that AgentMail's clients see; unique in the inbox (through its hash). */
  api_message_id: string
  api_message_id_hash: string
  /** The Message-ID header field as sent; not unique; null when there was none. Threading uses it. */
  header_message_id: string | null
  header_message_id_hash: string | null
  /** Equal for equal body, From, To, Cc, Subject and Date; with the Message-ID it identifies a repeated message. */
  fingerprint: string
  subject: string | null
  preview: string | null
  /** JSON array of Message-IDs. */
  in_reply_to: string | null
  /** JSON array of Message-IDs. */
  references_list: string | null
  /** Envelope sender and recipient as received; null on sent mail. */
  envelope_sender: string | null
  envelope_recipient: string | null
  size_bytes: number
  /** Bitmask: spam 1, blocked 2, unauthenticated 4, trash 8. */
  hidden: number
  /** JSON: results of the sender authentication. */
  authentication: string
  /** The sender's domain if authentication confirmed it; null: none. */
  verified_domain: string | null
  /** seq of the event that last touched it (RFC 7162). */
  modseq: number
  /** When Martlet accepted it. */
  timestamp: number
  created_at: number
  updated_at: number
}

export interface MessageLabelRow {
  message_id: string
  label: string
}

export type AddressKind = 'from' | 'sender' | 'reply_to' | 'to' | 'cc' | 'bcc'

export interface MessageAddressRow {
  message_id: string
  kind: AddressKind
  position: number
  /** As in the header field. */
  address: string
  name: string | null
}

/** A mail's bytes and their parsed form, shared by every message and submission made from it; never changed. */
export interface ContentRow {
  id: string
  size_bytes: number
  sha256: string
  /** Up to limits.inlineBytesMax; else null and blob_key is set. */
  bytes: Uint8Array | null
  blob_key: string | null
  /** Compressed JSON of the parsed bodies and headers (mail/messages/content/bodies.ts), or null and parsed_blob_key is set. */
  parsed: Uint8Array | null
  parsed_blob_key: string | null
  /** JSON of the codes and links found (mail/messages/content/bodies.ts); null when the content was never searched for them. */
  verification: string | null
  created_at: number
}

/** The position of an attachment in its content; it is decoded from there, not stored twice. */
export interface AttachmentRow {
  id: string
  content_id: string
  position: number
  filename: string | null
  content_type: string
  disposition: 'inline' | 'attachment'
  /** Content-ID without angle brackets. */
  cid: string | null
  transfer_encoding: string
  offset_bytes: number
  length_bytes: number
  /** Size after decoding. */
  size_bytes: number
}

/** Bytes and envelope that we accepted for delivery. */
export interface SubmissionRow {
  id: string
  organization_id: string
  inbox_id: string | null
  /** null for mail that Martlet itself composes. */
  message_id: string | null
  content_id: string
  /** `bounce` and `delay`: notices to the sender of another submission (mail/sending/queue/bounce-notices.ts). */
  kind: 'message' | 'bounce' | 'delay' | 'code' | 'report'
  envelope_sender: string
  /** Identifies the submission that a bounce is about. */
  verp_token: string
  dkim_selector: string | null
  smtputf8: number
  created_at: number
}

export type RecipientState = 'queued' | 'delivered' | 'held' | 'bounced' | 'cancelled'

/** One envelope address of one submission. */
export interface RecipientRow {
  id: string
  submission_id: string
  message_id: string | null
  position: number
  address: string
  /** The domain of the address: the destination by which due recipients are claimed. */
  domain: string
  organization_id: string | null
  inbox_id: string | null
  state: RecipientState
  /** The route of a released recipient, regardless of MARTLET_OUTBOUND; null: the route of MARTLET_OUTBOUND. */
  route: 'relay' | 'direct' | null
  /** When the sender got a delay notice; null: not yet. */
  delay_told_at: number | null
  /** When it was released by hand: its age counts from that time; null: from created_at. */
  released_at: number | null
  /** Attempts since it was queued or last released. */
  attempts: number
  /** When it is due; has no meaning unless the state is `queued`. */
  next_attempt_at: number
  lease_owner: string | null
  lease_until: number | null
  /** Claims in a row that ended without an outcome (docs/adr/0022). */
  interruptions: number
  last_code: number | null
  last_enhanced_code: string | null
  last_reply: string | null
  created_at: number
  updated_at: number
}

/** One attempt to deliver to a recipient, or (target "queue") one change by hand. */
export interface DeliveryRow {
  id: string
  recipient_id: string
  /** Position in the recipient's history, from 1. */
  attempt: number
  target: string
  outcome: string
  code: number | null
  enhanced_code: string | null
  reply: string | null
  /** The server that answered: "mx1.example.com [192.0.2.1]:25". */
  remote: string | null
  /** TLS version of the connection, with " (unverified)" if the certificate was not checked; null: no TLS. */
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
  /** SHA-256 of inbox, endpoint and content. */
  fingerprint: string
  state: 'running' | 'done'
  lease_until: number | null
  /** JSON of the response. */
  result: string | null
  created_at: number
  completed_at: number | null
}

/** Background work that survives a restart: removals, sweeps. */
export interface JobRow {
  id: string
  kind: string
  /** Unique per kind: a second job of the same kind and key joins the first. */
  key: string
  /** JSON. */
  payload: string
  run_at: number
  attempts: number
  lease_owner: string | null
  lease_until: number | null
  /** Claims in a row that ended without an outcome (docs/adr/0022). */
  interruptions: number
  last_error: string | null
  created_at: number
}

export interface MailboxRow {
  id: string
  inbox_id: string
  name: string
  uid_validity: number
  uid_next: number
  highest_modseq: number
  created_at: number
}

export interface MailboxEntryRow {
  mailbox_id: string
  uid: number
  item_kind: 'message' | 'draft'
  item_id: string
  /** INTERNALDATE (RFC 3501 §2.3.3). */
  internal_date: number
  is_deleted: number
  modseq: number
}

/** An entry that was removed from a mailbox, for QRESYNC (RFC 7162 §3.2). */
export interface MailboxTombstoneRow {
  mailbox_id: string
  uid: number
  modseq: number
}

export interface WebhookRow {
  id: string
  organization_id: string
  pod_id: string | null
  inbox_id: string | null
  client_id: string | null
  url: string
  /** The service that these webhooks imitate: selects renderer, signature, schedule and timeout. */
  profile: string
  /** JSON lists; null: the standard types, and all pods or inboxes in its scope. Ids are ours, not addresses. */
  event_types: string | null
  pod_ids: string | null
  inbox_ids: string | null
  /** JSON object of custom header fields; the API never returns their values. */
  headers: string | null
  secret: string
  /** JSON list of earlier secrets, each with the time when it expires; null: none. */
  old_secrets: string | null
  is_enabled: number
  /** How often it was disabled: deliveries of an earlier term are no longer sent. */
  term: number
  order_state: WebhookOrderState
  /** It receives events after this one: the end of the log when it was created or enabled. */
  cursor_seq: number
  /** Since when no delivery has succeeded; null: the last one succeeded, or there was none. */
  failing_since: number | null
  /** Approximate time of the last failed attempt; null while none fails. */
  failed_at: number | null
  /** Why the server disabled it; null when a person did, or while it is enabled. */
  disabled_reason: string | null
  /** JSON of the permissions of the key that created or last changed it; null: an unrestricted key. */
  permissions: string | null
  /** When its deletion was requested; hidden and without deliveries from then on. */
  deleting_at: number | null
  created_at: number
  updated_at: number
}

/** A durable consumer of the event log and its cursor. */
export interface EventConsumerRow {
  name: string
  cursor_seq: number
}

/**
 * Whether deliveries are sent in the order of their inbox's events. `lining_up` (enabling): waiting deliveries still
 * get their ordering keys, and nothing is sent until all have one.
 */
export type WebhookOrderState = 'none' | 'lining_up' | 'ordered'

/** `behind` (blocked): the delivery of an earlier event with the same ordering key has not ended yet. */
export type WebhookDeliveryState = 'pending' | 'behind' | 'delivered' | 'failed' | 'cancelled'

/** The delivery of one event to one webhook. */
export interface WebhookDeliveryRow {
  id: string
  webhook_id: string
  seq: number
  event_id: string
  event_type: string
  state: WebhookDeliveryState
  /** The ordering key: one delivery per key at a time. The inbox's id; '': event without inbox; null: not ordered. */
  line: string | null
  /** The webhook's term when the delivery was created or last sent again. */
  term: number
  attempts: number
  /** How many of them were made before it was last sent again by hand; then the retry schedule started again. */
  attempts_before: number
  /** When it is due; has no meaning after it has ended. */
  next_attempt_at: number
  lease_owner: string | null
  lease_until: number | null
  /** Claims in a row that ended without an outcome (docs/adr/0022). */
  interruptions: number
  /** The request body, fixed before the first attempt so that each retry sends the same bytes. */
  body: string | null
  last_code: number | null
  last_error: string | null
  created_at: number
  updated_at: number
}

/** A replay: the events of a time range that a webhook receives again. Removed when all of them are in the queue. */
export interface WebhookReplayRow {
  id: string
  webhook_id: string
  /** The webhook's term: the replay ends when the webhook is disabled. */
  term: number
  /** Events in (position_seq, through_seq] are still to be read; earlier ones are in the queue. */
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

/** Hourly counts: one row per inbox, hour and metric, written in the transaction of the change that it counts. */
export interface RollupRow {
  organization_id: string
  pod_id: string
  inbox_id: string
  /** Start of the hour, epoch ms. */
  hour: number
  metric: string
  count: number
}

/** The only row of this table: the identity of the log and its last number. */
export interface EventLogRow {
  id: number
  /** A random text, made with the log: it shows that a cursor belongs to another log. */
  epoch: string
  last_seq: number
  /** The id of the event with that number; null in a log without events. */
  last_event_id: string | null
  /** The highest number that retention has removed, 0 at first: a reader from an earlier cursor would miss events. */
  floor_seq: number
  /** The id of the event that had that number; null when none was removed. */
  floor_event_id: string | null
}

export interface Schema {
  event_log: EventLogRow
  events: EventRow
  organizations: OrganizationRow
  pods: PodRow
  domains: DomainRow
  secrets: SecretRow
  api_keys: ApiKeyRow
  inboxes: InboxRow
  threads: ThreadRow
  thread_labels: ThreadLabelRow
  thread_participants: ThreadParticipantRow
  thread_references: ThreadReferenceRow
  messages: MessageRow
  message_labels: MessageLabelRow
  message_addresses: MessageAddressRow
  contents: ContentRow
  attachments: AttachmentRow
  submissions: SubmissionRow
  recipients: RecipientRow
  deliveries: DeliveryRow
  idempotency_keys: IdempotencyKeyRow
  jobs: JobRow
  mailboxes: MailboxRow
  mailbox_entries: MailboxEntryRow
  mailbox_tombstones: MailboxTombstoneRow
  webhooks: WebhookRow
  event_consumers: EventConsumerRow
  webhook_deliveries: WebhookDeliveryRow
  webhook_attempts: WebhookAttemptRow
  webhook_replays: WebhookReplayRow
  rollups: RollupRow
}
