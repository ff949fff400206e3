/** Sign-ups of agents, and rates. Part of ../0001-initial.ts. */
import type { DefinitionLanguage } from '../../sql-adapter.ts'

export function accountTables({ text, integer, bigint, table, linkTable }: DefinitionLanguage): string[] {
  return [
    `create table sign_ups (
      organization_id ${text} primary key references organizations,
      human_email ${text},
      human_changes ${integer} not null,
      code_hash ${text},
      code_expires_at ${bigint},
      code_tries ${integer} not null,
      code_submission_id ${text},
      verified_at ${bigint},
      created_at ${bigint} not null,
      updated_at ${bigint} not null
    ) ${table}`,
    // A human owns one agent's organization. Of two sign-ups at the same time, the second one finds the first.
    `create unique index sign_ups_human on sign_ups (human_email) where human_email is not null`,
    `create index sign_ups_by_code on sign_ups (code_submission_id) where code_submission_id is not null`,
    `create table rate_counts (
      key ${text} not null,
      period_start ${bigint} not null,
      count ${bigint} not null,
      expires_at ${bigint} not null,
      primary key (key, period_start)
    ) ${linkTable}`,
    `create index rate_counts_by_expiry on rate_counts (expires_at)`,
  ]
}
