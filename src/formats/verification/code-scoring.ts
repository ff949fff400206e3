/**
 * Scores each candidate by its shape, its label, its position, the rest of the message (message-signals.ts), and
 * penalties for what is not a one-time code (code-penalties.ts).
 */
import type { CodeCandidate } from './code-candidates.ts'
import { highestLabelWeight, labelOf } from './code-labels.ts'
import { penalties } from './code-penalties.ts'
import { type CodePosition, isInSentence, positionOf } from './code-position.ts'
import type { CodeText } from './code-text.ts'
import type { MessageSignals } from './message-signals.ts'

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

/**
 * Returns a score that a candidate does not exceed, without a look at its sentence. Infinity, unless it is in the middle of
 * a sentence of a body.
 */
export function highestScore(candidate: CodeCandidate, source: CodeText, signals: MessageSignals): number {
  if (source.isSubject || !isInSentence(source, candidate.start, candidate.end)) return Number.POSITIVE_INFINITY
  const ofMessage = (signals.subjectHasPurpose ? 0.4 : 0) + (signals.isShort ? 0.8 : 0) + subjectLabelWeight(signals)
  const ofShape = candidate.shapeScore + (isWord(candidate) && !isDashedLetters(candidate) ? WITHIN_SENTENCE : 0)
  return ofShape + signals.weight + highestLabelWeight(source, candidate) + ofMessage + ROUNDING
}

/** More than the sums of scores can differ by the order in which they are added. */
const ROUNDING = 1e-6

/**
 * Scores candidates of the subject or of one body.
 *
 * @param all  without those that cannot be codes (highestScore)
 */
export function scoreCandidates(
  source: CodeText,
  all: readonly CodeCandidate[],
  signals: MessageSignals,
): ScoredCandidate[] {
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

/** Returns the same score for an equal candidate in an equal text. */
export function inSource(scored: ScoredCandidate, source: CodeText): ScoredCandidate {
  const { candidate, score, isLabelled, isOther, isSeparate } = scored
  return { candidate, source, score, isLabelled, isOther, isSeparate }
}

/** A word or letters in the middle of a sentence. */
const WITHIN_SENTENCE = -4

function isWord({ shape }: CodeCandidate): boolean {
  return shape === 'words' || shape === 'letters'
}

/** Whether it may be a code for another device: "BCDF-GHJK". */
function isDashedLetters({ shape, code }: CodeCandidate): boolean {
  return shape === 'letters' && code.includes('-')
}

function subjectLabelWeight({ subjectLabel }: MessageSignals): number {
  return subjectLabel === 'oneTime' ? 0.8 : subjectLabel === 'code' ? 0.5 : 0
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
  score += source.isSubject ? 0.3 : subjectLabelWeight(signals)
  score += penalties(source, candidate, position, label.kind, signals)
  if (isWord(candidate)) {
    const isSetApart =
      position.isAlone || position.isCell || position.isAfterColon || position.isStrong || position.isQuoted
    const isDeviceCode = isDashedLetters(candidate) && label.weight >= 4
    if (!isSetApart && !isDeviceCode) score += WITHIN_SENTENCE
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
