/** The types of messages to file, and of the results. file-messages.ts files them. */
import type { Address } from '../../../formats/address/address.ts'
import type { Tx } from '../../../store/handles.ts'
import type { InboxRow } from '../../../store/schema/tenant-rows.ts'
import type { NewMessageRow } from '../../../store/tables/messages-table.ts'
import type { ThreadSnapshot } from '../../events/log/message-events.ts'
import type { Authentication } from '../authentication.ts'
import type { PreparedContent } from '../content/prepared-content.ts'
import type { SpamVerdict } from '../spam-verdict.ts'

/** An email about to be filed in one inbox, which the caller has locked. */
export interface Filing {
  readonly inbox: InboxRow
  /** Its rows are written with the first message that has it. */
  readonly content: PreparedContent
  readonly labels: readonly string[]
  /**
   * The id that clients see, unique in the inbox: the caller ensures it. Undefined for received mail: a message that the
   * inbox already has is recognised, and a new one gets the Message-ID of its header if that is free.
   */
  readonly apiMessageId?: string
  /** The Message-ID of its header was made for it just now: no other message has or names it. */
  readonly hasNewId?: boolean
  /** It is filed even if the inbox has the same message already; otherwise as without `apiMessageId`. */
  readonly isCopy?: true
  /** In no header: only the sender may see these. */
  readonly bcc?: readonly Address[]
  /** The thread to add it to, whatever it refers to: a forward stays in the thread of its source. */
  readonly threadId?: string | undefined
  readonly envelope?: { readonly sender: string; readonly recipient: string }
  /** INTERNALDATE that a mail program has given it, epoch ms. */
  readonly internalDate?: number | undefined
  readonly authentication: Authentication
  readonly verifiedDomain?: string | undefined
  /** What a challenge can verify instead (mail/receiving/challenges/sender-claim.ts). */
  readonly senderClaim?: string | undefined
  readonly spam?: SpamVerdict | undefined
  /** The hidden classes to leave out of the thread that is returned; undefined: no thread is needed. */
  readonly threadMask?: number
}

export type Filed = FiledMessage | { readonly existing: NewMessageRow }

export interface FiledMessage {
  readonly existing?: undefined
  readonly id: string
  readonly threadId: string
  readonly messageId: string
  readonly contentId: string
  /** Its thread just after it was added, if `threadMask` was set. */
  readonly thread?: ThreadSnapshot
}

/**
 * @param relabel runs while the tables are read, so that its statements cost no round trip of their own. It returns the same
 *   filings in their order, but their `labels` and `threadMask` may be others: these are needed only to write
 * @returns one result per filing, in their order. `existing` occurs only for filings without `apiMessageId` and `isCopy`.
 */
export type FileMessages = (
  tx: Tx,
  filings: readonly Filing[],
  relabel?: () => Promise<readonly Filing[]>,
) => Promise<Filed[]>
