/** Rows of the text index. Rows only; mail/messages/search decides what they mean. */
import type { Generated } from 'kysely'

/** A part of an inbox's text index: up to 256 messages whose numbers follow one another. It never changes. */
export interface SearchBlockRow {
  id: Generated<number>
  inbox_id: string
  /** It contains every message of the inbox whose number was in (after_number, last_number] when it was made. */
  after_number: number
  last_number: number
  /** What made it: a block of another text function, or of other limits, counts as missing. */
  text_function: string
  /** The numbers of its messages, compressed (formats/search/search-block.ts). */
  numbers: Uint8Array
  /** 1: some of its messages were deleted, and their text is still to be removed. */
  has_removed: 0 | 1
}

/** A part of a block, of about one page of the database. Its id is that of the block times 48, plus its position. */
export interface SearchChunkRow {
  id: number
  bytes: Uint8Array
}
