/** An inbox as clients and events see it, from its row. */
import type { InboxRow } from '../../store/schema/tenant-rows.ts'
import type { Inbox, InboxLimits, Metadata } from './inbox.ts'

export function showInbox(row: InboxRow): Inbox {
  return {
    id: row.id,
    organizationId: row.organization_id,
    podId: row.pod_id,
    address: row.address,
    ...(row.display_name !== null && { displayName: row.display_name }),
    ...(row.client_id !== null && { clientId: row.client_id }),
    ...(row.metadata !== null && { metadata: JSON.parse(row.metadata) as Metadata }),
    status: row.status,
    ...showLimits(row),
    ...(row.challenge_senders !== null && { challengesSenders: row.challenge_senders === 1 }),
    createdAt: row.created_at,
    updatedAt: row.updated_at,
  }
}

function showLimits({ quota_bytes, quota_messages, retention_days }: InboxRow): { limits?: InboxLimits } {
  const limits = {
    ...(quota_bytes !== null && { quotaBytes: quota_bytes }),
    ...(quota_messages !== null && { quotaMessages: quota_messages }),
    ...(retention_days !== null && { retentionDays: retention_days }),
  }
  return Object.keys(limits).length === 0 ? {} : { limits }
}
