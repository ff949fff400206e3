/** What a client may request to send, and what it can see of the deliveries. */

import type { Actor } from '../../access/actor.ts'
import type { BodyMemory } from '../../access/body-memory.ts'

export interface OutgoingAttachment {
  readonly filename?: string | undefined
  readonly contentType?: string | undefined
  readonly disposition?: 'inline' | 'attachment' | undefined
  /** Without angle brackets. The HTML can refer to it as `cid:`. */
  readonly contentId?: string | undefined
  readonly bytes: Buffer
}

/** Recipients are "address" or "Name <address>". */
export interface OutgoingMessage {
  readonly to?: readonly string[] | undefined
  readonly cc?: readonly string[] | undefined
  readonly bcc?: readonly string[] | undefined
  readonly replyTo?: readonly string[] | undefined
  readonly subject?: string | undefined
  readonly text?: string | undefined
  readonly html?: string | undefined
  readonly attachments?: readonly OutgoingAttachment[] | undefined
  /** Extra header fields. Fields that the server sets are refused. */
  readonly headers?: Readonly<Record<string, string>> | undefined
  /** User labels for the sent copy. */
  readonly labels?: readonly string[] | undefined
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
  readonly messageId: string
  readonly threadId: string
  /** Only for a reply whose parent has such addresses. */
  readonly dropped?: readonly DroppedRecipient[]
}

export interface SendOptions {
  /** 1–256 of `A-Za-z0-9-._~`. A repeated key returns the first result and sends nothing. */
  readonly idempotencyKey?: string | undefined
}

/**
 * Each call resolves when message, queue rows and event are on disk. All throw validation_error, no_recipients,
 * too_many_recipients, message_too_large, system_label, idempotency_conflict, not_found, missing_permission; and
 * disk_full, unavailable or shutting_down when nothing was accepted.
 */
export interface Sending {
  /** Needs `message_send`. The two calls below also need `message_read`, and find only what the actor may see. */
  send(actor: Actor, inbox: string, message: OutgoingMessage, options?: SendOptions): Promise<Sent>
  /**
   * @param memory for the original body, if it is quoted
   * @throws also too_many_responses
   */
  reply(
    actor: Actor,
    inbox: string,
    parent: string,
    reply: OutgoingReply,
    memory: BodyMemory,
    options?: SendOptions,
  ): Promise<Sent>
  /**
   * Appends the original body and attachments. The subject is `Fwd: …` unless given; the thread is the parent's.
   *
   * @param memory for the original body
   * @throws also too_many_responses
   */
  forward(
    actor: Actor,
    inbox: string,
    parent: string,
    message: OutgoingMessage,
    memory: BodyMemory,
    options?: SendOptions,
  ): Promise<Sent>
}

/** The state of one recipient of a sent message. */
