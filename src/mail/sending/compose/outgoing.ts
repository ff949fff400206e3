/** What a client may request to send, and the result of the request. */

interface AttachmentFields {
  readonly filename?: string | undefined
  readonly contentType?: string | undefined
  readonly disposition?: 'inline' | 'attachment' | undefined
  /** Without angle brackets. The HTML can refer to it as `cid:`. */
  readonly contentId?: string | undefined
}

export interface OutgoingAttachment extends AttachmentFields {
  readonly bytes: Buffer
}

/** An attachment that is fetched when the message is sent (fetch-attachments.ts). */
export interface LinkedAttachment extends AttachmentFields {
  /** http or https. */
  readonly url: string
}

/** An attachment whose bytes were uploaded before (../uploads/uploads.ts), with its name and type unless they are given. */
export interface UploadedAttachment extends AttachmentFields {
  readonly uploadId: string
}

export type RequestedAttachment = OutgoingAttachment | LinkedAttachment | UploadedAttachment

/** Recipients are "address" or "Name <address>". */
export interface OutgoingMessage {
  readonly to?: readonly string[] | undefined
  readonly cc?: readonly string[] | undefined
  readonly bcc?: readonly string[] | undefined
  readonly replyTo?: readonly string[] | undefined
  readonly subject?: string | undefined
  readonly text?: string | undefined
  readonly html?: string | undefined
  readonly attachments?: readonly RequestedAttachment[] | undefined
  /** Extra header fields. Fields that the server sets are refused. */
  readonly headers?: Readonly<Record<string, string>> | undefined
  /** User labels for the sent copy. */
  readonly labels?: readonly string[] | undefined
  /** Its recipients are held: it is sent when it is released (queue.ts). */
  readonly isHeld?: boolean | undefined
}

/**
 * A reply gets its subject from its parent, and so does each of to and cc that is absent or empty
 * (reply-recipients.ts).
 */
export interface OutgoingReply extends Omit<OutgoingMessage, 'subject'> {
  /** Reply to the sender and every recipient of the parent except this inbox; excludes to, cc and bcc. */
  readonly toAll?: boolean | undefined
  /** Append the parent's text, quoted. */
  readonly quoteOriginal?: boolean | undefined
}

/** An address of the answered message that cannot receive mail. */
export interface DroppedRecipient {
  /** "address", "Name <address>" or only a name, as in the message. */
  readonly address: string
  /** A sentence without a full stop. */
  readonly reason: string
}

export interface Sent {
  /** Our id of the message. */
  readonly id: string
  /** The id that AgentMail's clients use. */
  readonly messageId: string
  readonly threadId: string
  readonly inboxId: string
  /** Only for a reply whose parent has such addresses. */
  readonly dropped?: readonly DroppedRecipient[]
}
