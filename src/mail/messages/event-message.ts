/** A stored message as events hold it. */
import type { StoredMessageRow } from '../../store/tables/messages.ts'
import { hiddenClasses, hiddenMask } from '../access/permissions.ts'
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

const EVERY_CLASS = hiddenMask(hiddenClasses.map((hidden) => hidden.label))

/**
 * The hidden classes that the thread in a message's event leaves out: all but the message's own. A reader who may see the
 * message need not be one who may see the hidden messages beside it.
 */
export function eventThreadMask(labels: readonly string[]): number {
  return EVERY_CLASS & ~hiddenMask(labels)
}
