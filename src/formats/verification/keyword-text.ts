/**
 * Normalises text for the search: `plainText` replaces compatibility characters, removes invisible ones and writes the
 * digits of all scripts in ASCII; `fold` then removes case and accents for comparing words, and keeps every offset.
 */

/**
 * The digit zero of each script that has its own digits (Unicode category Nd); the digits one to nine follow each.
 * Digits that NFKC converts are not listed.
 */
const ZEROS = [
  0x0660, 0x06f0, 0x07c0, 0x0966, 0x09e6, 0x0a66, 0x0ae6, 0x0b66, 0x0be6, 0x0c66, 0x0ce6, 0x0d66, 0x0de6, 0x0e50,
  0x0ed0, 0x0f20, 0x1040, 0x1090, 0x17e0, 0x1810, 0x1946, 0x19d0, 0x1a80, 0x1a90, 0x1b50, 0x1bb0, 0x1c40, 0x1c50,
  0xa620, 0xa8d0, 0xa900, 0xa9d0, 0xa9f0, 0xaa50, 0xabf0,
]
const ASCII_DIGITS = new Map(
  ZEROS.flatMap((zero) => Array.from({ length: 10 }, (_, value) => [String.fromCharCode(zero + value), `${value}`])),
)

/**
 * Soft hyphens, joiners, bidi controls, variation selectors, key caps, tatweel, and vowel points of Arabic and Hebrew.
 */
const INVISIBLE =
  /\u034f|[\u0591-\u05bd]|[\u05bf\u05c1\u05c2]|[\u064b-\u0652]|\u20e3|[\ufe00-\ufe0f]|[\u17b4\u17b5]|[\u180b-\u180d]|[\u00ad\u061c\u0640\u115f\u1160\u180e\u200b-\u200f\u202a-\u202e\u2060-\u206f\u3164\ufeff]/g
const ASCII_TEXT = /^[\t\n\r\x20-\x7e]*$/

/**
 * Combining marks beyond the 30th on one letter; no script uses more (UAX #15 §13). Normalisation sorts marks by
 * insertion, which takes quadratic time. U+FF9E and U+FF9F are half-width letters that NFKC turns into marks.
 */
const EXCESS_MARKS = /(?<=[\p{M}\uff9e\uff9f]{30})[\p{M}\uff9e\uff9f]+/gu
/** Much faster to search than to look behind each character. */
const HAS_EXCESS_MARKS = /[\p{M}\uff9e\uff9f]{31}/u

/**
 * Characters that normalisation does not change, whatever is beside them: ASCII, and letters, ideographs and punctuation
 * that are neither composed nor replaced.
 */
const NORMAL_TEXT =
  /^[\t\n\r\x20-\x7e\u00a1-\u00a7\u00a9\u00ab\u00ac\u00ae\u00b0\u00b1\u00b6\u00b7\u00bb\u00bf-\u0131\u0134-\u013e\u0141-\u0148\u014a-\u017e\u038e-\u03ce\u0400-\u0482\u048a-\u052f\u2010\u2013\u2014\u2018-\u2023\u2030\u2039\u203a\u20ac\u2190-\u21ff\u3001-\u3011\u3041-\u3096\u30a1-\u30fc\u4e00-\u9fff\uac00-\ud7a3]*$/

/**
 * Returns the normalised text. Its length can differ from the input's, because NFKC decomposes ligatures, for example.
 */
export function plainText(text: string): string {
  if (NORMAL_TEXT.test(text)) return text
  const visible = text.replace(INVISIBLE, '').replace(/[，；：（）]/g, addSpace)
  const marked = HAS_EXCESS_MARKS.test(visible) ? visible.replace(EXCESS_MARKS, '') : visible
  const composed = marked.normalize('NFKC').replace(INVISIBLE, '')
  return composed.replace(/\p{Nd}/gu, (digit) => ASCII_DIGITS.get(digit) ?? digit)
}

/** Full-width punctuation is never part of a number. Without the space, NFKC would turn "4，8" into the number "4,8". */
function addSpace(mark: string): string {
  return mark === '（' ? ' (' : `${mark} `
}

const LONE_SURROGATES = /[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/g

/** Returns the text on one line of at most `charsMax` UTF-16 units, without lone surrogates. */
export function oneLine(text: string, charsMax: number): string {
  return text.replace(/\s+/g, ' ').trim().slice(0, charsMax).replace(LONE_SURROGATES, '').trim()
}

/** Letters that Unicode does not decompose, and variants of the apostrophe. */
const BASE_LETTERS = new Map([
  ['ł', 'l'],
  ['ø', 'o'],
  ['đ', 'd'],
  ['ı', 'i'],
  ['ς', 'σ'],
  ['’', "'"],
  ['‘', "'"],
  ['ʼ', "'"],
])
const foldedUnits = new Map<string, string>()

/** Returns lower case without accents: "Código", "CODIGO" and "código" become one word. All offsets stay the same. */
export function fold(text: string): string {
  if (ASCII_TEXT.test(text)) return text.toLowerCase()
  return text.replace(FOLDED_UNITS, (units) => {
    if (units.length === 1) return foldUnit(units)
    let folded = ''
    for (let index = 0; index < units.length; index += 1) folded += foldUnit(units[index]!)
    return folded
  })
}

/** What `foldUnit` may change: capitals, and scripts with cases or accents. */
const FOLDED_UNITS = /[^\n\t\x20-@[-~\u0530-\u1dff\u2020-\uffff]+/g

function foldUnit(unit: string): string {
  let base = foldedUnits.get(unit)
  if (base === undefined) {
    base = unit.toLowerCase().normalize('NFD')[0]!
    base = BASE_LETTERS.get(base) ?? base
    foldedUnits.set(unit, base)
  }
  return base
}

/**
 * Whether this is a letter of a script that separates words with spaces and inflects them: Latin, Greek or Cyrillic.
 */
export function isAlphabetic(unit: string | undefined): boolean {
  return unit !== undefined && isAlphabeticUnit(unit.charCodeAt(0))
}

/** As `isAlphabetic`, for a UTF-16 unit; false for numbers that are none. */
export function isAlphabeticUnit(unit: number): boolean {
  if (unit < 0x80) return (unit >= 0x61 && unit <= 0x7a) || (unit >= 0x41 && unit <= 0x5a)
  return (unit >= 0xc0 && unit < 0x0530 && unit !== 0xd7 && unit !== 0xf7) || (unit >= 0x1e00 && unit < 0x2000)
}
