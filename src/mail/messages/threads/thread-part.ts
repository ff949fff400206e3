/**
 * Builds a thread for a reader who may not see all of its messages. Every field comes from the visible ones, so that no
 * field reveals a hidden message's words, sender or files.
 */
import type { Db } from '../../../store/handles.ts'
import type { ThreadRow } from '../../../store/schema/message-rows.ts'
import { addressesOf } from '../../../store/tables/addresses-table.ts'
import type { Keyset } from '../../../store/tables/keyset.ts'
import * as messages from '../../../store/tables/messages-table.ts'
import type { AttachmentSnapshot, ThreadSnapshot } from '../../events/log/message-events.ts'
import { participants } from '../content/mail-addresses.ts'

/**
 * @param hiddenMask classes that must not be seen
 * @param messagesMax number of newest messages to examine
 * @returns undefined when none of them may be seen
 */
export async function showPart(
  db: Db,
  row: ThreadRow,
  hiddenMask: number,
  messagesMax: number,
  attachmentsOf: (contentIds: readonly string[]) => Promise<ReadonlyMap<string, readonly AttachmentSnapshot[]>>,
): Promise<ThreadSnapshot | undefined> {
  const newestFirst = { limit: messagesMax, ascending: false }
  const seenOf = async (keyset: Keyset) =>
    (await messages.listByThread(db, row.id, keyset)).filter((message) => (message.hidden & hiddenMask) === 0)
  let seen = await seenOf(newestFirst)
  // The newest are all hidden: continue at the newest that no class hides, whose time is the thread's.
  if (seen.length === 0 && row.visible_count > 0)
    seen = await seenOf({ ...newestFirst, after: { key: row.timestamp + 1, id: '' } })
  const [newest] = seen
  const oldest = seen.at(-1)
  if (!newest || !oldest) return undefined

  const ids = seen.map((message) => message.id)
  const labels = await messages.labelsOf(db, ids)
  const addresses = await addressesOf(db, seen)
  const attachments = await attachmentsOf(seen.map((message) => message.content_id))
  const everyone = participants(ids.flatMap((id) => addresses.get(id) ?? []))
  const latest = (label: string) => seen.find((message) => labels.get(message.id)?.includes(label))?.timestamp
  const [receivedTimestamp, sentTimestamp] = [latest('received'), latest('sent')]
  return {
    id: row.id,
    labels: [...new Set([...labels.values()].flat())].sort(),
    timestamp: newest.timestamp,
    ...(receivedTimestamp !== undefined && { receivedTimestamp }),
    ...(sentTimestamp !== undefined && { sentTimestamp }),
    senders: everyone.filter((one) => one.kind === 'sender').map((one) => one.display),
    recipients: everyone.filter((one) => one.kind === 'recipient').map((one) => one.display),
    ...(oldest.subject !== null && { subject: oldest.subject }),
    ...(newest.preview !== null && { preview: newest.preview }),
    attachments: seen.flatMap((message) => attachments.get(message.content_id) ?? []),
    lastMessageId: newest.api_message_id,
    messageCount: seen.length,
    sizeBytes: seen.reduce((sum, message) => sum + message.size_bytes, 0),
    createdAt: oldest.created_at,
    updatedAt: seen.reduce((latest, message) => Math.max(latest, message.updated_at), 0),
  }
}
