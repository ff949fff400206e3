/** Queries for the idempotency keys of sends. Rows only: mail/sending/idempotency/idempotency.ts decides. */
import type { Db, LeaseTime, Tx } from '../handles.ts'
import { isLeased } from '../leases.ts'
import type { IdempotencyKeyRow } from '../schema/sending-rows.ts'

/** A key, and whether the attempt that runs has a lease: 1 or 0. */
export type UsedKeyRow = IdempotencyKeyRow & { readonly is_leased: number }

/** Reads the key and locks it until the commit. */
export async function lock(tx: Tx, inboxId: string, key: string): Promise<UsedKeyRow | undefined> {
  return tx
    .forUpdate(tx.selectFrom('idempotency_keys'))
    .selectAll()
    .select(isLeased(tx.leaseNow).as('is_leased'))
    .where('inbox_id', '=', inboxId)
    .where('key', '=', key)
    .executeTakeFirst()
}

export async function get(db: Db, inboxId: string, key: string): Promise<IdempotencyKeyRow | undefined> {
  return db
    .selectFrom('idempotency_keys')
    .selectAll()
    .where('inbox_id', '=', inboxId)
    .where('key', '=', key)
    .executeTakeFirst()
}

/** Inserts a completed key, or replaces one that was completed before. */
export async function putDone(tx: Tx, row: IdempotencyKeyRow & { readonly state: 'done' }): Promise<void> {
  const { inbox_id, key, ...change } = row
  await tx
    .insertInto('idempotency_keys')
    .values(row)
    .onConflict((oc) => oc.columns(['inbox_id', 'key']).doUpdateSet(change))
    .execute()
}

/** Lists uses of the same key by callers of this scope, in all inboxes. */
export async function listOfScope(db: Db, scopeId: string, key: string, leaseNow: LeaseTime): Promise<UsedKeyRow[]> {
  return db
    .selectFrom('idempotency_keys')
    .selectAll()
    .select(isLeased(leaseNow).as('is_leased'))
    .where('scope_id', '=', scopeId)
    .where('key', '=', key)
    .execute()
}

/** A key that an attempt takes. */
export type TakenKey = Omit<IdempotencyKeyRow, 'lease_until'> & { readonly lease_until: LeaseTime }

/** Inserts a key that did not exist. A conflict is an error: two nodes must not both take the same key. */
export async function insert(tx: Tx, row: TakenKey): Promise<KeyLease> {
  const { lease_until } = await tx
    .insertInto('idempotency_keys')
    .values(row)
    .returning('lease_until')
    .executeTakeFirstOrThrow()
  return { inboxId: row.inbox_id, key: row.key, leaseUntil: lease_until! }
}

/** Replaces an existing key, which the caller has locked. */
export async function replace(tx: Tx, row: TakenKey): Promise<KeyLease> {
  const { inbox_id, key, ...change } = row
  const { lease_until } = await tx
    .updateTable('idempotency_keys')
    .set(change)
    .where('inbox_id', '=', inbox_id)
    .where('key', '=', key)
    .returning('lease_until')
    .executeTakeFirstOrThrow()
  return { inboxId: inbox_id, key, leaseUntil: lease_until! }
}

export interface KeyLease {
  readonly inboxId: string
  readonly key: string
  /** The end of the lease identifies the attempt. */
  readonly leaseUntil: number
}

/** @returns false when the attempt has lost the key to another one */
export async function finish(tx: Tx, lock: KeyLease, result: string): Promise<boolean> {
  const changed = await tx
    .updateTable('idempotency_keys')
    .set({ state: 'done', lease_until: null, result, completed_at: tx.now })
    .where('inbox_id', '=', lock.inboxId)
    .where('key', '=', lock.key)
    .where('state', '=', 'running')
    .where('lease_until', '=', lock.leaseUntil)
    .returning('key')
    .executeTakeFirst()
  return changed !== undefined
}

/** Releases the key of an attempt that failed. */
export async function release(tx: Tx, lock: KeyLease): Promise<void> {
  await tx
    .deleteFrom('idempotency_keys')
    .where('inbox_id', '=', lock.inboxId)
    .where('key', '=', lock.key)
    .where('state', '=', 'running')
    .where('lease_until', '=', lock.leaseUntil)
    .execute()
}

/** Deletes keys created before a time. @returns how many, at most `limit` */
export async function removeOlderThan(tx: Tx, timeMs: number, limit: number): Promise<number> {
  const old = await tx
    .selectFrom('idempotency_keys')
    .select(['inbox_id', 'key'])
    .where('created_at', '<', timeMs)
    .orderBy('inbox_id')
    .orderBy('key') // every node in the same order, so that two sweeps do not wait for each other
    .limit(limit)
    .execute()
  for (const row of old) {
    await tx
      .deleteFrom('idempotency_keys')
      .where('inbox_id', '=', row.inbox_id)
      .where('key', '=', row.key)
      .where('created_at', '<', timeMs) // it may have been reused since
      .execute()
  }
  return old.length
}
