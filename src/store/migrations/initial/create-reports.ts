/** Hourly counts and snapshots of usage. Part of ../0001-initial.ts. */
import type { DefinitionLanguage } from '../../sql-adapter.ts'

export function reportTables({ text, bigint, linkTable }: DefinitionLanguage): string[] {
  return [
    // A scope is an organization, a pod or an inbox. No foreign key: the counts of a deleted inbox are purged by age.
    `create table rollups (
      scope_id ${text} not null,
      hour ${bigint} not null,
      metric ${text} not null,
      count ${bigint} not null,
      primary key (scope_id, hour, metric)
    ) ${linkTable}`,
    `create index rollups_by_age on rollups (hour)`,

    `create table usage_snapshots (
      scope_id ${text} not null,
      at ${bigint} not null,
      storage_bytes ${bigint} not null,
      message_count ${bigint} not null,
      thread_count ${bigint} not null,
      inbox_count ${bigint} not null,
      domain_count ${bigint} not null,
      pod_count ${bigint} not null,
      primary key (scope_id, at)
    ) ${linkTable}`,
  ]
}
