/** Queries for the messages that sweeps and jobs delete. Rows only. */
import type { Db } from '../handles.ts'
import type { StoredMessageRow } from './messages-table.ts'

/** Lists some messages of an inbox that is being deleted. */
export async function listByInbox(db: Db, inboxId: string, limit: number): Promise<StoredMessageRow[]> {
  return db.selectFrom('messages').selectAll().where('inbox_id', '=', inboxId).limit(limit).execute()
}

/** Lists the oldest messages of an inbox that are older than a time (epoch ms). */
export async function listOlder(db: Db, inboxId: string, before: number, limit: number): Promise<StoredMessageRow[]> {
  return db
    .selectFrom('messages')
    .selectAll()
    .where('inbox_id', '=', inboxId)
    .where('timestamp', '<', before)
    .orderBy('timestamp')
    .orderBy('id')
    .limit(limit)
    .execute()
}
