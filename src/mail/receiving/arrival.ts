/**
 * The types that an edge passes to receiving and gets back: how a message arrived, its envelope, and the result for
 * each recipient. They contain no code of a protocol.
 */

/** SMTP sender and recipients, as opposed to header fields (RFC 5321 §2.3.1). */
export interface Envelope {
  /** "" for a bounce (RFC 5321 §4.5.5). */
  readonly sender: string
  /** Normalised by `formats/address`; plus-tags kept; no duplicates. */
  readonly recipients: readonly string[]
}

/** How a message arrived: the source of its Received field. */
export interface Arrival {
  /** RFC 3848 and RFC 6531 §4.3 names; "local" for delivery by our own queue. */
  readonly protocol: 'SMTP' | 'ESMTP' | 'ESMTPS' | 'UTF8SMTP' | 'UTF8SMTPS' | 'local'
  /** The peer's IP address; absent for local delivery. */
  readonly remoteAddress?: string
  /** The sender's organization; for local delivery only. */
  readonly organizationId?: string
  /** The argument of EHLO or HELO, as received. */
  readonly helo?: string
  /** For example "TLSv1.3 TLS_AES_256_GCM_SHA384". */
  readonly tls?: string
  /** The id of the connection, or of the submission for local delivery; the id in the Received field. */
  readonly traceId: string
}

/** The result for one recipient of a message that was accepted. */
export interface Receipt {
  readonly recipient: string
  /** Absent if nothing was stored. */
  readonly inboxId?: string
  /** The id of the message's row. */
  readonly id: string
  /** The id that the API shows: its Message-ID, or a generated one. */
  readonly messageId: string
  /** Whether the inbox already had the same message, so that nothing was stored (RFC 5321 §6.1: senders retry). */
  readonly isDuplicate: boolean
  /** The inbox is paused, and mail for it is dropped: nothing was stored, and both ids are empty. */
  readonly isDropped?: true
}

/** What is known of a message when its recipients are checked. */
export interface Announced {
  /** Envelope sender. */
  readonly sender: string
  /** The peer's IP address; absent for local delivery. */
  readonly remoteAddress?: string
  /** The size that the peer has announced (RFC 1870). */
  readonly sizeBytes?: number
}
