/** Deliveries that are sent once more because somebody asks for it: one by its id, or those of a time (replay.ts). */
import { MailError } from '../../errors.ts'
import type { Tx, WebhookRow } from '../../store/schema.ts'
import * as table from '../../store/tables/webhook-log.ts'
import { moveUp, placeFor } from './order.ts'

/** @throws webhook_disabled */
export function requireEnabled({ is_enabled }: Pick<WebhookRow, 'is_enabled'>): void {
  if (is_enabled !== 1) throw new MailError('webhook_disabled', {})
}

interface Anew {
  /** Held. */
  readonly row: table.LoggedDeliveryRow
  readonly inboxId: string | null
}

/**
 * Makes deliveries of a webhook due at once, with the schedule from its start. In an ordered one each takes its place in its
 * line; one that waits keeps the one it has. What is under way is left alone. Hold the webhook and the rows.
 */
export async function sendAnew(tx: Tx, webhook: WebhookRow, all: readonly Anew[]): Promise<void> {
  const lines = new Set<string>()
  for (const { row, inboxId } of all) {
    const isUnderWay = !isOver(row) && row.lease_until !== null && row.lease_until > tx.now
    if (isUnderWay) continue
    const { state, line } = isOver(row) ? placeFor(webhook, inboxId) : row
    await table.sendAnew(tx, row.id, { state, line, term: webhook.term })
    if (line !== null) lines.add(line)
  }
  await moveUp(tx, webhook, lines)
}

function isOver({ state }: Pick<table.LoggedDeliveryRow, 'state'>): boolean {
  return state !== 'pending' && state !== 'behind'
}
