/**
 * What a SEARCH asks for (RFC 9051 §6.4.4), as data: edges/imap/grammar parses it, and a store answers it. Strings are
 * decoded from the charset of the command.
 */

/** A header field to search, or a part of the message. */
export type TextTarget = 'from' | 'to' | 'cc' | 'bcc' | 'subject' | 'body' | 'text'

/** INTERNALDATE, the Date header field, or SAVEDATE (RFC 8514). */
export type DateKind = 'internal' | 'sent' | 'saved'

/** "*" is the last message in the mailbox. A range may be reversed (RFC 9051 §9, seq-range). */
export interface SetRange {
  readonly start: number | '*'
  readonly end: number | '*'
}

export type SearchKey =
  | { readonly key: 'all' }
  | { readonly key: 'and' | 'or'; readonly keys: readonly SearchKey[] }
  | { readonly key: 'not'; readonly of: SearchKey }
  | { readonly key: 'flag'; readonly flag: string; readonly isSet: boolean }
  | { readonly key: 'sequence' | 'uid'; readonly set: readonly SetRange[] }
  /** The result that SEARCH RETURN (SAVE) stored (RFC 5182). */
  | { readonly key: 'saved result' }
  /** A case-insensitive substring. '' matches every message (for a header field: every message that has it). */
  | { readonly key: 'text'; readonly in: TextTarget; readonly value: string }
  | { readonly key: 'header'; readonly name: string; readonly value: string }
  /** A day without time zone: "yyyy-mm-dd". */
  | { readonly key: 'date'; readonly of: DateKind; readonly is: 'before' | 'on' | 'since'; readonly day: string }
  | { readonly key: 'within'; readonly is: 'older' | 'younger'; readonly seconds: number }
  | { readonly key: 'size'; readonly is: 'larger' | 'smaller'; readonly bytes: number }
  | { readonly key: 'modseq'; readonly atLeast: bigint }
  | { readonly key: 'emailid' | 'threadid'; readonly id: string }
