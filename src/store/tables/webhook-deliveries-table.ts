/** Queries for webhook deliveries and their attempts. Rows only; ../leases.ts claims them, mail/webhooks decides. */
import { type ExpressionBuilder, sql } from 'kysely'
import type { Db, LeaseTime, Tx } from '../handles.ts'
import { isLeased } from '../leases.ts'
import type { Schema } from '../schema/schema.ts'
import type { WebhookAttemptRow, WebhookDeliveryRow } from '../schema/webhook-rows.ts'

/** Rows per insert: below each database's limit on parameters. */
const INSERT_ROWS_MAX = 50

/** A delivery without its body. */
export type LoggedWebhookDeliveryRow = Omit<WebhookDeliveryRow, 'body'>

/** The columns of a LoggedWebhookDeliveryRow. */
export const LOGGED_COLUMNS = [
  'id',
  'webhook_id',
  'seq',
  'event_id',
  'event_type',
  'state',
  'ordering_key',
  'term',
  'attempts',
  'attempts_before',
  'next_attempt_at',
  'scheduled_at',
  'probes',
  'lease_owner',
  'lease_until',
  'interruptions',
  'last_code',
  'last_error',
  'created_at',
  'updated_at',
] as const

/** Inserts deliveries that do not exist yet: one per webhook and event. */
export async function insert(tx: Tx, rows: readonly WebhookDeliveryRow[]): Promise<void> {
  for (let start = 0; start < rows.length; start += INSERT_ROWS_MAX) {
    await tx
      .insertInto('webhook_deliveries')
      .values(rows.slice(start, start + INSERT_ROWS_MAX))
      .onConflict((conflict) => conflict.columns(['webhook_id', 'seq']).doNothing())
      .execute()
  }
}

/** A webhook with its owner, and when its first delivery that can be claimed is due. */
export interface DueWebhook {
  readonly webhookId: string
  readonly organizationId: string
  readonly podId: string | null
  readonly dueAt: number
}

/**
 * Lists the webhooks with pending deliveries, and when the first of each is due. Deliveries under a lease are ignored.
 * It makes one index seek per webhook, however many deliveries are pending. SQL has no construct for that, so a
 * recursive query steps from webhook to webhook.
 */
export async function listDueWebhooks(db: Db, leaseNow: LeaseTime): Promise<DueWebhook[]> {
  // A literal state, so that each step uses the partial index of pending deliveries.
  const due = sql<{ webhook_id: string; organization_id: string; pod_id: string | null; due_at: number | null }>`(
    with recursive with_pending (webhook_id) as (
      select (select min(webhook_id) from webhook_deliveries where state = 'pending')
      union all
      select (
        select min(d.webhook_id) from webhook_deliveries d
        where d.state = 'pending' and d.webhook_id > with_pending.webhook_id
      )
      from with_pending where with_pending.webhook_id is not null
    )
    select w.id as webhook_id, w.organization_id, w.pod_id, (
      select d.next_attempt_at from webhook_deliveries d
      where d.webhook_id = w.id and d.state = 'pending' and d.term = w.term
        and (d.lease_until is null or d.lease_until <= ${leaseNow})
      order by d.next_attempt_at, d.id limit 1
    ) as due_at
    from with_pending join webhooks w on w.id = with_pending.webhook_id
    where w.is_enabled = 1 and w.deleting_at is null and w.order_state <> 'enabling')`
  const rows = await db.selectFrom(due.as('due')).selectAll().execute()
  return rows.flatMap(({ webhook_id, organization_id, pod_id, due_at }) =>
    due_at === null ? [] : [{ webhookId: webhook_id, organizationId: organization_id, podId: pod_id, dueAt: due_at }],
  )
}

/** The new state of a delivery after an attempt. */
export type DeliveryOutcome = Pick<
  WebhookDeliveryRow,
  'state' | 'attempts' | 'next_attempt_at' | 'scheduled_at' | 'probes' | 'last_code' | 'last_error'
>

/**
 * Writes an attempt and the delivery's new state, if the owner still has the lease.
 *
 * @param attempt  undefined: only the state; for a probe that failed
 * @returns false if the owner has lost the lease, or the delivery was cancelled: nothing is then written
 */
export async function recordOutcome(
  tx: Tx,
  { id, owner }: { readonly id: string; readonly owner: string },
  outcome: DeliveryOutcome,
  attempt: Omit<WebhookAttemptRow, 'id' | 'delivery_id'> | undefined,
): Promise<boolean> {
  const changed = await tx
    .updateTable('webhook_deliveries')
    .set({ ...outcome, lease_owner: null, lease_until: null, interruptions: 0, updated_at: tx.now })
    .where('id', '=', id)
    .where('lease_owner', '=', owner)
    .where('state', '=', 'pending')
    .returning('id')
    .executeTakeFirst()
  if (!changed) return false
  if (!attempt) return true
  await tx
    .insertInto('webhook_attempts')
    .values({ id: tx.newId(), delivery_id: id, ...attempt })
    .execute()
  return true
}

/** Lists pending and waiting deliveries of a webhook from terms before the given one. @returns ids, at most `limit` */
export async function listBefore(db: Db, webhookId: string, term: number, limit: number): Promise<string[]> {
  const inState = (state: 'pending' | 'waiting') =>
    db
      .selectFrom('webhook_deliveries')
      .select('id')
      .where('webhook_id', '=', webhookId)
      .where('state', '=', sql.lit(state))
      .where('term', '<', term)
  // In the order of their indexes. Waiting ones first: cancelling a pending one would needlessly unblock a waiting one.
  const waiting = await inState('waiting').orderBy('ordering_key').orderBy('seq').limit(limit).execute()
  const pending = inState('pending').orderBy('next_attempt_at').orderBy('id')
  const rows = [...waiting, ...(waiting.length < limit ? await pending.limit(limit - waiting.length).execute() : [])]
  return rows.map(({ id }) => id)
}

/**
 * Cancels pending and waiting deliveries. A delivery that has ended is not changed.
 *
 * @returns their ordering keys; a key whose first delivery was cancelled has no pending delivery now
 */
export async function cancel(tx: Tx, ids: readonly string[]): Promise<string[]> {
  if (ids.length === 0) return []
  const cancelled = await tx
    .updateTable('webhook_deliveries')
    .set({ state: 'cancelled', lease_owner: null, lease_until: null, updated_at: tx.now })
    .where('id', 'in', ids)
    .where('state', 'in', ['pending', 'waiting'])
    .returning('ordering_key')
    .execute()
  return cancelled.flatMap(({ ordering_key }) => ordering_key ?? [])
}

/** Deletes deliveries of a webhook, with their attempts. @returns how many, at most `limit` */
export async function removeOf(tx: Tx, webhookId: string, limit: number): Promise<number> {
  const some = tx.selectFrom('webhook_deliveries').select('id').where('webhook_id', '=', webhookId).limit(limit)
  const removed = await tx.deleteFrom('webhook_deliveries').where('id', 'in', some).returning('id').execute()
  return removed.length
}

/** A delivery to delete. Its state and ordering key show whether it is the first of its key. */
export type OldDelivery = Pick<WebhookDeliveryRow, 'id' | 'webhook_id' | 'state' | 'ordering_key'>

/** Lists old deliveries, except those that were sent again and are not finished yet. */
export async function listOlderThan(db: Db, createdBefore: number, limit: number): Promise<OldDelivery[]> {
  return db
    .selectFrom('webhook_deliveries')
    .select(['id', 'webhook_id', 'state', 'ordering_key'])
    .where(isOld(createdBefore))
    .orderBy('created_at')
    .limit(limit)
    .execute()
}

/** Deletes the given deliveries, with their attempts, except those that were sent again since they were listed. */
export async function removeOlderThan(tx: Tx, createdBefore: number, ids: readonly string[]): Promise<OldDelivery[]> {
  if (ids.length === 0) return []
  return tx
    .deleteFrom('webhook_deliveries')
    .where('id', 'in', ids)
    .where(isOld(createdBefore))
    .returning(['id', 'webhook_id', 'state', 'ordering_key'])
    .execute()
}

function isOld(createdBefore: number) {
  return ({ and, or, eb }: ExpressionBuilder<Schema, 'webhook_deliveries'>) =>
    and([
      eb('created_at', '<', createdBefore),
      or([eb('state', 'not in', ['pending', 'waiting']), eb('updated_at', '<', createdBefore)]),
    ])
}

/** A locked delivery. @property is_leased 1: it is being sent */
export type LockedDeliveryRow = LoggedWebhookDeliveryRow & { readonly is_leased: number }

/** Reads a webhook's deliveries of some events and locks them until the commit. */
export async function lockByEvents(tx: Tx, webhookId: string, seqs: readonly number[]): Promise<LockedDeliveryRow[]> {
  if (seqs.length === 0) return []
  return tx
    .forUpdate(tx.selectFrom('webhook_deliveries'))
    .select(LOGGED_COLUMNS)
    .select(isLeased(tx.leaseNow).as('is_leased'))
    .where('webhook_id', '=', webhookId)
    .where('seq', 'in', seqs)
    .execute()
}

/** The state of a delivery, its attempts, and the number of attempts before the last redelivery. */
export type DeliveryState = Pick<WebhookDeliveryRow, 'seq' | 'state' | 'attempts' | 'attempts_before'>

/** Maps the numbers of some events to the state of the webhook's delivery of each. */
export async function statesByEvents(
  db: Db,
  webhookId: string,
  seqs: readonly number[],
): Promise<Map<number, DeliveryState>> {
  if (seqs.length === 0) return new Map()
  const rows = await db
    .selectFrom('webhook_deliveries')
    .select(['seq', 'state', 'attempts', 'attempts_before'])
    .where('webhook_id', '=', webhookId)
    .where('seq', 'in', seqs)
    .execute()
  return new Map(rows.map((row) => [row.seq, row]))
}

/** Makes a delivery due again and restarts its schedule. The caller has checked that it is under no lease. */
export async function redeliver(
  tx: Tx,
  id: string,
  change: Pick<WebhookDeliveryRow, 'state' | 'ordering_key' | 'term'>,
): Promise<void> {
  await tx
    .updateTable('webhook_deliveries')
    .set({ ...change, next_attempt_at: tx.now, scheduled_at: null, probes: 0 })
    .set({ lease_owner: null, lease_until: null, interruptions: 0, updated_at: tx.now })
    .set((eb) => ({ attempts_before: eb.ref('attempts') }))
    .where('id', '=', id)
    .execute()
}
