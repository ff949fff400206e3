/** Drafts, their revisions, and the texts and attachments they are composed from. Part of ../0001-initial.ts. */
import type { DefinitionLanguage } from '../../sql-adapter.ts'

export function draftTables({ text, integer, bigint, table, linkTable }: DefinitionLanguage): string[] {
  return [
    // Recipients are JSON: no list filters drafts by them.
    `create table drafts (
      id ${text} primary key,
      organization_id ${text} not null,
      pod_id ${text} not null,
      inbox_id ${text} not null references inboxes,
      client_id ${text},
      kind ${text} not null,
      source_id ${text},
      source_message_id ${text},
      thread_id ${text},
      in_reply_to ${text},
      references_list ${text},
      to_list ${text} not null,
      cc_list ${text} not null,
      bcc_list ${text} not null,
      reply_to_list ${text} not null,
      subject ${text},
      preview ${text},
      revision_id ${text} not null,
      size_bytes ${bigint} not null,
      send_status ${text},
      send_at ${bigint},
      next_attempt_at ${bigint},
      send_error ${text},
      scheduled_by ${text},
      created_by ${text} not null,
      lease_owner ${text},
      lease_until ${bigint},
      interruptions ${integer} not null,
      created_at ${bigint} not null,
      updated_at ${bigint} not null
    ) ${table}`,
    `create index drafts_by_organization on drafts (organization_id, updated_at, id)`,
    `create index drafts_by_pod on drafts (pod_id, updated_at, id)`,
    `create index drafts_by_inbox on drafts (inbox_id, updated_at, id)`,
    // For Drafts of mail programs, which are compared in the order of their creation.
    `create index drafts_by_creation on drafts (inbox_id, id)`,
    `create unique index drafts_client_id on drafts (inbox_id, client_id) where client_id is not null`,
    `create index drafts_due on drafts (next_attempt_at, id) where send_status = 'scheduled'`,
    `create index drafts_due_by_pod on drafts (pod_id, next_attempt_at, id) where send_status = 'scheduled'`,
    // For a start, which ends the leases of the last run (SQLite).
    `create index drafts_leased on drafts (lease_owner) where lease_owner is not null`,
    `create table draft_labels (
      draft_id ${text} not null references drafts on delete cascade,
      label ${text} not null,
      primary key (draft_id, label)
    ) ${linkTable}`,
    // The composed bytes. IMAP shows a revision as a message that never changes, so each change makes another one.
    `create table draft_revisions (
      id ${text} primary key,
      draft_id ${text} not null references drafts on delete cascade,
      content_id ${text} not null references contents,
      message_id_hash ${text},
      created_at ${bigint} not null
    ) ${table}`,
    `create index draft_revisions_by_draft on draft_revisions (draft_id)`,
    `create index draft_revisions_by_message_id on draft_revisions (message_id_hash) where message_id_hash is not null`,
    `create index draft_revisions_by_content on draft_revisions (content_id)`,
    // The bytes of a part are a content of their own: a change composes the draft again from its parts.
    `create table draft_parts (
      id ${text} primary key,
      draft_id ${text} not null references drafts on delete cascade,
      kind ${text} not null,
      position ${integer} not null,
      filename ${text},
      content_type ${text},
      disposition ${text},
      cid ${text},
      content_id ${text} not null references contents,
      size_bytes ${bigint} not null
    ) ${table}`,
    `create index draft_parts_by_draft on draft_parts (draft_id, position)`,
    `create index draft_parts_by_content on draft_parts (content_id)`,
  ]
}
