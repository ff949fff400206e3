/** Queries for secrets that all nodes share: signing keys, certificates. Rows only; values are never logged. */
import type { Db, Tx } from '../handles.ts'

export async function get(db: Db, kind: string, name: string): Promise<string | undefined> {
  const row = await db
    .selectFrom('secrets')
    .select('value')
    .where('kind', '=', kind)
    .where('name', '=', name)
    .executeTakeFirst()
  return row?.value
}

/** Inserts a value unless one exists: of two nodes at the same time, the first wins. Read the value back afterwards. */
export async function insertOnce(tx: Tx, kind: string, name: string, value: string): Promise<void> {
  await tx
    .insertInto('secrets')
    .values({ kind, name, value, created_at: tx.now })
    .onConflict((conflict) => conflict.columns(['kind', 'name']).doNothing())
    .execute()
}

export async function remove(tx: Tx, kind: string, name: string): Promise<void> {
  await tx.deleteFrom('secrets').where('kind', '=', kind).where('name', '=', name).execute()
}

/**
 * Replaces the known value, or inserts one if there was none. If two nodes do this at the same time, one of them wins.
 *
 * @param known the value to replace; undefined: there was none
 * @returns the value that is stored now
 */
export async function replace(
  tx: Tx,
  kind: string,
  name: string,
  { known, value }: { known: string | undefined; value: string },
): Promise<string> {
  if (known === undefined) await insertOnce(tx, kind, name, value)
  else {
    await tx
      .updateTable('secrets')
      .set({ value, created_at: tx.now })
      .where('kind', '=', kind)
      .where('name', '=', name)
      .where('value', '=', known)
      .execute()
  }
  return (await get(tx, kind, name)) ?? value
}
