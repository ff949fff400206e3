/** Rows of the text index. Rows only; mail/messages/search decides what they mean. */
import type { Generated } from 'kysely'

/** `text`: what searches of the API compare; `source`: all texts of whole messages, for SEARCH of IMAP. */
export type BlockKind = 'text' | 'source'

/** A part of an inbox's text index: messages whose numbers follow one another, with up to 256 signatures. It never changes. */
export interface SearchBlockRow {
  id: Generated<number>
  inbox_id: string
  kind: BlockKind
  /** It contains every message of the inbox whose number was in (after_number, last_number] when it was made. */
  after_number: number
  last_number: number
  /** What made it: a block of another text function, or of other limits, counts as missing. */
  text_function: string
  /** The numbers of the messages that have its signatures, compressed (formats/search/search-block.ts). A message may have several. */
  numbers: Uint8Array
  /** 1: some of its messages were deleted, and their text is still to be removed. */
  has_removed: 0 | 1
}

/** A part of a block, of about one page of the database. Its id is that of the block times 48, plus its position. */
export interface SearchChunkRow {
  id: number
  bytes: Uint8Array
}
