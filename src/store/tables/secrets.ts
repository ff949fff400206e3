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

export async function replace(tx: Tx, kind: string, name: string, value: string): Promise<void> {
  await tx
    .insertInto('secrets')
    .values({ kind, name, value, created_at: tx.now })
    .onConflict((conflict) => conflict.columns(['kind', 'name']).doUpdateSet({ value, created_at: tx.now }))
    .execute()
}
