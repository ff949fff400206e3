/**
 * The text of a search, what it means, and what is marked in a result. Nothing in the text is an operator: quotes, `%`,
 * `_`, `*` and all other characters are compared as they are.
 *
 * A message is found if its subject or its addresses contain the whole text, or if its body contains every word of it.
 * Words are separated by white space; quotes, brackets and punctuation around a word do not count.
 */
import type { Limits } from '../../../config/limits.ts'
import { MailError } from '../../../errors.ts'
import { highlight, highlightAddress } from '../../../formats/search/highlight.ts'
import { foldText } from '../../../formats/search/search-signature.ts'
import type { AddressKind } from '../../../store/schema/message-rows.ts'
import { type StoredText, shownText } from './message-text.ts'
import type { SearchClause } from './search.ts'

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
  highlight(stored: StoredText): Highlights | undefined
}

const SENDERS: readonly AddressKind[] = ['from', 'sender']
const RECIPIENTS: readonly AddressKind[] = ['to', 'cc', 'bcc']

/** @throws validation_error for an empty or too long text, and for NUL, which no message contains */
export function parseQuery(q: string, limits: Limits): SearchQuery {
  const whole = checkText(q, limits)
  const words = wordsOf(whole, limits)
  // "Ann <ann@example.com>": addresses are compared as name and address, without brackets and quotes.
  const parts = [whole, foldText(whole.replace(/[<>"]/g, '')).trim()]
  const addresses = [...new Set(parts)].filter((each) => each !== '')
  const charsMax = limits.parsing.searchTextCharsMax
  const { fragmentsMax, fragmentCharsMax } = limits.search
  const bounds = { fragmentsMax, fragmentCharsMax }
  return {
    anyOf: [
      { columns: ['subject'], allOf: [whole] },
      ...addresses.map((each): SearchClause => ({ columns: ['addresses'], allOf: [each] })),
      { columns: ['body'], allOf: words },
    ],
    highlight(stored) {
      const subject = highlight(shownText(stored, 'subject', charsMax), [whole], bounds)
      const text = shownText(stored, 'body', charsMax)
      const folded = foldText(text)
      const isInText = words.every((word) => folded.includes(word))
      const found = {
        from: inAddresses(stored, SENDERS),
        recipients: inAddresses(stored, RECIPIENTS),
        subject,
        text: isInText ? highlight(text, words, bounds) : [],
      }
      const matching = Object.entries(found).filter(([, fragments]) => fragments.length > 0)
      return matching.length === 0 ? undefined : Object.fromEntries(matching)
    },
  }

  function inAddresses(stored: StoredText, kinds: readonly AddressKind[]): string[] {
    const found: string[] = []
    for (const row of stored.addresses) {
      if (kinds.includes(row.kind)) found.push(...highlightAddress(row, addresses, bounds))
      if (found.length >= fragmentsMax) break
    }
    return found.slice(0, fragmentsMax)
  }
}

/** @returns the text folded, without white space around it */
export function checkText(q: string, { search: { queryCharsMax } }: Limits): string {
  const refuse = (detail: string) => new MailError('validation_error', { detail, path: ['q'] })
  if (q.length > queryCharsMax) throw refuse(`q can have at most ${queryCharsMax} characters`)
  if (q.includes('\0')) throw refuse('q must not contain NUL')
  const whole = foldText(q).trim()
  if (whole === '') throw refuse('q must contain at least one character that is not white space')
  return whole
}

function wordsOf(whole: string, { search: { queryWordsMax } }: Limits): string[] {
  const words = whole.split(' ').map((word) => word.replace(/^["'“”„‘’«»([{]+|["'“”„‘’«»)\]},.;:!?]+$/g, '') || word)
  const distinct = [...new Set(words)]
  if (distinct.length <= queryWordsMax) return distinct
  throw new MailError('validation_error', { detail: `q can have at most ${queryWordsMax} words`, path: ['q'] })
}
