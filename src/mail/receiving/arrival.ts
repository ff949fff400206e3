/**
 * What an edge hands over with a mail and what it gets back: how it came, for whom, and what became of it. The nouns of
 * receiving, free of any protocol's code.
 */

/** SMTP sender and recipients, as opposed to header fields (RFC 5321 §2.3.1). */
export interface Envelope {
  /** "" for a bounce (RFC 5321 §4.5.5). */
  readonly sender: string
  /** Normalised by `formats/address`; plus-tags kept; no duplicates. */
  readonly recipients: readonly string[]
}

/** How a mail came in: the source of the Received field, and later of the authentication checks. */
export interface Arrival {
  /** RFC 3848 and RFC 6531 §4.3 names; "local" for the queue's own hand-over. */
  readonly protocol: 'SMTP' | 'ESMTP' | 'ESMTPS' | 'UTF8SMTP' | 'UTF8SMTPS' | 'local'
  /** Peer's IP address; absent for local hand-over. */
  readonly remoteAddress?: string
  /** The sender's; for local hand-over only. */
  readonly organizationId?: string
  /** Argument of EHLO or HELO, as given. */
  readonly helo?: string
  /** For example "TLSv1.3 TLS_AES_256_GCM_SHA384". */
  readonly tls?: string
  /** Id of the connection, for the log. */
  readonly session: string
}

/** What became of one recipient of a mail that was taken. */
export interface Receipt {
  readonly recipient: string
  readonly messageId: string
  /** Whether an identical mail was there already, so that nothing was stored (RFC 5321 §6.1 retries). */
  readonly duplicate: boolean
}
