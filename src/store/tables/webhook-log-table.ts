/** Queries for the delivery log of a webhook, with attempts. Rows only; mail/webhooks decides who may see what. */
import { type Expression, type SqlBool, sql } from 'kysely'
import type { Db } from '../handles.ts'
import type { WebhookAttemptRow, WebhookDeliveryRow, WebhookDeliveryState } from '../schema/webhook-rows.ts'
import { direction, type Keyset } from './keyset.ts'
import type { ScannedRow } from './message-scans-table.ts'
import { LOGGED_COLUMNS, type LoggedWebhookDeliveryRow } from './webhook-deliveries-table.ts'

export interface LogCriteria {
  readonly webhookId: string
  /** Empty: all states. */
  readonly states: readonly WebhookDeliveryState[]
  readonly eventTypes: readonly string[]
  /** Bounds on the delivery's creation time, epoch ms, exclusive. */
  readonly before?: number | undefined
  readonly after?: number | undefined
}

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
  return db.selectFrom('webhook_deliveries').select(LOGGED_COLUMNS).where('id', 'in', ids).execute()
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
