CREATE TABLE api_keys (
  id text primary key,
  kind text not null,
  organization_id text not null references organizations,
  pod_id text,
  inbox_id text,
  name text not null,
  prefix text not null,
  key_hash text not null unique,
  permissions text,
  is_root integer not null,
  created_by text not null,
  expires_at integer,
  used_at integer,
  created_at integer not null,
  updated_at integer not null
) strict;

CREATE INDEX api_keys_by_inbox on api_keys (inbox_id, created_at, id) where inbox_id is not null;

CREATE INDEX api_keys_by_organization on api_keys (organization_id, created_at, id);

CREATE INDEX api_keys_by_pod on api_keys (pod_id, created_at, id) where pod_id is not null;

CREATE TABLE attachments (
  id text primary key,
  content_id text not null references contents on delete cascade,
  position integer not null,
  filename text,
  content_type text not null,
  disposition text not null,
  cid text,
  charset text,
  transfer_encoding text not null,
  offset_bytes integer not null,
  length_bytes integer not null,
  size_bytes integer not null
) strict;

CREATE INDEX attachments_by_content on attachments (content_id, position);

CREATE TABLE content_addresses (
  content_id text not null references contents on delete cascade,
  kind text not null,
  position integer not null,
  address text not null,
  name text,
  primary key (content_id, kind, position)
) strict, without rowid;

CREATE TABLE content_structures (
  content_id text primary key references contents on delete cascade,
  version integer not null,
  envelope text not null,
  body text not null,
  body_structure text not null,
  parts text not null
) strict;

CREATE TABLE contents (
  id text primary key,
  size_bytes integer not null,
  blob_key text,
  parsed_blob_key text,
  parsed_size_bytes integer not null,
  parsed_head_bytes integer not null,
  created_at integer not null,
  envelope text,
  search_text blob,
  verification text,
  parsed blob,
  bytes blob
) strict;

CREATE INDEX contents_by_blob on contents (blob_key) where blob_key is not null;

CREATE INDEX contents_by_parsed_blob on contents (parsed_blob_key) where parsed_blob_key is not null;

CREATE TABLE domains (
  id text primary key,
  organization_id text references organizations,
  pod_id text,
  domain text not null,
  client_id text,
  status text not null,
  reason text,
  holds_name integer not null,
  inbound_enabled integer not null,
  feedback_enabled integer not null,
  subdomains_enabled integer not null,
  catch_all_inbox_id text,
  dkim_selector text not null,
  records text,
  checks integer not null,
  checked_at integer,
  next_check_at integer,
  lost_at integer,
  created_by text,
  deleting_at integer,
  created_at integer not null,
  updated_at integer not null
) strict;

CREATE INDEX domains_by_catch_all on domains (catch_all_inbox_id) where catch_all_inbox_id is not null;

CREATE INDEX domains_by_organization on domains (organization_id, created_at, id);

CREATE UNIQUE INDEX domains_claim on domains (domain, organization_id, (coalesce(pod_id, '')))
  where deleting_at is null;

CREATE UNIQUE INDEX domains_client_id on domains (organization_id, (coalesce(pod_id, '')), client_id)
  where client_id is not null;

CREATE INDEX domains_due on domains (next_check_at, id) where next_check_at is not null;

CREATE UNIQUE INDEX domains_holder on domains (domain) where holds_name = 1;

CREATE TABLE draft_labels (
  draft_id text not null references drafts on delete cascade,
  label text not null,
  primary key (draft_id, label)
) strict, without rowid;

CREATE TABLE draft_parts (
  id text primary key,
  draft_id text not null references drafts on delete cascade,
  kind text not null,
  position integer not null,
  filename text,
  content_type text,
  disposition text,
  cid text,
  content_id text not null references contents,
  size_bytes integer not null
) strict;

CREATE INDEX draft_parts_by_content on draft_parts (content_id);

CREATE INDEX draft_parts_by_draft on draft_parts (draft_id, position);

CREATE TABLE draft_revisions (
  id text primary key,
  draft_id text not null references drafts on delete cascade,
  content_id text not null references contents,
  message_id_hash text,
  created_at integer not null
) strict;

CREATE INDEX draft_revisions_by_content on draft_revisions (content_id);

CREATE INDEX draft_revisions_by_draft on draft_revisions (draft_id);

CREATE INDEX draft_revisions_by_message_id on draft_revisions (message_id_hash) where message_id_hash is not null;

CREATE TABLE drafts (
  id text primary key,
  organization_id text not null,
  pod_id text not null,
  inbox_id text not null references inboxes,
  client_id text,
  kind text not null,
  source_id text,
  source_message_id text,
  thread_id text,
  in_reply_to text,
  references_list text,
  to_list text not null,
  cc_list text not null,
  bcc_list text not null,
  reply_to_list text not null,
  subject text,
  preview text,
  revision_id text not null,
  size_bytes integer not null,
  send_status text,
  send_at integer,
  next_attempt_at integer,
  send_error text,
  scheduled_by text,
  created_by text not null,
  lease_owner text,
  lease_until integer,
  interruptions integer not null,
  created_at integer not null,
  updated_at integer not null
) strict;

CREATE INDEX drafts_by_creation on drafts (inbox_id, id);

CREATE INDEX drafts_by_inbox on drafts (inbox_id, updated_at, id);

CREATE INDEX drafts_by_organization on drafts (organization_id, updated_at, id);

CREATE INDEX drafts_by_pod on drafts (pod_id, updated_at, id);

CREATE UNIQUE INDEX drafts_client_id on drafts (inbox_id, client_id) where client_id is not null;

CREATE INDEX drafts_due on drafts (next_attempt_at, id) where send_status = 'scheduled';

CREATE INDEX drafts_due_by_pod on drafts (pod_id, next_attempt_at, id) where send_status = 'scheduled';

CREATE INDEX drafts_leased on drafts (lease_owner) where lease_owner is not null;

CREATE TABLE event_consumers (
  name text primary key,
  cursor_seq integer not null
) strict;

CREATE TABLE event_log (
  id integer primary key check (id = 1),
  epoch text not null,
  last_seq integer not null,
  last_event_id text,
  floor_seq integer not null,
  floor_event_id text
) strict;

CREATE TABLE events (
  seq integer primary key,
  event_id text not null,
  at integer not null,
  organization_id text not null,
  pod_id text,
  inbox_id text,
  type text not null,
  visibility text not null,
  actor text not null,
  message_id text,
  payload text not null
) strict;

CREATE INDEX events_by_inbox on events (inbox_id, seq) where inbox_id is not null;

CREATE TABLE idempotency_keys (
  inbox_id text not null,
  key text not null,
  scope_id text not null,
  fingerprint text not null,
  state text not null,
  lease_until integer,
  result text,
  created_at integer not null,
  completed_at integer,
  primary key (inbox_id, key)
) strict;

CREATE INDEX idempotency_keys_by_age on idempotency_keys (created_at);

CREATE INDEX idempotency_keys_by_scope on idempotency_keys (scope_id, key);

CREATE TABLE inbox_aliases (
  address text primary key,
  inbox_id text not null references inboxes,
  domain_id text not null references domains,
  created_at integer not null
) strict, without rowid;

CREATE INDEX inbox_aliases_by_domain on inbox_aliases (domain_id);

CREATE INDEX inbox_aliases_by_inbox on inbox_aliases (inbox_id, address);

CREATE TABLE inboxes (
  id text primary key,
  organization_id text not null references organizations,
  pod_id text not null references pods,
  domain_id text not null references domains,
  address text not null unique,
  display_name text,
  client_id text,
  metadata text,
  status text not null,
  quota_bytes integer,
  quota_messages integer,
  retention_days integer,
  message_count integer not null,
  unread_count integer not null,
  unread_shown_count integer not null,
  unread_unauthenticated_count integer not null,
  mails_notifications integer not null,
  challenge_senders integer,
  thread_count integer not null,
  size_bytes integer not null,
  created_by text not null,
  deleting_at integer,
  created_at integer not null,
  updated_at integer not null
) strict;

CREATE INDEX inboxes_by_domain on inboxes (domain_id);

CREATE INDEX inboxes_by_organization on inboxes (organization_id, created_at, id);

CREATE INDEX inboxes_by_pod on inboxes (pod_id, created_at, id);

CREATE UNIQUE INDEX inboxes_client_id on inboxes (pod_id, client_id) where client_id is not null;

CREATE TABLE jobs (
  id text primary key,
  kind text not null,
  key text not null,
  payload text not null,
  run_at integer not null,
  not_before integer,
  attempts integer not null,
  lease_owner text,
  lease_until integer,
  interruptions integer not null,
  last_error text,
  created_at integer not null
) strict;

CREATE INDEX jobs_due on jobs (run_at, id);

CREATE UNIQUE INDEX jobs_key on jobs (kind, key);

CREATE TABLE list_entries (
  scope_id text not null,
  direction text not null,
  list_type text not null,
  entry text not null,
  organization_id text not null references organizations,
  pod_id text,
  inbox_id text,
  reason text,
  read_only integer not null,
  created_at integer not null,
  primary key (scope_id, direction, list_type, entry)
) strict, without rowid;

CREATE INDEX list_entries_by_organization on list_entries (organization_id, direction, entry);

CREATE INDEX list_entries_of_clients on list_entries (scope_id, direction, list_type) where read_only = 0;

CREATE INDEX list_entries_of_server on list_entries (entry) where read_only = 1;

CREATE TABLE mailbox_entries (
  mailbox_id text not null references mailboxes,
  uid integer not null,
  item_kind text not null,
  item_id text not null,
  flags text not null,
  hidden integer not null,
  size_bytes integer not null,
  is_deleted integer not null,
  modseq integer not null,
  saved_at integer not null,
  primary key (mailbox_id, uid)
) strict, without rowid;

CREATE INDEX mailbox_entries_by_item on mailbox_entries (item_id, mailbox_id);

CREATE INDEX mailbox_entries_by_modseq on mailbox_entries (mailbox_id, modseq);

CREATE TABLE mailbox_states (
  inbox_id text primary key references inboxes,
  seen_seq integer not null,
  compare_seq integer,
  compare_phase text not null,
  compared_id text not null,
  compared_number integer not null,
  last_uid_validity integer not null
) strict;

CREATE TABLE mailbox_tombstones (
  mailbox_id text not null references mailboxes,
  uid integer not null,
  modseq integer not null,
  primary key (mailbox_id, uid)
) strict, without rowid;

CREATE INDEX mailbox_tombstones_by_modseq on mailbox_tombstones (mailbox_id, modseq);

CREATE TABLE mailboxes (
  id text primary key,
  inbox_id text not null references inboxes,
  kind text not null,
  name text not null,
  label text,
  renamed_from text,
  is_deleting integer not null,
  is_subscribed integer not null,
  uid_validity integer not null,
  uid_next integer not null,
  created_at integer not null
) strict;

CREATE INDEX mailboxes_by_inbox on mailboxes (inbox_id);

CREATE TABLE message_bcc (
  message_id text not null references messages (id) on delete cascade,
  position integer not null,
  address text not null,
  name text,
  primary key (message_id, position)
) strict, without rowid;

CREATE TABLE message_labels (
  message_id text not null references messages (id) on delete cascade,
  label text not null,
  primary key (message_id, label)
) strict, without rowid;

CREATE INDEX message_labels_by_label on message_labels (label, message_id)
  where label not in ('received', 'sent', 'unread', 'delivered');

CREATE TABLE messages (
  number integer primary key autoincrement,
  id text not null unique,
  organization_id text not null,
  pod_id text not null,
  inbox_id text not null references inboxes,
  thread_id text not null references threads,
  content_id text not null references contents,
  api_message_id text not null,
  api_message_id_hash text not null,
  header_message_id text,
  header_message_id_hash text,
  fingerprint text not null,
  subject text,
  preview text,
  in_reply_to text,
  references_list text,
  envelope_sender text,
  envelope_recipient text,
  size_bytes integer not null,
  has_attachments integer not null,
  hidden integer not null,
  authentication text not null,
  spam text,
  verified_domain text,
  sender_claim text,
  labels_seq integer not null,
  timestamp integer not null,
  internal_date integer,
  created_at integer not null,
  updated_at integer not null
) strict;

CREATE UNIQUE INDEX messages_api_id on messages (inbox_id, api_message_id_hash);

CREATE INDEX messages_by_content on messages (content_id);

CREATE INDEX messages_by_header_id on messages (inbox_id, header_message_id_hash)
  where header_message_id_hash <> api_message_id_hash;

CREATE INDEX messages_by_inbox on messages (inbox_id, timestamp, id, hidden);

CREATE INDEX messages_by_number on messages (inbox_id, number);

CREATE INDEX messages_by_thread on messages (thread_id, timestamp, id);

CREATE INDEX messages_with_attachments on messages (thread_id, timestamp, id) where has_attachments = 1;

CREATE TABLE notification_rules (
  inbox_id text primary key references inboxes,
  rules text not null,
  permissions text,
  version text not null,
  updated_at integer not null
) strict;

CREATE TABLE organizations (
  id text primary key,
  name text,
  created_at integer not null,
  updated_at integer not null
) strict;

CREATE INDEX organizations_by_age on organizations (created_at, id);

CREATE TABLE outbound_pause (
  id integer primary key check (id = 1),
  paused_at integer not null
) strict;

CREATE TABLE pods (
  id text primary key,
  organization_id text not null references organizations,
  name text not null,
  client_id text,
  is_default integer not null,
  inbox_count integer not null,
  deleting_at integer,
  created_at integer not null,
  updated_at integer not null
) strict;

CREATE INDEX pods_by_organization on pods (organization_id, created_at, id);

CREATE UNIQUE INDEX pods_client_id on pods (organization_id, client_id) where client_id is not null;

CREATE UNIQUE INDEX pods_default on pods (organization_id) where is_default = 1;

CREATE TABLE rate_counts (
  key text not null,
  period_start integer not null,
  count integer not null,
  expires_at integer not null,
  primary key (key, period_start)
) strict, without rowid;

CREATE INDEX rate_counts_by_expiry on rate_counts (expires_at);

CREATE TABLE received_keys (
  inbox_id text not null,
  key_hash text not null,
  created_at integer not null,
  primary key (inbox_id, key_hash)
) strict, without rowid;

CREATE INDEX received_keys_by_age on received_keys (created_at);

CREATE TABLE recipient_history (
  id text primary key,
  recipient_id text not null references recipients on delete cascade,
  position integer not null,
  target text not null,
  outcome text not null,
  code integer,
  enhanced_code text,
  reply text,
  remote text,
  tls text,
  started_at integer not null,
  ended_at integer not null
) strict;

CREATE INDEX recipient_history_by_recipient on recipient_history (recipient_id, position);

CREATE TABLE recipients (
  id text primary key,
  submission_id text not null references submissions on delete cascade,
  message_id text,
  position integer not null,
  address text not null,
  domain text not null,
  organization_id text not null,
  pod_id text not null,
  inbox_id text,
  state text not null,
  route text,
  delay_notice_at integer,
  released_at integer,
  attempts integer not null,
  next_attempt_at integer not null,
  lease_owner text,
  lease_until integer,
  delivering_since integer,
  delivering_to text,
  interruptions integer not null,
  last_code integer,
  last_enhanced_code text,
  last_reply text,
  created_at integer not null,
  updated_at integer not null
) strict;

CREATE INDEX recipients_by_flow on recipients (domain, pod_id, next_attempt_at, id) where state = 'queued';

CREATE INDEX recipients_by_message on recipients (message_id) where message_id is not null;

CREATE INDEX recipients_by_submission on recipients (submission_id, position);

CREATE INDEX recipients_due on recipients (next_attempt_at, id) where state = 'queued';

CREATE INDEX recipients_open on recipients (organization_id, created_at, id) where state in ('queued', 'held');

CREATE INDEX recipients_open_by_inbox on recipients (inbox_id, created_at, id)
  where state in ('queued', 'held');

CREATE TABLE rollups (
  scope_id text not null,
  hour integer not null,
  metric text not null,
  count integer not null,
  primary key (scope_id, hour, metric)
) strict, without rowid;

CREATE INDEX rollups_by_age on rollups (hour);

CREATE TABLE schema_migrations (
number integer primary key, name text not null, hash text not null,
applied_at integer not null
  ) strict;

CREATE TABLE search_blocks (
  id integer primary key autoincrement,
  inbox_id text not null references inboxes,
  kind text not null,
  after_number integer not null,
  last_number integer not null,
  text_function text not null,
  numbers blob not null,
  has_removed integer not null
) strict;

CREATE UNIQUE INDEX search_blocks_by_inbox on search_blocks (inbox_id, kind, last_number);

CREATE TABLE search_chunks (
  id integer primary key,
  bytes blob not null
) strict;

CREATE TABLE secrets (
  kind text not null,
  name text not null,
  value text not null,
  created_at integer not null,
  primary key (kind, name)
) strict, without rowid;

CREATE TABLE sign_ups (
  organization_id text primary key references organizations,
  human_email text,
  human_changes integer not null,
  code_hash text,
  code_expires_at integer,
  code_tries integer not null,
  code_submission_id text,
  verified_at integer,
  created_at integer not null,
  updated_at integer not null
) strict;

CREATE INDEX sign_ups_by_code on sign_ups (code_submission_id) where code_submission_id is not null;

CREATE UNIQUE INDEX sign_ups_human on sign_ups (human_email) where human_email is not null;

CREATE TABLE submissions (
  id text primary key,
  organization_id text not null references organizations,
  inbox_id text,
  message_id text,
  content_id text not null references contents,
  kind text not null,
  envelope_sender text not null,
  dkim_selector text,
  smtputf8 integer not null,
  created_at integer not null
) strict;

CREATE INDEX submissions_by_content on submissions (content_id);

CREATE INDEX submissions_by_message on submissions (message_id) where message_id is not null;

CREATE TABLE thread_labels (
  thread_id text not null references threads on delete cascade,
  label text not null,
  message_count integer not null,
  primary key (thread_id, label)
) strict, without rowid;

CREATE TABLE thread_participants (
  thread_id text not null references threads on delete cascade,
  kind text not null,
  address text not null,
  display text not null,
  message_count integer not null,
  primary key (thread_id, kind, address)
) strict, without rowid;

CREATE TABLE thread_references (
  inbox_id text not null,
  message_id_hash text not null,
  thread_id text not null references threads on delete cascade,
  is_own integer not null,
  primary key (inbox_id, message_id_hash)
) strict, without rowid;

CREATE INDEX thread_references_by_thread on thread_references (thread_id);

CREATE TABLE threads (
  id text primary key,
  organization_id text not null,
  pod_id text not null,
  inbox_id text not null references inboxes,
  subject text,
  preview text,
  last_message_id text not null,
  message_count integer not null,
  visible_count integer not null,
  size_bytes integer not null,
  hidden integer not null,
  timestamp integer not null,
  received_timestamp integer,
  sent_timestamp integer,
  deleting_at integer,
  created_at integer not null,
  updated_at integer not null
) strict;

CREATE INDEX threads_by_inbox on threads (inbox_id, timestamp, id, hidden);

CREATE INDEX threads_by_organization on threads (organization_id, timestamp, id, hidden);

CREATE INDEX threads_by_pod on threads (pod_id, timestamp, id, hidden);

CREATE TABLE uploads (
  id text primary key,
  organization_id text not null,
  pod_id text,
  inbox_id text,
  filename text not null,
  content_type text not null,
  size_bytes_max integer not null,
  is_exact_size integer not null,
  content_id text references contents,
  size_bytes integer,
  expires_at integer not null,
  created_at integer not null
) strict;

CREATE INDEX uploads_by_content on uploads (content_id) where content_id is not null;

CREATE INDEX uploads_by_expiry on uploads (expires_at);

CREATE INDEX uploads_by_organization on uploads (organization_id, expires_at);

CREATE TABLE usage_snapshots (
  scope_id text not null,
  at integer not null,
  storage_bytes integer not null,
  message_count integer not null,
  thread_count integer not null,
  inbox_count integer not null,
  domain_count integer not null,
  pod_count integer not null,
  primary key (scope_id, at)
) strict, without rowid;

CREATE TABLE verified_senders (
  id text primary key,
  organization_id text not null references organizations,
  pod_id text not null,
  inbox_id text not null references inboxes,
  claim text not null,
  address text not null,
  message_at integer not null,
  token_hash text,
  expires_at integer not null,
  verified_at integer,
  created_at integer not null
) strict;

CREATE INDEX verified_senders_by_age on verified_senders (inbox_id, created_at, id) where verified_at is not null;

CREATE UNIQUE INDEX verified_senders_claim on verified_senders (inbox_id, claim);

CREATE INDEX verified_senders_open on verified_senders (expires_at) where verified_at is null;

CREATE UNIQUE INDEX verified_senders_token on verified_senders (token_hash) where token_hash is not null;

CREATE TABLE webhook_attempts (
  id text primary key,
  delivery_id text not null references webhook_deliveries on delete cascade,
  attempt integer not null,
  outcome text not null,
  code integer,
  response text,
  error text,
  started_at integer not null,
  ended_at integer not null
) strict;

CREATE INDEX webhook_attempts_by_delivery on webhook_attempts (delivery_id, attempt);

CREATE TABLE webhook_deliveries (
  id text primary key,
  webhook_id text not null references webhooks on delete cascade,
  seq integer not null,
  event_id text not null,
  event_type text not null,
  state text not null,
  ordering_key text,
  term integer not null,
  attempts integer not null,
  attempts_before integer not null,
  next_attempt_at integer not null,
  scheduled_at integer,
  probes integer not null,
  lease_owner text,
  lease_until integer,
  interruptions integer not null,
  body blob,
  last_code integer,
  last_error text,
  created_at integer not null,
  updated_at integer not null
) strict;

CREATE INDEX webhook_deliveries_by_age on webhook_deliveries (created_at);

CREATE INDEX webhook_deliveries_by_webhook on webhook_deliveries (webhook_id, next_attempt_at, id)
  where state = 'pending';

CREATE INDEX webhook_deliveries_due on webhook_deliveries (next_attempt_at, id) where state = 'pending';

CREATE UNIQUE INDEX webhook_deliveries_event on webhook_deliveries (webhook_id, seq);

CREATE UNIQUE INDEX webhook_deliveries_pending_key on webhook_deliveries (webhook_id, ordering_key)
  where state = 'pending' and ordering_key is not null;

CREATE INDEX webhook_deliveries_waiting on webhook_deliveries (webhook_id, ordering_key, seq)
  where state = 'waiting';

CREATE TABLE webhook_replays (
  id text primary key,
  webhook_id text not null references webhooks on delete cascade,
  term integer not null,
  position_seq integer not null,
  through_seq integer not null,
  start_at integer not null,
  end_at integer not null,
  event_types text,
  is_only_failed integer not null,
  created_at integer not null
) strict;

CREATE INDEX webhook_replays_by_webhook on webhook_replays (webhook_id);

CREATE TABLE webhooks (
  id text primary key,
  organization_id text not null references organizations,
  pod_id text,
  inbox_id text,
  client_id text,
  url text not null,
  profile text not null,
  event_types text,
  pod_ids text,
  inbox_ids text,
  sender_filter text,
  headers text,
  permissions text,
  secret text not null,
  old_secrets text,
  is_enabled integer not null,
  disabled_reason text,
  failing_since integer,
  failed_at integer,
  failures integer not null,
  has_long_retries integer not null,
  order_state text not null,
  term integer not null,
  start_seq integer not null,
  created_by text not null,
  deleting_at integer,
  created_at integer not null,
  updated_at integer not null
) strict;

CREATE INDEX webhooks_by_inbox on webhooks (inbox_id, created_at, id) where inbox_id is not null;

CREATE INDEX webhooks_by_organization on webhooks (organization_id, created_at, id);

CREATE INDEX webhooks_by_pod on webhooks (pod_id, created_at, id) where pod_id is not null;

CREATE UNIQUE INDEX webhooks_client_id on webhooks (coalesce(inbox_id, pod_id, organization_id), profile, client_id)
  where client_id is not null;
