/** Queries for durable consumers of the event log and their cursors. Rows only. */
import type { Db, Tx } from '../handles.ts'

/** Returns the consumer's cursor; a new consumer starts at the end of the log. */
export async function openCursor(tx: Tx, name: string): Promise<number> {
  const { last_seq } = await tx.selectFrom('event_log').select('last_seq').executeTakeFirstOrThrow()
  await tx
    .insertInto('event_consumers')
    .values({ name, cursor_seq: last_seq })
    .onConflict((conflict) => conflict.column('name').doNothing())
    .execute()
  return requireCursor(tx, name)
}

export async function requireCursor(db: Db, name: string): Promise<number> {
  const { cursor_seq } = await db
    .selectFrom('event_consumers')
    .select('cursor_seq')
    .where('name', '=', name)
    .executeTakeFirstOrThrow()
  return cursor_seq
}

/** @returns false if another node has advanced the cursor: discard everything that was read from `fromSeq` on */
export async function moveCursor(tx: Tx, name: string, fromSeq: number, toSeq: number): Promise<boolean> {
  const moved = await tx
    .updateTable('event_consumers')
    .set({ cursor_seq: toSeq })
    .where('name', '=', name)
    .where('cursor_seq', '=', fromSeq)
    .returning('name')
    .executeTakeFirst()
  return moved !== undefined
}
