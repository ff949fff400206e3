/**
 * The type of every table, for Kysely. Rows only; mail/ decides what they mean. The rest of the program uses them
 * through `Db` and `Tx` (../handles.ts).
 *
 * Conventions: ids are UUIDv7 text; times are epoch milliseconds; flags are 0 or 1; JSON is text; a `_hash` column is
 * a hash of a text that may be too long for an index key.
 */
import type { RateCountRow, SignUpRow } from './account-rows.ts'
import type { DraftLabelRow, DraftPartRow, DraftRevisionRow, DraftRow } from './draft-rows.ts'
import type { EventConsumerRow, EventLogRow, EventRow } from './event-rows.ts'
import type { JobRow, OutboundPauseRow } from './job-rows.ts'
import type { ListEntryRow } from './list-rows.ts'
import type {
  ContentStructureRow,
  MailboxEntryRow,
  MailboxRow,
  MailboxStateRow,
  MailboxTombstoneRow,
} from './mailbox-rows.ts'
import type {
  AttachmentRow,
  ContentAddressRow,
  ContentRow,
  MessageBccRow,
  MessageLabelRow,
  MessageRow,
  ReceivedKeyRow,
  ThreadLabelRow,
  ThreadParticipantRow,
  ThreadReferenceRow,
  ThreadRow,
  VerifiedSenderRow,
} from './message-rows.ts'
import type { RollupRow, UsageSnapshotRow } from './report-rows.ts'
import type { SearchBlockRow, SearchChunkRow } from './search-rows.ts'
import type { IdempotencyKeyRow, RecipientHistoryRow, RecipientRow, SubmissionRow } from './sending-rows.ts'
import type {
  ApiKeyRow,
  DomainRow,
  InboxAliasRow,
  InboxRow,
  OrganizationRow,
  PodRow,
  SecretRow,
} from './tenant-rows.ts'
import type { UploadRow } from './upload-rows.ts'
import type {
  NotificationRulesRow,
  WebhookAttemptRow,
  WebhookDeliveryRow,
  WebhookReplayRow,
  WebhookRow,
} from './webhook-rows.ts'

export interface Schema {
  event_log: EventLogRow
  events: EventRow
  organizations: OrganizationRow
  pods: PodRow
  domains: DomainRow
  secrets: SecretRow
  api_keys: ApiKeyRow
  inboxes: InboxRow
  inbox_aliases: InboxAliasRow
  list_entries: ListEntryRow
  threads: ThreadRow
  thread_labels: ThreadLabelRow
  thread_participants: ThreadParticipantRow
  thread_references: ThreadReferenceRow
  messages: MessageRow
  message_labels: MessageLabelRow
  message_bcc: MessageBccRow
  received_keys: ReceivedKeyRow
  contents: ContentRow
  content_addresses: ContentAddressRow
  attachments: AttachmentRow
  search_blocks: SearchBlockRow
  search_chunks: SearchChunkRow
  submissions: SubmissionRow
  recipients: RecipientRow
  recipient_history: RecipientHistoryRow
  idempotency_keys: IdempotencyKeyRow
  drafts: DraftRow
  draft_labels: DraftLabelRow
  draft_revisions: DraftRevisionRow
  draft_parts: DraftPartRow
  uploads: UploadRow
  jobs: JobRow
  outbound_pause: OutboundPauseRow
  mailbox_states: MailboxStateRow
  mailboxes: MailboxRow
  mailbox_entries: MailboxEntryRow
  mailbox_tombstones: MailboxTombstoneRow
  content_structures: ContentStructureRow
  webhooks: WebhookRow
  event_consumers: EventConsumerRow
  webhook_deliveries: WebhookDeliveryRow
  webhook_attempts: WebhookAttemptRow
  webhook_replays: WebhookReplayRow
  notification_rules: NotificationRulesRow
  verified_senders: VerifiedSenderRow
  rollups: RollupRow
  usage_snapshots: UsageSnapshotRow
  sign_ups: SignUpRow
  rate_counts: RateCountRow
}
