/** Queries for API keys. Rows only: mail/access decides what a key may do. */
import type { Db, Tx } from '../handles.ts'
import { prepareLock, prepareQuery } from '../prepared-query.ts'
import { selectRows } from '../row-statements.ts'
import type { ApiKeyRow } from '../schema/tenant-rows.ts'
import { type Keyset, onePage } from './keyset.ts'

const byHash = prepareQuery((db, { keyHash }: { keyHash: string }) =>
  db.selectFrom('api_keys').selectAll().where('key_hash', '=', keyHash),
)

export async function getByHash(db: Db, keyHash: string): Promise<ApiKeyRow | undefined> {
  const [row] = await byHash(db, { keyHash })
  return row
}

export async function getById(db: Db, id: string): Promise<ApiKeyRow | undefined> {
  return db.selectFrom('api_keys').selectAll().where('id', '=', id).executeTakeFirst()
}

const sharedById = prepareLock('forShare', (db, { id }: { id: string }) =>
  db.selectFrom('api_keys').selectAll().where('id', '=', id),
)

/** Reads the key and locks it shared: until the commit, no other transaction can delete or change it. */
export async function shareLockById(tx: Tx, id: string): Promise<ApiKeyRow | undefined> {
  const [row] = await sharedById(tx, { id })
  return row
}

/** The same for many keys. */
export const selectAndShareLock = selectRows<Pick<ApiKeyRow, 'id'>, ApiKeyRow>(
  { id: 'text' },
  'select api_keys.* from api_keys where api_keys.id = :id',
  { of: 'api_keys', orderBy: 'api_keys.id', skipLocked: false, isShared: true },
)

/** Reads the key and locks it until the commit, before a change. */
export async function lockById(tx: Tx, id: string): Promise<ApiKeyRow | undefined> {
  return tx.forUpdate(tx.selectFrom('api_keys')).selectAll().where('id', '=', id).executeTakeFirst()
}

export async function getRoot(db: Db, organizationId: string): Promise<ApiKeyRow | undefined> {
  return db
    .selectFrom('api_keys')
    .selectAll()
    .where('organization_id', '=', organizationId)
    .where('is_root', '=', 1)
    .executeTakeFirst()
}

/** The scope of the listed keys. podId null: keys of the organization; inboxId null: keys of the pod. */
export interface ExactScope {
  readonly organizationId: string
  readonly podId: string | null
  readonly inboxId: string | null
}

export async function list(
  db: Db,
  kind: ApiKeyRow['kind'],
  exactScope: ExactScope,
  keyset: Keyset,
): Promise<ApiKeyRow[]> {
  return db
    .selectFrom('api_keys')
    .selectAll()
    .where('kind', '=', kind)
    .where('organization_id', '=', exactScope.organizationId)
    .where('pod_id', exactScope.podId === null ? 'is' : '=', exactScope.podId)
    .where('inbox_id', exactScope.inboxId === null ? 'is' : '=', exactScope.inboxId)
    .$call((query) => onePage(query, 'created_at', keyset))
    .execute()
}

/** Counts the keys of a pod, including those of its inboxes. @returns at most `max` */
export async function countOfPod(db: Db, podId: string, max: number): Promise<number> {
  const rows = await db.selectFrom('api_keys').select('id').where('pod_id', '=', podId).limit(max).execute()
  return rows.length
}

/** The same for an organization, with the keys of its pods. */
export async function countOfOrganization(db: Db, organizationId: string, max: number): Promise<number> {
  const rows = await db
    .selectFrom('api_keys')
    .select('id')
    .where('organization_id', '=', organizationId)
    .limit(max)
    .execute()
  return rows.length
}

export async function insert(tx: Tx, row: ApiKeyRow): Promise<void> {
  await tx.insertInto('api_keys').values(row).execute()
}

export async function update(
  tx: Tx,
  id: string,
  change: Partial<Pick<ApiKeyRow, 'name' | 'permissions' | 'key_hash' | 'prefix' | 'updated_at'>>,
): Promise<void> {
  await tx.updateTable('api_keys').set(change).where('id', '=', id).execute()
}

export async function remove(tx: Tx, id: string): Promise<void> {
  await tx.deleteFrom('api_keys').where('id', '=', id).execute()
}

/** Deletes the keys of an inbox or pod that is being deleted, or all of an organization; returns their ids. */
export async function removeBelongingTo(
  tx: Tx,
  column: 'inbox_id' | 'pod_id' | 'organization_id',
  id: string,
): Promise<string[]> {
  const rows = await tx.deleteFrom('api_keys').where(column, '=', id).returning('id').execute()
  return rows.map((row) => row.id)
}

/** Records the last use. Never moves it back, because two nodes may write in any order. */
export async function recordUse(tx: Tx, id: string, usedAt: number): Promise<void> {
  await tx
    .updateTable('api_keys')
    .set({ used_at: usedAt })
    .where('id', '=', id)
    .where((eb) => eb.or([eb('used_at', 'is', null), eb('used_at', '<', usedAt)]))
    .execute()
}
