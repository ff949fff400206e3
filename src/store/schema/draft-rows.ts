/** Rows of drafts. Rows only; mail/sending/drafts decides what they mean. */

/** Fixed when it is created. */
export type DraftKind = 'new' | 'reply' | 'reply_all' | 'forward'

/** `failed`: the scheduler could not send it. null: not scheduled. A draft under a lease is being sent. */
export type SendStatus = 'scheduled' | 'failed'

export interface DraftRow {
  id: string
  organization_id: string
  pod_id: string
  inbox_id: string
  client_id: string | null
  kind: DraftKind
  /** The message that it answers or forwards, which may have been deleted since: its id, and the id that clients see. */
  source_id: string | null
  source_message_id: string | null
  thread_id: string | null
  /** The header fields that a reply or forward gets (RFC 5322 §3.6.4). JSON list of Message-IDs. */
  in_reply_to: string | null
  references_list: string | null
  /** JSON lists of `{ name?, address }`. */
  to_list: string
  cc_list: string
  bcc_list: string
  reply_to_list: string
  subject: string | null
  preview: string | null
  /** The current revision. */
  revision_id: string
  /** Size of the current revision. */
  size_bytes: number
  send_status: SendStatus | null
  /** When it is to be sent, or was when that failed. */
  send_at: number | null
  /** When the scheduler tries next: first at send_at. By the clock of the machine, as clients name the time. It has a meaning only while the draft is scheduled. */
  next_attempt_at: number | null
  /** Why the scheduler could not send it: a sentence for the client. */
  send_error: string | null
  /** Id of the API key that scheduled it: the scheduler acts for this key. */
  scheduled_by: string | null
  /** Name of the actor that created it: a repeated create shows it to no other key without draft_read. */
  created_by: string
  /** Whoever sends it has a lease on it, so that no one changes or sends it at the same time. */
  lease_owner: string | null
  lease_until: number | null
  /** Claims of the scheduler in a row that ended without an outcome (docs/adr/0022). */
  interruptions: number
  created_at: number
  updated_at: number
}

export interface DraftLabelRow {
  draft_id: string
  label: string
}

/** What a draft was at one time, as a whole message. */
export interface DraftRevisionRow {
  id: string
  draft_id: string
  content_id: string
  /** Hash of its Message-ID, by which a mail program that edits or sends the draft names it. */
  message_id_hash: string | null
  created_at: number
}

export type DraftPartKind = 'text' | 'html' | 'attachment'

/** The text, the HTML or an attachment of a draft. Its content is the bytes alone: UTF-8, or those of the file. */
export interface DraftPartRow {
  id: string
  draft_id: string
  kind: DraftPartKind
  /** Order of the attachments. */
  position: number
  filename: string | null
  content_type: string | null
  disposition: 'inline' | 'attachment' | null
  /** Content-ID without angle brackets. */
  cid: string | null
  content_id: string
  size_bytes: number
}
