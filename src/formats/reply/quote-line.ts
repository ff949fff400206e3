/**
 * Brings the beginning of a line into one form, so that the other files of this folder compare words without regard to
 * case, invisible characters, kinds of spaces and kinds of digits.
 */

/** Enough for every line that a mail program writes above a quote. */
const LINE_CHARS_MAX = 1000

/** Soft hyphens, marks of direction, characters without width, and the placeholder of an image. */
const INVISIBLE = /[\u00ad\u061c\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff\ufffc]+/g
/** The zero of each script whose digits mail programs write: Arabic, Persian, Hindi, Bengali, Thai, full width. */
const ZEROS = [0x660, 0x6f0, 0x966, 0x9e6, 0xe50, 0xff10]
const DIGITS = /[\u0660-\u0669\u06f0-\u06f9\u0966-\u096f\u09e6-\u09ef\u0e50-\u0e59\uff10-\uff19]/g
const FULL_WIDTH: Readonly<Record<string, string>> = { '：': ':', '＜': '<', '＞': '>', '＠': '@', '－': '-' }

/** Returns the first characters of a line in lower case, with plain spaces and digits, and without invisible ones. */
export function normaliseLine(line: string, charsMax = LINE_CHARS_MAX): string {
  const text = normaliseCase(line, charsMax).toLowerCase()
  return text.includes('\u0307') ? text.replaceAll('\u0307', '') : text // "İ" becomes "i" and a dot above
}

/** The same without the change to lower case. */
export function normaliseCase(line: string, charsMax = LINE_CHARS_MAX): string {
  const start = line.slice(0, charsMax)
  const plain = /[^\0-\x7f]/.test(start) ? withoutVariants(start) : start
  if (!/[^\S ]| {2}|&nbsp;/.test(plain)) return plain.trim()
  return plain.replace(/(?:\s|&nbsp;)+/g, ' ').trim() // QQ Mail writes "&nbsp;" in plain text
}

function withoutVariants(text: string): string {
  return text
    .normalize('NFC')
    .replace(INVISIBLE, '')
    .replace(DIGITS, (digit) => {
      const code = digit.charCodeAt(0)
      return String(code - ZEROS.find((zero) => code >= zero && code < zero + 10)!)
    })
    .replace(/[：＜＞＠－]/g, (char) => FULL_WIDTH[char]!)
}

/**
 * Whether a line begins with an ASCII letter or digit, as most do, and so with none of the signs of quotes and rules. It
 * costs less than a regular expression that finds out the same.
 */
export function beginsWithWord(line: string): boolean {
  const code = line.charCodeAt(0)
  return (code >= 0x61 && code <= 0x7a) || (code >= 0x41 && code <= 0x5a) || (code >= 0x30 && code <= 0x39)
}

/** Whether a text contains an address, alone or in brackets. The text is a line of limited length. */
export function hasAddress(text: string): boolean {
  return /[^\s<>()[\]@,;:"]@[^\s<>()[\]@,;:"]{2}/.test(text)
}

/** Builds a pattern that finds one of some words. Words of scripts with spaces are not found inside of other words. */
export function wordPattern(words: readonly string[]): RegExp {
  const escaped = (each: readonly string[]) =>
    each.map((word) => word.replace(/[.*+?^${}()|[\]\\/]/g, '\\$&')).join('|')
  const unspaced = words.filter((word) => /[\u0e00-\u0e7f\u3040-\u30ff\u4e00-\u9fff\uac00-\ud7af]/.test(word))
  const spaced = words.filter((word) => !unspaced.includes(word))
  const pattern = `(?<![\\p{L}\\p{M}])(?:${escaped(spaced)})(?![\\p{L}\\p{M}])`
  return new RegExp(unspaced.length === 0 ? pattern : `${pattern}|${escaped(unspaced)}`, 'u')
}
