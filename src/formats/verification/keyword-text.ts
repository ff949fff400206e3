/**
 * Text in the one form that cues and codes are looked for in: compatibility characters replaced, invisible ones gone,
 * digits of every script as ASCII. And that text folded for comparing words, position for position.
 */

/** Zero of each script whose digits are not ASCII (Unicode, category Nd); nine more follow each. NFKC does the others. */
const ZEROS = [
  0x0660, 0x06f0, 0x07c0, 0x0966, 0x09e6, 0x0a66, 0x0ae6, 0x0b66, 0x0be6, 0x0c66, 0x0ce6, 0x0d66, 0x0de6, 0x0e50,
  0x0ed0, 0x0f20, 0x1040, 0x1090, 0x17e0, 0x1810, 0x1946, 0x19d0, 0x1a80, 0x1a90, 0x1b50, 0x1bb0, 0x1c40, 0x1c50,
  0xa620, 0xa8d0, 0xa900, 0xa9d0, 0xa9f0, 0xaa50, 0xabf0,
]
const ASCII_DIGITS = new Map(
  ZEROS.flatMap((zero) => Array.from({ length: 10 }, (_, value) => [String.fromCharCode(zero + value), `${value}`])),
)

/** Soft hyphens, joiners, marks of direction, variation selectors, key caps, tatweel, the vowel points of Arabic and Hebrew. */
const INVISIBLE =
  /\u034f|[\u0591-\u05bd]|[\u05bf\u05c1\u05c2]|[\u064b-\u0652]|\u20e3|[\ufe00-\ufe0f]|[\u17b4\u17b5]|[\u180b-\u180d]|[\u00ad\u061c\u0640\u115f\u1160\u180e\u200b-\u200f\u202a-\u202e\u2060-\u206f\u3164\ufeff]/g
const PLAIN = /^[\t\n\r\x20-\x7e]*$/

/**
 * Marks that follow one letter, more than any script puts there (UAX #15 §13 allows 30). Normalising sorts them by
 * insertion, which takes quadratic time. The two of half width are letters that become marks.
 */
const MARKS_BEYOND = /(?<=[\p{M}\uff9e\uff9f]{30})[\p{M}\uff9e\uff9f]+/gu

/** @returns text for looking; not of the same length, since ligatures and the like are taken apart */
export function plainText(text: string): string {
  if (PLAIN.test(text)) return text
  const composed = text
    .replace(INVISIBLE, '')
    .replace(/[，；：（）]/g, spaced)
    .replace(MARKS_BEYOND, '')
    .normalize('NFKC')
    .replace(INVISIBLE, '')
  return composed.replace(/\p{Nd}/gu, (digit) => ASCII_DIGITS.get(digit) ?? digit)
}

/** A comma of full width stands between words, never inside a number. */
function spaced(mark: string): string {
  return mark === '（' ? ' (' : `${mark} `
}

/** Surrogates whose other half was cut off. */
const HALVES = /[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/g

/** A piece of text as one line of at most `charsMax` UTF-16 units, without halves of characters. */
export function oneLine(text: string, charsMax: number): string {
  return text.replace(/\s+/g, ' ').trim().slice(0, charsMax).replace(HALVES, '').trim()
}

/** What Unicode does not take apart, and the ways to write an apostrophe. */
const UNDECOMPOSED = new Map([
  ['ł', 'l'],
  ['ø', 'o'],
  ['đ', 'd'],
  ['ı', 'i'],
  ['ς', 'σ'],
  ['’', "'"],
  ['‘', "'"],
  ['ʼ', "'"],
])
const folded = new Map<string, string>()

/** Lower case without accents, so that "Código", "CODIGO" and "código" are one word. Every unit stays in its place. */
export function fold(text: string): string {
  return text.replace(/[^\n\t\x20-@[-~]/g, foldUnit)
}

function foldUnit(unit: string): string {
  const code = unit.charCodeAt(0)
  const isAccented = code < 0x0530 || (code >= 0x1e00 && code < 0x2020)
  if (!isAccented) return unit
  let base = folded.get(unit)
  if (base === undefined) {
    base = unit.toLowerCase().normalize('NFD')[0]!
    base = UNDECOMPOSED.get(base) ?? base
    folded.set(unit, base)
  }
  return base
}

/** Of a script that writes spaces between words and changes their endings: Latin, Greek, Cyrillic. */
export function isAlphabetic(unit: string | undefined): boolean {
  if (unit === undefined) return false
  const code = unit.charCodeAt(0)
  if (code < 0x80) return (code >= 0x61 && code <= 0x7a) || (code >= 0x41 && code <= 0x5a)
  return (code >= 0xc0 && code < 0x0530 && code !== 0xd7 && code !== 0xf7) || (code >= 0x1e00 && code < 0x2000)
}
