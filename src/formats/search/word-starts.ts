/** Finds words at the starts of words, as in a search for names and addresses. */

/** Scripts without spaces between words: each of their characters starts a word. */
const UNSPACED =
  /[\p{sc=Han}\p{sc=Hiragana}\p{sc=Katakana}\p{sc=Hangul}\p{sc=Thai}\p{sc=Lao}\p{sc=Khmer}\p{sc=Myanmar}]/u
const IN_WORD = /[\p{L}\p{N}\p{M}]/u

/** @param text and words in lower case; no word is empty */
export function startWords(text: string, words: readonly string[]): boolean {
  return words.every((word) => startsWord(text, word))
}

function startsWord(text: string, word: string): boolean {
  for (let at = text.indexOf(word); at >= 0; at = text.indexOf(word, at + 1)) {
    if (isWordStart(text, at)) return true
  }
  return false
}

function isWordStart(text: string, at: number): boolean {
  const before =
    at === 0 ? undefined : (text.codePointAt(at - 2) ?? 0) > 0xffff ? text.slice(at - 2, at) : text[at - 1]!
  if (before === undefined || !IN_WORD.test(before)) return true
  const first = String.fromCodePoint(text.codePointAt(at)!)
  return UNSPACED.test(first) || !IN_WORD.test(first) // a mark such as @ is no part of a word
}
