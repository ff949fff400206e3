/**
 * The parts of a message as IMAP numbers them (RFC 9051 §6.4.5.1), as byte offsets into its raw bytes: what a section of
 * FETCH needs, and no text. Plain data, so that a store can keep it.
 */

export interface ImapPart {
  /** Offsets into the whole message; ends are exclusive. The header includes the blank line after it. */
  readonly headerStart: number
  readonly bodyStart: number
  readonly bodyEnd: number
  /** The parts of a multipart, in order; at least one. */
  readonly parts?: readonly ImapPart[]
  /** The message in the body of a message/rfc822 or message/global part. */
  readonly message?: ImapPart
}

/** `path` is empty for the message itself. `whole`: BODY[], or the body of a part. */
export interface Section {
  readonly path: readonly number[]
  readonly of: 'whole' | 'header' | 'text' | 'mime'
}
