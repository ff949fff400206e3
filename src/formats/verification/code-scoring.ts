/**
 * Scores each candidate by its shape, its label, its position, the rest of the message, and penalties for what is not a
 * one-time code: an old code, an example, a coupon, a year, a postal code.
 */

import { type KeywordMatch, within } from './aho-corasick.ts'
import { type CodeCandidate, isYear } from './code-candidates.ts'
import { labelOf, ORIGIN_BOUND_CODE } from './code-labels.ts'
import { type CodePosition, positionOf } from './code-position.ts'
import type { CodeText, KeywordKind, LabelKind } from './code-text.ts'

export interface ScoredCandidate {
  candidate: CodeCandidate
  source: CodeText
  score: number
  /** It has a label directly beside it. */
  isLabelled: boolean
  /** Its label says that it is not a code, or the subject offers goods or a discount. */
  isOther: boolean
  /** Nothing else is on its line or in its cell. */
  isSeparate: boolean
}

/** Scores all candidates of the subject or of one body. */
export function scoreCandidates(source: CodeText, signals: MessageSignals): ScoredCandidate[] {
  const all = source.candidates
  const positions = all.map((candidate) => positionOf(source, candidate))
  const aloneCodes = new Set(
    all.filter(({ shapeScore }, index) => positions[index]!.isAlone && shapeScore > 0).map(({ code }) => code),
  )
  return all.map((candidate, index) => {
    const scored = scoreCandidate(candidate, positions[index]!, source, signals)
    const isOnlyOne = aloneCodes.size === 1 && aloneCodes.has(candidate.code) && positions[index]!.isAlone
    if (isOnlyOne && !source.isSubject && signals.weight >= 0.8) scored.score += 1.2
    return scored
  })
}

function scoreCandidate(
  candidate: CodeCandidate,
  position: CodePosition,
  source: CodeText,
  signals: MessageSignals,
): ScoredCandidate {
  const label = labelOf(source, candidate, position, source.candidates)
  let score = candidate.shapeScore + signals.weight + label.weight
  const isLabelledBySubject = position.isAlone && label.weight === 0 && signals.subjectLabel !== undefined
  if (isLabelledBySubject) score += 1.2
  if (position.isAlone) score += 2
  else if (position.isCell) score += 1.2
  if (position.isStrong) score += position.isAlone ? 0.7 : 1.2
  if (position.isAfterColon && !position.isAlone) score += 0.8
  if (signals.subjectHasPurpose) score += 0.4
  if (signals.isShort) score += 0.8
  if (source.isSubject && label.kind === undefined && position.sentenceStart === candidate.start) score += 1.7
  score += source.isSubject ? 0.3 : signals.subjectLabel === 'oneTime' ? 0.8 : signals.subjectLabel === 'code' ? 0.5 : 0
  score += penalties(source, candidate, position, label.kind, signals)
  if (candidate.shape === 'words' || candidate.shape === 'letters') {
    const isSetApart =
      position.isAlone || position.isCell || position.isAfterColon || position.isStrong || position.isQuoted
    const isDeviceCode = candidate.shape === 'letters' && candidate.code.includes('-') && label.weight >= 4
    if (!isSetApart && !isDeviceCode) score -= 4
    if (label.weight < 2) score -= 2
  }
  if (candidate.shape === 'mixed' && label.weight < 2) score -= 1.5
  return {
    candidate,
    source,
    score,
    isLabelled: label.isDirect,
    isOther: label.kind === 'other' || signals.isOffer,
    isSeparate: position.isAlone || position.isCell,
  }
}

/** How much the message as a whole is about a one-time code. */
export interface MessageSignals {
  /**
   * Whether it has any keyword for a code, its purpose or entering it. Without one, the message is searched no further.
   */
  mayHaveCodes: boolean
  /** 0 to 2.8. */
  weight: number
  /** The strongest label in the subject. Weaker ones than `code` are ignored. */
  subjectLabel: 'oneTime' | 'code' | undefined
  subjectHasPurpose: boolean
  /** Whether it says to enter something, or that something expires. */
  isTimed: boolean
  /** Whether all of its bodies are very short. */
  isShort: boolean
  /** Whether it says what a code is for, says to enter it, says when it expires, or warns not to share it. */
  mentionsUse: boolean
  /** Whether its subject offers goods or a discount. */
  isOffer: boolean
}

const CODE_KEYWORDS: ReadonlySet<KeywordKind> = new Set(['oneTime', 'code', 'number', 'purpose', 'entry'])

const SHORT_CHARS = 120

const PERCENT = /[0-9] ?%|% ?[0-9]/

/** Messages say what they are for near their beginning. */
const SIGNAL_CHARS = 4000

/** @param sources  the subject, then the bodies */
export function signalsOf(sources: readonly CodeText[]): MessageSignals {
  const kinds = new Set<KeywordKind | 'label:oneTime' | 'label:code'>()
  for (const { matches, labels } of sources) {
    for (const match of matches) if (match.start < SIGNAL_CHARS) kinds.add(match.kind)
    for (const label of labels)
      if (label.start < SIGNAL_CHARS && (label.kind === 'oneTime' || label.kind === 'code'))
        kinds.add(`label:${label.kind}`)
  }
  const oneIf = (kind: KeywordKind | 'label:oneTime' | 'label:code') => (kinds.has(kind) ? 1 : 0)
  const labelWeight = oneIf('label:oneTime') * 1.2 || oneIf('label:code') * 0.6
  const weight =
    labelWeight + oneIf('purpose') * 0.4 + oneIf('entry') * 0.4 + oneIf('expiry') * 0.4 + oneIf('warning') * 0.4
  const subject = sources[0]!
  const subjectLabels = subject.labels.map((label) => label.kind)
  return {
    mayHaveCodes: sources.some(({ matches }) => matches.some(({ kind }) => CODE_KEYWORDS.has(kind))),
    weight,
    subjectLabel: subjectLabels.includes('oneTime') ? 'oneTime' : subjectLabels.includes('code') ? 'code' : undefined,
    subjectHasPurpose: subject.matches.some((match) => match.kind === 'purpose'),
    isTimed: kinds.has('entry') || kinds.has('expiry'),
    isShort: sources.every(({ text, isSubject }) => isSubject || text.length < SHORT_CHARS),
    mentionsUse: weight > labelWeight,
    isOffer:
      PERCENT.test(subject.text) || subject.matches.some((match) => match.kind === 'offer' || match.kind === 'goods'),
  }
}

/**
 * Returns the sum of the penalties, zero or less. A label for something else is no penalty here: its own weight is
 * negative.
 */
function penalties(
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
