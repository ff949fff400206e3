/** Queries for the notification rules of inboxes. Rows only: mail/notifications decides what they mean. */
import type { Db, Tx } from '../handles.ts'
import type { NotificationRulesRow } from '../schema/webhook-rows.ts'

export async function get(db: Db, inboxId: string): Promise<NotificationRulesRow | undefined> {
  return db.selectFrom('notification_rules').selectAll().where('inbox_id', '=', inboxId).executeTakeFirst()
}

/** The caller has locked the inbox. */
export async function replace(tx: Tx, row: NotificationRulesRow): Promise<void> {
  await tx.deleteFrom('notification_rules').where('inbox_id', '=', row.inbox_id).execute()
  await tx.insertInto('notification_rules').values(row).execute()
}

/** Stores with the inbox whether a rule sends mail, so that receiving asks no other table. */
export async function setMails(tx: Tx, inboxId: string, mails: boolean): Promise<void> {
  await tx
    .updateTable('inboxes')
    .set({ mails_notifications: mails ? 1 : 0 })
    .where('id', '=', inboxId)
    .execute()
}

/** Removes the rules of all inboxes of an organization. */
export async function removeOfOrganization(tx: Tx, organizationId: string): Promise<void> {
  const inboxIds = tx.selectFrom('inboxes').select('id').where('organization_id', '=', organizationId)
  await tx.deleteFrom('notification_rules').where('inbox_id', 'in', inboxIds).execute()
  await tx
    .updateTable('inboxes')
    .set({ mails_notifications: 0 })
    .where('organization_id', '=', organizationId)
    .where('mails_notifications', '=', 1)
    .execute()
}

export async function remove(tx: Tx, inboxId: string): Promise<void> {
  await tx.deleteFrom('notification_rules').where('inbox_id', '=', inboxId).execute()
}
