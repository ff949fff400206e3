/** Queries for uploads. Rows only: mail/sending/uploads decides on access. */
import type { Db, Tx } from '../handles.ts'
import type { UploadRow } from '../schema/upload-rows.ts'

/** @param now an upload that expires by then is left out */
export async function listByIds(db: Db, ids: readonly string[], now: number): Promise<UploadRow[]> {
  if (ids.length === 0) return []
  return db.selectFrom('uploads').selectAll().where('id', 'in', ids).where('expires_at', '>', now).execute()
}

/** The same for one, and locks the row until the commit. */
export async function lockById(tx: Tx, id: string, now: number): Promise<UploadRow | undefined> {
  return tx
    .forUpdate(tx.selectFrom('uploads'))
    .selectAll()
    .where('id', '=', id)
    .where('expires_at', '>', now)
    .executeTakeFirst()
}

/** Number and requested size of uploads. */
export interface UploadTotals {
  readonly count: number
  readonly bytes: number
}

/** Counts the uploads of an organization, or of one of its pods. */
export async function totalsOf(
  db: Db,
  { organizationId, podId }: { readonly organizationId: string; readonly podId: string | undefined },
  now: number,
): Promise<UploadTotals> {
  const row = await db
    .selectFrom('uploads')
    .select(({ fn }) => [fn.countAll<number>().as('count'), fn.sum<number>('size_bytes_max').as('bytes')])
    .where('organization_id', '=', organizationId)
    .where('expires_at', '>', now)
    .$if(podId !== undefined, (query) => query.where('pod_id', '=', podId!))
    .executeTakeFirstOrThrow()
  return { count: Number(row.count), bytes: Number(row.bytes ?? 0) }
}

export async function insert(tx: Tx, row: UploadRow): Promise<void> {
  await tx.insertInto('uploads').values(row).execute()
}

/** Refers to the uploaded bytes. */
export async function setContent(
  tx: Tx,
  id: string,
  content: { readonly id: string; readonly sizeBytes: number },
): Promise<void> {
  await tx
    .updateTable('uploads')
    .set({ content_id: content.id, size_bytes: content.sizeBytes })
    .where('id', '=', id)
    .execute()
}

/** Deletes expired uploads. @returns how many, and ids of contents that may be unused now */
export async function removeExpired(
  tx: Tx,
  now: number,
  limit: number,
): Promise<{ count: number; contentIds: string[] }> {
  const expired = await tx
    .selectFrom('uploads')
    .select('id')
    .where('expires_at', '<=', now)
    .orderBy('expires_at')
    .limit(limit)
    .execute()
  if (expired.length === 0) return { count: 0, contentIds: [] }
  const rows = await tx
    .deleteFrom('uploads')
    .where(
      'id',
      'in',
      expired.map(({ id }) => id),
    )
    .returning('content_id')
    .execute()
  return { count: expired.length, contentIds: rows.flatMap(({ content_id }) => content_id ?? []) }
}
