/** Messages as callers see them, and the filter of a list. Times are epoch ms; sizes are bytes. */
import type { Address } from '../../../formats/address/address.ts'
import type { Verification } from '../../../formats/verification/verification.ts'
import type { HiddenLabel } from '../../access/permissions.ts'
import type { AttachmentSnapshot } from '../../events/log/message-events.ts'
import type { Authentication } from '../authentication.ts'
import type { Bodies, EncodedBodies } from '../content/compressed-bodies.ts'
import type { SpamVerdict } from '../spam-verdict.ts'

export type Attachment = AttachmentSnapshot

/** The fields of a message in a list. */
export interface MessageItem {
  readonly id: string
  readonly organizationId: string
  readonly podId: string
  readonly inboxId: string
  readonly inboxAddress: string
  readonly threadId: string
  /** Unique in its inbox, with angle brackets: the id that AgentMail's clients use. */
  readonly messageId: string
  readonly labels: readonly string[]
  readonly timestamp: number
  /** As received by SMTP, "" for a bounce; absent on sent messages. */
  readonly envelopeSender?: string
  /** Absent only if the message has no valid From. */
  readonly from?: Address
  readonly replyTo: readonly Address[]
  readonly to: readonly Address[]
  readonly cc: readonly Address[]
  /** Only on sent messages. */
  readonly bcc: readonly Address[]
  readonly subject?: string
  readonly preview?: string
  readonly attachments: readonly Attachment[]
  readonly inReplyTo?: string
  readonly references: readonly string[]
  readonly sizeBytes: number
  readonly authentication: Authentication
  /** Absent if it was not checked. */
  readonly spam?: SpamVerdict
  /** The domain of its only From address, if the sender was authenticated for it. */
  readonly verifiedDomain?: string
  /**
   * The address in From, if it has answered a challenge of this inbox, and the message came from where the challenged one
   * came from. Less than a verified domain: others may send from there.
   */
  readonly verifiedSender?: string
  readonly createdAt: number
  readonly updatedAt: number
}

/** A message with its bodies. */
export interface Message extends MessageItem, Verification, Bodies {}

/** The same with texts that are JSON already. */
export interface EncodedMessage extends MessageItem, Verification, EncodedBodies {}

export interface MessageWithSource extends DownloadLink {
  readonly message: Message
  /** The message as it was received or sent; absent if it is too large. */
  readonly source?: Buffer
}

/** Filters that every list of messages or threads accepts. */
export interface MailFilter {
  /** A message must have all of them. */
  readonly labels?: readonly string[] | undefined
  /** Epoch ms, exclusive. */
  readonly before?: number | undefined
  readonly after?: number | undefined
  /** Hidden classes to include, if the key may see them. */
  readonly include?: readonly HiddenLabel[] | undefined
  /** Substrings, each of which must occur. */
  readonly subject?: readonly string[] | undefined
  /** Labels of which a message may have none. */
  readonly withoutLabels?: readonly string[] | undefined
}

export interface MessageFilter extends MailFilter {
  readonly from?: readonly string[] | undefined
  /** Matches to, cc and bcc. */
  readonly to?: readonly string[] | undefined
  /** A substring of the subject, the preview, or the address or name in From. */
  readonly text?: string | undefined
  /** Only messages whose sender is verified (sender-trust.ts), or only others. */
  readonly isSenderVerified?: boolean | undefined
}

/** A link that works without a key until it expires. */
export interface DownloadLink {
  /** Opaque; the edge adds it to one of its paths. */
  readonly token: string
  readonly expiresAt: number
  /** For the text of an attachment, if it has one. */
  readonly textToken?: string
}

export interface DownloadedFile {
  readonly filename?: string
  readonly contentType: string
  readonly disposition: 'inline' | 'attachment'
  readonly sizeBytes: number
  readonly bytes: AsyncIterable<Uint8Array>
  /** Members of a log line about this file: the id of the message, for example. */
  readonly about: Readonly<Record<string, string>>
}
