/**
 * The first schema: every table of ../schema/schema.ts.
 *
 * Indexes serve keyset lists (scope, sort key, id) and contain `hidden`, so that a page skips spam and trash without
 * reading their rows. Foreign keys exist where a row would be wrong without its owner; link tables and lists are
 * deleted with the owner (cascade). They are checked at once, never deferred: a violation must fail its own statement,
 * not the commit of a whole group.
 */
import type { Migration } from './migration.ts'

export const initial: Migration = {
  number: 1,
  name: 'initial',
  statements: ({ text, integer, bigint, bytes, identity, table, linkTable, textIndex }) => [
    // The event log
    `create table event_log (
      id ${integer} primary key check (id = 1),
      epoch ${text} not null,
      last_seq ${bigint} not null,
      floor_seq ${bigint} not null
    ) ${table}`,
    // event_log provides seq: each number is taken at the commit and never used twice.
    `create table events (
      seq ${bigint} primary key,
      event_id ${text} not null,
      at ${bigint} not null,
      organization_id ${text} not null,
      pod_id ${text},
      inbox_id ${text},
      type ${text} not null,
      visibility ${text} not null,
      actor ${text} not null,
      message_id ${text},
      payload ${text} not null
    ) ${table}`,
    `create index events_by_inbox on events (inbox_id, seq) where inbox_id is not null`,

    // Tenants
    `create table organizations (
      id ${text} primary key,
      name ${text},
      created_at ${bigint} not null,
      updated_at ${bigint} not null
    ) ${table}`,
    `create table pods (
      id ${text} primary key,
      organization_id ${text} not null references organizations,
      name ${text} not null,
      client_id ${text},
      is_default ${integer} not null,
      inbox_count ${bigint} not null,
      deleting_at ${bigint},
      created_at ${bigint} not null,
      updated_at ${bigint} not null
    ) ${table}`,
    `create index pods_by_organization on pods (organization_id, created_at, id)`,
    `create unique index pods_client_id on pods (organization_id, client_id) where client_id is not null`,
    `create unique index pods_default on pods (organization_id) where is_default = 1`,
    `create table domains (
      id ${text} primary key,
      organization_id ${text} references organizations,
      pod_id ${text},
      domain ${text} not null unique,
      status ${text} not null,
      dkim_selector ${text} not null,
      deleting_at ${bigint},
      created_at ${bigint} not null,
      updated_at ${bigint} not null
    ) ${table}`,
    `create index domains_by_organization on domains (organization_id, created_at, id)`,
    `create table secrets (
      kind ${text} not null,
      name ${text} not null,
      value ${text} not null,
      created_at ${bigint} not null,
      primary key (kind, name)
    ) ${linkTable}`,
    `create table api_keys (
      id ${text} primary key,
      kind ${text} not null,
      organization_id ${text} not null references organizations,
      pod_id ${text},
      inbox_id ${text},
      name ${text} not null,
      prefix ${text} not null,
      key_hash ${text} not null unique,
      permissions ${text},
      is_root ${integer} not null,
      created_by ${text} not null,
      expires_at ${bigint},
      used_at ${bigint},
      created_at ${bigint} not null,
      updated_at ${bigint} not null
    ) ${table}`,
    `create index api_keys_by_organization on api_keys (organization_id, created_at, id)`,
    `create index api_keys_by_pod on api_keys (pod_id, created_at, id) where pod_id is not null`,
    `create index api_keys_by_inbox on api_keys (inbox_id, created_at, id) where inbox_id is not null`,
    `create table inboxes (
      id ${text} primary key,
      organization_id ${text} not null references organizations,
      pod_id ${text} not null references pods,
      domain_id ${text} not null references domains,
      address ${text} not null unique,
      display_name ${text},
      client_id ${text},
      metadata ${text},
      status ${text} not null,
      message_count ${bigint} not null,
      unread_count ${bigint} not null,
      thread_count ${bigint} not null,
      size_bytes ${bigint} not null,
      deleting_at ${bigint},
      created_at ${bigint} not null,
      updated_at ${bigint} not null
    ) ${table}`,
    `create index inboxes_by_organization on inboxes (organization_id, created_at, id)`,
    `create index inboxes_by_pod on inboxes (pod_id, created_at, id)`,
    `create index inboxes_by_domain on inboxes (domain_id)`,
    `create unique index inboxes_client_id on inboxes (organization_id, client_id) where client_id is not null`,

    // Messages
    `create table threads (
      id ${text} primary key,
      organization_id ${text} not null,
      pod_id ${text} not null,
      inbox_id ${text} not null references inboxes,
      subject ${text},
      preview ${text},
      last_message_id ${text} not null,
      message_count ${bigint} not null,
      visible_count ${bigint} not null,
      size_bytes ${bigint} not null,
      hidden ${integer} not null,
      timestamp ${bigint} not null,
      received_timestamp ${bigint},
      sent_timestamp ${bigint},
      deleting_at ${bigint},
      created_at ${bigint} not null,
      updated_at ${bigint} not null
    ) ${table}`,
    `create index threads_by_organization on threads (organization_id, timestamp, id, hidden)`,
    `create index threads_by_pod on threads (pod_id, timestamp, id, hidden)`,
    `create index threads_by_inbox on threads (inbox_id, timestamp, id, hidden)`,
    `create table thread_labels (
      thread_id ${text} not null references threads on delete cascade,
      label ${text} not null,
      message_count ${bigint} not null,
      primary key (thread_id, label)
    ) ${linkTable}`,
    `create table thread_participants (
      thread_id ${text} not null references threads on delete cascade,
      kind ${text} not null,
      address ${text} not null,
      display ${text} not null,
      message_count ${bigint} not null,
      primary key (thread_id, kind, address)
    ) ${linkTable}`,
    `create table thread_references (
      inbox_id ${text} not null,
      message_id_hash ${text} not null,
      thread_id ${text} not null references threads on delete cascade,
      primary key (inbox_id, message_id_hash)
    ) ${linkTable}`,
    `create index thread_references_by_thread on thread_references (thread_id)`,
    // `bytes` is last: to read a column after it, SQLite would follow all its pages, and most queries read `parsed`.
    `create table contents (
      id ${text} primary key,
      size_bytes ${bigint} not null,
      sha256 ${text} not null,
      blob_key ${text},
      parsed_blob_key ${text},
      created_at ${bigint} not null,
      parsed ${bytes},
      bytes ${bytes}
    ) ${table}`,
    // For the sweep of blobs, which looks up whether a row refers to a key.
    `create index contents_by_blob on contents (blob_key) where blob_key is not null`,
    `create index contents_by_parsed_blob on contents (parsed_blob_key) where parsed_blob_key is not null`,
    `create table attachments (
      id ${text} primary key,
      content_id ${text} not null references contents on delete cascade,
      position ${integer} not null,
      filename ${text},
      content_type ${text} not null,
      disposition ${text} not null,
      cid ${text},
      transfer_encoding ${text} not null,
      offset_bytes ${bigint} not null,
      length_bytes ${bigint} not null,
      size_bytes ${bigint} not null
    ) ${table}`,
    `create index attachments_by_content on attachments (content_id, position)`,
    `create table messages (
      number ${identity},
      id ${text} not null unique,
      organization_id ${text} not null,
      pod_id ${text} not null,
      inbox_id ${text} not null references inboxes,
      thread_id ${text} not null references threads,
      content_id ${text} not null references contents,
      api_message_id ${text} not null,
      api_message_id_hash ${text} not null,
      header_message_id ${text},
      header_message_id_hash ${text},
      fingerprint ${text} not null,
      subject ${text},
      preview ${text},
      in_reply_to ${text},
      references_list ${text},
      envelope_sender ${text},
      envelope_recipient ${text},
      size_bytes ${bigint} not null,
      hidden ${integer} not null,
      authentication ${text} not null,
      verified_domain ${text},
      modseq ${bigint} not null,
      timestamp ${bigint} not null,
      created_at ${bigint} not null,
      updated_at ${bigint} not null
    ) ${table}`,
    `create index messages_by_inbox on messages (inbox_id, timestamp, id, hidden)`,
    `create index messages_by_number on messages (inbox_id, number)`,
    `create index messages_by_thread on messages (thread_id, timestamp, id)`,
    `create unique index messages_api_id on messages (inbox_id, api_message_id_hash)`,
    `create index messages_by_header_id on messages (inbox_id, header_message_id_hash)
      where header_message_id_hash is not null`,
    `create index messages_by_content on messages (content_id)`,
    `create table message_labels (
      message_id ${text} not null references messages (id) on delete cascade,
      label ${text} not null,
      primary key (message_id, label)
    ) ${linkTable}`,
    `create table message_addresses (
      message_id ${text} not null references messages (id) on delete cascade,
      kind ${text} not null,
      position ${integer} not null,
      address ${text} not null,
      name ${text},
      primary key (message_id, kind, position)
    ) ${linkTable}`,
    ...textIndex,

    // Sending. A submission may outlive its message: deleting a sent message does not remove it from the queue.
    `create table submissions (
      id ${text} primary key,
      organization_id ${text} not null references organizations,
      inbox_id ${text},
      message_id ${text},
      content_id ${text} not null references contents,
      kind ${text} not null,
      envelope_sender ${text} not null,
      verp_token ${text} not null unique,
      dkim_selector ${text},
      smtputf8 ${integer} not null,
      created_at ${bigint} not null
    ) ${table}`,
    `create index submissions_by_content on submissions (content_id)`,
    `create index submissions_by_message on submissions (message_id) where message_id is not null`,
    `create table recipients (
      id ${text} primary key,
      submission_id ${text} not null references submissions on delete cascade,
      message_id ${text},
      position ${integer} not null,
      address ${text} not null,
      domain ${text} not null,
      state ${text} not null,
      attempts ${integer} not null,
      next_attempt_at ${bigint} not null,
      lease_owner ${text},
      lease_until ${bigint},
      last_code ${integer},
      last_enhanced_code ${text},
      last_reply ${text},
      created_at ${bigint} not null,
      updated_at ${bigint} not null
    ) ${table}`,
    `create index recipients_due on recipients (next_attempt_at, id) where state = 'queued'`,
    `create index recipients_by_submission on recipients (submission_id, position)`,
    `create index recipients_by_message on recipients (message_id) where message_id is not null`,
    `create table deliveries (
      id ${text} primary key,
      recipient_id ${text} not null references recipients on delete cascade,
      attempt ${integer} not null,
      target ${text} not null,
      outcome ${text} not null,
      code ${integer},
      enhanced_code ${text},
      reply ${text},
      started_at ${bigint} not null,
      ended_at ${bigint} not null
    ) ${table}`,
    `create index deliveries_by_recipient on deliveries (recipient_id, attempt)`,
    `create table idempotency_keys (
      organization_id ${text} not null,
      key ${text} not null,
      fingerprint ${text} not null,
      state ${text} not null,
      lease_until ${bigint},
      result ${text},
      created_at ${bigint} not null,
      completed_at ${bigint},
      primary key (organization_id, key)
    ) ${table}`,
    `create index idempotency_keys_by_age on idempotency_keys (created_at)`,

    // Background work
    `create table jobs (
      id ${text} primary key,
      kind ${text} not null,
      key ${text} not null,
      payload ${text} not null,
      run_at ${bigint} not null,
      attempts ${integer} not null,
      lease_owner ${text},
      lease_until ${bigint},
      last_error ${text},
      created_at ${bigint} not null
    ) ${table}`,
    `create unique index jobs_key on jobs (kind, key)`,
    `create index jobs_due on jobs (run_at, id)`,

    // IMAP. No foreign key to the item: code that knows the MODSEQ deletes the entry and writes a tombstone.
    `create table mailboxes (
      id ${text} primary key,
      inbox_id ${text} not null references inboxes,
      name ${text} not null,
      uid_validity ${bigint} not null,
      uid_next ${bigint} not null,
      highest_modseq ${bigint} not null,
      created_at ${bigint} not null
    ) ${table}`,
    `create unique index mailboxes_name on mailboxes (inbox_id, name)`,
    `create table mailbox_entries (
      mailbox_id ${text} not null references mailboxes on delete cascade,
      uid ${bigint} not null,
      item_kind ${text} not null,
      item_id ${text} not null,
      internal_date ${bigint} not null,
      is_deleted ${integer} not null,
      modseq ${bigint} not null,
      primary key (mailbox_id, uid)
    ) ${linkTable}`,
    `create index mailbox_entries_by_item on mailbox_entries (item_id, mailbox_id)`,
    `create index mailbox_entries_by_modseq on mailbox_entries (mailbox_id, modseq)`,
    `create table mailbox_tombstones (
      mailbox_id ${text} not null references mailboxes on delete cascade,
      uid ${bigint} not null,
      modseq ${bigint} not null,
      primary key (mailbox_id, uid)
    ) ${linkTable}`,
    `create index mailbox_tombstones_by_modseq on mailbox_tombstones (mailbox_id, modseq)`,

    // Webhooks and counts
    `create table webhooks (
      id ${text} primary key,
      organization_id ${text} not null references organizations,
      pod_id ${text},
      inbox_id ${text},
      client_id ${text},
      url ${text} not null,
      profile ${text} not null,
      event_types ${text},
      pod_ids ${text},
      inbox_ids ${text},
      headers ${text},
      secret ${text} not null,
      is_enabled ${integer} not null,
      cursor_seq ${bigint} not null,
      created_at ${bigint} not null,
      updated_at ${bigint} not null
    ) ${table}`,
    `create index webhooks_by_organization on webhooks (organization_id, created_at, id)`,
    `create unique index webhooks_client_id on webhooks (organization_id, client_id) where client_id is not null`,
    `create table rollups (
      organization_id ${text} not null,
      pod_id ${text} not null,
      inbox_id ${text} not null,
      hour ${bigint} not null,
      metric ${text} not null,
      count ${bigint} not null,
      primary key (inbox_id, hour, metric)
    ) ${linkTable}`,
    `create index rollups_by_organization on rollups (organization_id, hour)`,
    `create index rollups_by_age on rollups (hour)`,
  ],
}
