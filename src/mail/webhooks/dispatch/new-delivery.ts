/** Creates the row that delivers an event to a webhook, with its body and its position in the order. */
import type { EventRow } from '../../../store/schema/event-rows.ts'
import type { WebhookDeliveryRow, WebhookRow } from '../../../store/schema/webhook-rows.ts'
import { initialState } from '../ordering/ordering.ts'

export function newWebhookDelivery(
  tx: { readonly now: number; newId(): string },
  { eventRow, webhook, body }: { readonly eventRow: EventRow; readonly webhook: WebhookRow; readonly body: string },
): WebhookDeliveryRow {
  return {
    id: tx.newId(),
    webhook_id: webhook.id,
    seq: eventRow.seq,
    event_id: eventRow.event_id,
    event_type: eventRow.type,
    ...initialState(webhook, eventRow.inbox_id),
    term: webhook.term,
    attempts: 0,
    attempts_before: 0,
    next_attempt_at: tx.now,
    lease_owner: null,
    lease_until: null,
    interruptions: 0,
    body,
    last_code: null,
    last_error: null,
    created_at: tx.now,
    updated_at: tx.now,
  }
}
