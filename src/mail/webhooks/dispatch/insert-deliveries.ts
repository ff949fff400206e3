/**
 * Inserts the deliveries of events to webhooks, in the transaction that moves the cursor of the dispatch. Part of
 * dispatch.ts; a replay creates its rows with the same function.
 */
import type { Tx } from '../../../store/handles.ts'
import type { EventRow } from '../../../store/schema/event-rows.ts'
import type { WebhookDeliveryRow, WebhookRow } from '../../../store/schema/webhook-rows.ts'
import * as webhookDeliveries from '../../../store/tables/webhook-deliveries-table.ts'
import * as webhooks from '../../../store/tables/webhooks-table.ts'
import { mayReadEvent, presentClasses } from '../../messages/readable.ts'
import { advance, initialState, isOrdered } from '../ordering/ordering.ts'
import { matcherOf, matchesNew } from './matching.ts'
import type { PreparedDelivery } from './prepare-deliveries.ts'

/**
 * Inserts the deliveries that are still wanted. The caller moves the cursor in the same transaction.
 *
 * @returns the webhooks that have a new delivery
 */
export async function insertDeliveries(tx: Tx, prepared: readonly PreparedDelivery[]): Promise<Set<string>> {
  const ids = [...new Set(prepared.map(({ webhook }) => webhook.id))]
  // Read the webhooks again: one may have been disabled, disabled and enabled, or given another URL while bodies were
  // rendered. Lock them until the commit, or a delivery could be inserted after the job that should cancel or order it.
  const current = (await webhooks.lockByIds(tx, ids)).filter(({ is_enabled }) => is_enabled === 1)
  const matchers = new Map(current.map((row) => [row.id, matcherOf(row)]))
  const wanted = prepared.flatMap((each) => {
    const matcher = matchers.get(each.webhook.id)
    if (!matcher || !matchesNew(matcher, each)) return []
    return [{ ...each, event: each.eventRow, actor: matcher.actor, webhook: matcher.webhook }]
  })
  const present = await presentClasses(tx, wanted) // a message may have been hidden while bodies were rendered
  const readable = wanted.filter(({ actor, event }) => mayReadEvent(actor, event, present))
  const rows = readable.map((each) => newWebhookDelivery(tx, each))
  await webhookDeliveries.insert(tx, rows)
  for (const webhook of current.filter(isOrdered)) {
    const keys = rows.flatMap(({ webhook_id, ordering_key }) => (webhook_id === webhook.id ? [ordering_key!] : []))
    await advance(tx, webhook, keys)
  }
  return new Set(rows.map(({ webhook_id }) => webhook_id))
}

/** Creates the row that delivers an event to a webhook, with its body and its position in the order. */
export function newWebhookDelivery(
  tx: { readonly now: number; newId(): string },
  { eventRow, webhook, body }: { readonly eventRow: EventRow; readonly webhook: WebhookRow; readonly body: Uint8Array },
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
    scheduled_at: null,
    probes: 0,
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
