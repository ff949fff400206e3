/**
 * Finds the one-time codes of a message: what its recipient must type, show or say once.
 *
 * Every word or number that has the shape of a code gets a score for the text around it: the label nearest to it (before
 * it on its line, in the cell beside it, on the line above), whether the message says to enter something, whether it is
 * alone on its line or in large type. The candidate with the best score is the code. Another one is reported only with
 * a label of its own. The keywords are in code-keywords.ts and negative-keywords.ts; the reasons are in
 * docs/adr/0017-codes-by-weighed-signals.md.
 */

import type { CodeCandidate } from './code-candidates.ts'
import { endOf } from './code-position.ts'
import { highestScore, inSource, type ScoredCandidate, scoreCandidates } from './code-scoring.ts'
import { type CodeText, withCandidates, withLabels } from './code-text.ts'
import { oneLine } from './keyword-text.ts'
import { type MessageSignals, signalsOf } from './message-signals.ts'
import { ADDRESS_MASK } from './text-addresses.ts'
import type { VisibleText } from './visible-text.ts'

export interface FoundCode {
  /** The code as a person types it: without spaces, with ASCII digits. */
  readonly code: string
  /** The words around it, on one line. */
  readonly context: string
  /** 0.5 to 1; see `confidenceOf`. */
  readonly confidence: number
}

/**
 * @param subject one line
 * @param bodies  the alternatives of the body; a code in several of them is one code
 * @returns the best first
 */
export function findCodes(subject: string, bodies: readonly VisibleText[], contextCharsMax: number): FoundCode[] {
  const texts = [withCandidates({ text: `${subject}\n`, strong: [], links: [] }, true)]
  // The alternatives of most messages show the same text.
  const same = bodies.map(({ text }, index) => bodies.findIndex((each, at) => at === index || each.text === text) + 1)
  for (const [index, body] of bodies.entries()) texts.push(withCandidates(body, false, texts[same[index]!]))
  if (texts.every(({ candidates }) => candidates.length === 0)) return [] // most messages between people

  const sources: CodeText[] = []
  for (const [index, text] of texts.entries()) sources.push(withLabels(text, sources[same[index - 1] ?? index]))
  const signals = signalsOf(sources)
  if (!signals.mayHaveCodes) return []
  const isPossible = possibleCodes(sources, signals)
  const scored: ScoredCandidate[][] = []
  for (const [index, source] of sources.entries()) {
    const known = scored[same[index - 1] ?? index]
    // The same candidates in the same text have the same scores if nothing makes one of them stronger.
    const isScored = known !== undefined && source.strong.length === 0 && known[0]?.source.strong.length === 0
    if (isScored) scored.push(known.map((each) => inSource(each, source)))
    else scored.push(scoreCandidates(source, source.candidates.filter(isPossible), signals))
  }
  const all = scored.flat()
  favourSubject(all, sources)
  return select(all).map(({ candidate, source, score }) => ({
    code: candidate.code,
    context: contextOf(source.text, candidate, contextCharsMax),
    confidence: confidenceOf(score),
  }))
}

/**
 * Returns a test for the candidates that must be scored. The others are words or numbers within sentences: they cannot reach
 * SCORE_MIN, so that their scores change no result. Most candidates of a long text are such.
 */
function possibleCodes(sources: readonly CodeText[], signals: MessageSignals): (candidate: CodeCandidate) => boolean {
  const possible = new Set<string>()
  for (const source of sources)
    for (const candidate of source.candidates)
      if (highestScore(candidate, source, signals) + REPEATED_MAX >= SCORE_MIN) possible.add(candidate.code)
  return ({ code }) => possible.has(code)
}

/** Raises the scores in the subject if no body contains anything like a code: then the message is about that number. */
function favourSubject(all: readonly ScoredCandidate[], sources: readonly CodeText[]): void {
  const isLikely = ({ shapeScore }: CodeCandidate) => shapeScore > 0
  if (sources.some(({ isSubject, candidates }) => !isSubject && candidates.some(isLikely))) return
  for (const each of all) if (isLikely(each.candidate)) each.score += 2.2
}

const SCORE_MIN = 5.3

/** How much the score of a code is raised, at most, because it occurs more than once. */
const REPEATED_MAX = 1.3

/** How far the score of another code may be below the best one. */
const SECOND_MARGIN = 1.5

/**
 * Converts a score to a confidence. At 0.5 the score is just above that of a number without meaning. At 0.9 and more
 * the code has a label, is set apart, and the message is about it. Codes below 0.5 are not reported.
 */
function confidenceOf(score: number): number {
  return Math.round(100 * Math.min(0.99, 1 / (1 + Math.exp((SCORE_MIN - score) * 0.7)))) / 100
}

function select(all: readonly ScoredCandidate[]): ScoredCandidate[] {
  const byCode = new Map<string, ScoredCandidate[]>()
  for (const each of all) {
    const same = byCode.get(each.candidate.code)
    if (same === undefined) byCode.set(each.candidate.code, [each])
    else same.push(each)
  }
  const merged = [...byCode.values()].map((same) => merge(same))
  const found = merged.filter(({ score }) => score >= SCORE_MIN).sort((a, b) => b.score - a.score)
  if (isList(found[0], all)) return []
  const [first, ...rest] = found
  if (first === undefined) return []
  const more = rest.filter((each) => each.isLabelled && each.score >= first.score - SECOND_MARGIN && first.isLabelled)
  return [first, ...more]
}

/**
 * Merges the occurrences of one code. One that is in the subject and a body, or twice in one body, is more likely a
 * code. That two alternatives of the body contain it means nothing, because they repeat each other.
 */
function merge(same: readonly ScoredCandidate[]): ScoredCandidate {
  const best = same.reduce((a, b) => (b.score > a.score ? b : a))
  const inSubject = same.some(({ source }) => source.isSubject)
  const inBody = same.filter(({ source }) => !source.isSubject)
  const isRepeated = inBody.some((a) => inBody.some((b) => a !== b && a.source === b.source))
  const isOther = same.some((each) => each.isOther)
  return {
    ...best,
    isLabelled: same.some(({ isLabelled }) => isLabelled),
    score: best.score + (isOther ? 0 : inSubject && inBody.length > 0 ? REPEATED_MAX : isRepeated ? 0.4 : 0),
  }
}

/** Whether this is one of many numbers of the same shape: backup codes, a price list, seats. */
function isList(first: ScoredCandidate | undefined, all: readonly ScoredCandidate[]): boolean {
  if (first === undefined) return false
  const alike = all.filter(
    ({ candidate, source, score, isSeparate, isOther }) =>
      source === first.source &&
      ((isSeparate && !isOther) || score >= SCORE_MIN) &&
      candidate.shape === first.candidate.shape &&
      candidate.code.length === first.candidate.code.length,
  )
  return new Set(alike.map(({ candidate }) => candidate.code)).size >= 4
}

/** Returns the line of the code, or the part around it; with the line above if its own contains little else. */
function contextOf(text: string, { start, end }: CodeCandidate, charsMax: number): string {
  const lineStart = text.lastIndexOf('\n', start - 1) + 1
  const lineEnd = endOf(text.indexOf('\n', end), text.length)
  const isShort = lineEnd - lineStart <= end - start + 24
  const from = isShort && lineStart > 0 ? text.lastIndexOf('\n', lineStart - 2) + 1 : lineStart
  const room = Math.max(0, charsMax - (end - start))
  const first = Math.max(from, start - Math.ceil(room * 0.7))
  const last = Math.min(lineEnd, end + Math.max(0, charsMax - (end - first)))
  return oneLine(text.slice(first, last).replaceAll(ADDRESS_MASK, ' '), charsMax)
}
