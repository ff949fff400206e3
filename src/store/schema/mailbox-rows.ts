/** Rows of the IMAP view of inboxes: mailboxes, their entries, and tombstones. Rows only; mail/mailboxes decides what they mean. */

/** How far the mailboxes of an inbox have followed the event log. */
export interface MailboxStateRow {
  inbox_id: string
  /** All events up to this one are in the entries. */
  seen_seq: number
  /** While all messages and drafts are compared with the entries: the last event when the comparison began; else null. */
  compare_seq: number | null
  /** What is compared now: messages with their entries, entries with their messages or drafts, or drafts with their entries. */
  compare_phase: 'messages' | 'entries' | 'drafts'
  /** Drafts up to this id have been compared; or the id of the mailbox whose entries are compared. '' before the first. */
  compared_id: string
  /** Messages with numbers up to this one have been compared, or entries with UIDs up to this one. */
  compared_number: number
  /** The UIDVALIDITY of the newest mailbox: each gets a higher one (RFC 9051 §2.3.1.1). */
  last_uid_validity: number
}

export type MailboxKind = 'inbox' | 'sent' | 'drafts' | 'trash' | 'archive' | 'spam' | 'label'

export interface MailboxRow {
  id: string
  inbox_id: string
  kind: MailboxKind
  /** As its creator wrote it. */
  name: string
  /** The label whose messages it contains; null for all kinds but `label`. */
  label: string | null
  /** The label that its messages had before a rename that has not finished. */
  renamed_from: string | null
  /** It was deleted, and its messages are being moved. */
  is_deleting: number
  is_subscribed: number
  uid_validity: number
  uid_next: number
  created_at: number
}

export interface MailboxEntryRow {
  mailbox_id: string
  uid: number
  item_kind: 'message' | 'revision'
  /** The id of the message, or of the revision of a draft. */
  item_id: string
  /** The flags that follow from the labels, divided by spaces. */
  flags: string
  /** As the message has it. */
  hidden: number
  size_bytes: number
  /** \Deleted belongs to the entry: a message can be in several mailboxes. */
  is_deleted: number
  /** RFC 7162: the number of the event that changed it last. */
  modseq: number
  /** SAVEDATE (RFC 8514). */
  saved_at: number
}

/** An entry that was removed from a mailbox (RFC 7162 §3.2.5). */
export interface MailboxTombstoneRow {
  mailbox_id: string
  uid: number
  modseq: number
}

/** What IMAP shows of a content besides its bytes. It is computed when a client first asks for it. */
export interface ContentStructureRow {
  content_id: string
  /** Names the code that computed it: another version computes it again. */
  version: number
  envelope: string
  /** BODY: without extension data. */
  body: string
  body_structure: string
  /** JSON: the byte offsets of the parts (formats/imap/imap-parts.ts). */
  parts: string
}
