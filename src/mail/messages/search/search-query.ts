/**
 * The text of a search, what it means, and what is marked in a result. Nothing in the text is an operator: quotes, `%`,
 * `_`, `*` and all other characters are compared as they are.
 *
 * A message is found if its subject or its addresses contain the whole text, or if its body contains every word of it.
 * Words are separated by white space; quotes, brackets and punctuation around a word do not count.
 */
import type { Limits } from '../../../config/limits.ts'
import { highlight, highlightAddress } from '../../../formats/search/highlight.ts'
import { foldText } from '../../../formats/search/search-signature.ts'
import type { AddressKind, KindAddress } from '../../../store/schema/message-rows.ts'
import { parseSearchText } from '../../access/search-text.ts'
import type { Match, SearchClause } from './search.ts'

/** Fragments of the fields that match, with `**` around the matches. */
export interface Highlights {
  readonly from?: readonly string[]
  readonly recipients?: readonly string[]
  readonly subject?: readonly string[]
  readonly text?: readonly string[]
}

export interface SearchQuery {
  /** For `searchMessages`. */
  readonly anyOf: readonly SearchClause[]
  /** @returns undefined if nothing can be marked, for example if only Reply-To contains the text */
  highlight(match: Pick<Match, 'text' | 'addresses'>): Highlights | undefined
}

const SENDERS: readonly AddressKind[] = ['from', 'sender']
const RECIPIENTS: readonly AddressKind[] = ['to', 'cc', 'bcc']

/** @throws validation_error for an empty or too long text, and for NUL, which no message contains */
export function parseQuery(q: string, limits: Limits): SearchQuery {
  const { whole, words } = parseSearchText(q, limits)
  // "Ann <ann@example.com>": addresses are compared as name and address, without brackets and quotes.
  const parts = [whole, foldText(whole.replace(/[<>"]/g, '')).trim()]
  const addresses = [...new Set(parts)].filter((each) => each !== '')
  const { fragmentsMax, fragmentCharsMax } = limits.search
  const bounds = { fragmentsMax, fragmentCharsMax }
  return {
    anyOf: [
      { columns: ['subject'], allOf: [whole] },
      ...addresses.map((each): SearchClause => ({ columns: ['addresses'], allOf: [each] })),
      { columns: ['body'], allOf: words },
    ],
    highlight({ text, addresses: rows }) {
      const body = text.folded('body')
      const isInBody = words.every((word) => body.includes(word))
      const found = {
        from: inAddresses(rows, SENDERS),
        recipients: inAddresses(rows, RECIPIENTS),
        subject: highlight(text.shown('subject'), [whole], bounds),
        text: isInBody ? highlight(text.shown('body'), words, bounds) : [],
      }
      const matching = Object.entries(found).filter(([, fragments]) => fragments.length > 0)
      return matching.length === 0 ? undefined : Object.fromEntries(matching)
    },
  }

  function inAddresses(rows: readonly KindAddress[], kinds: readonly AddressKind[]): string[] {
    const found: string[] = []
    for (const row of rows) {
      if (kinds.includes(row.kind)) found.push(...highlightAddress(row, addresses, bounds))
      if (found.length >= fragmentsMax) break
    }
    return found.slice(0, fragmentsMax)
  }
}
