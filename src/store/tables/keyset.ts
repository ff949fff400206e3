/** Keyset paging in SQL: rows strictly after a position, in the order of (sort column, id). */
import { type Expression, type SqlBool, sql } from 'kysely'

/** Where a page starts and how far it reaches. */
export interface Keyset {
  readonly limit: number
  readonly ascending: boolean
  readonly after?: { readonly key: number | string; readonly id: string } | undefined
}

/**
 * Row-value comparison, so that rows of one millisecond do not hide each other between pages, and an index on
 * (column, id) serves it on both databases.
 */
export function beyond(column: string, keyset: Keyset): Expression<SqlBool> {
  if (!keyset.after) return sql<SqlBool>`1 = 1`
  const operator = sql.raw(keyset.ascending ? '>' : '<')
  return sql<SqlBool>`(${sql.ref(column)}, id) ${operator} (${keyset.after.key}, ${keyset.after.id})`
}

export function direction(keyset: Keyset): 'asc' | 'desc' {
  return keyset.ascending ? 'asc' : 'desc'
}
