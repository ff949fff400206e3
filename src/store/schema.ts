/**
 * Every table as Kysely sees it, and the two handles through which the rest of the program touches them:
 * `Db` reads, `Tx` writes. Rows only; what they mean is decided in mail/.
 *
 * Conventions: ids are UUIDv7 text; times are epoch milliseconds; flags are 0 or 1; JSON is text; a `_hash` column is
 * the SHA-256 (hex) of a text that may be too long for an index key.
 */
import type { Generated, Kysely, SelectQueryBuilder } from 'kysely'

/** Reads. Takes the root handle and a transaction; refuses a write at compile time. */
export type Db = Pick<Kysely<Schema>, 'selectFrom' | 'selectNoFrom' | 'fn'>

/**
 * Writes, inside `store.transaction` only: the database transaction plus the buffer of this transaction's events. An
 * event cannot outlive the change it reports, nor the change its event. A Tx that has ended throws when it is used.
 */
export interface Tx extends Db, Pick<Kysely<Schema>, 'insertInto' | 'updateTable' | 'deleteFrom'> {
  /** The one clock reading of this transaction, epoch ms. */
  readonly now: number
  /** A new UUIDv7 of this transaction's time. */
  newId(): string
  /**
   * Makes a query keep the rows that it finds until the commit: another node that wants to keep or change them waits.
   * A row that another node has is waited for, and read as it is then. What is written because of what was read must
   * be read after this; whoever keeps several rows takes them in the order of their ids (docs/adr/0011).
   */
  forUpdate<TB extends keyof Schema, O>(query: SelectQueryBuilder<Schema, TB, O>): SelectQueryBuilder<Schema, TB, O>
  /** As `forUpdate`, against changes only: others may keep the rows in the same way. */
  forShare<TB extends keyof Schema, O>(query: SelectQueryBuilder<Schema, TB, O>): SelectQueryBuilder<Schema, TB, O>
  /** Buffers an event; the store numbers and inserts it just before the commit. Discarded if this transaction fails. */
  append(event: NewEvent): void
}

/**
 * Who is told of an event without asking for it: `public` events go to subscribers that name no type (but for hidden
 * classes), `optional` ones only to those who name the type, `internal` ones to this program's nodes alone.
 */
export type Visibility = 'public' | 'optional' | 'internal'

/** What happened, before the store gives it its number. Ids and small values only; bodies are read from the message. */
export interface NewEvent {
  readonly type: string
  readonly visibility: Visibility
  readonly organizationId: string
  readonly podId?: string | undefined
  readonly inboxId?: string | undefined
  /** Whose MODSEQ moves to this event's number (RFC 7162 §3.1). */
  readonly messageId?: string | undefined
  /** Who did it, as in `access.actorName`. */
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
  /** 1 for the one that takes what is made without naming a pod. */
  is_default: number
  inbox_count: number
  /** When its removal was ordered; hidden from then on (`resource_deleting`). */
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

/** What every node must know and nobody else may: DKIM keys, URL signing, certificates. */
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
  /** SHA-256 (hex) of the whole key; the key itself is kept nowhere. */
  key_hash: string
  /** JSON array of granted permissions; null: everything in scope. */
  permissions: string | null
  /** 1 for the key of MARTLET_ROOT_KEY or the root-key file. */
  is_root: number
  /** Actor that made it. */
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
  /** Messages in no hidden class. */
  visible_count: number
  size_bytes: number
  /** Bitmask of hidden classes while no message is visible, else 0. */
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

/** Which thread of an inbox a Message-ID belongs to: those of its messages and those that they refer to. */
export interface ThreadReferenceRow {
  inbox_id: string
  message_id_hash: string
  thread_id: string
}

export interface MessageRow {
  /** Local number, for the text index only; never leaves the store. */
  number: Generated<number>
  id: string
  organization_id: string
  pod_id: string
  inbox_id: string
  thread_id: string
  content_id: string
  /** The id that AgentMail's clients see; unique in the inbox (by its hash). */
  api_message_id: string
  api_message_id_hash: string
  /** The Message-ID field as sent; not unique; null when there was none. Threading uses it. */
  header_message_id: string | null
  header_message_id_hash: string | null
  /** Same body, From, To, Cc, Subject and Date give the same value; with the Message-ID it tells a repeated mail. */
  fingerprint: string
  subject: string | null
  preview: string | null
  /** JSON array of Message-IDs. */
  in_reply_to: string | null
  /** JSON array of Message-IDs. */
  references_list: string | null
  /** Envelope sender and recipient as handed over; null on sent mail. */
  envelope_sender: string | null
  envelope_recipient: string | null
  size_bytes: number
  /** Bitmask: spam 1, blocked 2, unauthenticated 4, trash 8. */
  hidden: number
  /** JSON: what the checks of the sender found. */
  authentication: string
  /** Domain that the sender was shown to speak for; null: none. */
  verified_domain: string | null
  /** seq of the event that last touched it (RFC 7162). */
  modseq: number
  /** When Martlet took it. */
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
  /** As the header has it. */
  address: string
  name: string | null
}

/** A mail's bytes and what was read from them, shared by every message and submission made of it; never changed. */
export interface ContentRow {
  id: string
  size_bytes: number
  sha256: string
  /** Up to limits.inlineBytesMax; else null and blob_key is set. */
  bytes: Uint8Array | null
  blob_key: string | null
  /** Compressed JSON of the parsed bodies and headers (mail/messages/bodies.ts), or null and parsed_blob_key is set. */
  parsed: Uint8Array | null
  parsed_blob_key: string | null
  /** JSON of the codes and links found (mail/messages/bodies.ts); null where nothing has looked for them. */
  verification: string | null
  created_at: number
}

/** Where an attachment lies in its content; it is decoded from there, not kept twice. */
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
  /** Decoded. */
  size_bytes: number
}

/** Bytes and envelope that we accepted to hand over. */
export interface SubmissionRow {
  id: string
  organization_id: string
  inbox_id: string | null
  /** null for mail that Martlet itself writes. */
  message_id: string | null
  content_id: string
  /** `bounce` and `delay`: notices to the sender of another submission (mail/sending/notices.ts). */
  kind: 'message' | 'bounce' | 'delay' | 'code' | 'report'
  envelope_sender: string
  /** Tells a bounce which submission it is about. */
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
  /** Its domain: the lane. */
  domain: string
  organization_id: string | null
  inbox_id: string | null
  state: RecipientState
  /** Where a released recipient goes whatever MARTLET_OUTBOUND says; null: where that says. */
  route: 'relay' | 'direct' | null
  /** When its sender was told that it is late. */
  delay_told_at: number | null
  /** When it was released by hand: its age counts from then; null: from created_at. */
  released_at: number | null
  /** Since it was queued or last released. */
  attempts: number
  /** When it is due; meaningless unless queued. */
  next_attempt_at: number
  lease_owner: string | null
  lease_until: number | null
  last_code: number | null
  last_enhanced_code: string | null
  last_reply: string | null
  created_at: number
  updated_at: number
}

/** One attempt to hand a recipient over, or (target "queue") what was done to it by hand. */
export interface DeliveryRow {
  id: string
  recipient_id: string
  /** Place in the recipient's history, from 1. */
  attempt: number
  target: string
  outcome: string
  code: number | null
  enhanced_code: string | null
  reply: string | null
  /** Who answered: "mx1.example.com [192.0.2.1]:25". */
  remote: string | null
  /** Protocol version of the connection's TLS, with " (unverified)" where its certificate was not checked; null: none. */
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
  /** JSON of the answer. */
  result: string | null
  created_at: number
  completed_at: number | null
}

/** Background work that outlives a process: removals, sweeps. */
export interface JobRow {
  id: string
  kind: string
  /** Two jobs of one kind and key are one. */
  key: string
  /** JSON. */
  payload: string
  run_at: number
  attempts: number
  lease_owner: string | null
  lease_until: number | null
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

/** What left a mailbox, for QRESYNC (RFC 7162 §3.2). */
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
  /** Renderer, signature, schedule and timeout: which service's webhooks these are. */
  profile: string
  /** JSON lists; null: the standard types, and everywhere in its scope. Ids are ours, not addresses. */
  event_types: string | null
  pod_ids: string | null
  inbox_ids: string | null
  /** JSON object of custom header fields; their values are shown to nobody. */
  headers: string | null
  secret: string
  /** JSON list of those before, each with the end of its time; null: none. */
  old_secrets: string | null
  is_enabled: number
  /** How often it was switched off: deliveries of an earlier term are not sent any more. */
  term: number
  order_state: WebhookOrderState
  /** It is told of events after this one: the log's end when it was made or enabled. */
  cursor_seq: number
  /** Since when no delivery has succeeded; null: the last one did, or there was none. */
  failing_since: number | null
  /** About when an attempt failed last; null while none does. */
  failed_at: number | null
  /** Why the server switched it off; null when a person did, or while it is on. */
  disabled_reason: string | null
  /** JSON of the flags of the key that made or last changed it; null: an unrestricted one. */
  permissions: string | null
  /** When its removal was ordered; hidden and silent from then on. */
  deleting_at: number | null
  created_at: number
  updated_at: number
}

/** A durable reader of the log. */
export interface EventConsumerRow {
  name: string
  cursor_seq: number
}

/** Whether deliveries keep the order of their inbox; `lining_up`: from when what waits has its place, nothing is sent before. */
export type WebhookOrderState = 'none' | 'lining_up' | 'ordered'

/** `behind`: an earlier event of its line is not over yet. */
export type WebhookDeliveryState = 'pending' | 'behind' | 'delivered' | 'failed' | 'cancelled'

/** One event on its way to one webhook. */
export interface WebhookDeliveryRow {
  id: string
  webhook_id: string
  seq: number
  event_id: string
  event_type: string
  state: WebhookDeliveryState
  /** Those with the same one are sent one after the other: the inbox's id, '' for events of none; null: it waits for no other. */
  line: string | null
  /** The webhook's when it was asked for. */
  term: number
  attempts: number
  /** Of them those before it was sent anew by hand: the schedule began again after them. */
  attempts_before: number
  /** When it is due; meaningless once it is over. */
  next_attempt_at: number
  lease_owner: string | null
  lease_until: number | null
  /** What is posted, fixed before the first attempt so that each retry sends the same bytes. */
  body: string | null
  last_code: number | null
  last_error: string | null
  created_at: number
  updated_at: number
}

/** Events of a time that a webhook is told of again; removed when all of them are in the queue. */
export interface WebhookReplayRow {
  id: string
  webhook_id: string
  /** The webhook's: it ends when the webhook is switched off. */
  term: number
  /** Events in (position_seq, through_seq] are still to be looked at; those before are in the queue. */
  position_seq: number
  through_seq: number
  /** Time of the events, epoch ms, inclusive and exclusive. */
  start_at: number
  end_at: number
  /** JSON list; null: all that the webhook is told of. */
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
  /** The beginning of what it answered. */
  response: string | null
  error: string | null
  started_at: number
  ended_at: number
}

/** Hourly counts: one row an inbox, hour and metric, written with the change it counts. */
export interface RollupRow {
  organization_id: string
  pod_id: string
  inbox_id: string
  /** Start of the hour, epoch ms. */
  hour: number
  metric: string
  count: number
}

/** One row: the log's identity and its last number. */
export interface EventLogRow {
  id: number
  /** Drawn when the log is made: cursors of another log are recognised by it. */
  epoch: string
  last_seq: number
  /** Of the event with that number; null in a log without events. */
  last_event_id: string | null
  /** The highest number that retention has removed, 0 at first: a cursor before it would skip in silence. */
  floor_seq: number
  /** Of the event that had that number; null where none was removed. */
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
