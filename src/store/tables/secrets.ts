/** Secrets that every node must know: signing keys, certificates. Rows only; values are never logged. */
import type { Db, Tx } from '../schema.ts'

export async function get(db: Db, kind: string, name: string): Promise<string | undefined> {
  const row = await db
    .selectFrom('secrets')
    .select('value')
    .where('kind', '=', kind)
    .where('name', '=', name)
    .executeTakeFirst()
  return row?.value
}

/** Keeps the first value when two nodes make one at the same time; read it back afterwards. */
export async function insertOnce(tx: Tx, kind: string, name: string, value: string): Promise<void> {
  await tx
    .insertInto('secrets')
    .values({ kind, name, value, created_at: tx.now })
    .onConflict((conflict) => conflict.columns(['kind', 'name']).doNothing())
    .execute()
}

/**
 * Puts a value in the place of a known one, or where there is none: of two nodes that do so at the same time, one does.
 *
 * @param known undefined: there was none
 * @returns the value that is there now
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
