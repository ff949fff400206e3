/** Queries for organizations and pods. Rows only. */
import { sql } from 'kysely'
import type { Db, Tx } from '../handles.ts'
import type { OrganizationRow, PodRow } from '../schema/tenant-rows.ts'
import { type Keyset, onePage } from './keyset.ts'

export async function getOrganization(db: Db, id: string): Promise<OrganizationRow | undefined> {
  return db.selectFrom('organizations').selectAll().where('id', '=', id).executeTakeFirst()
}

/** Returns the organization that the first start created. It owns the root key, so no clock may decide this alone. */
export async function getFirstOrganization(db: Db): Promise<OrganizationRow | undefined> {
  return db
    .selectFrom('organizations')
    .selectAll()
    .where(({ not, exists, selectFrom }) =>
      not(
        exists(
          selectFrom('sign_ups').select('human_email').whereRef('sign_ups.organization_id', '=', 'organizations.id'),
        ),
      ),
    )
    .orderBy('created_at')
    .orderBy('id')
    .limit(1)
    .executeTakeFirst()
}

/**
 * Locks the organization until the commit, so that one node at a time counts what it has and adds to it. Lock it after all other
 * rows, so that two nodes cannot deadlock.
 */
export async function lockOrganization(tx: Tx, id: string): Promise<void> {
  await tx.forUpdate(tx.selectFrom('organizations')).select('id').where('id', '=', id).executeTakeFirst()
}

export async function insertOrganization(tx: Tx, row: OrganizationRow): Promise<void> {
  await tx.insertInto('organizations').values(row).execute()
}

/** Counts inboxes from the counters of the pods, or of one of them, without a scan of the inboxes. */
export async function countInboxes(db: Db, organizationId: string, podId?: string): Promise<number> {
  const row = await db
    .selectFrom('pods')
    .select(sql<number>`coalesce(sum(inbox_count), 0)`.as('count'))
    .where('organization_id', '=', organizationId)
    .$if(podId !== undefined, (query) => query.where('id', '=', podId!))
    .executeTakeFirstOrThrow()
  return Number(row.count)
}

export async function getPod(db: Db, organizationId: string, ref: string): Promise<PodRow | undefined> {
  return db
    .selectFrom('pods')
    .selectAll()
    .where('organization_id', '=', organizationId)
    .where((eb) => eb.or([eb('id', '=', ref), eb('client_id', '=', ref)]))
    .where('deleting_at', 'is', null)
    .executeTakeFirst()
}

type PodRefs = Pick<PodRow, 'id' | 'client_id'>

export async function listPodsByIds(db: Db, organizationId: string, ids: readonly string[]): Promise<PodRefs[]> {
  return listPodsBy(db, organizationId, 'id', ids)
}

export async function listPodsByClientIds(db: Db, organizationId: string, ids: readonly string[]): Promise<PodRefs[]> {
  return listPodsBy(db, organizationId, 'client_id', ids)
}

async function listPodsBy(
  db: Db,
  organizationId: string,
  column: 'id' | 'client_id',
  values: readonly string[],
): Promise<PodRefs[]> {
  if (values.length === 0) return []
  return db
    .selectFrom('pods')
    .select(['id', 'client_id'])
    .where('organization_id', '=', organizationId)
    .where(column, 'in', values)
    .where('deleting_at', 'is', null)
    .execute()
}

/** Reads the pod and locks it until the commit, before a change of its inbox count or its deletion. */
export async function lockPod(tx: Tx, id: string): Promise<PodRow | undefined> {
  return tx
    .forUpdate(tx.selectFrom('pods'))
    .selectAll()
    .where('id', '=', id)
    .where('deleting_at', 'is', null)
    .executeTakeFirst()
}

/** Takes a shared lock on the pod, so that it cannot be deleted until the commit. @returns whether it exists */
export async function shareLockPod(tx: Tx, id: string): Promise<boolean> {
  const row = await tx
    .forShare(tx.selectFrom('pods'))
    .select('id')
    .where('id', '=', id)
    .where('deleting_at', 'is', null)
    .executeTakeFirst()
  return row !== undefined
}

export async function getDefaultPod(db: Db, organizationId: string): Promise<PodRow | undefined> {
  return db
    .selectFrom('pods')
    .selectAll()
    .where('organization_id', '=', organizationId)
    .where('is_default', '=', 1)
    .executeTakeFirst()
}

export async function listPods(
  db: Db,
  scope: { organizationId: string; podId?: string | undefined },
  keyset: Keyset,
): Promise<PodRow[]> {
  return db
    .selectFrom('pods')
    .selectAll()
    .where('organization_id', '=', scope.organizationId)
    .$if(scope.podId !== undefined, (query) => query.where('id', '=', scope.podId!))
    .where('deleting_at', 'is', null)
    .$call((query) => onePage(query, 'created_at', keyset))
    .execute()
}

export async function insertPod(tx: Tx, row: PodRow): Promise<void> {
  await tx.insertInto('pods').values(row).execute()
}

export async function removePod(tx: Tx, id: string): Promise<void> {
  await tx.deleteFrom('pods').where('id', '=', id).execute()
}

export async function addInboxCount(tx: Tx, podId: string, difference: number): Promise<void> {
  await tx
    .updateTable('pods')
    .set((eb) => ({ inbox_count: eb('inbox_count', '+', difference) }))
    .where('id', '=', podId)
    .execute()
}
