/** Redelivers on request: one delivery by its id, or those of a time range (replays.ts). */
import { MailError } from '../../../errors.ts'
import type { Tx } from '../../../store/handles.ts'
import type { WebhookRow } from '../../../store/schema/webhook-rows.ts'
import * as table from '../../../store/tables/webhook-log-table.ts'
import { moveUp, placeFor } from '../ordering/ordering.ts'

/** @throws webhook_disabled */
export function requireEnabled({ is_enabled }: Pick<WebhookRow, 'is_enabled'>): void {
  if (is_enabled !== 1) throw new MailError('webhook_disabled', {})
}

interface Anew {
  /** Locked. */
  readonly row: table.LoggedDeliveryRow
  readonly inboxId: string | null
}

/**
 * Makes deliveries of a webhook due at once; the retry schedule starts again. For an ordered webhook each one gets its
 * position under its ordering key; a waiting one keeps its position. A delivery that is being sent is left alone. The
 * caller must hold the locks on the webhook and the rows.
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
