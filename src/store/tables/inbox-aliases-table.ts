/** Queries for the further addresses of inboxes. Rows only. */
import type { Db, Tx } from '../handles.ts'
import type { InboxAliasRow } from '../schema/tenant-rows.ts'

export async function listByInbox(db: Db, inboxId: string): Promise<InboxAliasRow[]> {
  return db.selectFrom('inbox_aliases').selectAll().where('inbox_id', '=', inboxId).orderBy('address').execute()
}

export async function insert(tx: Tx, row: InboxAliasRow): Promise<void> {
  await tx.insertInto('inbox_aliases').values(row).execute()
}

/** @returns whether the inbox had this alias */
export async function remove(
  tx: Tx,
  { inbox_id, address }: Pick<InboxAliasRow, 'inbox_id' | 'address'>,
): Promise<boolean> {
  const removed = await tx
    .deleteFrom('inbox_aliases')
    .where('inbox_id', '=', inbox_id)
    .where('address', '=', address)
    .returning('address')
    .execute()
  return removed.length > 0
}

export async function removeByInbox(tx: Tx, inboxId: string): Promise<void> {
  await tx.deleteFrom('inbox_aliases').where('inbox_id', '=', inboxId).execute()
}
