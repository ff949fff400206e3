/**
 * The text of a message that a search sees: subject, addresses and body, each cut to a limit. The index and the comparison
 * of candidates both use it, so that a search is exact.
 */
import type { Limits } from '../../../config/limits.ts'
import { collapseSpace } from '../../../formats/search/search-signature.ts'
import type { KindAddress } from '../../../store/schema/message-rows.ts'
import type { SearchableRow } from '../../../store/tables/search-index-table.ts'
import { type FoldedContent, type FoldedText, fold, textOfAddresses, unpackContentText } from './content-text.ts'
import type { FoldedTexts } from './text-cache.ts'

/** Increase it with each change of the text below or of the signatures: the index is then made again. */
const SEARCH_TEXT_VERSION = 4

/** Names what makes the index: blocks that another text function has made are not used. */
export function textFunctionOf({ parsing }: Pick<Limits, 'parsing'>): string {
  return `${SEARCH_TEXT_VERSION}:${parsing.searchTextCharsMax}`
}

export const SEARCH_COLUMNS = ['subject', 'addresses', 'body'] as const
export type SearchColumn = (typeof SEARCH_COLUMNS)[number]

/** The stored parts of a message's text. */
export interface StoredText extends Pick<SearchableRow, 'content_id' | 'subject' | 'search_text'> {
  /** Addresses that are in no header. */
  readonly bcc: readonly Pick<KindAddress, 'name' | 'address'>[]
}

/** The columns of one message. Each is decompressed and folded at most once, when it is first needed. */
export class MessageText {
  readonly #stored: StoredText
  readonly #charsMax: number
  readonly #texts: FoldedTexts
  #subject: FoldedText | undefined
  #addresses: FoldedText | undefined
  #known: FoldedContent | undefined

  constructor(stored: StoredText, charsMax: number, texts: FoldedTexts) {
    this.#stored = stored
    this.#charsMax = charsMax
    this.#texts = texts
  }

  /** Returns the part of a column that is compared, as it is shown: with its case, and white space collapsed. */
  shown(column: SearchColumn): string {
    return this.#column(column).shown
  }

  /** Returns the same, folded. */
  folded(column: SearchColumn): string {
    return this.#column(column).folded
  }

  #column(column: SearchColumn): FoldedText {
    switch (column) {
      case 'subject':
        this.#subject ??= fold(collapseSpace((this.#stored.subject ?? '').slice(0, this.#charsMax)))
        return this.#subject
      case 'addresses':
        this.#addresses ??= this.#allAddresses()
        return this.#addresses
      case 'body':
        return this.#content().body
    }
  }

  #allAddresses(): FoldedText {
    const { addresses } = this.#content()
    const { bcc } = this.#stored
    return bcc.length === 0 ? addresses : fold(`${addresses.shown} ${textOfAddresses(bcc, this.#charsMax)}`)
  }

  #content(): FoldedContent {
    const { content_id, search_text } = this.#stored
    this.#known ??= this.#texts(content_id, () => {
      const { addresses, body } = unpackContentText(search_text)
      return { addresses: fold(addresses), body: fold(body) }
    })
    return this.#known
  }
}
