/** Conditions that several tables share, worded so that both databases take them. */
import { type Expression, type SqlBool, sql } from 'kysely'

/** Case-insensitive substring, with the pattern's own wildcards disarmed. */
export function containing(column: Expression<unknown>, text: string): Expression<SqlBool> {
  const pattern = `%${text.toLowerCase().replace(/[\\%_]/g, '\\$&')}%`
  // SQLite folds ASCII letters only: ü is found as ü, not as Ü.
  return sql<SqlBool>`(${column} is not null and lower(${column}) like ${pattern} escape '\\')`
}

/** All of them; true when there are none. */
export function conjunction(all: readonly Expression<SqlBool>[]): Expression<SqlBool> {
  return all.length === 0 ? sql<SqlBool>`1 = 1` : sql<SqlBool>`(${sql.join(all, sql` and `)})`
}
