/** Background jobs, and the pause of outbound work. Part of ../0001-initial.ts. */
import type { DefinitionLanguage } from '../../sql-adapter.ts'

export function jobTables({ text, integer, bigint, table }: DefinitionLanguage): string[] {
  return [
    `create table jobs (
      id ${text} primary key,
      kind ${text} not null,
      key ${text} not null,
      payload ${text} not null,
      run_at ${bigint} not null,
      not_before ${bigint},
      attempts ${integer} not null,
      lease_owner ${text},
      lease_until ${bigint},
      interruptions ${integer} not null,
      last_error ${text},
      created_at ${bigint} not null
    ) ${table}`,
    `create unique index jobs_key on jobs (kind, key)`,
    `create index jobs_due on jobs (run_at, id)`,

    // While outbound mail and webhooks are paused, it has its only row.
    `create table outbound_pause (
      id ${integer} primary key check (id = 1),
      paused_at ${bigint} not null
    ) ${table}`,
  ]
}
