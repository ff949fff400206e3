/** The event log and its consumers. Part of ../0001-initial.ts. */
import type { DefinitionLanguage } from '../../sql-adapter.ts'

export function eventTables({ text, integer, bigint, table }: DefinitionLanguage): string[] {
  return [
    // The ids of the events at the end and floor of the log show whether it was restored from a backup (docs/adr/0020).
    `create table event_log (
      id ${integer} primary key check (id = 1),
      epoch ${text} not null,
      last_seq ${bigint} not null,
      last_event_id ${text},
      floor_seq ${bigint} not null,
      floor_event_id ${text}
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

    // The cursor of each durable consumer of the event log.
    `create table event_consumers (
      name ${text} primary key,
      cursor_seq ${bigint} not null
    ) ${table}`,
  ]
}
