/** Queries for usage: what scopes contain now, and snapshots of it. Rows only; mail/reports takes and reads snapshots. */
import { sql } from 'kysely'
import type { Db, Tx } from '../handles.ts'
import { insertRows, selectRows } from '../row-statements.ts'
import type { UsageSnapshotRow } from '../schema/report-rows.ts'
import type { InboxRow, PodRow } from '../schema/tenant-rows.ts'
import type { ScopeIds } from './conditions.ts'

/** Inserts snapshots; one of the same scope and time is kept as it is. */
export const insertSnapshots = insertRows(
  'usage_snapshots',
  {
    scope_id: 'text',
    at: 'bigint',
    storage_bytes: 'bigint',
    message_count: 'bigint',
    thread_count: 'bigint',
    inbox_count: 'bigint',
    domain_count: 'bigint',
    pod_count: 'bigint',
  },
  { columns: ['scope_id', 'at'] },
)

/** Lists the snapshots of a scope, oldest first: those of a time range, and the last one before it. */
export async function listSnapshots(
  db: Db,
  scopeId: string,
  { from, through }: { from: number; through: number },
): Promise<UsageSnapshotRow[]> {
  return db
    .selectFrom('usage_snapshots')
    .selectAll()
    .where('scope_id', '=', scopeId)
    .where('at', '<=', through)
    .where('at', '>=', (eb) =>
      eb.fn.coalesce(
        eb
          .selectFrom('usage_snapshots')
          .select((one) => one.fn.max('at').as('at'))
          .where('scope_id', '=', scopeId)
          .where('at', '<=', from),
        eb.val(0),
      ),
    )
    .orderBy('at')
    .execute()
}

/** Selects the last snapshot of each scope. */
export const selectLast = selectRows<Pick<UsageSnapshotRow, 'scope_id'>, UsageSnapshotRow>(
  { scope_id: 'text' },
  `select usage_snapshots.* from usage_snapshots where usage_snapshots.scope_id = :scope_id
   order by usage_snapshots.at desc limit 1`,
)

/**
 * Removes the snapshots of a scope that are older than the last one at or before a time: that one still says what the
 * scope contained then.
 */
export async function removeOld(tx: Tx, scopeId: string, before: number): Promise<void> {
  await tx
    .deleteFrom('usage_snapshots')
    .where('scope_id', '=', scopeId)
    .where('at', '<', (eb) =>
      eb
        .selectFrom('usage_snapshots as kept')
        .select((one) => one.fn.max('kept.at').as('at'))
        .where('kept.scope_id', '=', scopeId)
        .where('kept.at', '<=', before),
    )
    .execute()
}

export async function removeSnapshots(tx: Tx, scopeId: string): Promise<void> {
  await tx.deleteFrom('usage_snapshots').where('scope_id', '=', scopeId).execute()
}

/** The counters of an inbox. */
export type InboxCounters = Pick<
  InboxRow,
  'id' | 'organization_id' | 'pod_id' | 'message_count' | 'thread_count' | 'size_bytes'
>

/** Lists the counters of all inboxes, by id. */
export async function listCounters(db: Db, afterId: string, limit: number): Promise<InboxCounters[]> {
  return db
    .selectFrom('inboxes')
    .select(['id', 'organization_id', 'pod_id', 'message_count', 'thread_count', 'size_bytes'])
    .where('id', '>', afterId)
    .where('deleting_at', 'is', null)
    .orderBy('id')
    .limit(limit)
    .execute()
}

/** Adds up the counters of the inboxes of an organization or pod. Reads at most `limit` of them. */
export async function sumCounters(db: Db, { organizationId, podId }: ScopeIds, limit: number) {
  const inboxes = db
    .selectFrom('inboxes')
    .select(['message_count', 'thread_count', 'size_bytes'])
    .where(podId === undefined ? 'organization_id' : 'pod_id', '=', podId ?? organizationId)
    .where('deleting_at', 'is', null)
    .limit(limit)
  const row = await db
    .selectFrom(inboxes.as('some'))
    .select((eb) => [
      eb.fn.countAll<number>().as('inbox_count'),
      sql<number>`coalesce(sum(message_count), 0)`.as('message_count'),
      sql<number>`coalesce(sum(thread_count), 0)`.as('thread_count'),
      sql<number>`coalesce(sum(size_bytes), 0)`.as('storage_bytes'),
    ])
    .executeTakeFirstOrThrow()
  return {
    inbox_count: Number(row.inbox_count),
    message_count: Number(row.message_count),
    thread_count: Number(row.thread_count),
    storage_bytes: Number(row.storage_bytes),
  }
}

/** Lists all pods, by id. */
export async function listPods(
  db: Db,
  afterId: string,
  limit: number,
): Promise<Pick<PodRow, 'id' | 'organization_id'>[]> {
  return db
    .selectFrom('pods')
    .select(['id', 'organization_id'])
    .where('id', '>', afterId)
    .where('deleting_at', 'is', null)
    .orderBy('id')
    .limit(limit)
    .execute()
}

/** Lists all organizations, by id. */
export async function listOrganizations(db: Db, afterId: string, limit: number): Promise<{ readonly id: string }[]> {
  return db.selectFrom('organizations').select('id').where('id', '>', afterId).orderBy('id').limit(limit).execute()
}

/** Whether the first organization has a snapshot since a time: organizations get one each time, inboxes and pods first. */
export async function hasSnapshotSince(db: Db, time: number): Promise<boolean> {
  const row = await db
    .selectFrom('usage_snapshots')
    .select('at')
    .where('scope_id', '=', (eb) => eb.selectFrom('organizations').select((one) => one.fn.min('id').as('id')))
    .where('at', '>=', time)
    .limit(1)
    .executeTakeFirst()
  return row !== undefined
}

/** Maps each organization and pod that owns domains to their number. */
export async function domainCounts(db: Db, within?: ScopeIds): Promise<Map<string, number>> {
  const rows = await db
    .selectFrom('domains')
    .select((eb) => ['organization_id', 'pod_id', eb.fn.countAll<number>().as('count')])
    .where('organization_id', 'is not', null)
    .where('deleting_at', 'is', null)
    .$if(within !== undefined, (query) => query.where('organization_id', '=', within!.organizationId))
    .groupBy(['organization_id', 'pod_id'])
    .execute()
  const counts = new Map<string, number>()
  for (const { organization_id, pod_id, count } of rows)
    for (const id of [organization_id, pod_id]) if (id !== null) counts.set(id, (counts.get(id) ?? 0) + Number(count))
  return counts
}

export async function countPods(db: Db, organizationId: string): Promise<number> {
  const { count } = await db
    .selectFrom('pods')
    .select((eb) => eb.fn.countAll<number>().as('count'))
    .where('organization_id', '=', organizationId)
    .where('deleting_at', 'is', null)
    .executeTakeFirstOrThrow()
  return Number(count)
}
