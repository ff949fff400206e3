create table api_keys (
  id text collate "C" not null,
  kind text collate "C" not null,
  organization_id text collate "C" not null,
  pod_id text collate "C",
  inbox_id text collate "C",
  name text collate "C" not null,
  prefix text collate "C" not null,
  key_hash text collate "C" not null,
  permissions text collate "C",
  is_root integer not null,
  created_by text collate "C" not null,
  expires_at bigint,
  used_at bigint,
  created_at bigint not null,
  updated_at bigint not null,
  UNIQUE (key_hash),
  PRIMARY KEY (id),
  FOREIGN KEY (organization_id) REFERENCES organizations(id)
);
CREATE INDEX api_keys_by_inbox ON public.api_keys USING btree (inbox_id, created_at, id) WHERE (inbox_id IS NOT NULL);
CREATE INDEX api_keys_by_organization ON public.api_keys USING btree (organization_id, created_at, id);
CREATE INDEX api_keys_by_pod ON public.api_keys USING btree (pod_id, created_at, id) WHERE (pod_id IS NOT NULL);

create table attachments (
  id text collate "C" not null,
  content_id text collate "C" not null,
  position integer not null,
  filename text collate "C",
  content_type text collate "C" not null,
  disposition text collate "C" not null,
  cid text collate "C",
  charset text collate "C",
  transfer_encoding text collate "C" not null,
  offset_bytes bigint not null,
  length_bytes bigint not null,
  size_bytes bigint not null,
  PRIMARY KEY (id),
  FOREIGN KEY (content_id) REFERENCES contents(id) ON DELETE CASCADE
);
CREATE INDEX attachments_by_content ON public.attachments USING btree (content_id, "position");

create table commit_marks (
  writer text not null,
  number bigint not null,
  marked_at timestamp with time zone not null,
  PRIMARY KEY (writer)
);

create table content_addresses (
  content_id text collate "C" not null,
  kind text collate "C" not null,
  position integer not null,
  address text collate "C" not null,
  name text collate "C",
  PRIMARY KEY (content_id, kind, "position"),
  FOREIGN KEY (content_id) REFERENCES contents(id) ON DELETE CASCADE
);

create table content_structures (
  content_id text collate "C" not null,
  version integer not null,
  envelope text collate "C" not null,
  body text collate "C" not null,
  body_structure text collate "C" not null,
  parts text collate "C" not null,
  PRIMARY KEY (content_id),
  FOREIGN KEY (content_id) REFERENCES contents(id) ON DELETE CASCADE
);

create table contents (
  id text collate "C" not null,
  size_bytes bigint not null,
  blob_key text collate "C",
  parsed_blob_key text collate "C",
  parsed_size_bytes bigint not null,
  parsed_head_bytes bigint not null,
  created_at bigint not null,
  envelope text collate "C",
  search_text bytea,
  verification text collate "C",
  parsed bytea,
  bytes bytea,
  PRIMARY KEY (id)
);
CREATE INDEX contents_by_blob ON public.contents USING btree (blob_key) WHERE (blob_key IS NOT NULL);
CREATE INDEX contents_by_parsed_blob ON public.contents USING btree (parsed_blob_key) WHERE (parsed_blob_key IS NOT NULL);

create table domains (
  id text collate "C" not null,
  organization_id text collate "C",
  pod_id text collate "C",
  domain text collate "C" not null,
  client_id text collate "C",
  status text collate "C" not null,
  reason text collate "C",
  holds_name integer not null,
  inbound_enabled integer not null,
  feedback_enabled integer not null,
  subdomains_enabled integer not null,
  catch_all_inbox_id text collate "C",
  dkim_selector text collate "C" not null,
  records text collate "C",
  checks integer not null,
  checked_at bigint,
  next_check_at bigint,
  lost_at bigint,
  created_by text collate "C",
  deleting_at bigint,
  created_at bigint not null,
  updated_at bigint not null,
  PRIMARY KEY (id),
  FOREIGN KEY (organization_id) REFERENCES organizations(id)
);
CREATE INDEX domains_by_catch_all ON public.domains USING btree (catch_all_inbox_id) WHERE (catch_all_inbox_id IS NOT NULL);
CREATE INDEX domains_by_organization ON public.domains USING btree (organization_id, created_at, id);
CREATE UNIQUE INDEX domains_claim ON public.domains USING btree (domain, organization_id, COALESCE(pod_id, ''::text)) WHERE (deleting_at IS NULL);
CREATE UNIQUE INDEX domains_client_id ON public.domains USING btree (organization_id, COALESCE(pod_id, ''::text), client_id) WHERE (client_id IS NOT NULL);
CREATE INDEX domains_due ON public.domains USING btree (next_check_at, id) WHERE (next_check_at IS NOT NULL);
CREATE UNIQUE INDEX domains_holder ON public.domains USING btree (domain) WHERE (holds_name = 1);

create table draft_labels (
  draft_id text collate "C" not null,
  label text collate "C" not null,
  PRIMARY KEY (draft_id, label),
  FOREIGN KEY (draft_id) REFERENCES drafts(id) ON DELETE CASCADE
);

create table draft_parts (
  id text collate "C" not null,
  draft_id text collate "C" not null,
  kind text collate "C" not null,
  position integer not null,
  filename text collate "C",
  content_type text collate "C",
  disposition text collate "C",
  cid text collate "C",
  content_id text collate "C" not null,
  size_bytes bigint not null,
  PRIMARY KEY (id),
  FOREIGN KEY (content_id) REFERENCES contents(id),
  FOREIGN KEY (draft_id) REFERENCES drafts(id) ON DELETE CASCADE
);
CREATE INDEX draft_parts_by_content ON public.draft_parts USING btree (content_id);
CREATE INDEX draft_parts_by_draft ON public.draft_parts USING btree (draft_id, "position");

create table draft_revisions (
  id text collate "C" not null,
  draft_id text collate "C" not null,
  content_id text collate "C" not null,
  message_id_hash text collate "C",
  created_at bigint not null,
  PRIMARY KEY (id),
  FOREIGN KEY (content_id) REFERENCES contents(id),
  FOREIGN KEY (draft_id) REFERENCES drafts(id) ON DELETE CASCADE
);
CREATE INDEX draft_revisions_by_content ON public.draft_revisions USING btree (content_id);
CREATE INDEX draft_revisions_by_draft ON public.draft_revisions USING btree (draft_id);
CREATE INDEX draft_revisions_by_message_id ON public.draft_revisions USING btree (message_id_hash) WHERE (message_id_hash IS NOT NULL);

create table drafts (
  id text collate "C" not null,
  organization_id text collate "C" not null,
  pod_id text collate "C" not null,
  inbox_id text collate "C" not null,
  client_id text collate "C",
  kind text collate "C" not null,
  source_id text collate "C",
  source_message_id text collate "C",
  thread_id text collate "C",
  in_reply_to text collate "C",
  references_list text collate "C",
  to_list text collate "C" not null,
  cc_list text collate "C" not null,
  bcc_list text collate "C" not null,
  reply_to_list text collate "C" not null,
  subject text collate "C",
  preview text collate "C",
  revision_id text collate "C" not null,
  size_bytes bigint not null,
  send_status text collate "C",
  send_at bigint,
  next_attempt_at bigint,
  send_error text collate "C",
  scheduled_by text collate "C",
  created_by text collate "C" not null,
  lease_owner text collate "C",
  lease_until bigint,
  interruptions integer not null,
  created_at bigint not null,
  updated_at bigint not null,
  PRIMARY KEY (id),
  FOREIGN KEY (inbox_id) REFERENCES inboxes(id)
);
CREATE INDEX drafts_by_creation ON public.drafts USING btree (inbox_id, id);
CREATE INDEX drafts_by_inbox ON public.drafts USING btree (inbox_id, updated_at, id);
CREATE INDEX drafts_by_organization ON public.drafts USING btree (organization_id, updated_at, id);
CREATE INDEX drafts_by_pod ON public.drafts USING btree (pod_id, updated_at, id);
CREATE UNIQUE INDEX drafts_client_id ON public.drafts USING btree (inbox_id, client_id) WHERE (client_id IS NOT NULL);
CREATE INDEX drafts_due ON public.drafts USING btree (next_attempt_at, id) WHERE (send_status = 'scheduled'::text);
CREATE INDEX drafts_due_by_pod ON public.drafts USING btree (pod_id, next_attempt_at, id) WHERE (send_status = 'scheduled'::text);
CREATE INDEX drafts_leased ON public.drafts USING btree (lease_owner) WHERE (lease_owner IS NOT NULL);

create table event_consumers (
  name text collate "C" not null,
  cursor_seq bigint not null,
  PRIMARY KEY (name)
);

create table event_log (
  id integer not null,
  epoch text collate "C" not null,
  last_seq bigint not null,
  last_event_id text collate "C",
  floor_seq bigint not null,
  floor_event_id text collate "C",
  PRIMARY KEY (id),
  CHECK ((id = 1))
);

create table events (
  seq bigint not null,
  event_id text collate "C" not null,
  at bigint not null,
  organization_id text collate "C" not null,
  pod_id text collate "C",
  inbox_id text collate "C",
  type text collate "C" not null,
  visibility text collate "C" not null,
  actor text collate "C" not null,
  message_id text collate "C",
  payload text collate "C" not null,
  PRIMARY KEY (seq)
);
CREATE INDEX events_by_inbox ON public.events USING btree (inbox_id, seq) WHERE (inbox_id IS NOT NULL);

create table idempotency_keys (
  inbox_id text collate "C" not null,
  key text collate "C" not null,
  scope_id text collate "C" not null,
  fingerprint text collate "C" not null,
  state text collate "C" not null,
  lease_until bigint,
  result text collate "C",
  created_at bigint not null,
  completed_at bigint,
  PRIMARY KEY (inbox_id, key)
);
CREATE INDEX idempotency_keys_by_age ON public.idempotency_keys USING btree (created_at);
CREATE INDEX idempotency_keys_by_scope ON public.idempotency_keys USING btree (scope_id, key);

create table inbox_aliases (
  address text collate "C" not null,
  inbox_id text collate "C" not null,
  domain_id text collate "C" not null,
  created_at bigint not null,
  PRIMARY KEY (address),
  FOREIGN KEY (domain_id) REFERENCES domains(id),
  FOREIGN KEY (inbox_id) REFERENCES inboxes(id)
);
CREATE INDEX inbox_aliases_by_domain ON public.inbox_aliases USING btree (domain_id);
CREATE INDEX inbox_aliases_by_inbox ON public.inbox_aliases USING btree (inbox_id, address);

create table inboxes (
  id text collate "C" not null,
  organization_id text collate "C" not null,
  pod_id text collate "C" not null,
  domain_id text collate "C" not null,
  address text collate "C" not null,
  display_name text collate "C",
  client_id text collate "C",
  metadata text collate "C",
  status text collate "C" not null,
  quota_bytes bigint,
  quota_messages bigint,
  retention_days integer,
  message_count bigint not null,
  unread_count bigint not null,
  unread_shown_count bigint not null,
  unread_unauthenticated_count bigint not null,
  mails_notifications integer not null,
  challenge_senders integer,
  thread_count bigint not null,
  size_bytes bigint not null,
  created_by text collate "C" not null,
  deleting_at bigint,
  created_at bigint not null,
  updated_at bigint not null,
  UNIQUE (address),
  PRIMARY KEY (id),
  FOREIGN KEY (domain_id) REFERENCES domains(id),
  FOREIGN KEY (organization_id) REFERENCES organizations(id),
  FOREIGN KEY (pod_id) REFERENCES pods(id)
);
CREATE INDEX inboxes_by_domain ON public.inboxes USING btree (domain_id);
CREATE INDEX inboxes_by_organization ON public.inboxes USING btree (organization_id, created_at, id);
CREATE INDEX inboxes_by_pod ON public.inboxes USING btree (pod_id, created_at, id);
CREATE UNIQUE INDEX inboxes_client_id ON public.inboxes USING btree (pod_id, client_id) WHERE (client_id IS NOT NULL);

create table jobs (
  id text collate "C" not null,
  kind text collate "C" not null,
  key text collate "C" not null,
  payload text collate "C" not null,
  run_at bigint not null,
  not_before bigint,
  attempts integer not null,
  lease_owner text collate "C",
  lease_until bigint,
  interruptions integer not null,
  last_error text collate "C",
  created_at bigint not null,
  PRIMARY KEY (id)
);
CREATE INDEX jobs_due ON public.jobs USING btree (run_at, id);
CREATE UNIQUE INDEX jobs_key ON public.jobs USING btree (kind, key);

create table list_entries (
  scope_id text collate "C" not null,
  direction text collate "C" not null,
  list_type text collate "C" not null,
  entry text collate "C" not null,
  organization_id text collate "C" not null,
  pod_id text collate "C",
  inbox_id text collate "C",
  reason text collate "C",
  read_only integer not null,
  created_at bigint not null,
  PRIMARY KEY (scope_id, direction, list_type, entry),
  FOREIGN KEY (organization_id) REFERENCES organizations(id)
);
CREATE INDEX list_entries_by_organization ON public.list_entries USING btree (organization_id, direction, entry);
CREATE INDEX list_entries_of_clients ON public.list_entries USING btree (scope_id, direction, list_type) WHERE (read_only = 0);
CREATE INDEX list_entries_of_server ON public.list_entries USING btree (entry) WHERE (read_only = 1);

create table mailbox_entries (
  mailbox_id text collate "C" not null,
  uid bigint not null,
  item_kind text collate "C" not null,
  item_id text collate "C" not null,
  flags text collate "C" not null,
  hidden integer not null,
  size_bytes bigint not null,
  is_deleted integer not null,
  modseq bigint not null,
  saved_at bigint not null,
  PRIMARY KEY (mailbox_id, uid),
  FOREIGN KEY (mailbox_id) REFERENCES mailboxes(id)
);
CREATE INDEX mailbox_entries_by_item ON public.mailbox_entries USING btree (item_id, mailbox_id);
CREATE INDEX mailbox_entries_by_modseq ON public.mailbox_entries USING btree (mailbox_id, modseq);

create table mailbox_states (
  inbox_id text collate "C" not null,
  seen_seq bigint not null,
  compare_seq bigint,
  compare_phase text collate "C" not null,
  compared_id text collate "C" not null,
  compared_number bigint not null,
  last_uid_validity bigint not null,
  PRIMARY KEY (inbox_id),
  FOREIGN KEY (inbox_id) REFERENCES inboxes(id)
);

create table mailbox_tombstones (
  mailbox_id text collate "C" not null,
  uid bigint not null,
  modseq bigint not null,
  PRIMARY KEY (mailbox_id, uid),
  FOREIGN KEY (mailbox_id) REFERENCES mailboxes(id)
);
CREATE INDEX mailbox_tombstones_by_modseq ON public.mailbox_tombstones USING btree (mailbox_id, modseq);

create table mailboxes (
  id text collate "C" not null,
  inbox_id text collate "C" not null,
  kind text collate "C" not null,
  name text collate "C" not null,
  label text collate "C",
  renamed_from text collate "C",
  is_deleting integer not null,
  is_subscribed integer not null,
  uid_validity bigint not null,
  uid_next bigint not null,
  created_at bigint not null,
  PRIMARY KEY (id),
  FOREIGN KEY (inbox_id) REFERENCES inboxes(id)
);
CREATE INDEX mailboxes_by_inbox ON public.mailboxes USING btree (inbox_id);

create table message_bcc (
  message_id text collate "C" not null,
  position integer not null,
  address text collate "C" not null,
  name text collate "C",
  PRIMARY KEY (message_id, "position"),
  FOREIGN KEY (message_id) REFERENCES messages(id) ON DELETE CASCADE
);

create table message_labels (
  message_id text collate "C" not null,
  label text collate "C" not null,
  PRIMARY KEY (message_id, label),
  FOREIGN KEY (message_id) REFERENCES messages(id) ON DELETE CASCADE
);
CREATE INDEX message_labels_by_label ON public.message_labels USING btree (label, message_id) WHERE (label <> ALL (ARRAY['received'::text, 'sent'::text, 'unread'::text, 'delivered'::text]));

create table messages (
  number bigint not null generated always as identity,
  id text collate "C" not null,
  organization_id text collate "C" not null,
  pod_id text collate "C" not null,
  inbox_id text collate "C" not null,
  thread_id text collate "C" not null,
  content_id text collate "C" not null,
  api_message_id text collate "C" not null,
  api_message_id_hash text collate "C" not null,
  header_message_id text collate "C",
  header_message_id_hash text collate "C",
  fingerprint text collate "C" not null,
  subject text collate "C",
  preview text collate "C",
  in_reply_to text collate "C",
  references_list text collate "C",
  envelope_sender text collate "C",
  envelope_recipient text collate "C",
  size_bytes bigint not null,
  has_attachments integer not null,
  hidden integer not null,
  authentication text collate "C" not null,
  spam text collate "C",
  verified_domain text collate "C",
  sender_claim text collate "C",
  labels_seq bigint not null,
  timestamp bigint not null,
  internal_date bigint,
  created_at bigint not null,
  updated_at bigint not null,
  UNIQUE (id),
  PRIMARY KEY (number),
  FOREIGN KEY (content_id) REFERENCES contents(id),
  FOREIGN KEY (inbox_id) REFERENCES inboxes(id),
  FOREIGN KEY (thread_id) REFERENCES threads(id)
);
CREATE UNIQUE INDEX messages_api_id ON public.messages USING btree (inbox_id, api_message_id_hash);
CREATE INDEX messages_by_content ON public.messages USING btree (content_id);
CREATE INDEX messages_by_header_id ON public.messages USING btree (inbox_id, header_message_id_hash) WHERE (header_message_id_hash <> api_message_id_hash);
CREATE INDEX messages_by_inbox ON public.messages USING btree (inbox_id, "timestamp", id, hidden);
CREATE INDEX messages_by_number ON public.messages USING btree (inbox_id, number);
CREATE INDEX messages_by_thread ON public.messages USING btree (thread_id, "timestamp", id);
CREATE INDEX messages_with_attachments ON public.messages USING btree (thread_id, "timestamp", id) WHERE (has_attachments = 1);

create table notification_rules (
  inbox_id text collate "C" not null,
  rules text collate "C" not null,
  permissions text collate "C",
  version text collate "C" not null,
  updated_at bigint not null,
  PRIMARY KEY (inbox_id),
  FOREIGN KEY (inbox_id) REFERENCES inboxes(id)
);

create table organizations (
  id text collate "C" not null,
  name text collate "C",
  created_at bigint not null,
  updated_at bigint not null,
  PRIMARY KEY (id)
);
CREATE INDEX organizations_by_age ON public.organizations USING btree (created_at, id);

create table outbound_pause (
  id integer not null,
  paused_at bigint not null,
  PRIMARY KEY (id),
  CHECK ((id = 1))
);

create table pods (
  id text collate "C" not null,
  organization_id text collate "C" not null,
  name text collate "C" not null,
  client_id text collate "C",
  is_default integer not null,
  inbox_count bigint not null,
  deleting_at bigint,
  created_at bigint not null,
  updated_at bigint not null,
  PRIMARY KEY (id),
  FOREIGN KEY (organization_id) REFERENCES organizations(id)
);
CREATE INDEX pods_by_organization ON public.pods USING btree (organization_id, created_at, id);
CREATE UNIQUE INDEX pods_client_id ON public.pods USING btree (organization_id, client_id) WHERE (client_id IS NOT NULL);
CREATE UNIQUE INDEX pods_default ON public.pods USING btree (organization_id) WHERE (is_default = 1);

create table rate_counts (
  key text collate "C" not null,
  period_start bigint not null,
  count bigint not null,
  expires_at bigint not null,
  PRIMARY KEY (key, period_start)
);
CREATE INDEX rate_counts_by_expiry ON public.rate_counts USING btree (expires_at);

create table received_keys (
  inbox_id text collate "C" not null,
  key_hash text collate "C" not null,
  created_at bigint not null,
  PRIMARY KEY (inbox_id, key_hash)
);
CREATE INDEX received_keys_by_age ON public.received_keys USING btree (created_at);

create table recipient_history (
  id text collate "C" not null,
  recipient_id text collate "C" not null,
  position integer not null,
  target text collate "C" not null,
  outcome text collate "C" not null,
  code integer,
  enhanced_code text collate "C",
  reply text collate "C",
  remote text collate "C",
  tls text collate "C",
  started_at bigint not null,
  ended_at bigint not null,
  PRIMARY KEY (id),
  FOREIGN KEY (recipient_id) REFERENCES recipients(id) ON DELETE CASCADE
);
CREATE INDEX recipient_history_by_recipient ON public.recipient_history USING btree (recipient_id, "position");

create table recipients (
  id text collate "C" not null,
  submission_id text collate "C" not null,
  message_id text collate "C",
  position integer not null,
  address text collate "C" not null,
  domain text collate "C" not null,
  organization_id text collate "C" not null,
  pod_id text collate "C" not null,
  inbox_id text collate "C",
  state text collate "C" not null,
  route text collate "C",
  delay_notice_at bigint,
  released_at bigint,
  attempts integer not null,
  next_attempt_at bigint not null,
  lease_owner text collate "C",
  lease_until bigint,
  delivering_since bigint,
  delivering_to text collate "C",
  interruptions integer not null,
  last_code integer,
  last_enhanced_code text collate "C",
  last_reply text collate "C",
  created_at bigint not null,
  updated_at bigint not null,
  PRIMARY KEY (id),
  FOREIGN KEY (submission_id) REFERENCES submissions(id) ON DELETE CASCADE
);
CREATE INDEX recipients_by_flow ON public.recipients USING btree (domain, pod_id, next_attempt_at, id) WHERE (state = 'queued'::text);
CREATE INDEX recipients_by_message ON public.recipients USING btree (message_id) WHERE (message_id IS NOT NULL);
CREATE INDEX recipients_by_submission ON public.recipients USING btree (submission_id, "position");
CREATE INDEX recipients_due ON public.recipients USING btree (next_attempt_at, id) WHERE (state = 'queued'::text);
CREATE INDEX recipients_open ON public.recipients USING btree (organization_id, created_at, id) WHERE (state = ANY (ARRAY['queued'::text, 'held'::text]));
CREATE INDEX recipients_open_by_inbox ON public.recipients USING btree (inbox_id, created_at, id) WHERE (state = ANY (ARRAY['queued'::text, 'held'::text]));

create table rollups (
  scope_id text collate "C" not null,
  hour bigint not null,
  metric text collate "C" not null,
  count bigint not null,
  PRIMARY KEY (scope_id, hour, metric)
);
CREATE INDEX rollups_by_age ON public.rollups USING btree (hour);

create table schema_migrations (
  number integer not null,
  name text collate "C" not null,
  hash text collate "C" not null,
  applied_at bigint not null,
  PRIMARY KEY (number)
);

create table search_blocks (
  id bigint not null generated always as identity,
  inbox_id text collate "C" not null,
  kind text collate "C" not null,
  after_number bigint not null,
  last_number bigint not null,
  text_function text collate "C" not null,
  numbers bytea not null,
  has_removed integer not null,
  PRIMARY KEY (id),
  FOREIGN KEY (inbox_id) REFERENCES inboxes(id)
);
CREATE UNIQUE INDEX search_blocks_by_inbox ON public.search_blocks USING btree (inbox_id, kind, last_number);

create table search_chunks (
  id bigint not null,
  bytes bytea not null,
  PRIMARY KEY (id)
);

create table secrets (
  kind text collate "C" not null,
  name text collate "C" not null,
  value text collate "C" not null,
  created_at bigint not null,
  PRIMARY KEY (kind, name)
);

create table sign_ups (
  organization_id text collate "C" not null,
  human_email text collate "C",
  human_changes integer not null,
  code_hash text collate "C",
  code_expires_at bigint,
  code_tries integer not null,
  code_submission_id text collate "C",
  verified_at bigint,
  created_at bigint not null,
  updated_at bigint not null,
  PRIMARY KEY (organization_id),
  FOREIGN KEY (organization_id) REFERENCES organizations(id)
);
CREATE INDEX sign_ups_by_code ON public.sign_ups USING btree (code_submission_id) WHERE (code_submission_id IS NOT NULL);
CREATE UNIQUE INDEX sign_ups_human ON public.sign_ups USING btree (human_email) WHERE (human_email IS NOT NULL);

create table submissions (
  id text collate "C" not null,
  organization_id text collate "C" not null,
  inbox_id text collate "C",
  message_id text collate "C",
  content_id text collate "C" not null,
  kind text collate "C" not null,
  envelope_sender text collate "C" not null,
  dkim_selector text collate "C",
  smtputf8 integer not null,
  created_at bigint not null,
  PRIMARY KEY (id),
  FOREIGN KEY (content_id) REFERENCES contents(id),
  FOREIGN KEY (organization_id) REFERENCES organizations(id)
);
CREATE INDEX submissions_by_content ON public.submissions USING btree (content_id);
CREATE INDEX submissions_by_message ON public.submissions USING btree (message_id) WHERE (message_id IS NOT NULL);

create table thread_labels (
  thread_id text collate "C" not null,
  label text collate "C" not null,
  message_count bigint not null,
  PRIMARY KEY (thread_id, label),
  FOREIGN KEY (thread_id) REFERENCES threads(id) ON DELETE CASCADE
);

create table thread_participants (
  thread_id text collate "C" not null,
  kind text collate "C" not null,
  address text collate "C" not null,
  display text collate "C" not null,
  message_count bigint not null,
  PRIMARY KEY (thread_id, kind, address),
  FOREIGN KEY (thread_id) REFERENCES threads(id) ON DELETE CASCADE
);

create table thread_references (
  inbox_id text collate "C" not null,
  message_id_hash text collate "C" not null,
  thread_id text collate "C" not null,
  is_own integer not null,
  PRIMARY KEY (inbox_id, message_id_hash),
  FOREIGN KEY (thread_id) REFERENCES threads(id) ON DELETE CASCADE
);
CREATE INDEX thread_references_by_thread ON public.thread_references USING btree (thread_id);

create table threads (
  id text collate "C" not null,
  organization_id text collate "C" not null,
  pod_id text collate "C" not null,
  inbox_id text collate "C" not null,
  subject text collate "C",
  preview text collate "C",
  last_message_id text collate "C" not null,
  message_count bigint not null,
  visible_count bigint not null,
  size_bytes bigint not null,
  hidden integer not null,
  timestamp bigint not null,
  received_timestamp bigint,
  sent_timestamp bigint,
  deleting_at bigint,
  created_at bigint not null,
  updated_at bigint not null,
  PRIMARY KEY (id),
  FOREIGN KEY (inbox_id) REFERENCES inboxes(id)
);
CREATE INDEX threads_by_inbox ON public.threads USING btree (inbox_id, "timestamp", id, hidden);
CREATE INDEX threads_by_organization ON public.threads USING btree (organization_id, "timestamp", id, hidden);
CREATE INDEX threads_by_pod ON public.threads USING btree (pod_id, "timestamp", id, hidden);

create table uploads (
  id text collate "C" not null,
  organization_id text collate "C" not null,
  pod_id text collate "C",
  inbox_id text collate "C",
  filename text collate "C" not null,
  content_type text collate "C" not null,
  size_bytes_max bigint not null,
  is_exact_size integer not null,
  content_id text collate "C",
  size_bytes bigint,
  expires_at bigint not null,
  created_at bigint not null,
  PRIMARY KEY (id),
  FOREIGN KEY (content_id) REFERENCES contents(id)
);
CREATE INDEX uploads_by_content ON public.uploads USING btree (content_id) WHERE (content_id IS NOT NULL);
CREATE INDEX uploads_by_expiry ON public.uploads USING btree (expires_at);
CREATE INDEX uploads_by_organization ON public.uploads USING btree (organization_id, expires_at);

create table usage_snapshots (
  scope_id text collate "C" not null,
  at bigint not null,
  storage_bytes bigint not null,
  message_count bigint not null,
  thread_count bigint not null,
  inbox_count bigint not null,
  domain_count bigint not null,
  pod_count bigint not null,
  PRIMARY KEY (scope_id, at)
);

create table verified_senders (
  id text collate "C" not null,
  organization_id text collate "C" not null,
  pod_id text collate "C" not null,
  inbox_id text collate "C" not null,
  claim text collate "C" not null,
  address text collate "C" not null,
  message_at bigint not null,
  token_hash text collate "C",
  expires_at bigint not null,
  verified_at bigint,
  created_at bigint not null,
  PRIMARY KEY (id),
  FOREIGN KEY (inbox_id) REFERENCES inboxes(id),
  FOREIGN KEY (organization_id) REFERENCES organizations(id)
);
CREATE INDEX verified_senders_by_age ON public.verified_senders USING btree (inbox_id, created_at, id) WHERE (verified_at IS NOT NULL);
CREATE UNIQUE INDEX verified_senders_claim ON public.verified_senders USING btree (inbox_id, claim);
CREATE INDEX verified_senders_open ON public.verified_senders USING btree (expires_at) WHERE (verified_at IS NULL);
CREATE UNIQUE INDEX verified_senders_token ON public.verified_senders USING btree (token_hash) WHERE (token_hash IS NOT NULL);

create table webhook_attempts (
  id text collate "C" not null,
  delivery_id text collate "C" not null,
  attempt integer not null,
  outcome text collate "C" not null,
  code integer,
  response text collate "C",
  error text collate "C",
  started_at bigint not null,
  ended_at bigint not null,
  PRIMARY KEY (id),
  FOREIGN KEY (delivery_id) REFERENCES webhook_deliveries(id) ON DELETE CASCADE
);
CREATE INDEX webhook_attempts_by_delivery ON public.webhook_attempts USING btree (delivery_id, attempt);

create table webhook_deliveries (
  id text collate "C" not null,
  webhook_id text collate "C" not null,
  seq bigint not null,
  event_id text collate "C" not null,
  event_type text collate "C" not null,
  state text collate "C" not null,
  ordering_key text collate "C",
  term integer not null,
  attempts integer not null,
  attempts_before integer not null,
  next_attempt_at bigint not null,
  scheduled_at bigint,
  probes integer not null,
  lease_owner text collate "C",
  lease_until bigint,
  interruptions integer not null,
  body bytea,
  last_code integer,
  last_error text collate "C",
  created_at bigint not null,
  updated_at bigint not null,
  PRIMARY KEY (id),
  FOREIGN KEY (webhook_id) REFERENCES webhooks(id) ON DELETE CASCADE
);
CREATE INDEX webhook_deliveries_by_age ON public.webhook_deliveries USING btree (created_at);
CREATE INDEX webhook_deliveries_by_webhook ON public.webhook_deliveries USING btree (webhook_id, next_attempt_at, id) WHERE (state = 'pending'::text);
CREATE INDEX webhook_deliveries_due ON public.webhook_deliveries USING btree (next_attempt_at, id) WHERE (state = 'pending'::text);
CREATE UNIQUE INDEX webhook_deliveries_event ON public.webhook_deliveries USING btree (webhook_id, seq);
CREATE UNIQUE INDEX webhook_deliveries_pending_key ON public.webhook_deliveries USING btree (webhook_id, ordering_key) WHERE ((state = 'pending'::text) AND (ordering_key IS NOT NULL));
CREATE INDEX webhook_deliveries_waiting ON public.webhook_deliveries USING btree (webhook_id, ordering_key, seq) WHERE (state = 'waiting'::text);

create table webhook_replays (
  id text collate "C" not null,
  webhook_id text collate "C" not null,
  term integer not null,
  position_seq bigint not null,
  through_seq bigint not null,
  start_at bigint not null,
  end_at bigint not null,
  event_types text collate "C",
  is_only_failed integer not null,
  created_at bigint not null,
  PRIMARY KEY (id),
  FOREIGN KEY (webhook_id) REFERENCES webhooks(id) ON DELETE CASCADE
);
CREATE INDEX webhook_replays_by_webhook ON public.webhook_replays USING btree (webhook_id);

create table webhooks (
  id text collate "C" not null,
  organization_id text collate "C" not null,
  pod_id text collate "C",
  inbox_id text collate "C",
  client_id text collate "C",
  url text collate "C" not null,
  profile text collate "C" not null,
  event_types text collate "C",
  pod_ids text collate "C",
  inbox_ids text collate "C",
  sender_filter text collate "C",
  headers text collate "C",
  permissions text collate "C",
  secret text collate "C" not null,
  old_secrets text collate "C",
  is_enabled integer not null,
  disabled_reason text collate "C",
  failing_since bigint,
  failed_at bigint,
  failures integer not null,
  has_long_retries integer not null,
  order_state text collate "C" not null,
  term integer not null,
  start_seq bigint not null,
  created_by text collate "C" not null,
  deleting_at bigint,
  created_at bigint not null,
  updated_at bigint not null,
  PRIMARY KEY (id),
  FOREIGN KEY (organization_id) REFERENCES organizations(id)
);
CREATE INDEX webhooks_by_inbox ON public.webhooks USING btree (inbox_id, created_at, id) WHERE (inbox_id IS NOT NULL);
CREATE INDEX webhooks_by_organization ON public.webhooks USING btree (organization_id, created_at, id);
CREATE INDEX webhooks_by_pod ON public.webhooks USING btree (pod_id, created_at, id) WHERE (pod_id IS NOT NULL);
CREATE UNIQUE INDEX webhooks_client_id ON public.webhooks USING btree (COALESCE(inbox_id, pod_id, organization_id), profile, client_id) WHERE (client_id IS NOT NULL);
