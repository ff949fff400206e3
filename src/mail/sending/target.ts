/** Where a mail can be handed over: local inboxes, a remote, or the shelf of what is held. */

/** A remote's (or our own) answer for one recipient. */
export interface Outcome {
  readonly kind: 'delivered' | 'held' | 'failed_for_now' | 'failed_for_good'
  /** SMTP reply code and RFC 3463 enhanced code, where there are any. */
  readonly code?: number
  readonly enhancedCode?: string
  /** In the other side's words, or ours. */
  readonly reply?: string
  /** Who answered: "mx1.example.com [192.0.2.1]:25". */
  readonly remote?: string
  /** Protocol version of the connection's TLS, with " (unverified)" where its certificate was not checked. */
  readonly tls?: string
}

/** One mail on its way to some of its recipients. */
export interface Handover {
  readonly submissionId: string
  /** The sender's. */
  readonly organizationId: string
  /** Envelope sender; "" for a bounce. */
  readonly sender: string
  /** Normalised addresses, all of them this target's. */
  readonly recipients: readonly string[]
  readonly sizeBytes: number
  /** The mail, from its beginning each time it is called. */
  read(): AsyncIterable<Buffer>
}

/**
 * Hands a mail over. May be called again for a recipient whose outcome was lost in a crash, so a target that can tell a
 * repeated mail takes it without storing it twice.
 */
export interface DeliveryTarget {
  /** In the history of deliveries: "local", "capture". */
  readonly name: string
  /**
   * @param signal  aborts when the server stops and its grace is over
   * @returns one outcome a recipient, in their order. A throw counts as failed_for_now for all of them.
   */
  deliver(handover: Handover, signal: AbortSignal): Promise<readonly Outcome[]>
}
