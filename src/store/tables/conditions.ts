/** Conditions that several tables share, in SQL that both databases accept. */
import { type Expression, type RawBuilder, type SqlBool, sql } from 'kysely'

/** Case-insensitive substring match; wildcards in the text are escaped. */
export function containing(column: Expression<unknown>, text: string): Expression<SqlBool> {
  const pattern = `%${text.toLowerCase().replace(/[\\%_]/g, '\\$&')}%`
  // lower() of SQLite folds only ASCII letters: ü in a column is found by ü, but Ü is not.
  return sql<SqlBool>`(${column} is not null and lower(${column}) like ${pattern} escape '\\')`
}

/** Joins conditions with AND; true when there are none. */
export function conjunction(all: readonly Expression<SqlBool>[]): Expression<SqlBool> {
  return all.length === 0 ? sql<SqlBool>`1 = 1` : sql<SqlBool>`(${sql.join(all, sql` and `)})`
}

/** A LIMIT inside SQL text. An expression, as in sqlite/sqlite-query-compiler.ts and for its reason. */
export function limitTo(count: number): RawBuilder<unknown> {
  return sql`limit (${count} + 0)`
}

/** An organization, pod or inbox: the ids of it and of what it belongs to. */
export interface ScopeIds {
  readonly organizationId: string
  readonly podId?: string | undefined
  readonly inboxId?: string | undefined
}

/** Returns the column that limits rows to a scope, and its value. */
export function narrowest({ organizationId, podId, inboxId }: ScopeIds) {
  if (inboxId !== undefined) return { column: 'inbox_id', id: inboxId } as const
  return podId !== undefined
    ? ({ column: 'pod_id', id: podId } as const)
    : ({ column: 'organization_id', id: organizationId } as const)
}
