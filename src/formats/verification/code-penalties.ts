/**
 * Penalties for a candidate that is probably not a one-time code: an old code, an example, a coupon, a booking code, a
 * year, a part of a postal address.
 */

import { type CodeCandidate, isYear } from './code-candidates.ts'
import { ORIGIN_BOUND_CODE } from './code-labels.ts'
import type { CodePosition } from './code-position.ts'
import type { CodeText, KeywordKind, LabelKind } from './code-text.ts'
import { type KeywordMatch, within } from './keyword-finder.ts'
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
  const { text, folded, matches } = source
  const sentence = within(matches, position.sentenceStart, position.sentenceEnd)
  let sum = 0
  if (isStale(source, start, end, position, sentence)) sum -= 6
  if (sentence.some((match) => match.kind === 'example')) sum -= 6
  const following = within(matches, end, end + COUNTED_NOUN_CHARS)
  if (following.some((match) => match.kind === 'counted' && match.start <= end + 1)) sum -= 4
  const near = within(matches, start - 300, end + 300)
  const isGoods = near.some((match) => match.kind === 'goods')
  const isOffer =
    near.some((match) => match.kind === 'offer') || PERCENT.test(text.slice(Math.max(0, start - 200), end + 200))
  if (isGoods || (isOffer && signals.isOffer)) sum -= label === 'oneTime' ? 3.5 : 4
  else if (isOffer || signals.isOffer) sum -= label === 'oneTime' ? 0.5 : 2.5
  if (label === 'code' && !signals.mentionsUse) sum -= shape === 'digits' ? 1.3 : 2
  if (isBookingCode(code, shape) && !signals.isTimed && near.some((match) => match.kind === 'travel')) sum -= 3.5
  if (near.some((match) => match.kind === 'initialPassword')) sum -= 3
  if (/^[^\n]{0,3}>/.test(text.slice(position.lineStart, start))) sum -= 4 // quoted
  const before = text.slice(Math.max(0, start - 12), start)
  if (/#\s?$/.test(before) && !ORIGIN_BOUND_CODE.test(folded.slice(Math.max(0, start - 80), start))) sum -= 4
  if (
    /(?:№|\bn[ro]?[.°º]*|\bnum\.?|\bnr[.:]?|\bno[.:]|n\.º|\bext\.?|\btel\.?|\bid:?|No)\s*$/i.test(before) &&
    !position.isAlone
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

/** Whether the sentence says that this code is no longer valid, and does not say it of another number. */
function isStale(
  { folded }: CodeText,
  start: number,
  end: number,
  position: CodePosition,
  sentence: readonly KeywordMatch<KeywordKind>[],
): boolean {
  return sentence.some((match) => {
    if (match.kind !== 'stale' && match.kind !== 'replacement') return false
    if (match.end <= start) {
      const between = folded.slice(match.end, start)
      const isOtherClause =
        /[,;:—–。]| - /.test(between) ||
        sentence.some((each) => each.kind === 'entry' && each.start >= match.end && each.end <= start)
      return !isOtherClause && !/[0-9]{4}/.test(between)
    }
    if (match.kind === 'replacement') return false
    // "482913 no longer works after 10 minutes" announces when the code expires.
    return !/[0-9]{4}/.test(folded.slice(end, match.start)) && !TIME_SPAN.test(folded.slice(end, position.sentenceEnd))
  })
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
