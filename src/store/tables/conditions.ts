/** Conditions that several tables share, in SQL that both databases accept. */
import { type Expression, type RawBuilder, type SqlBool, sql } from 'kysely'
import { FINAL_SIGMA, foldCase, SIGMA } from '../../formats/search/search-signature.ts'

/** Characters of a column in which a substring is searched. A stranger can send a subject of 256 KiB. */
const SEARCHED_CHARS = 2_000

/**
 * Case-insensitive substring match. Texts are folded as searches fold them, as far as SQL can: lower() of SQLite folds only ASCII letters, so that ü in
 * a column is found by ü, but Ü is not; and no lower() writes σ for ς.
 *
 * replace() exists in both databases and compares blocks of memory. LIKE compares each character at each position: with a text of
 * 1,000 equal characters, one page of long subjects blocked SQLite, and with it the process, for minutes.
 */
export function containing(column: Expression<unknown>, text: string): Expression<SqlBool> {
  const lower = sql`lower(substr(${column}, 1, ${SEARCHED_CHARS} + 0))`
  const searched = sql`replace(${lower}, ${sql.lit(FINAL_SIGMA)}, ${sql.lit(SIGMA)})`
  return sql<SqlBool>`(${column} is not null and replace(${searched}, ${foldCase(text)}, '') <> ${searched})`
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
