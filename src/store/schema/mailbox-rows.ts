/** Rows of the IMAP view: mailboxes, their entries, and tombstones of removed entries. */

export interface MailboxRow {
  id: string
  inbox_id: string
  name: string
  uid_validity: number
  uid_next: number
  highest_modseq: number
  created_at: number
}

export interface MailboxEntryRow {
  mailbox_id: string
  uid: number
  item_kind: 'message' | 'draft'
  item_id: string
  /** INTERNALDATE (RFC 3501 §2.3.3). */
  internal_date: number
  is_deleted: number
  modseq: number
}

/** An entry that was removed from a mailbox, for QRESYNC (RFC 7162 §3.2). */
export interface MailboxTombstoneRow {
  mailbox_id: string
  uid: number
  modseq: number
}
