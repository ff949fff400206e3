/** The thread of a filed message as its event shows it. Part of file-messages.ts. */
import type { Tx } from '../../../store/handles.ts'
import type { ThreadSnapshot } from '../../events/log/message-events.ts'
import type { PlacedMessage } from './places.ts'

/** A thread that contains only this message: known without a query. */
export function newThread(
  { filing, thread, content, participants }: PlacedMessage,
  participantsMax: number,
): ThreadSnapshot {
  const listed = participants.slice(0, participantsMax)
  const displays = (kind: 'sender' | 'recipient') => listed.filter((one) => one.kind === kind).map((one) => one.display)
  return {
    id: thread.id,
    labels: filing.labels.toSorted(),
    timestamp: thread.timestamp,
    ...(thread.received_timestamp !== null && { receivedTimestamp: thread.received_timestamp }),
    ...(thread.sent_timestamp !== null && { sentTimestamp: thread.sent_timestamp }),
    senders: displays('sender'),
    recipients: displays('recipient'),
    ...(thread.subject !== null && { subject: thread.subject }),
    ...(thread.preview !== null && { preview: thread.preview }),
    attachments: content.shown,
    lastMessageId: thread.last_message_id,
    messageCount: 1,
    sizeBytes: thread.size_bytes,
    createdAt: thread.created_at,
    updatedAt: thread.updated_at,
  }
}

/** The thread as one message alone shows it, when so many newer messages are hidden that the search gave up. */
export function bareThread(
  { now }: Pick<Tx, 'now'>,
  { id, labels, messageId }: { readonly id: string; readonly labels: readonly string[]; readonly messageId: string },
): ThreadSnapshot {
  const times = { timestamp: now, createdAt: now, updatedAt: now }
  const lists = { senders: [], recipients: [], attachments: [] }
  return { id, labels, lastMessageId: messageId, messageCount: 1, sizeBytes: 0, ...times, ...lists }
}
