/** Keyset pagination in SQL: rows strictly after a position, in the order of (sort column, id). */
import { type Expression, type SelectQueryBuilder, type SqlBool, sql } from 'kysely'
import type { Schema } from '../schema/schema.ts'

/** The start, direction and size of a page. */
export interface Keyset {
  readonly limit: number
  readonly ascending: boolean
  readonly after?: { readonly key: number | string; readonly id: string } | undefined
}

/** Limits a query to one page and sorts it. An index on (column, id) serves this on both databases. */
export function onePage<Tables extends keyof Schema, Row>(
  query: SelectQueryBuilder<Schema, Tables, Row>,
  column: 'created_at' | 'timestamp' | 'updated_at',
  keyset: Keyset,
): SelectQueryBuilder<Schema, Tables, Row> {
  return query
    .where(isAfter(column, keyset))
    .orderBy(sql.ref(column), direction(keyset))
    .orderBy(sql.ref('id'), direction(keyset))
    .limit(keyset.limit)
}

export function direction(keyset: Keyset): 'asc' | 'desc' {
  return keyset.ascending ? 'asc' : 'desc'
}

/** Compares row values, so that rows of the same millisecond are not skipped between pages. */
function isAfter(column: string, keyset: Keyset): Expression<SqlBool> {
  if (!keyset.after) return sql<SqlBool>`1 = 1`
  const operator = sql.raw(keyset.ascending ? '>' : '<')
  return sql<SqlBool>`(${sql.ref(column)}, id) ${operator} (${keyset.after.key}, ${keyset.after.id})`
}
