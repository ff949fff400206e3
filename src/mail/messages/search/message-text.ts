/**
 * The text of a message that a search sees: subject, addresses and body, each cut to a limit. The index and the comparison
 * of candidates both use it, so that a search is exact.
 */
import { deflateRawSync, inflateRawSync } from 'node:zlib'
import type { Limits } from '../../../config/limits.ts'
import { collapseSpace, foldText } from '../../../formats/search/search-signature.ts'
import type { KindAddress } from '../../../store/schema/message-rows.ts'
import type { SearchableRow } from '../../../store/tables/search-index-table.ts'
import { decompressText } from '../content/compressed-bodies.ts'
import type { BodyText, BodyTexts } from './text-cache.ts'

/** Increase it with each change of the text below or of the signatures: the index is then made again. */
const SEARCH_TEXT_VERSION = 1

/** Names what makes the index: blocks that another text function has made are not used. */
export function textFunctionOf({ parsing }: Limits): string {
  return `${SEARCH_TEXT_VERSION}:${parsing.searchTextCharsMax}`
}

export type SearchColumn = 'subject' | 'addresses' | 'body'

/** The stored parts of a message's text. */
export type StoredText = Pick<SearchableRow, 'subject' | 'parsed' | 'parsed_size_bytes' | 'search_text'> & {
  readonly addresses: readonly KindAddress[]
}

/** Returns one column, folded. */
export function searchText(stored: StoredText, column: SearchColumn, charsMax: number): string {
  return foldText(shownText(stored, column, charsMax))
}

function shownText(stored: StoredText, column: SearchColumn, charsMax: number): string {
  return textOf(stored, column).slice(0, charsMax)
}

/** The columns of one message. Each is decompressed and folded at most once, when it is first needed. */
export class MessageText {
  readonly stored: StoredText & Pick<SearchableRow, 'content_id'>
  readonly #charsMax: number
  readonly #bodyTexts: BodyTexts
  readonly #columns = new Map<SearchColumn, BodyText>()

  constructor(
    stored: StoredText & Pick<SearchableRow, 'content_id'>,
    { parsing: { searchTextCharsMax } }: Pick<Limits, 'parsing'>,
    bodyTexts: BodyTexts,
  ) {
    this.stored = stored
    this.#charsMax = searchTextCharsMax
    this.#bodyTexts = bodyTexts
  }

  /** Returns the part of a column that is compared, as it is shown: with its case, and white space collapsed. */
  shown(column: SearchColumn): string {
    return this.#text(column).shown
  }

  /** Returns the same, folded. */
  folded(column: SearchColumn): string {
    return this.#text(column).folded
  }

  #text(column: SearchColumn): BodyText {
    const known = this.#columns.get(column)
    if (known) return known
    const make = () => {
      const shown = collapseSpace(shownText(this.stored, column, this.#charsMax))
      return { shown, folded: shown.toLowerCase() } // as foldText
    }
    const text = column === 'body' ? this.#bodyTexts(this.stored.content_id, make) : make()
    this.#columns.set(column, text)
    return text
  }
}

function textOf(
  { subject, addresses, search_text, parsed, parsed_size_bytes }: StoredText,
  column: SearchColumn,
): string {
  switch (column) {
    case 'subject':
      return subject ?? ''
    case 'addresses':
      return addresses.map((row) => `${row.name ?? ''} ${row.address}`).join('\n')
    case 'body': {
      if (search_text) return inflateRawSync(search_text).toString('utf16le')
      return parsed ? decompressText(parsed, parsed_size_bytes) : ''
    }
  }
}

/**
 * Compresses the text of a large message, to store it apart: a search must not decompress megabytes for the beginning of
 * a text.
 */
export function compressSearchText(text: string): Uint8Array {
  return deflateRawSync(Buffer.from(text, 'utf16le'), { level: 1 }) // keeps half of a surrogate pair, as the bodies do
}
