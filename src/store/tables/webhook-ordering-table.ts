/**
 * Queries for the order of webhook deliveries. In an ordered webhook, the first delivery of each ordering key is
 * `pending`, and the others are `waiting`. Rows only; mail/webhooks/ordering/ordering.ts decides.
 *
 * A caller that advances a key must lock the webhook's row first; otherwise each of two transactions could leave the
 * next delivery to the other.
 */
import { sql } from 'kysely'
import type { Db, LeaseTime, Tx } from '../handles.ts'
import { interruptionsNow, isFree } from '../leases.ts'
import type { WebhookDeliveryRow } from '../schema/webhook-rows.ts'

/** An ordering key of one webhook. */
export interface OrderingKey {
  readonly webhookId: string
  readonly key: string
}

/** Makes the earliest waiting delivery of a key pending, unless another one is pending. @returns the changed row */
export async function makeNextPending(
  tx: Tx,
  { webhookId, key }: OrderingKey,
): Promise<WebhookDeliveryRow | undefined> {
  const next = tx
    .selectFrom('webhook_deliveries')
    .select('id')
    .where('webhook_id', '=', webhookId)
    .where('ordering_key', '=', key)
    .where('state', '=', sql.lit('waiting')) // literals: with parameters, the planner cannot use the partial index
    .orderBy('seq')
    .limit(1)
  return tx
    .updateTable('webhook_deliveries')
    .set({ state: 'pending', updated_at: tx.now })
    .where('id', '=', next)
    .where(({ not, exists, selectFrom }) =>
      not(
        exists(
          selectFrom('webhook_deliveries as first')
            .select('first.id')
            .where('first.webhook_id', '=', webhookId)
            .where('first.ordering_key', '=', key)
            .where('first.state', '=', sql.lit('pending')),
        ),
      ),
    )
    .returningAll()
    .executeTakeFirst()
}

/** Lists the ordering keys that have waiting deliveries, in order. */
export async function listKeysWithWaiting(
  db: Db,
  webhookId: string,
  after: string | undefined,
  limit: number,
): Promise<string[]> {
  const keys: string[] = []
  let last = after
  // One index seek per key: `distinct` would read all rows of each key.
  while (keys.length < limit) {
    const row = await db
      .selectFrom('webhook_deliveries')
      .select('ordering_key')
      .where('webhook_id', '=', webhookId)
      .where('state', '=', sql.lit('waiting'))
      .$if(last !== undefined, (query) => query.where('ordering_key', '>', last!))
      .orderBy('ordering_key')
      .limit(1)
      .executeTakeFirst()
    if (row?.ordering_key === undefined || row.ordering_key === null) break
    keys.push(row.ordering_key)
    last = row.ordering_key
  }
  return keys
}

/** Lists pending deliveries that have no ordering key and are under no lease. */
export async function listWithoutKey(
  db: Db,
  webhookId: string,
  leaseNow: LeaseTime,
  limit: number,
): Promise<Pick<WebhookDeliveryRow, 'id' | 'seq'>[]> {
  return withoutKey(db, webhookId)
    .select(['id', 'seq'])
    .where(isFree(leaseNow))
    .orderBy('next_attempt_at')
    .orderBy('id')
    .limit(limit)
    .execute()
}

/** Whether a pending delivery has no ordering key, leased or not. */
export async function isAnyWithoutKey(db: Db, webhookId: string): Promise<boolean> {
  return (await withoutKey(db, webhookId).select('id').limit(1).executeTakeFirst()) !== undefined
}

function withoutKey(db: Db, webhookId: string) {
  return db
    .selectFrom('webhook_deliveries')
    .where('webhook_id', '=', webhookId)
    .where('state', '=', sql.lit('pending'))
    .where('ordering_key', 'is', null)
}

/**
 * Gives pending deliveries an ordering key and makes them wait. A delivery that was claimed meanwhile is not changed.
 */
export async function makeWaiting(tx: Tx, key: string, ids: readonly string[]): Promise<void> {
  await tx
    .updateTable('webhook_deliveries')
    .set({ state: 'waiting', ordering_key: key, lease_owner: null, lease_until: null, updated_at: tx.now })
    .set({ interruptions: interruptionsNow })
    .where('id', 'in', ids)
    .where('state', '=', 'pending')
    .where(isFree(tx.leaseNow))
    .execute()
}

/**
 * Removes the ordering key of waiting deliveries and makes them pending: each is sent when it is due.
 *
 * @returns how many, at most `limit`
 */
export async function makeAllPending(tx: Tx, webhookId: string, limit: number): Promise<number> {
  const blocked = tx
    .selectFrom('webhook_deliveries')
    .select('id')
    .where('webhook_id', '=', webhookId)
    .where('state', '=', sql.lit('waiting'))
    .limit(limit)
  const freed = await tx
    .updateTable('webhook_deliveries')
    .set({ state: 'pending', ordering_key: null, updated_at: tx.now })
    .where('id', 'in', blocked)
    .returning('id')
    .execute()
  return freed.length
}
