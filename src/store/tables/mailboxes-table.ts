/** Queries for mailboxes, and for how far those of an inbox have followed the event log. Rows only: mail/mailboxes decides. */
import { sql } from 'kysely'
import type { Db, Tx } from '../handles.ts'
import { prepareQuery } from '../prepared-query.ts'
import { updateRows } from '../row-statements.ts'
import type { MailboxRow, MailboxStateRow } from '../schema/mailbox-rows.ts'

const stateOf = prepareQuery((db, { inboxId }: { inboxId: string }) =>
  db.selectFrom('mailbox_states').selectAll().where('inbox_id', '=', inboxId),
)

export async function getState(db: Db, inboxId: string): Promise<MailboxStateRow | undefined> {
  const [row] = await stateOf(db, { inboxId })
  return row
}

/** Does nothing if the inbox has one. */
export async function insertState(tx: Tx, row: MailboxStateRow): Promise<void> {
  await tx
    .insertInto('mailbox_states')
    .values(row)
    .onConflict((conflict) => conflict.column('inbox_id').doNothing())
    .execute()
}

export async function updateState(
  tx: Tx,
  inboxId: string,
  change: Partial<Omit<MailboxStateRow, 'inbox_id'>>,
): Promise<void> {
  await tx.updateTable('mailbox_states').set(change).where('inbox_id', '=', inboxId).execute()
}

const ofInbox = prepareQuery((db, { inboxId }: { inboxId: string }) =>
  db.selectFrom('mailboxes').selectAll().where('inbox_id', '=', inboxId).orderBy('id'),
)

/** Lists the mailboxes of an inbox in the order of their creation, also those that are being deleted. */
export async function listByInbox(db: Db, inboxId: string): Promise<MailboxRow[]> {
  return ofInbox(db, { inboxId })
}

export async function insertAll(tx: Tx, rows: readonly MailboxRow[]): Promise<void> {
  await tx
    .insertInto('mailboxes')
    .values([...rows])
    .execute()
}

export async function update(tx: Tx, id: string, change: Partial<Omit<MailboxRow, 'id' | 'inbox_id'>>): Promise<void> {
  await tx.updateTable('mailboxes').set(change).where('id', '=', id).execute()
}

export const setUidNext = updateRows('mailboxes', 'id', { id: 'text', uid_next: 'bigint' })

/** Deletes a mailbox without entries, with its tombstones. */
export async function remove(tx: Tx, id: string): Promise<void> {
  await tx.deleteFrom('mailbox_tombstones').where('mailbox_id', '=', id).execute()
  await tx.deleteFrom('mailboxes').where('id', '=', id).execute()
}

/** Deletes what an inbox without entries has. */
export async function removeOfInbox(tx: Tx, inboxId: string): Promise<void> {
  const ids = (await listByInbox(tx, inboxId)).map(({ id }) => id)
  for (const id of ids) await remove(tx, id)
  await tx.deleteFrom('mailbox_states').where('inbox_id', '=', inboxId).execute()
}

/**
 * Gives all mailboxes another UIDVALIDITY (sqlite/sqlite-backup.ts does the same in a file): at least the present time in seconds, so that a backup
 * that is restored twice has not the same one twice.
 */
export async function raiseUidValidity(tx: Tx): Promise<void> {
  const now = Math.floor(tx.now / 1_000)
  const raised = (column: 'uid_validity' | 'last_uid_validity') =>
    sql<number>`case when ${sql.ref(column)} < ${now} then ${now} else ${sql.ref(column)} + 1 end`
  await tx
    .updateTable('mailboxes')
    .set({ uid_validity: raised('uid_validity') })
    .execute()
  await tx
    .updateTable('mailbox_states')
    .set({ last_uid_validity: raised('last_uid_validity') })
    .execute()
}
