/** Queries for the delivery log of a webhook, with attempts. Rows only; mail/webhooks decides who may see what. */
import { type Expression, type SqlBool, sql } from 'kysely'
import type { Db, Tx } from '../handles.ts'
import type { WebhookAttemptRow, WebhookDeliveryRow, WebhookDeliveryState } from '../schema/webhook-rows.ts'
import { direction, type Keyset } from './keyset.ts'
import type { ScannedRow } from './messages-table.ts'

export interface LogCriteria {
  readonly webhookId: string
  /** Empty: all states. */
  readonly states: readonly WebhookDeliveryState[]
  readonly eventTypes: readonly string[]
  /** Bounds on the delivery's creation time, epoch ms, exclusive. */
  readonly before?: number | undefined
  readonly after?: number | undefined
}

/** A delivery without its body. */
export type LoggedWebhookDeliveryRow = Omit<WebhookDeliveryRow, 'body'>

const LOGGED = [
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
  'lease_owner',
  'lease_until',
  'interruptions',
  'last_code',
  'last_error',
  'created_at',
  'updated_at',
] as const

/**
 * Reads the next `keyset.limit` deliveries in the order of their events, each with a flag that says whether it meets
 * the criteria: the caller counts rows. The sort key is the event's number, which is unique per webhook.
 */
export async function scan(db: Db, criteria: LogCriteria, { after, ...keyset }: Keyset): Promise<ScannedRow[]> {
  return db
    .selectFrom('webhook_deliveries')
    .select(['id', 'seq as sortKey', matches(criteria).as('matches')])
    .where('webhook_id', '=', criteria.webhookId)
    .$if(after !== undefined, (query) => query.where('seq', keyset.ascending ? '>' : '<', after!.key as number))
    .orderBy('seq', direction(keyset))
    .limit(keyset.limit)
    .execute()
}

function matches({ states, eventTypes, before, after }: LogCriteria) {
  const all: Expression<SqlBool>[] = [sql<SqlBool>`1 = 1`]
  if (states.length > 0) all.push(sql<SqlBool>`state in (${sql.join(states)})`)
  if (eventTypes.length > 0) all.push(sql<SqlBool>`event_type in (${sql.join(eventTypes)})`)
  if (before !== undefined) all.push(sql<SqlBool>`created_at < ${before}`)
  if (after !== undefined) all.push(sql<SqlBool>`created_at > ${after}`)
  return sql<unknown>`${sql.join(all, sql` and `)}`
}

export async function listByIds(db: Db, ids: readonly string[]): Promise<LoggedWebhookDeliveryRow[]> {
  if (ids.length === 0) return []
  return db.selectFrom('webhook_deliveries').select(LOGGED).where('id', 'in', ids).execute()
}

/** Returns one delivery of a webhook. */
export async function getByWebhook(db: Db, webhookId: string, id: string): Promise<WebhookDeliveryRow | undefined> {
  return db
    .selectFrom('webhook_deliveries')
    .selectAll()
    .where('id', '=', id)
    .where('webhook_id', '=', webhookId)
    .executeTakeFirst()
}

/** Lists the attempts of some deliveries, grouped by delivery and in order. */
export async function listAttempts(db: Db, deliveryIds: readonly string[]): Promise<WebhookAttemptRow[]> {
  if (deliveryIds.length === 0) return []
  return db
    .selectFrom('webhook_attempts')
    .selectAll()
    .where('delivery_id', 'in', deliveryIds)
    .orderBy('delivery_id')
    .orderBy('attempt')
    .execute()
}

/** Reads a webhook's deliveries of some events and locks them until the commit. */
export async function lockByEvents(
  tx: Tx,
  webhookId: string,
  seqs: readonly number[],
): Promise<LoggedWebhookDeliveryRow[]> {
  if (seqs.length === 0) return []
  return tx
    .forUpdate(tx.selectFrom('webhook_deliveries'))
    .select(LOGGED)
    .where('webhook_id', '=', webhookId)
    .where('seq', 'in', seqs)
    .execute()
}

/** The state of a delivery, its attempts, and how many of them were made before it was last sent again. */
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
    .set({ ...change, next_attempt_at: tx.now, lease_owner: null, lease_until: null, interruptions: 0 })
    .set({ updated_at: tx.now })
    .set((eb) => ({ attempts_before: eb.ref('attempts') }))
    .where('id', '=', id)
    .execute()
}
