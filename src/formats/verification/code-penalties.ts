/**
 * Penalties for a candidate that is probably not a one-time code: an old code, an example, a coupon, a booking code, a
 * year, a part of a postal address.
 */

import { type CodeCandidate, isYear } from './code-candidates.ts'
import { ORIGIN_BOUND_CODE } from './code-labels.ts'
import type { CodePosition } from './code-position.ts'
import type { CodeText, LabelKind } from './code-text.ts'
import type { Range } from './keyword-ranges.ts'
import { type MessageSignals, PERCENT } from './message-signals.ts'

/**
 * Returns the sum of the penalties, zero or less. A label for something else is no penalty here: its own weight is
 * negative.
 */
export function penalties(
  source: CodeText,
  { start, end, code, shape }: CodeCandidate,
  position: CodePosition,
  label: LabelKind | undefined,
  signals: MessageSignals,
): number {
  const { text, folded, keywords } = source
  let sum = 0
  if (isStale(source, start, end, position)) sum -= 6
  if (keywords.has('example', position.sentenceStart, position.sentenceEnd)) sum -= 6
  const following = keywords.within('counted', end, end + COUNTED_NOUN_CHARS)
  if (following.some((noun) => noun.start <= end + 1)) sum -= 4
  const [nearStart, nearEnd] = [start - 300, end + 300]
  const isGoods = keywords.has('goods', nearStart, nearEnd)
  const isOffer = keywords.has('offer', nearStart, nearEnd) || hasPercentage(text, start - 200, end + 200)
  if (isGoods || (isOffer && signals.isOffer)) sum -= label === 'oneTime' ? 3.5 : 4
  else if (isOffer || signals.isOffer) sum -= label === 'oneTime' ? 0.5 : 2.5
  if (label === 'code' && !signals.mentionsUse) sum -= shape === 'digits' ? 1.3 : 2
  if (isBookingCode(code, shape) && !signals.isTimed && keywords.has('travel', nearStart, nearEnd)) sum -= 3.5
  if (keywords.has('initialPassword', nearStart, nearEnd)) sum -= 3
  if (/^[^\n]{0,3}>/.test(text.slice(position.lineStart, start))) sum -= 4 // quoted
  const before = text.slice(Math.max(0, start - 12), start)
  if (/#\s?$/.test(before) && !ORIGIN_BOUND_CODE.test(folded.slice(Math.max(0, start - 80), start))) sum -= 4
  if (
    !position.isAlone &&
    /(?:№|\bn[ro]?[.°º]*|\bnum\.?|\bnr[.:]?|\bno[.:]|n\.º|\bext\.?|\btel\.?|\bid:?|No)\s*$/i.test(before)
  )
    sum -= 3
  if (label === undefined && !position.isAlone && position.isAfterColon) sum -= 1.5 // its label has no keyword
  if (isYear(code) && !position.isAlone && isDated(folded, start, end)) sum -= 5
  if (label === undefined && !position.isAlone && !position.isCell && isInPostalAddress(text, start, end)) sum -= 1.5
  return sum
}

/** Enough for a space and a long noun. */
const COUNTED_NOUN_CHARS = 20

/** Whether this has the shape of an airline's booking code. */
function isBookingCode(code: string, shape: CodeCandidate['shape']): boolean {
  return (shape === 'mixed' || shape === 'letters') && /^[0-9A-Z]{5,7}$/.test(code)
}

/** Percent signs are rare, and faster to find than the pattern. */
function hasPercentage(text: string, from: number, to: number): boolean {
  const near = text.slice(Math.max(0, from), to)
  return near.includes('%') && PERCENT.test(near)
}

/** Whether the sentence says that this code is no longer valid, and does not say it of another number. */
function isStale({ folded, keywords }: CodeText, start: number, end: number, position: CodePosition): boolean {
  const stale = keywords.within('stale', position.sentenceStart, position.sentenceEnd)
  const replacement = keywords.within('replacement', position.sentenceStart, position.sentenceEnd)
  const isSaidBefore = (match: Range) => {
    if (match.end > start) return false
    const between = folded.slice(match.end, start)
    const isOtherClause = /[,;:—–。]| - /.test(between) || keywords.has('entry', match.end, start)
    return !isOtherClause && !/[0-9]{4}/.test(between)
  }
  // "482913 no longer works after 10 minutes" announces when the code expires.
  const isSaidAfter = (match: Range) =>
    match.end > start &&
    !/[0-9]{4}/.test(folded.slice(end, match.start)) &&
    !TIME_SPAN.test(folded.slice(end, position.sentenceEnd))
  return stale.some((match) => isSaidBefore(match) || isSaidAfter(match)) || replacement.some(isSaidBefore)
}

const TIME_SPAN =
  /[0-9] ?(?:min|h|std|s\b|uur|tim|t\b|godz|hod|ч|мин|год|хв|sa|dak|dk|λεπ|ωρ|דק|שע|دق|سا|मिनट|घं|phut|gio|นาที|ชั่ว|分|時|时|小|분|시|jam|perc)|[0-9][:.][0-9]{2}/

/** Whether this is a postal code: "…, 12211", "CA 94103", "53111 Bonn". */
function isInPostalAddress(text: string, start: number, end: number): boolean {
  return (
    /,\s?$|\b[A-Z]{1,3}[ -]$/.test(text.slice(Math.max(0, start - 4), start)) ||
    /^,? \p{Lu}\p{Ll}/u.test(text.slice(end, end + 5))
  )
}

/** Whether a year follows a day, a month or a copyright mark. */
function isDated(folded: string, start: number, end: number): boolean {
  const before = folded.slice(Math.max(0, start - 14), start)
  return /[0-9]{1,2}[.,]? [\p{L}.]+[.,]? $|[0-9]{1,2}, $|©|\(c\)/u.test(before) || /^ ?[年년]/.test(folded.slice(end))
}
