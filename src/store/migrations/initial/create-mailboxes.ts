/** IMAP mailboxes. Part of ../0001-initial.ts. */
import type { DefinitionLanguage } from '../../sql-adapter.ts'

export function mailboxTables({ text, integer, bigint, table, linkTable }: DefinitionLanguage): string[] {
  return [
    // No foreign key to the item: code that knows the MODSEQ deletes the entry and writes a tombstone.
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
  ]
}
