/** Threads, contents, attachments and messages, and the text index. Part of ../0001-initial.ts. */
import type { DefinitionLanguage } from '../../sql-adapter.ts'

export function messageTables({
  text,
  integer,
  bigint,
  bytes,
  identity,
  table,
  linkTable,
  inRow,
  inRowIfPossible,
}: DefinitionLanguage): string[] {
  return [
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
      is_own ${integer} not null,
      primary key (inbox_id, message_id_hash)
    ) ${linkTable}`,
    `create index thread_references_by_thread on thread_references (thread_id)`,
    // To read a column, SQLite follows the pages of all columns before it. A search reads the texts of hundreds of messages,
    // most other queries `parsed`, and few `bytes`.
    `create table contents (
      id ${text} primary key,
      size_bytes ${bigint} not null,
      blob_key ${text},
      parsed_blob_key ${text},
      parsed_size_bytes ${bigint} not null,
      parsed_head_bytes ${bigint} not null,
      created_at ${bigint} not null,
      envelope ${text},
      search_text ${bytes},
      verification ${text},
      parsed ${bytes},
      bytes ${bytes}
    ) ${table}`,
    ...inRowIfPossible('contents', 'search_text'),
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
      charset ${text},
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
      has_attachments ${integer} not null,
      hidden ${integer} not null,
      authentication ${text} not null,
      spam ${text},
      verified_domain ${text},
      sender_claim ${text},
      labels_seq ${bigint} not null,
      timestamp ${bigint} not null,
      internal_date ${bigint},
      created_at ${bigint} not null,
      updated_at ${bigint} not null
    ) ${table}`,
    `create index messages_by_inbox on messages (inbox_id, timestamp, id, hidden)`,
    `create index messages_by_number on messages (inbox_id, number)`,
    `create index messages_by_thread on messages (thread_id, timestamp, id)`,
    `create index messages_with_attachments on messages (thread_id, timestamp, id) where has_attachments = 1`,
    `create unique index messages_api_id on messages (inbox_id, api_message_id_hash)`,
    // Most messages have one id, in their header and for clients, and are found by messages_api_id.
    `create index messages_by_header_id on messages (inbox_id, header_message_id_hash)
      where header_message_id_hash <> api_message_id_hash`,
    `create index messages_by_content on messages (content_id)`,
    `create table message_labels (
      message_id ${text} not null references messages (id) on delete cascade,
      label ${text} not null,
      primary key (message_id, label)
    ) ${linkTable}`,
    // Not for the labels that nearly every message has: they would make each message more expensive when it is filed.
    `create index message_labels_by_label on message_labels (label, message_id)
      where label not in ('received', 'sent', 'unread', 'delivered')`,
    // The addresses of the header belong to the content: a message to 99 inboxes stores them once. Bcc addresses are in
    // no header, and only the sender's message has them.
    `create table content_addresses (
      content_id ${text} not null references contents on delete cascade,
      kind ${text} not null,
      position ${integer} not null,
      address ${text} not null,
      name ${text},
      primary key (content_id, kind, position)
    ) ${linkTable}`,
    `create table message_bcc (
      message_id ${text} not null references messages (id) on delete cascade,
      position ${integer} not null,
      address ${text} not null,
      name ${text},
      primary key (message_id, position)
    ) ${linkTable}`,
    `create table received_keys (
      inbox_id ${text} not null,
      key_hash ${text} not null,
      created_at ${bigint} not null,
      primary key (inbox_id, key_hash)
    ) ${linkTable}`,
    `create index received_keys_by_age on received_keys (created_at)`,
    // The text index (docs/adr/0038). No foreign key from a chunk to its block: it would need a column and an index.
    `create table search_blocks (
      id ${identity},
      inbox_id ${text} not null references inboxes,
      kind ${text} not null,
      after_number ${bigint} not null,
      last_number ${bigint} not null,
      text_function ${text} not null,
      numbers ${bytes} not null,
      has_removed ${integer} not null
    ) ${table}`,
    `create unique index search_blocks_by_inbox on search_blocks (inbox_id, kind, last_number)`,
    `create table search_chunks (
      id ${bigint} primary key,
      bytes ${bytes} not null
    ) ${table}`,
    ...inRow('search_chunks', 'bytes'),
    `create table verified_senders (
      id ${text} primary key,
      organization_id ${text} not null references organizations,
      pod_id ${text} not null,
      inbox_id ${text} not null references inboxes,
      claim ${text} not null,
      address ${text} not null,
      message_at ${bigint} not null,
      token_hash ${text},
      expires_at ${bigint} not null,
      verified_at ${bigint},
      created_at ${bigint} not null
    ) ${table}`,
    `create unique index verified_senders_claim on verified_senders (inbox_id, claim)`,
    `create unique index verified_senders_token on verified_senders (token_hash) where token_hash is not null`,
    `create index verified_senders_by_age on verified_senders (inbox_id, created_at, id) where verified_at is not null`,
    `create index verified_senders_open on verified_senders (expires_at) where verified_at is null`,
  ]
}
