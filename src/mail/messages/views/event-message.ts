/** Renders a stored message for the payload of events. */
import type { NewMessageRow } from '../../../store/tables/messages-table.ts'
import { hiddenClasses, hiddenMask } from '../../access/permissions.ts'
import type { EventMessage } from '../../events/log/message-events.ts'

/** @param labels after the change */
export function eventMessage(row: NewMessageRow, inboxAddress: string, labels: readonly string[]): EventMessage {
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

const EVERY_CLASS = hiddenMask(hiddenClasses.map((hidden) => hidden.label))

/**
 * Returns the hidden classes that the thread in a message's event leaves out: all but the message's own. A reader who
 * may see the message may lack the permission for hidden messages in the same thread.
 */
export function eventThreadMask(labels: readonly string[]): number {
  return EVERY_CLASS & ~hiddenMask(labels)
}
