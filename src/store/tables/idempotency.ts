/** Queries for the idempotency keys of sends. Rows only: mail/sending/idempotency.ts decides. */
import type { IdempotencyKeyRow, Tx } from '../schema.ts'

/** Reads the key and locks it until the commit. */
export async function hold(tx: Tx, organizationId: string, key: string): Promise<IdempotencyKeyRow | undefined> {
  return tx
    .forUpdate(tx.selectFrom('idempotency_keys'))
    .selectAll()
    .where('organization_id', '=', organizationId)
    .where('key', '=', key)
    .executeTakeFirst()
}

/** Inserts a key that did not exist. A conflict is an error: two nodes must not both take the same key. */
export async function insert(tx: Tx, row: IdempotencyKeyRow): Promise<void> {
  await tx.insertInto('idempotency_keys').values(row).execute()
}

/** Replaces an existing key, which the caller has locked. */
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
  /** The end of the lease identifies the attempt. */
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

/** Deletes keys created before a time. @returns how many, at most `limit` */
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
      .where('created_at', '<', timeMs) // it may have been reused since
      .execute()
  }
  return old.length
}
