/** Rows of threads, messages, contents and attachments. Rows only; mail/messages decides what they mean. */
import type { Generated } from 'kysely'

export interface ThreadRow {
  id: string
  organization_id: string
  pod_id: string
  inbox_id: string
  subject: string | null
  preview: string | null
  /** api_message_id of the newest message. */
  last_message_id: string
  message_count: number
  /** Number of messages in no hidden class. */
  visible_count: number
  size_bytes: number
  /** Bitmask of the hidden classes of its messages if none is visible; otherwise 0. */
  hidden: number
  /** The time of the newest message. */
  timestamp: number
  received_timestamp: number | null
  sent_timestamp: number | null
  deleting_at: number | null
  created_at: number
  updated_at: number
}

export interface ThreadLabelRow {
  thread_id: string
  label: string
  message_count: number
}

export interface ThreadParticipantRow {
  thread_id: string
  kind: 'sender' | 'recipient'
  address: string
  /** As in the latest message: "Name <address>" or the address. */
  display: string
  message_count: number
}

/**
 * Maps a Message-ID to a thread of an inbox: the Message-IDs of its messages and those that they refer to. Most messages have no row:
 * a message that clients see under its own Message-ID is found by that, unless there is a row.
 */
export interface ThreadReferenceRow {
  inbox_id: string
  message_id_hash: string
  thread_id: string
  /** 1: a message of the thread has this Message-ID. 0: its messages only refer to it. */
  is_own: number
}

export interface MessageRow {
  /** A local number, used by searches. Within an inbox, messages are committed in the order of their numbers. */
  number: Generated<number>
  id: string
  organization_id: string
  pod_id: string
  inbox_id: string
  thread_id: string
  content_id: string
  /** The id that AgentMail's clients see; unique in the inbox (through its hash). */
  api_message_id: string
  api_message_id_hash: string
  /** The Message-ID header field as sent; not unique; null when there was none. Threading uses it. */
  header_message_id: string | null
  header_message_id_hash: string | null
  /** Equal for equal body, From, To, Cc, Subject and Date; with the Message-ID it identifies a repeated message. */
  fingerprint: string
  subject: string | null
  preview: string | null
  /** JSON array of Message-IDs. */
  in_reply_to: string | null
  /** JSON array of Message-IDs. */
  references_list: string | null
  /** Envelope sender and recipient as received; null on sent mail. */
  envelope_sender: string | null
  envelope_recipient: string | null
  size_bytes: number
  /** Whether its content has attachments: most have none, and a thread shows those of its newest messages. */
  has_attachments: 0 | 1
  /** Bitmask: spam 1, blocked 2, unauthenticated 4, trash 8. */
  hidden: number
  /** JSON: results of the sender authentication. */
  authentication: string
  /** JSON: the verdict of the spam check; null: it was not checked. */
  spam: string | null
  /** The sender's domain if authentication confirmed it; on sent messages, the inbox's domain; otherwise null. */
  verified_domain: string | null
  /** Who says to have written it, and from where, if a challenge can verify that (mail/receiving/challenges/sender-claim.ts). */
  sender_claim: string | null
  /** seq of the last event that reports a change of its labels; 0: they are those with which it was filed. */
  labels_seq: number
  /** When Martlet accepted it. */
  timestamp: number
  /** INTERNALDATE that a mail program gave it (RFC 9051 §6.3.12); null: `timestamp`. */
  internal_date: number | null
  created_at: number
  updated_at: number
}

export interface MessageLabelRow {
  message_id: string
  label: string
}

/** An idempotency key that a received message had (mail/receiving/repeated-keys.ts). */
export interface ReceivedKeyRow {
  inbox_id: string
  /** SHA-256 of the sender and its key. */
  key_hash: string
  created_at: number
}

/** A sender that was asked by mail whether it writes to an inbox (mail/receiving/challenges/). */
export interface VerifiedSenderRow {
  id: string
  organization_id: string
  pod_id: string
  inbox_id: string
  /** As in the rows of its messages; unique in the inbox. */
  claim: string
  /** Normalised. */
  address: string
  /** When the message arrived that caused the challenge. */
  message_at: number
  /** SHA-256 of the link's token; null: the link has been used. */
  token_hash: string | null
  /** When the link ends. */
  expires_at: number
  /** null: it has not answered. */
  verified_at: number | null
  created_at: number
}

export type AddressKind = 'from' | 'sender' | 'reply_to' | 'to' | 'cc' | 'bcc'

/** An address of a message, in the order of its kind. */
export interface KindAddress {
  kind: AddressKind
  position: number
  /** As in the header field. */
  address: string
  name: string | null
}

/** An address in the header of a content: every kind except `bcc`. */
export interface ContentAddressRow extends KindAddress {
  content_id: string
}

/** A Bcc address of a sent message: it is in no header, so it belongs to the message and not to its content. */
export interface MessageBccRow {
  message_id: string
  position: number
  address: string
  name: string | null
}

/** The bytes of a message and their parsed form, shared by all messages and submissions with these bytes; immutable. */
export interface ContentRow {
  id: string
  size_bytes: number
  /**
   * null if larger than limits.store.inlineBytesMax; blob_key is then set. Fewer than size_bytes are compressed
   * (mail/messages/content/compressed-source.ts).
   */
  bytes: Uint8Array | null
  blob_key: string | null
  /** What a search compares (mail/messages/search/content-text.ts); null if the content is not parsed. */
  search_text: Uint8Array | null
  /** Compressed JSON of the parsed bodies and headers (compressed-bodies.ts); null if parsed_blob_key is set. */
  parsed: Uint8Array | null
  parsed_blob_key: string | null
  /** Size of that JSON before compression. */
  parsed_size_bytes: number
  /** Length of its first segment, which contains the headers alone; 0: it has one segment. */
  parsed_head_bytes: number
  /**
   * ENVELOPE of IMAP; null if it is computed when a client asks for it. Before `bytes` in the row, so that SQLite reads it without
   * them. Code that writes it in another form comes with a migration that removes it.
   */
  envelope: string | null
  /** JSON of the codes and links that were found (bodies.ts); null if the content was never searched for them. */
  verification: string | null
  created_at: number
}

/** The position of an attachment in its content; it is decoded from there, not stored twice. */
export interface AttachmentRow {
  id: string
  content_id: string
  position: number
  filename: string | null
  content_type: string
  disposition: 'inline' | 'attachment'
  /** Content-ID without angle brackets. */
  cid: string | null
  /** Only of text: the label of its charset, as declared. */
  charset: string | null
  transfer_encoding: string
  offset_bytes: number
  length_bytes: number
  /** Size after decoding. */
  size_bytes: number
}
