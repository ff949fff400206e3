/**
 * Finds dates and times in the lines above quotes, in the forms that mail programs write in all languages. Dates are
 * evidence only: nothing converts them.
 */
import { MONTHS } from './month-names.ts'

export interface DateEvidence {
  /** Day, month and year. */
  isComplete: boolean
  /** A time of day. */
  hasTime: boolean
  /** A year, or a day with its month. */
  hasDay: boolean
  /** Anything of a date or time. */
  hasAny: boolean
  /** Where it begins in the text. */
  at: number
}

const NONE: DateEvidence = {
  isComplete: false,
  hasTime: false,
  hasDay: false,
  hasAny: false,
  at: Number.POSITIVE_INFINITY,
}

/** 2026-03-12, 2026. 3. 12., 2026年3月12日, 12.03.2026, 12. 3. 2026, 3/12/26 */
const NUMERIC_DATE =
  /(?<![\d.])(?:\d{4} ?(?:[-/.]|年|년) ?\d{1,2} ?(?:[-/.]|月|월) ?\d{1,2}|\d{1,2} ?[-/.] ?\d{1,2} ?[-/.] ?(?:\d{4}|\d{2}))(?!\d)/
/** 14:05, 14.05, 14h05, 14 h 05, 14时05分 */
const TIME = /(?<!\d|\d[.:/-])\d{1,2}(?:[:.]| ?(?:h|時|时|点|點|시) ?)\d{2}(?!\d|[./-]\d)/
/** The year in the Gregorian, Buddhist (2569) or Persian calendar (1404). */
const YEAR = /^(?:19|20|25)\d\d$|^1[34]\d\d$/
/** Vietnamese: "12 thg 3, 2026". */
const NUMBERED_MONTH = new Set(['thg', 'tháng'])
/** "12 de març de 2026" has a day and a year at this distance of its month. */
const NEAR_TOKENS = 4
const TOKENS_MAX = 200

/** @param text  a line from `normaliseLine` */
export function findDate(text: string): DateEvidence {
  if (!/\d/.test(text)) return NONE
  const numeric = NUMERIC_DATE.exec(text)
  const time = TIME.exec(text)
  const named = numeric === null ? findNamedMonth(text) : undefined
  const year = /(?<!\d)(?:19|20)\d\d(?!\d)/.exec(text)
  const places = [numeric?.index, time?.index, named?.at, year?.index].filter((at) => at !== undefined)
  if (places.length === 0) return NONE
  return {
    isComplete: numeric !== null || named?.isComplete === true,
    hasTime: time !== null,
    hasDay: numeric !== null || named !== undefined || year !== null,
    hasAny: true,
    at: Math.min(...places),
  }
}

/** Finds a month that is written as a word, with a day beside it. */
function findNamedMonth(text: string): { isComplete: boolean; at: number } | undefined {
  const tokens: { word: string; at: number }[] = []
  for (const match of text.matchAll(/\d+|[\p{L}\p{M}][\p{L}\p{M}.’'׳]*/gu)) {
    if (tokens.length === TOKENS_MAX) break
    tokens.push({ word: match[0].replace(/^d[’']|[.’'׳]+$/g, ''), at: match.index })
  }
  let partial: { isComplete: boolean; at: number } | undefined
  for (const [index, { word, at }] of tokens.entries()) {
    if (!MONTHS.has(word) && !NUMBERED_MONTH.has(word)) continue
    const near = tokens.slice(Math.max(0, index - NEAR_TOKENS), index + NEAR_TOKENS + 1)
    const numerals = near.filter((token) => /^\d/.test(token.word))
    const numbers = numerals.map((token) => token.word)
    const days = numbers.filter((each) => each.length <= 2 && Number(each) >= 1 && Number(each) <= 31)
    if (days.length === 0) continue
    // 12-Mar-26
    const isShort = tokens[index - 1] !== undefined && isDay(tokens[index - 1]!.word) && isDay(tokens[index + 1]?.word)
    const isComplete = numbers.some((each) => YEAR.test(each)) || (isShort && text[at - 1] === '-')
    const start = Math.min(at, numerals[0]!.at)
    if (isComplete) return { isComplete, at: start }
    partial ??= { isComplete, at: start }
  }
  return partial
}

function isDay(word = ''): boolean {
  return /^\d{1,2}$/.test(word)
}
