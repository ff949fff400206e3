/**
 * The order of an ordered webhook: events of one inbox are sent one after the other, in log order. Each inbox is one
 * ordering key, and so are all events without an inbox.
 *
 * Per ordering key one delivery is `pending`. The others are `behind` it (blocked), and claims do not see them. It
 * stays first until it is delivered, given up or cancelled; in the same transaction the earliest blocked delivery
 * becomes pending. So retries, leases, crashes and other nodes cannot change the order, and blocked deliveries cost
 * nothing, however many exist.
 *
 * Lock the webhook's row (`holdByIds`, until the commit) before you end, add or remove a delivery of an ordered
 * webhook. Otherwise a transaction that ends a delivery and one that adds a delivery could each rely on the other to
 * start the next.
 */
import type { Tx } from '../../../store/handles.ts'
import type { WebhookDeliveryRow, WebhookRow } from '../../../store/schema/webhook-rows.ts'
import * as events from '../../../store/tables/events-table.ts'
import * as lines from '../../../store/tables/webhook-lines-table.ts'

/** The ordering key of events without an inbox. */
const NO_INBOX = ''

export function lineOf(inboxId: string | null | undefined): string {
  return inboxId ?? NO_INBOX
}

export function isOrdered(webhook: Pick<WebhookRow, 'order_state'>): boolean {
  return webhook.order_state !== 'none'
}

/** State of a new or redelivered delivery. Call `moveUp` afterwards, or no delivery of the ordering key is sent. */
export function placeFor(
  webhook: Pick<WebhookRow, 'order_state'>,
  inboxId: string | null | undefined,
): Pick<WebhookDeliveryRow, 'state' | 'line'> {
  return isOrdered(webhook) ? { state: 'behind', line: lineOf(inboxId) } : { state: 'pending', line: null }
}

/**
 * Makes the earliest delivery of each ordering key pending, where none is. The caller must have locked the webhook.
 *
 * @param leaseFor lease of the first delivery that becomes pending, of the second, and so on
 * @returns the deliveries that became pending
 */
export async function moveUp(
  tx: Tx,
  webhook: Pick<WebhookRow, 'id' | 'order_state'>,
  lineNames: Iterable<string>,
  leaseFor: (turn: number) => lines.Lease | undefined = () => undefined,
): Promise<WebhookDeliveryRow[]> {
  if (webhook.order_state === 'lining_up') return [] // an earlier delivery may still get this ordering key (enable-ordering.ts)
  const first: WebhookDeliveryRow[] = []
  for (const line of new Set(lineNames)) {
    const row = await lines.takeTurn(tx, { webhookId: webhook.id, line }, leaseFor(first.length))
    if (row) first.push(row)
  }
  return first
}

/**
 * Gives an ordering key to deliveries that have none, blocked behind those of their inbox. @returns the ordering keys
 */
export async function putInLine(tx: Tx, rows: readonly Pick<WebhookDeliveryRow, 'id' | 'seq'>[]): Promise<Set<string>> {
  const inboxes = await events.inboxesOf(
    tx,
    rows.map(({ seq }) => seq),
  )
  const ids = new Map<string, string[]>()
  for (const { id, seq } of rows) {
    const line = lineOf(inboxes.get(seq))
    ids.set(line, [...(ids.get(line) ?? []), id])
  }
  for (const [line, ofLine] of ids) await lines.joinLine(tx, line, ofLine)
  return new Set(ids.keys())
}
