/** Keyset pagination in SQL: rows strictly after a position, in the order of (sort column, id). */
import { type Expression, type SqlBool, sql } from 'kysely'

/** The start, direction and size of a page. */
export interface Keyset {
  readonly limit: number
  readonly ascending: boolean
  readonly after?: { readonly key: number | string; readonly id: string } | undefined
}

/**
 * Compares row values, so that rows of the same millisecond are not skipped between pages. An index on (column, id)
 * serves this on both databases.
 */
export function beyond(column: string, keyset: Keyset): Expression<SqlBool> {
  if (!keyset.after) return sql<SqlBool>`1 = 1`
  const operator = sql.raw(keyset.ascending ? '>' : '<')
  return sql<SqlBool>`(${sql.ref(column)}, id) ${operator} (${keyset.after.key}, ${keyset.after.id})`
}

export function direction(keyset: Keyset): 'asc' | 'desc' {
  return keyset.ascending ? 'asc' : 'desc'
}
