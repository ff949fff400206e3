/** Queries for hourly counts, written with the change that they count. Reports read them instead of all rows. */
import type { Tx } from '../handles.ts'
import type { InboxRow } from '../schema/tenant-rows.ts'

const HOUR_MS = 3_600_000

/** Adds to the count of the hour of this transaction's time. */
export async function add(
  tx: Tx,
  inbox: Pick<InboxRow, 'id' | 'organization_id' | 'pod_id'>,
  metric: string,
  count: number,
): Promise<void> {
  await tx
    .insertInto('rollups')
    .values({
      organization_id: inbox.organization_id,
      pod_id: inbox.pod_id,
      inbox_id: inbox.id,
      hour: tx.now - (tx.now % HOUR_MS),
      metric,
      count,
    })
    .onConflict((conflict) =>
      conflict.columns(['inbox_id', 'hour', 'metric']).doUpdateSet((eb) => ({
        count: eb('rollups.count', '+', eb.ref('excluded.count')),
      })),
    )
    .execute()
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
