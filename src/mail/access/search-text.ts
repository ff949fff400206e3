/** The text of a search, checked before any work. All searches of the API accept the same texts. */
import type { Limits } from '../../config/limits.ts'
import { MailError } from '../../errors.ts'
import { foldText } from '../../formats/search/search-signature.ts'

/**
 * @returns the text folded, without white space around it, and its distinct words
 * @throws validation_error for an empty or too long text, and for NUL, which nothing contains
 */
export function parseSearchText(
  q: string,
  limits: Limits,
): { readonly whole: string; readonly words: readonly string[] } {
  const { queryCharsMax, queryWordsMax } = limits.search
  if (q.length > queryCharsMax) throw refused(`q can have at most ${queryCharsMax} characters`)
  if (q.includes('\0')) throw refused('q must not contain NUL')
  const whole = foldText(q).trim()
  if (whole === '') throw refused('q must contain at least one character that is not white space')
  const words = [...new Set(whole.split(' ').map(bareWord))]
  if (words.length > queryWordsMax) throw refused(`q can have at most ${queryWordsMax} words`)
  return { whole, words }
}

/** Removes quotes, brackets and punctuation around a word, unless it consists of them. */
function bareWord(word: string): string {
  return word.replace(/^["'“”„‘’«»([{]+|["'“”„‘’«»)\]},.;:!?]+$/g, '') || word
}

function refused(detail: string): MailError {
  return new MailError('validation_error', { detail, path: ['q'] })
}
