/**
 * The fields of a thread's row that follow from its messages: preview, last message and time, and what hides it.
 * "Newest" is the newest message that no class hides, or the newest of all if every message is hidden. Lists are ordered
 * and filtered by that time, so a hidden message must not move a thread that is shown.
 */
import type { Db } from '../../../store/handles.ts'
import type { ThreadRow } from '../../../store/schema/message-rows.ts'
import * as messages from '../../../store/tables/messages-table.ts'
import * as threads from '../../../store/tables/threads-table.ts'
import { hiddenMask } from '../../access/permissions.ts'

/** @param visibleCount messages of the thread that no class hides */
export async function newestShown(
  db: Db,
  threadId: string,
  visibleCount: number,
): Promise<messages.StoredMessageRow | undefined> {
  const shown = visibleCount > 0 ? await messages.newestInThread(db, threadId, { isShown: true }) : undefined
  return shown ?? messages.newestInThread(db, threadId, { isShown: false })
}

export function listFields({
  preview,
  api_message_id,
  timestamp,
}: Pick<messages.StoredMessageRow, 'preview' | 'api_message_id' | 'timestamp'>): Pick<
  ThreadRow,
  'preview' | 'last_message_id' | 'timestamp'
> {
  return { preview, last_message_id: api_message_id, timestamp }
}

/** Returns the bits of the classes that hide a thread without visible messages. */
export async function hiddenMaskOfThread(db: Db, threadId: string): Promise<number> {
  const labels = (await threads.labelsOf(db, [threadId])).get(threadId) ?? []
  return hiddenMask(labels)
}
