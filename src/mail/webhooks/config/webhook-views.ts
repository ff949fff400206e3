/** Renders webhooks as callers see them. */
import type { Db } from '../../../store/handles.ts'
import type { WebhookRow } from '../../../store/schema/webhook-rows.ts'
import * as inboxes from '../../../store/tables/inboxes-table.ts'
import { parseList } from '../dispatch/matching.ts'
import { isOrdered } from '../ordering/ordering.ts'
import type { Webhook } from './webhook.ts'

export async function showWebhook(db: Db, row: WebhookRow): Promise<Webhook> {
  const [webhook] = await showWebhooks(db, [row])
  return webhook!
}

export async function showWebhooks(db: Db, rows: readonly WebhookRow[]): Promise<Webhook[]> {
  const ids = rows.flatMap((row) => [...parseList(row.inbox_ids), ...(row.inbox_id === null ? [] : [row.inbox_id])])
  const addresses = await inboxes.addresses(db, [...new Set(ids)])
  return rows.map((row) => {
    const address = row.inbox_id === null ? undefined : addresses.get(row.inbox_id)
    const inboxIds = row.inbox_ids === null ? undefined : parseList(row.inbox_ids).filter((id) => addresses.has(id))
    return {
      id: row.id,
      url: row.url,
      ...(row.event_types !== null && { eventTypes: parseList(row.event_types) }),
      ...(row.pod_ids !== null && { podIds: parseList(row.pod_ids) }),
      ...(inboxIds && { inboxIds, inboxAddresses: inboxIds.map((id) => addresses.get(id)!) }),
      ...(row.pod_id !== null && { podId: row.pod_id }),
      ...(address !== undefined && { inboxAddress: address, inboxId: row.inbox_id! }),
      secret: row.secret,
      isEnabled: row.is_enabled === 1,
      isOrdered: isOrdered(row),
      hasLongRetries: row.has_long_retries === 1,
      failures: row.failures,
      ...(row.disabled_reason !== null && { disabledReason: row.disabled_reason }),
      ...(row.client_id !== null && { clientId: row.client_id }),
      createdAt: row.created_at,
      updatedAt: row.updated_at,
    }
  })
}
