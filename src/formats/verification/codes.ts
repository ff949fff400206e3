/**
 * One-time codes of a mail: what its recipient is to type, show or say once.
 *
 * Every word or number that has the shape of a code is weighed by what is around it: which word names it (the nearest before
 * it on its line, in the label of its cell, on the line above), whether the mail says to enter something, whether it
 * stands alone or large. Weights add up; the best candidate of a mail is its code, another only where it has a name of its own.
 * The words are in code-keywords.ts and negative-keywords.ts; docs/adr/0017-codes-by-weighed-signals.md says why it is done so.
 */

import type { VisibleText } from '../html/visible-text.ts'
import type { Candidate } from './code-candidates.ts'
import { nameOf } from './code-naming.ts'
import { objections } from './code-objections.ts'
import { endOf, type Place, placeOf } from './code-position.ts'
import { type Support, supportOf } from './code-support.ts'
import { partOf, type Reading, read } from './code-text.ts'
import { ADDRESS_MARK } from './keyword-addresses.ts'
import { oneLine } from './keyword-text.ts'

export interface FoundCode {
  /** As it is to be typed: no blanks, ASCII digits. */
  readonly code: string
  /** The words around it, on one line. */
  readonly context: string
  /** 0.5 to 1; see `confidenceOf`. */
  readonly confidence: number
}

interface Weighed {
  candidate: Candidate
  reading: Reading
  score: number
  /** Its own word for it stands directly beside it. */
  isNamed: boolean
  /** Something says that it is something else. */
  isOther: boolean
  /** It has a line or a cell for itself. */
  isStanding: boolean
}

/**
 * @param subject one line
 * @param bodies  the alternatives of the body; what they say twice counts once
 * @returns the best first
 */
export function findCodes(subject: string, bodies: readonly VisibleText[], contextCharsMax: number): FoundCode[] {
  const parts = [partOf({ text: `${subject}\n`, strong: [], links: [] }, true)]
  for (const body of bodies) parts.push(partOf(body, false))
  if (parts.every(({ candidates }) => candidates.length === 0)) return [] // most of what people write to each other

  const readings = parts.map((part) => read(part))
  const mail = supportOf(readings)
  if (!mail.isOfCodes) return []
  const all = readings.flatMap((reading) => weighAll(reading, mail))
  favourSubject(all)
  return choose(all).map(({ candidate, reading, score }) => ({
    code: candidate.code,
    context: contextOf(reading.text, candidate, contextCharsMax),
    confidence: confidenceOf(score),
  }))
}

function weighAll(reading: Reading, mail: Support): Weighed[] {
  const all = reading.candidates
  const places = all.map((candidate) => placeOf(reading, candidate))
  const standing = new Set(
    all.filter(({ likeness }, index) => places[index]!.isAlone && likeness > 0).map(({ code }) => code),
  )
  return all.map((candidate, index) => {
    const each = weigh(candidate, places[index]!, all, reading, mail)
    const isOnlyOne = standing.size === 1 && standing.has(candidate.code) && places[index]!.isAlone
    if (isOnlyOne && !reading.isSubject && mail.weight >= 0.8) each.score += 1.2
    return each
  })
}

function weigh(
  candidate: Candidate,
  place: Place,
  all: readonly Candidate[],
  reading: Reading,
  mail: Support,
): Weighed {
  const named = nameOf(reading, candidate, place, all)
  let score = candidate.likeness + mail.weight + named.weight
  if (place.isAlone && named.weight === 0 && mail.subject !== undefined) score += 1.2 // the subject is the line above
  if (place.isAlone) score += 2
  else if (place.isCell) score += 1.2
  if (place.isStrong) score += place.isAlone ? 0.7 : 1.2
  if (place.isAfterColon && !place.isAlone) score += 0.8
  if (mail.isSubjectProof) score += 0.4
  if (mail.isShort) score += 0.8
  if (reading.isSubject && named.name === undefined && place.sentenceStart === candidate.start) score += 1.7
  score += reading.isSubject ? 0.3 : mail.subject === 'oneTime' ? 0.8 : mail.subject === 'code' ? 0.5 : 0
  score += objections(reading, candidate, place, named.name, mail)
  if (candidate.shape === 'words' || candidate.shape === 'letters') {
    const isSetApart = place.isAlone || place.isCell || place.isAfterColon || place.isStrong || place.isQuoted
    const isDeviceCode = candidate.shape === 'letters' && candidate.code.includes('-') && named.weight >= 4
    if (!isSetApart && !isDeviceCode) score -= 4
    if (named.weight < 2) score -= 2
  }
  if (candidate.shape === 'mixed' && named.weight < 2) score -= 1.5
  return {
    candidate,
    reading,
    score,
    isNamed: named.isDirect,
    isOther: named.name === 'other' || mail.isOffer,
    isStanding: place.isAlone || place.isCell,
  }
}

/** Where no body has anything like a code, a number that the subject alone has is what the mail is about. */
function favourSubject(all: readonly Weighed[]): void {
  const likely = all.filter(({ candidate }) => candidate.likeness > 0)
  if (likely.length > 0 && likely.every(({ reading }) => reading.isSubject))
    for (const each of likely) each.score += 2.2
}

const SCORE_MIN = 5.3

/** Another code is one only where nearly as much speaks for it. */
const SECOND_MARGIN = 1.5

/**
 * 0.5 where what speaks for the code only just outweighs what a number without meaning collects, 0.9 and more where it is
 * named, stands out and the mail is about it. Less than 0.5 is not reported.
 */
function confidenceOf(score: number): number {
  return Math.round(100 * Math.min(0.99, 1 / (1 + Math.exp((SCORE_MIN - score) * 0.7)))) / 100
}

function choose(all: readonly Weighed[]): Weighed[] {
  const byCode = new Map<string, Weighed[]>()
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
  const more = rest.filter((each) => each.isNamed && each.score >= first.score - SECOND_MARGIN && first.isNamed)
  return [first, ...more]
}

/** A code that is said in the subject and in the body, or twice in a body, is rather one; the alternatives repeat each other. */
function merge(same: readonly Weighed[]): Weighed {
  const best = same.reduce((a, b) => (b.score > a.score ? b : a))
  const inSubject = same.some(({ reading }) => reading.isSubject)
  const inBody = same.filter(({ reading }) => !reading.isSubject)
  const isRepeated = inBody.some((a) => inBody.some((b) => a !== b && a.reading === b.reading))
  const isOther = same.some((each) => each.isOther)
  return {
    ...best,
    isNamed: same.some(({ isNamed }) => isNamed),
    score: best.score + (isOther ? 0 : inSubject && inBody.length > 0 ? 1.3 : isRepeated ? 0.4 : 0),
  }
}

/** Many of one shape: backup codes, a price list, seats. */
function isList(first: Weighed | undefined, all: readonly Weighed[]): boolean {
  if (first === undefined) return false
  const alike = all.filter(
    ({ candidate, reading, score, isStanding, isOther }) =>
      reading === first.reading &&
      ((isStanding && !isOther) || score >= SCORE_MIN) &&
      candidate.shape === first.candidate.shape &&
      candidate.code.length === first.candidate.code.length,
  )
  return new Set(alike.map(({ candidate }) => candidate.code)).size >= 4
}

/** Its line, or the part around it; with the line above where it stands alone. */
function contextOf(text: string, { start, end }: Candidate, charsMax: number): string {
  const lineStart = text.lastIndexOf('\n', start - 1) + 1
  const lineEnd = endOf(text.indexOf('\n', end), text.length)
  const isShort = lineEnd - lineStart <= end - start + 24
  const from = isShort && lineStart > 0 ? text.lastIndexOf('\n', lineStart - 2) + 1 : lineStart
  const room = Math.max(0, charsMax - (end - start))
  const first = Math.max(from, start - Math.ceil(room * 0.7))
  const last = Math.min(lineEnd, end + Math.max(0, charsMax - (end - first)))
  return oneLine(text.slice(first, last).replaceAll(ADDRESS_MARK, ' '), charsMax)
}
