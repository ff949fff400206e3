/**
 * Joins the batches of a FETCH that sets \Seen: each batch costs a commit. They stay small enough for memory, and so that few messages
 * are marked and not sent when a client leaves in the middle (docs/adr/0094).
 */
import type { Limits } from '../../../config/limits.ts'
import { type FetchedMessage, ImapRefusal } from '../session/mail-store.ts'

/**
 * No batch is empty, and none has more than the limits, but a message that is larger is alone in its batch. If the store refuses the next
 * batch, the messages before it are yielded first.
 */
export async function* joinBatches(
  batches: AsyncIterable<readonly FetchedMessage[]>,
  { imap: { markedBytesMax }, mailboxes: { changeMessages } }: Limits,
): AsyncGenerator<readonly FetchedMessage[], void> {
  let joined: FetchedMessage[] = []
  let joinedBytes = 0
  try {
    for await (const batch of batches) {
      for (const message of batch) {
        const bytes = sourceBytes(message)
        if (joined.length > 0 && (joinedBytes + bytes > markedBytesMax || joined.length === changeMessages)) {
          yield joined
          joined = []
          joinedBytes = 0
        }
        joined.push(message)
        joinedBytes += bytes
      }
    }
  } catch (error) {
    // Not if the client has left: nobody would read them, and they would be marked.
    if (error instanceof ImapRefusal && joined.length > 0) yield joined
    throw error
  }
  if (joined.length > 0) yield joined
}

/** All of it: while its header is sent, the store may have the whole message in memory; and one that it does not takes as long to send. */
function sourceBytes({ source }: FetchedMessage): number {
  return source?.sizeBytes ?? 0
}
