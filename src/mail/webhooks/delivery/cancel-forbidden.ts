/**
 * The last check before a delivery is sent: cancels it if the webhook may no longer receive its body. Since the body was
 * rendered, a key with fewer permissions may have changed the webhook and chosen its URL; or the message in the body may
 * have been hidden from the webhook, or deleted.
 */
import type { Tx } from '../../../store/handles.ts'
import type { WebhookDeliveryRow, WebhookRow } from '../../../store/schema/webhook-rows.ts'
import * as events from '../../../store/tables/events-table.ts'
import { cancel } from '../../../store/tables/webhook-deliveries-table.ts'
import { mayReadEvent, presentClasses } from '../../messages/readable.ts'
import { matcherOf, matches } from '../dispatch/matching.ts'
import { advance } from '../ordering/ordering.ts'

/**
 * @param webhook as it will be called
 * @param rows claimed in this transaction
 * @param beforeChange throws if the lock on the webhook is shared
 * @returns the rows to send; the others are cancelled, and deliveries that waited for them become pending
 */
export async function cancelForbidden(
  tx: Tx,
  webhook: WebhookRow,
  rows: readonly WebhookDeliveryRow[],
  beforeChange: () => void,
): Promise<WebhookDeliveryRow[]> {
  const matcher = matcherOf(webhook)
  const found = await events.listByNumbers(
    tx,
    rows.map(({ seq }) => seq),
  )
  const bySeq = new Map(found.map((event) => [event.seq, event]))
  const { actor } = matcher
  const present = await presentClasses(
    tx,
    found.map((event) => ({ actor, event })),
  )
  const mayStillReceive = ({ seq, event_type, created_at }: WebhookDeliveryRow): boolean => {
    const eventRow = bySeq.get(seq)
    if (!mayReadEvent(actor, eventRow ?? { type: event_type, message_id: null }, present)) return false
    // The event has been purged from the log: send only if the webhook is unchanged since the delivery was created.
    if (!eventRow) return webhook.updated_at <= created_at
    return matches(matcher, { eventRow, payload: JSON.parse(eventRow.payload) as Record<string, unknown> })
  }
  const revoked = rows.filter((row) => !mayStillReceive(row))
  if (revoked.length === 0) return [...rows]
  beforeChange()
  const left = await cancel(
    tx,
    revoked.map(({ id }) => id),
  )
  await advance(tx, webhook, left)
  return rows.filter((row) => !revoked.includes(row))
}
