/** Queries for the further addresses of inboxes. Rows only. */
import type { Db, Tx } from '../handles.ts'
import type { InboxAliasRow } from '../schema/tenant-rows.ts'

export async function listByInbox(db: Db, inboxId: string): Promise<InboxAliasRow[]> {
  return db.selectFrom('inbox_aliases').selectAll().where('inbox_id', '=', inboxId).orderBy('address').execute()
}

export async function insert(tx: Tx, row: InboxAliasRow): Promise<void> {
  await tx.insertInto('inbox_aliases').values(row).execute()
}

/** @returns the id of its domain; undefined if the inbox did not have this alias */
export async function remove(
  tx: Tx,
  { inbox_id, address }: Pick<InboxAliasRow, 'inbox_id' | 'address'>,
): Promise<string | undefined> {
  const removed = await tx
    .deleteFrom('inbox_aliases')
    .where('inbox_id', '=', inbox_id)
    .where('address', '=', address)
    .returning('domain_id')
    .execute()
  return removed[0]?.domain_id
}

/** @returns the ids of their domains */
export async function removeByInbox(tx: Tx, inboxId: string): Promise<string[]> {
  const removed = await tx.deleteFrom('inbox_aliases').where('inbox_id', '=', inboxId).returning('domain_id').execute()
  return [...new Set(removed.map(({ domain_id }) => domain_id))]
}

export async function getByAddress(db: Db, address: string): Promise<InboxAliasRow | undefined> {
  return db.selectFrom('inbox_aliases').selectAll().where('address', '=', address).executeTakeFirst()
}
