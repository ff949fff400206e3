/** Allow and block lists. Part of ../0001-initial.ts. */
import type { DefinitionLanguage } from '../../sql-adapter.ts'

export function listTables({ text, integer, bigint, linkTable }: DefinitionLanguage): string[] {
  return [
    `create table list_entries (
      scope_id ${text} not null,
      direction ${text} not null,
      list_type ${text} not null,
      entry ${text} not null,
      organization_id ${text} not null references organizations,
      pod_id ${text},
      inbox_id ${text},
      reason ${text},
      read_only ${integer} not null,
      created_at ${bigint} not null,
      primary key (scope_id, direction, list_type, entry)
    ) ${linkTable}`,
    // Most organizations have no entry for received mail: each received message asks this index once.
    `create index list_entries_by_organization on list_entries (organization_id, direction, entry)`,
    // The limit of a list does not count the entries that the server made, of which there may be many.
    `create index list_entries_of_clients on list_entries (scope_id, direction, list_type) where read_only = 0`,
    // For the operator, who lifts the suppression of an address in all organizations.
    `create index list_entries_of_server on list_entries (entry) where read_only = 1`,
  ]
}
