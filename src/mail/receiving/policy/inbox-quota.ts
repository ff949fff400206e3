/** Whether an inbox has space for another message. The counters are in its row, which each recipient needs anyway. */
import type { Config } from '../../../config/settings.ts'
import type { InboxRow } from '../../../store/schema/tenant-rows.ts'

type Counted = Pick<InboxRow, 'size_bytes' | 'message_count' | 'quota_bytes' | 'quota_messages'>

/**
 * @param sizeBytes what the sender has announced (RFC 1870 §6.1). Without it, an inbox that has any space takes one message, so
 *   it can exceed its quota by the largest message.
 */
export function isInboxFull(
  inbox: Counted,
  { inboxBytesMax, inboxMessagesMax }: Pick<Config, 'inboxBytesMax' | 'inboxMessagesMax'>,
  sizeBytes = 1,
): boolean {
  const bytesMax = inbox.quota_bytes ?? inboxBytesMax
  const messagesMax = inbox.quota_messages ?? inboxMessagesMax
  const isOver = bytesMax > 0 && inbox.size_bytes + sizeBytes > bytesMax
  return isOver || (messagesMax > 0 && inbox.message_count >= messagesMax)
}
