/**
 * The order of an ordered webhook: events of one inbox go out one after the other, in the order of the log. Each inbox is a
 * line of its own, and so are the events that belong to none.
 *
 * Of a line one delivery is `pending`: the others are `behind` it and are not seen by claims. It keeps its place until it is
 * delivered, given up or cancelled; in the same transaction the earliest event behind it takes its turn. So retries, leases,
 * crashes and other nodes change nothing about the order, and who is behind costs nothing, however many they are.
 * Whoever ends, adds or removes a delivery in a line holds the webhook's row first (`holdByIds`, until the commit): otherwise
 * the one that ends and the one that is added could each count on the other.
 */
import type { Tx, WebhookDeliveryRow, WebhookRow } from '../../store/schema.ts'
import * as events from '../../store/tables/events.ts'
import * as lines from '../../store/tables/webhook-lines.ts'

/** Of events that belong to no inbox. */
const NO_INBOX = ''

export function lineOf(inboxId: string | null | undefined): string {
  return inboxId ?? NO_INBOX
}

export function isOrdered(webhook: Pick<WebhookRow, 'order_state'>): boolean {
  return webhook.order_state !== 'none'
}

/** What a new delivery is, or one that is sent anew: `moveUp` afterwards, or nobody will go. */
export function placeFor(
  webhook: Pick<WebhookRow, 'order_state'>,
  inboxId: string | null | undefined,
): Pick<WebhookDeliveryRow, 'state' | 'line'> {
  return isOrdered(webhook) ? { state: 'behind', line: lineOf(inboxId) } : { state: 'pending', line: null }
}

/**
 * Gives each of the lines a first, where it has none. Hold the webhook.
 *
 * @param leaseFor lease of the first one whose turn it is now, of the second, and so on
 * @returns those whose turn it is now
 */
export async function moveUp(
  tx: Tx,
  webhook: Pick<WebhookRow, 'id' | 'order_state'>,
  lineNames: Iterable<string>,
  leaseFor: (turn: number) => lines.Lease | undefined = () => undefined,
): Promise<WebhookDeliveryRow[]> {
  if (webhook.order_state === 'lining_up') return [] // an earlier one may still come into the line (line-up.ts)
  const first: WebhookDeliveryRow[] = []
  for (const line of new Set(lineNames)) {
    const row = await lines.takeTurn(tx, { webhookId: webhook.id, line }, leaseFor(first.length))
    if (row) first.push(row)
  }
  return first
}

/** Puts deliveries that wait in no line behind those of their inbox. @returns the lines */
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
