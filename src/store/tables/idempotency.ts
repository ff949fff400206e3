/** Idempotency keys of sends. Rows only: mail/sending/idempotency.ts decides. */
import type { IdempotencyKeyRow, Tx } from '../schema.ts'

/** Kept until the commit. */
export async function hold(tx: Tx, organizationId: string, key: string): Promise<IdempotencyKeyRow | undefined> {
  return tx
    .forUpdate(tx.selectFrom('idempotency_keys'))
    .selectAll()
    .where('organization_id', '=', organizationId)
    .where('key', '=', key)
    .executeTakeFirst()
}

/** Where there was none: two nodes at once must not both have it, so it does not give way. */
export async function insert(tx: Tx, row: IdempotencyKeyRow): Promise<void> {
  await tx.insertInto('idempotency_keys').values(row).execute()
}

/** In place of the one that was there, which is held. */
export async function replace(tx: Tx, row: IdempotencyKeyRow): Promise<void> {
  const { organization_id, key, ...change } = row
  await tx
    .updateTable('idempotency_keys')
    .set(change)
    .where('organization_id', '=', organization_id)
    .where('key', '=', key)
    .execute()
}

export interface Hold {
  readonly organizationId: string
  readonly key: string
  /** The lease tells one attempt from the next. */
  readonly leaseUntil: number
}

/** @returns false when the attempt has lost the key to another one */
export async function finish(tx: Tx, hold: Hold, result: string): Promise<boolean> {
  const changed = await tx
    .updateTable('idempotency_keys')
    .set({ state: 'done', lease_until: null, result, completed_at: tx.now })
    .where('organization_id', '=', hold.organizationId)
    .where('key', '=', hold.key)
    .where('state', '=', 'running')
    .where('lease_until', '=', hold.leaseUntil)
    .returning('key')
    .executeTakeFirst()
  return changed !== undefined
}

/** Frees the key of an attempt that failed. */
export async function release(tx: Tx, hold: Hold): Promise<void> {
  await tx
    .deleteFrom('idempotency_keys')
    .where('organization_id', '=', hold.organizationId)
    .where('key', '=', hold.key)
    .where('state', '=', 'running')
    .where('lease_until', '=', hold.leaseUntil)
    .execute()
}

/** Removes what was made before the time and is over. @returns how many; at most `limit` */
export async function removeOlderThan(tx: Tx, timeMs: number, limit: number): Promise<number> {
  const old = await tx
    .selectFrom('idempotency_keys')
    .select(['organization_id', 'key'])
    .where('created_at', '<', timeMs)
    .orderBy('organization_id')
    .orderBy('key') // every node in the same order, so that two sweeps do not wait for each other
    .limit(limit)
    .execute()
  for (const row of old) {
    await tx
      .deleteFrom('idempotency_keys')
      .where('organization_id', '=', row.organization_id)
      .where('key', '=', row.key)
      .where('created_at', '<', timeMs) // it may have been taken anew since
      .execute()
  }
  return old.length
}
