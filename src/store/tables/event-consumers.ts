/** Durable readers of the event log, and how far each has come. Rows only. */
import type { Db, Tx } from '../schema.ts'

/** Its place; a reader that is new begins at the log's end. */
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

/** @returns false when another node has moved it meanwhile: nothing that was read from `fromSeq` on may be kept */
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
