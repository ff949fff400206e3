/** Queries for hourly counts, written with the change that they count. Reports read them instead of all rows. */
import type { Tx } from '../handles.ts'
import { insertRows } from '../row-statements.ts'
import type { InboxRow, RollupRow } from '../schema/tenant-rows.ts'

const HOUR_MS = 3_600_000

/** Adds to hourly counts: one row per inbox, hour and metric. */
export const addAll = insertRows(
  'rollups',
  { organization_id: 'text', pod_id: 'text', inbox_id: 'text', hour: 'bigint', metric: 'text', count: 'bigint' },
  { columns: ['inbox_id', 'hour', 'metric'], add: ['count'] },
)

/** Returns the row that adds to the count of the hour of this transaction's time. */
export function rollupRow(
  tx: Pick<Tx, 'now'>,
  inbox: Pick<InboxRow, 'id' | 'organization_id' | 'pod_id'>,
  metric: string,
  count: number,
): RollupRow {
  const { id: inbox_id, organization_id, pod_id } = inbox
  return { organization_id, pod_id, inbox_id, hour: tx.now - (tx.now % HOUR_MS), metric, count }
}

/** @returns how many were deleted: at most `limit`, so that a sweep does not occupy the writer for long */
export async function removeOlderThan(tx: Tx, hour: number, limit: number): Promise<number> {
  const old = tx
    .selectFrom('rollups')
    .select(['inbox_id', 'hour', 'metric'])
    .where('hour', '<', hour)
    .orderBy('hour')
    .orderBy('inbox_id')
    .orderBy('metric')
    .limit(limit)
  const rows = await old.execute()
  for (const row of rows) {
    await tx
      .deleteFrom('rollups')
      .where('inbox_id', '=', row.inbox_id)
      .where('hour', '=', row.hour)
      .where('metric', '=', row.metric)
      .execute()
  }
  return rows.length
}
