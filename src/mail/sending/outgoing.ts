/** What a client may ask to have sent, and what it can see of it. */

import type { RecipientState } from '../../store/schema.ts'
import type { Actor } from '../access/actor.ts'

export interface OutgoingAttachment {
  readonly filename?: string | undefined
  readonly contentType?: string | undefined
  readonly disposition?: 'inline' | 'attachment' | undefined
  /** Without angle brackets; makes it referable as `cid:` in the HTML. */
  readonly contentId?: string | undefined
  readonly content: Buffer
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
  /** Extra header fields; those that are the server's are refused. */
  readonly headers?: Readonly<Record<string, string>> | undefined
  /** Own labels of the sent copy. */
  readonly labels?: readonly string[] | undefined
}

/** A reply takes its subject from its parent, and its recipients unless it names some. */
export interface OutgoingReply extends Omit<OutgoingMessage, 'subject'> {
  /** To the sender and every recipient of the parent but this inbox; excludes to, cc and bcc. */
  readonly toAll?: boolean | undefined
}

export interface Sent {
  readonly messageId: string
  readonly threadId: string
}

export interface SendOptions {
  /** 1–256 of `A-Za-z0-9-._~`: the same key again answers with the first result and sends nothing. */
  readonly idempotencyKey?: string | undefined
}

/**
 * All resolve once message, queue rows and event are on disk, and throw: validation_error, no_recipients,
 * too_many_recipients, message_too_large, system_label, idempotency_conflict, not_found, missing_permission, and
 * disk_full, unavailable or shutting_down when nothing was accepted.
 */
export interface Sending {
  /** Takes `message_send`; the two below take `message_read` too, and find only what the actor may see. */
  send(actor: Actor, inbox: string, message: OutgoingMessage, options?: SendOptions): Promise<Sent>
  reply(actor: Actor, inbox: string, parent: string, reply: OutgoingReply, options?: SendOptions): Promise<Sent>
  /** Original body and attachments are appended; the subject is `Fwd: …` unless given; the thread is the parent's. */
  forward(actor: Actor, inbox: string, parent: string, message: OutgoingMessage, options?: SendOptions): Promise<Sent>
}

/** Where one recipient of a sent message stands. */
export interface RecipientStatus {
  readonly id: string
  readonly recipient: string
  readonly state: RecipientState
  /** Since it was queued or last released. */
  readonly attempts: number
  /** Where it was released to. */
  readonly route?: 'relay' | 'direct'
  /** The remote's last words, or ours. */
  readonly lastReply?: string
  readonly lastCode?: number
  readonly lastEnhancedCode?: string
  /** Epoch ms; present while queued. */
  readonly nextAttemptAt?: number
  readonly history: readonly {
    /** Place in the history, from 1. */
    readonly attempt: number
    /** "queue": what was done by hand. */
    readonly target: string
    readonly outcome: string
    /** SMTP reply code and RFC 3463 enhanced code, where there were any. */
    readonly code?: number
    readonly enhancedCode?: string
    readonly reply?: string
    /** Who answered, and TLS version of the connection: see `Outcome`. */
    readonly remote?: string
    readonly tls?: string
    readonly startedAt: number
    readonly endedAt: number
  }[]
  readonly createdAt: number
  readonly updatedAt: number
}

export interface Deliveries {
  /** Of a message that this inbox sent. @throws not_found, missing_permission */
  list(actor: Actor, inbox: string, message: string): Promise<readonly RecipientStatus[]>
}
