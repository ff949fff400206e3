/** Queries for replays that have not ended. Rows only. */
import type { Db, Tx } from '../handles.ts'
import type { WebhookReplayRow } from '../schema/webhook-rows.ts'

export async function getOf(db: Db, webhookId: string): Promise<WebhookReplayRow | undefined> {
  return db.selectFrom('webhook_replays').selectAll().where('webhook_id', '=', webhookId).limit(1).executeTakeFirst()
}

export async function insert(tx: Tx, row: WebhookReplayRow): Promise<void> {
  await tx.insertInto('webhook_replays').values(row).execute()
}

/** @returns false when another worker has advanced it: write nothing for this range of events */
export async function move(tx: Tx, id: string, fromSeq: number, toSeq: number): Promise<boolean> {
  const moved = await tx
    .updateTable('webhook_replays')
    .set({ position_seq: toSeq })
    .where('id', '=', id)
    .where('position_seq', '=', fromSeq)
    .returning('id')
    .executeTakeFirst()
  return moved !== undefined
}

export async function remove(tx: Tx, id: string): Promise<void> {
  await tx.deleteFrom('webhook_replays').where('id', '=', id).execute()
}
