/**
 * Queries for the order of webhook deliveries. In an ordered webhook, the first delivery of each ordering key (`line`)
 * is `pending`, the others are `behind` (blocked). Rows only; mail/webhooks/ordering/ordering.ts decides.
 *
 * A caller that advances a key must lock the webhook's row first; otherwise each of two transactions could leave the
 * next delivery to the other.
 */
import { sql } from 'kysely'
import type { Db, Tx } from '../handles.ts'
import { interruptionsNow } from '../leases.ts'
import type { WebhookDeliveryRow } from '../schema/webhook-rows.ts'

/** An ordering key of one webhook. */
export interface Line {
  readonly webhookId: string
  readonly line: string
}

export type Lease = Pick<WebhookDeliveryRow, 'lease_owner' | 'lease_until'>

const NO_LEASE: Lease = { lease_owner: null, lease_until: null }

/** Unblocks the earliest blocked delivery of a key, unless another one is pending. @returns the changed row */
export async function takeTurn(
  tx: Tx,
  { webhookId, line }: Line,
  lease = NO_LEASE,
): Promise<WebhookDeliveryRow | undefined> {
  const next = tx
    .selectFrom('webhook_deliveries')
    .select('id')
    .where('webhook_id', '=', webhookId)
    .where('line', '=', line)
    .where('state', '=', sql.lit('behind')) // literals: with parameters, the planner cannot use the partial index
    .orderBy('seq')
    .limit(1)
  return tx
    .updateTable('webhook_deliveries')
    .set({
      state: 'pending',
      // One that was interrupted is left to a claim, which sees to it that no other such work runs (docs/adr/0022).
      lease_owner: sql`case when interruptions = 0 then ${lease.lease_owner} end`,
      lease_until: sql`case when interruptions = 0 then cast(${lease.lease_until} as bigint) end`,
      updated_at: tx.now,
    })
    .where('id', '=', next)
    .where(({ not, exists, selectFrom }) =>
      not(
        exists(
          selectFrom('webhook_deliveries as first')
            .select('first.id')
            .where('first.webhook_id', '=', webhookId)
            .where('first.line', '=', line)
            .where('first.state', '=', sql.lit('pending')),
        ),
      ),
    )
    .returningAll()
    .executeTakeFirst()
}

/** Lists the ordering keys that have blocked deliveries, in order. */
export async function listLines(
  db: Db,
  webhookId: string,
  after: string | undefined,
  limit: number,
): Promise<string[]> {
  const lines: string[] = []
  let last = after
  // One index seek per key: `distinct` would read all rows of each key.
  while (lines.length < limit) {
    const row = await db
      .selectFrom('webhook_deliveries')
      .select('line')
      .where('webhook_id', '=', webhookId)
      .where('state', '=', sql.lit('behind'))
      .$if(last !== undefined, (query) => query.where('line', '>', last!))
      .orderBy('line')
      .limit(1)
      .executeTakeFirst()
    if (row?.line === undefined || row.line === null) break
    lines.push(row.line)
    last = row.line
  }
  return lines
}

/** Lists pending deliveries that have no ordering key and are under no lease. */
export async function listOutOfLine(
  db: Db,
  webhookId: string,
  nowMs: number,
  limit: number,
): Promise<Pick<WebhookDeliveryRow, 'id' | 'seq'>[]> {
  return outOfLine(db, webhookId)
    .select(['id', 'seq'])
    .where((eb) => eb.or([eb('lease_until', 'is', null), eb('lease_until', '<=', nowMs)]))
    .orderBy('next_attempt_at')
    .orderBy('id')
    .limit(limit)
    .execute()
}

/** Whether a pending delivery has no ordering key, leased or not. */
export async function isAnyOutOfLine(db: Db, webhookId: string): Promise<boolean> {
  return (await outOfLine(db, webhookId).select('id').limit(1).executeTakeFirst()) !== undefined
}

function outOfLine(db: Db, webhookId: string) {
  return db
    .selectFrom('webhook_deliveries')
    .where('webhook_id', '=', webhookId)
    .where('state', '=', sql.lit('pending'))
    .where('line', 'is', null)
}

/** Gives waiting deliveries an ordering key and blocks them; one that was claimed meanwhile is not changed. */
export async function joinLine(tx: Tx, line: string, ids: readonly string[]): Promise<void> {
  await tx
    .updateTable('webhook_deliveries')
    .set({ state: 'behind', line, lease_owner: null, lease_until: null, updated_at: tx.now })
    .set({ interruptions: interruptionsNow })
    .where('id', 'in', ids)
    .where('state', '=', 'pending')
    .where((eb) => eb.or([eb('lease_until', 'is', null), eb('lease_until', '<=', tx.now)]))
    .execute()
}

/**
 * Removes the ordering key of blocked deliveries: from now on each is sent when it is due.
 *
 * @returns how many, at most `limit`
 */
export async function leaveLines(tx: Tx, webhookId: string, limit: number): Promise<number> {
  const behind = tx
    .selectFrom('webhook_deliveries')
    .select('id')
    .where('webhook_id', '=', webhookId)
    .where('state', '=', sql.lit('behind'))
    .limit(limit)
  const freed = await tx
    .updateTable('webhook_deliveries')
    .set({ state: 'pending', line: null, updated_at: tx.now })
    .where('id', 'in', behind)
    .returning('id')
    .execute()
  return freed.length
}
