/** Redelivers on request: one delivery by its id, or those of a time range (replays.ts). */
import { MailError } from '../../../errors.ts'
import type { Tx } from '../../../store/handles.ts'
import type { WebhookRow } from '../../../store/schema/webhook-rows.ts'
import * as webhookDeliveries from '../../../store/tables/webhook-deliveries-table.ts'
import { advance, initialState } from '../ordering/ordering.ts'

/** @throws webhook_disabled */
export function checkEnabled({ is_enabled }: Pick<WebhookRow, 'is_enabled'>): void {
  if (is_enabled !== 1) throw new MailError('webhook_disabled', {})
}

interface Redelivery {
  /** Locked. */
  readonly row: webhookDeliveries.LockedDeliveryRow
  readonly inboxId: string | null
}

/**
 * Makes deliveries of a webhook due at once; the retry schedule starts again. In an ordered webhook, a delivery that
 * has ended gets a position under its ordering key again; others keep theirs. A delivery that is being sent is not
 * changed. The caller must have locked the webhook and the rows.
 */
export async function redeliver(tx: Tx, webhook: WebhookRow, all: readonly Redelivery[]): Promise<void> {
  const orderingKeys = new Set<string>()
  for (const { row, inboxId } of all) {
    const isUnderWay = !isOver(row) && row.is_leased === 1
    if (isUnderWay) continue
    const { state, ordering_key } = isOver(row) ? initialState(webhook, inboxId) : row
    await webhookDeliveries.redeliver(tx, row.id, { state, ordering_key, term: webhook.term })
    if (ordering_key !== null) orderingKeys.add(ordering_key)
  }
  await advance(tx, webhook, orderingKeys)
}

function isOver({ state }: Pick<webhookDeliveries.LoggedWebhookDeliveryRow, 'state'>): boolean {
  return state !== 'pending' && state !== 'waiting'
}
