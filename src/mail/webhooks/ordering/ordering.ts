/**
 * The order of an ordered webhook: events of one inbox are sent one after the other, in log order. Each inbox is one
 * ordering key, and so are all events without an inbox.
 *
 * One delivery per ordering key is `pending`. The others are `waiting`, and claims do not see them. The pending one
 * stays first until it is delivered, given up or cancelled; the same transaction makes the earliest waiting one
 * pending. So retries, leases, crashes and other nodes cannot change the order, and waiting deliveries cost nothing,
 * however many exist.
 *
 * Lock the webhook's row (`lockByIds`, until the commit) before you end, add or remove a delivery of an ordered
 * webhook. Otherwise a transaction that ends a delivery and one that adds another could each leave the next step to the
 * other.
 */
import type { Tx } from '../../../store/handles.ts'
import type { WebhookDeliveryRow, WebhookRow } from '../../../store/schema/webhook-rows.ts'
import * as events from '../../../store/tables/events-table.ts'
import * as orderingKeys from '../../../store/tables/webhook-ordering-table.ts'

/** The ordering key of events without an inbox. */
const NO_INBOX = ''

function orderingKeyOf(inboxId: string | null | undefined): string {
  return inboxId ?? NO_INBOX
}

export function isOrdered(webhook: Pick<WebhookRow, 'order_state'>): boolean {
  return webhook.order_state !== 'none'
}

/** State of a new or redelivered delivery. Call `advance` afterwards, or no delivery of the ordering key is sent. */
export function initialState(
  webhook: Pick<WebhookRow, 'order_state'>,
  inboxId: string | null | undefined,
): Pick<WebhookDeliveryRow, 'state' | 'ordering_key'> {
  return isOrdered(webhook)
    ? { state: 'waiting', ordering_key: orderingKeyOf(inboxId) }
    : { state: 'pending', ordering_key: null }
}

/**
 * Makes the earliest delivery of each ordering key pending, unless one is. The caller must have locked the webhook.
 *
 * @returns the deliveries that became pending
 */
export async function advance(
  tx: Tx,
  webhook: Pick<WebhookRow, 'id' | 'order_state'>,
  keys: Iterable<string>,
): Promise<WebhookDeliveryRow[]> {
  if (webhook.order_state === 'enabling') return [] // an earlier delivery may still get this ordering key (enable-ordering.ts)
  const first: WebhookDeliveryRow[] = []
  for (const key of new Set(keys)) {
    const row = await orderingKeys.makeNextPending(tx, { webhookId: webhook.id, key })
    if (row) first.push(row)
  }
  return first
}

/**
 * Gives an ordering key to deliveries that have none, and makes them wait for those of their inbox.
 *
 * @returns the ordering keys
 */
export async function assignOrderingKeys(
  tx: Tx,
  rows: readonly Pick<WebhookDeliveryRow, 'id' | 'seq'>[],
): Promise<Set<string>> {
  const inboxes = await events.inboxesOf(
    tx,
    rows.map(({ seq }) => seq),
  )
  const ids = new Map<string, string[]>()
  for (const { id, seq } of rows) {
    const key = orderingKeyOf(inboxes.get(seq))
    ids.set(key, [...(ids.get(key) ?? []), id])
  }
  for (const [key, ofKey] of ids) await orderingKeys.makeWaiting(tx, key, ofKey)
  return new Set(ids.keys())
}
