/**
 * Lines of ordered webhooks: of each the first delivery is `pending` and the others are `behind` it. Rows only;
 * mail/webhooks/order.ts decides. Whoever moves a line holds its webhook's row, or two could each leave the next to the other.
 */
import { sql } from 'kysely'
import type { Db, Tx, WebhookDeliveryRow } from '../schema.ts'

/** A place to wait in. */
export interface Line {
  readonly webhookId: string
  readonly line: string
}

export type Lease = Pick<WebhookDeliveryRow, 'lease_owner' | 'lease_until'>

const NO_LEASE: Lease = { lease_owner: null, lease_until: null }

/** Makes the earliest event that is behind the first, unless there is one. @returns it as it is now */
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
    .where('state', '=', sql.lit('behind')) // literal states: a parameter would not show that the partial indexes serve
    .orderBy('seq')
    .limit(1)
  return tx
    .updateTable('webhook_deliveries')
    .set({ state: 'pending', ...lease, updated_at: tx.now })
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

/** Lines in which somebody is behind, in order. */
export async function listLines(
  db: Db,
  webhookId: string,
  after: string | undefined,
  limit: number,
): Promise<string[]> {
  const lines: string[] = []
  let last = after
  // A seek a line: `distinct` would read them whole.
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

/** Deliveries that wait in no line and are under way nowhere. */
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

/** Whether there is any, under way or not. */
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

/** Puts deliveries that wait behind all that is earlier in a line; one that is under way meanwhile stays what it is. */
export async function joinLine(tx: Tx, line: string, ids: readonly string[]): Promise<void> {
  await tx
    .updateTable('webhook_deliveries')
    .set({ state: 'behind', line, lease_owner: null, lease_until: null, updated_at: tx.now })
    .where('id', 'in', ids)
    .where('state', '=', 'pending')
    .where((eb) => eb.or([eb('lease_until', 'is', null), eb('lease_until', '<=', tx.now)]))
    .execute()
}

/** Lets go who is behind: from now on each goes when it is due. @returns how many, at most `limit` */
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
