/** A stored message as events are told of it. */
import type { StoredMessageRow } from '../../store/tables/messages.ts'
import type { EventMessage } from '../events/message-events.ts'

/** @param labels after what happened */
export function eventMessage(row: StoredMessageRow, inboxAddress: string, labels: readonly string[]): EventMessage {
  return {
    id: row.id,
    organizationId: row.organization_id,
    podId: row.pod_id,
    inboxId: row.inbox_id,
    inboxAddress,
    threadId: row.thread_id,
    messageId: row.api_message_id,
    labels,
  }
}
