/** Queries for hourly counts. Rows only; mail/reports counts events, and reads the counts. */
import { sql } from 'kysely'
import type { Db, Tx } from '../handles.ts'
import { insertRows } from '../row-statements.ts'
import type { RollupRow } from '../schema/report-rows.ts'
import { narrowest, type ScopeIds } from './conditions.ts'

/** Adds to hourly counts: each scope, hour and metric at most once per call. */
export const addAll = insertRows(
  'rollups',
  { scope_id: 'text', hour: 'bigint', metric: 'text', count: 'bigint' },
  { columns: ['scope_id', 'hour', 'metric'], add: ['count'] },
)

/** An hourly count, or an event that is not in the hourly counts yet. */
export interface CountRow {
  /** Start of the hour, or the time of the event; epoch ms. */
  readonly at: number
  readonly metric: string
  readonly count: number
  /** The JSON of the event; null for an hourly count. */
  readonly payload: string | null
}

export interface CountSelection {
  readonly scope: ScopeIds
  /** Epoch ms, both starts of hours; from inclusive, before exclusive. */
  readonly from: number
  readonly before: number
  readonly metrics: readonly string[]
  /** The types of events that are read from the log, from the position of this consumer. */
  readonly types: readonly string[]
  readonly consumer: string
  /** How many events after that position are looked at. */
  readonly logRowsMax: number
}

/**
 * Lists the hourly counts of a scope, and the events that come after the position up to which events are counted. One
 * statement, so that each event is in exactly one of both.
 */
export async function listCounts(db: Db, selection: CountSelection): Promise<CountRow[]> {
  const { scope, from, before, metrics, types, consumer, logRowsMax } = selection
  if (metrics.length === 0 || types.length === 0) return []
  const { column, id } = narrowest(scope)
  return db
    .selectFrom('rollups')
    .select(['hour as at', 'metric', 'count', sql<string | null>`null`.as('payload')])
    .where('scope_id', '=', id)
    .where('hour', '>=', from)
    .where('hour', '<', before)
    .where('metric', 'in', metrics)
    .unionAll((union) =>
      union
        .selectFrom('events')
        .select(['at', 'type as metric', sql<number>`1`.as('count'), 'payload'])
        .where('seq', '>', (eb) => eb.selectFrom('event_consumers').select('cursor_seq').where('name', '=', consumer))
        .where('seq', '<=', (eb) =>
          eb
            .selectFrom('event_consumers')
            .select((one) => one('cursor_seq', '+', logRowsMax).as('end'))
            .where('name', '=', consumer),
        )
        .where('at', '>=', from)
        .where('at', '<', before)
        .where('type', 'in', types)
        .where(column, '=', id),
    )
    .execute()
}

/** @returns how many were deleted: at most `limit`, so that a sweep does not occupy the writer for long */
export async function removeOlderThan(tx: Tx, hour: number, limit: number): Promise<number> {
  const old = tx
    .selectFrom('rollups')
    .select(['scope_id', 'hour', 'metric'])
    .where('hour', '<', hour)
    .orderBy('hour')
    .orderBy('scope_id')
    .orderBy('metric')
    .limit(limit)
  const rows: Omit<RollupRow, 'count'>[] = await old.execute()
  for (const row of rows) {
    await tx
      .deleteFrom('rollups')
      .where('scope_id', '=', row.scope_id)
      .where('hour', '=', row.hour)
      .where('metric', '=', row.metric)
      .execute()
  }
  return rows.length
}
