/** Queries for the pause of outbound mail and webhooks: one row while they are paused, otherwise none. */
import type { Db, Tx } from '../handles.ts'
import { prepareQuery } from '../prepared-query.ts'

const pauses = prepareQuery((db) => db.selectFrom('outbound_pause').select('paused_at'))

/** Returns when they were paused, epoch ms; undefined while they run. */
export async function getPausedAt(db: Db): Promise<number | undefined> {
  const [pause] = await pauses(db, {})
  return pause?.paused_at
}

/** A pause that exists keeps its time. */
export async function insert(tx: Tx): Promise<void> {
  await tx
    .insertInto('outbound_pause')
    .values({ id: 1, paused_at: tx.now })
    .onConflict((conflict) => conflict.column('id').doNothing())
    .execute()
}

/** @returns whether there was a pause */
export async function remove(tx: Tx): Promise<boolean> {
  const removed = await tx.deleteFrom('outbound_pause').returning('id').executeTakeFirst()
  return removed !== undefined
}
