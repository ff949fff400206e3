/** What speaks against a candidate besides its name: an old code, an example, a coupon, a year, a postal code. */

import type { CueHit } from './aho-corasick.ts'
import { within } from './aho-corasick.ts'
import { type Candidate, isYear } from './code-candidates.ts'
import { ORIGIN_BOUND } from './code-naming.ts'
import type { Place } from './code-position.ts'
import { PERCENT, type Support } from './code-support.ts'
import type { CueKind, Name, Reading } from './code-text.ts'

/** What speaks against it besides a name: all zero or less. */
export function objections(
  reading: Reading,
  { start, end, code, shape }: Candidate,
  place: Place,
  name: Name | undefined,
  mail: Support,
): number {
  const { text, folded, hits } = reading
  const sentence = within(hits, place.sentenceStart, place.sentenceEnd)
  let weight = 0
  if (isStale(reading, start, end, place, sentence)) weight -= 6
  if (sentence.some((hit) => hit.kind === 'example')) weight -= 6
  if (within(hits, end, end + COUNTED_CHARS).some((hit) => hit.kind === 'counted' && hit.start <= end + 1)) weight -= 4
  const near = within(hits, start - 300, end + 300)
  const isGoods = near.some((hit) => hit.kind === 'goods')
  const isOffer =
    near.some((hit) => hit.kind === 'offer') || PERCENT.test(text.slice(Math.max(0, start - 200), end + 200))
  if (isGoods || (isOffer && mail.isOffer)) weight -= name === 'oneTime' ? 3.5 : 4
  else if (isOffer || mail.isOffer) weight -= name === 'oneTime' ? 0.5 : 2.5
  if (name === 'code' && !mail.hasPurpose) weight -= shape === 'digits' ? 1.3 : 2
  if (isLocator(code, shape) && !mail.isTimed && near.some((hit) => hit.kind === 'travel')) weight -= 3.5
  if (near.some((hit) => hit.kind === 'starting')) weight -= 3
  if (/^[^\n]{0,3}>/.test(text.slice(place.lineStart, start))) weight -= 4 // quoted
  const before = text.slice(Math.max(0, start - 12), start)
  if (/#\s?$/.test(before) && !ORIGIN_BOUND.test(folded.slice(Math.max(0, start - 80), start))) weight -= 4
  if (
    /(?:№|\bn[ro]?[.°º]*|\bnum\.?|\bnr[.:]?|\bno[.:]|n\.º|\bext\.?|\btel\.?|\bid:?|No)\s*$/i.test(before) &&
    !place.isAlone
  )
    weight -= 3
  if (name === undefined && !place.isAlone && place.isAfterColon) weight -= 1.5 // it has a label, of something unknown
  if (isYear(code) && !place.isAlone && isDated(folded, start, end)) weight -= 5
  if (name === undefined && !place.isAlone && !place.isCell && isInAddress(text, start, end)) weight -= 1.5
  return weight
}

/** A blank and a long word. */
const COUNTED_CHARS = 20

/** The shape of an airline's booking. */
function isLocator(code: string, shape: Candidate['shape']): boolean {
  return (shape === 'mixed' || shape === 'letters') && /^[0-9A-Z]{5,7}$/.test(code)
}

/** Said not to work any more, as opposed to another number of the sentence that does. */
function isStale(
  { folded }: Reading,
  start: number,
  end: number,
  place: Place,
  sentence: readonly CueHit<CueKind>[],
): boolean {
  return sentence.some((hit) => {
    if (hit.kind !== 'stale' && hit.kind !== 'replaces') return false
    if (hit.end <= start) {
      const between = folded.slice(hit.end, start)
      const isOtherClause =
        /[,;:—–。]| - /.test(between) ||
        sentence.some((each) => each.kind === 'enter' && each.start >= hit.end && each.end <= start)
      return !isOtherClause && !/[0-9]{4}/.test(between)
    }
    if (hit.kind === 'replaces') return false
    // "482913 no longer works after 10 minutes" says when it ends.
    return !/[0-9]{4}/.test(folded.slice(end, hit.start)) && !TIME_SPAN.test(folded.slice(end, place.sentenceEnd))
  })
}

const TIME_SPAN =
  /[0-9] ?(?:min|h|std|s\b|uur|tim|t\b|godz|hod|ч|мин|год|хв|sa|dak|dk|λεπ|ωρ|דק|שע|دق|سا|मिनट|घं|phut|gio|นาที|ชั่ว|分|時|时|小|분|시|jam|perc)|[0-9][:.][0-9]{2}/

/** "…, 12211", "CA 94103", "53111 Bonn". */
function isInAddress(text: string, start: number, end: number): boolean {
  return (
    /,\s?$|\b[A-Z]{1,3}[ -]$/.test(text.slice(Math.max(0, start - 4), start)) ||
    /^,? \p{Lu}\p{Ll}/u.test(text.slice(end, end + 5))
  )
}

/** A year among days, months or marks of copyright. */
function isDated(folded: string, start: number, end: number): boolean {
  const before = folded.slice(Math.max(0, start - 14), start)
  return /[0-9]{1,2}[.,]? [\p{L}.]+[.,]? $|[0-9]{1,2}, $|©|\(c\)/u.test(before) || /^ ?[年년]/.test(folded.slice(end))
}
