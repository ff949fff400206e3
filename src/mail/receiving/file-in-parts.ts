/**
 * Files a message in many inboxes in several transactions, one after the other, so that no other write waits for all of
 * them. Part of receiving.ts (docs/adr/0036).
 *
 * Each inbox gets its message and its event in one transaction. The sender gets its reply after the last one. If one
 * fails, or the process dies, the sender repeats the message: the inboxes that have it recognise it by its Message-ID.
 * A message without one arrives there again.
 */
import { isMailError, MailError } from '../../errors.ts'
import type { Tx } from '../../store/handles.ts'
import * as contents from '../../store/tables/contents-table.ts'
import type { ContentRows } from '../messages/content/insert-content.ts'
import type { PreparedContent } from '../messages/content/prepared-content.ts'
import type { Receipt } from './arrival.ts'

/** The content of a message of which every transaction stores a part. The first one that needs it inserts it. */
export interface SharedContent<Checked> {
  readonly content: PreparedContent<Checked>
  /**
   * Call it in each transaction, which can be for the second time, when its inboxes are locked. Locks the content, so that no
   * other node removes it with the last of its messages.
   */
  begin(tx: Tx): Promise<void>
  /** Call it after each commit. */
  recordCommit(): void
  /** Whether a committed row refers to the blobs of the content. */
  isStored(): boolean
}

export function shareContent<Checked>(content: PreparedContent<Checked>): SharedContent<Checked> {
  let stored: ContentRows | undefined
  /** What the running transaction inserts. */
  let inserted: ContentRows | undefined
  return {
    content: {
      ...content,
      rows(tx) {
        if (stored !== undefined) return { ...stored, isStored: true }
        inserted = content.rows(tx)
        return inserted
      },
    },
    async begin(tx) {
      inserted = undefined
      if (stored === undefined || (await contents.lockShared(tx, stored.row.id))) return
      throw new MailError('unavailable', { detail: 'the message was deleted while it was being stored' })
    },
    recordCommit() {
      stored ??= inserted
    },
    isStored: () => stored !== undefined,
  }
}

/**
 * Calls `file` for one part after the other.
 *
 * @returns the receipts in the order of `recipients`
 * @throws what `file` throws; unavailable if an inbox of a later part does not exist any more: then the peer repeats the
 *   message, and RCPT refuses that inbox alone
 */
export async function fileParts(
  recipients: readonly string[],
  parts: readonly (readonly string[])[],
  file: (part: readonly string[]) => Promise<Receipt[]>,
): Promise<Receipt[]> {
  const receipts = new Map<string, Receipt>()
  for (const [index, part] of parts.entries()) {
    try {
      for (const receipt of await file(part)) receipts.set(receipt.recipient, receipt)
    } catch (error) {
      if (index === 0 || !isMailError(error, 'unknown_recipient')) throw error
      throw new MailError('unavailable', { detail: 'an inbox was deleted while the message was being stored' })
    }
  }
  return recipients.map((recipient) => receipts.get(recipient)!)
}
