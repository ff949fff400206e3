/** Threads (docs/compatibility/agentpost.md). */
import type { ThreadItem } from '../../../../../mail/messages/threads/thread.ts'
import { shownId } from '../prefixed-ids.ts'
import { time } from './agentpost-shape-wire.ts'

export function threadItem(view: ThreadItem) {
  return {
    id: shownId('thr', view.id),
    inbox_id: shownId('inb', view.inboxId),
    environment_id: shownId('env', view.podId),
    subject: view.subject ?? null,
    preview: view.preview ?? null,
    message_count: view.messageCount,
    last_message_at: time(view.timestamp),
    labels: view.labels,
    participants: [...new Set([...view.senders, ...view.recipients])],
    has_attachments: view.attachments.length > 0,
    created_at: time(view.createdAt),
    updated_at: time(view.updatedAt),
  }
}
