/** The interface of the delivery targets: local inboxes, remote servers, the relay, and capture, which holds mail. */
import { MailError } from '../../../errors.ts'
import { DamagedContent } from '../../messages/content/damaged-content.ts'

/** The reply of a remote server (or of Martlet) for one recipient. */
export interface Outcome {
  /** `rejected`: the inbox may no longer send to this recipient. */
  readonly kind: 'delivered' | 'held' | 'rejected' | 'failed_for_now' | 'failed_for_good'
  /** SMTP reply code and RFC 3463 enhanced code, if any. */
  readonly code?: number
  readonly enhancedCode?: string
  /** The remote server's text, or Martlet's own. */
  readonly reply?: string
  /** The server that replied: "mx1.example.com [192.0.2.1]:25". */
  readonly remote?: string
  /** TLS version of the connection, with " (unverified)" when its certificate was not verified. */
  readonly tls?: string
  /** The server refused the sender, or the message for several recipients: that says nothing about this recipient. */
  readonly isAboutAllRecipients?: true
}

/** One message to deliver to some of its recipients. */
export interface Handover {
  readonly submissionId: string
  /** The sender's. */
  readonly organizationId: string
  /** Envelope sender; "" for a bounce. */
  readonly sender: string
  /** Normalised addresses, all of them of this target. */
  readonly recipients: readonly string[]
  /** For the log. */
  readonly contentId: string
  readonly sizeBytes: number
  /** Reads the message, from its beginning on each call. @throws DamagedContent, also if its end is missing */
  read(): AsyncIterable<Buffer>
  /** Call it with the name of each server, as `Outcome.remote`, before talking to it. It is shown while that lasts. */
  reached?(server: string): void
}

/**
 * Delivers a message. It may be called again for a recipient whose outcome was lost in a crash, so a target that can
 * detect a repeated message accepts it without storing it twice.
 */
export interface DeliveryTarget {
  /** The name in the history of deliveries, for example "local" or "relay". */
  readonly name: string
  /**
   * @param signal aborts when the grace period of a stop is over, when the lease is lost, or after an unhandled error
   * @returns one outcome per recipient, in their order. A throw counts as failed_for_now for all of them.
   */
  deliver(handover: Handover, signal: AbortSignal): Promise<readonly Outcome[]>
}

/**
 * The outcome for a recipient after an error of this server. A damaged message is retried too: the operator may repair it, or restore it
 * from a backup, and if not, its sender gets the reason in the notice at the end.
 */
export function failedOutcome(error: unknown): Outcome {
  const isDamaged = error instanceof DamagedContent
  const { message } = isDamaged ? new MailError('content_damaged', {}) : { message: 'Internal error' }
  return { kind: 'failed_for_now', reply: `${message}; will retry` }
}
