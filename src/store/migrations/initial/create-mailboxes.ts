/** IMAP mailboxes. Part of ../0001-initial.ts. */
import type { DefinitionLanguage } from '../../sql-adapter.ts'

export function mailboxTables({ text, integer, bigint, table, linkTable }: DefinitionLanguage): string[] {
  return [
    `create table mailbox_states (
      inbox_id ${text} primary key references inboxes,
      seen_seq ${bigint} not null,
      compare_seq ${bigint},
      compare_phase ${text} not null,
      compared_id ${text} not null,
      compared_number ${bigint} not null,
      last_uid_validity ${bigint} not null
    ) ${table}`,
    `create table mailboxes (
      id ${text} primary key,
      inbox_id ${text} not null references inboxes,
      kind ${text} not null,
      name ${text} not null,
      label ${text},
      renamed_from ${text},
      is_deleting ${integer} not null,
      is_subscribed ${integer} not null,
      uid_validity ${bigint} not null,
      uid_next ${bigint} not null,
      created_at ${bigint} not null
    ) ${table}`,
    `create index mailboxes_by_inbox on mailboxes (inbox_id)`,
    // No foreign key to the item: code that knows the MODSEQ deletes the entry and writes a tombstone.
    `create table mailbox_entries (
      mailbox_id ${text} not null references mailboxes,
      uid ${bigint} not null,
      item_kind ${text} not null,
      item_id ${text} not null,
      flags ${text} not null,
      hidden ${integer} not null,
      size_bytes ${bigint} not null,
      is_deleted ${integer} not null,
      modseq ${bigint} not null,
      saved_at ${bigint} not null,
      primary key (mailbox_id, uid)
    ) ${linkTable}`,
    `create index mailbox_entries_by_item on mailbox_entries (item_id, mailbox_id)`,
    `create index mailbox_entries_by_modseq on mailbox_entries (mailbox_id, modseq)`,
    `create table mailbox_tombstones (
      mailbox_id ${text} not null references mailboxes,
      uid ${bigint} not null,
      modseq ${bigint} not null,
      primary key (mailbox_id, uid)
    ) ${linkTable}`,
    `create index mailbox_tombstones_by_modseq on mailbox_tombstones (mailbox_id, modseq)`,
    `create table content_structures (
      content_id ${text} primary key references contents on delete cascade,
      version ${integer} not null,
      envelope ${text} not null,
      body ${text} not null,
      body_structure ${text} not null,
      parts ${text} not null
    ) ${table}`,
  ]
}
