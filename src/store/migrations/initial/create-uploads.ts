/** Files that are uploaded before they are sent. Part of ../0001-initial.ts. */
import type { DefinitionLanguage } from '../../sql-adapter.ts'

export function uploadTables({ text, integer, bigint, table }: DefinitionLanguage): string[] {
  return [
    // Without a foreign key to its scope: a row expires within a day, and no call finds it without its scope.
    `create table uploads (
      id ${text} primary key,
      organization_id ${text} not null,
      pod_id ${text},
      inbox_id ${text},
      filename ${text} not null,
      content_type ${text} not null,
      size_bytes_max ${bigint} not null,
      is_exact_size ${integer} not null,
      content_id ${text} references contents,
      size_bytes ${bigint},
      expires_at ${bigint} not null,
      created_at ${bigint} not null
    ) ${table}`,
    `create index uploads_by_organization on uploads (organization_id, expires_at)`,
    `create index uploads_by_expiry on uploads (expires_at)`,
    `create index uploads_by_content on uploads (content_id) where content_id is not null`,
  ]
}
