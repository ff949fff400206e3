/**
 * Prepares the subject and the bodies of a message for scoring: finds the candidates in each, the keywords, and the
 * labels that the keywords form.
 *
 * A label says what a number is: "verification code" labels a one-time code, "booking code" something else.
 */

import { type CodeCandidate, findCandidates } from './code-candidates.ts'
import { createKeywordFinder, type KeywordMatch } from './keyword-finder.ts'
import { firstFrom, KeywordIndex } from './keyword-ranges.ts'
import { fold } from './keyword-text.ts'
import { withoutAddresses } from './text-addresses.ts'
import type { TextRange, VisibleText } from './visible-text.ts'
import {
  CODE_NOUNS,
  ENTRY_VERBS,
  EXPIRY_PHRASES,
  NUMBER_NOUNS,
  ONE_TIME_TERMS,
  PURPOSES,
  WARNINGS,
} from './vocabulary/code-keywords.ts'
import {
  COUNTED_NOUNS,
  EXAMPLE_PHRASES,
  GOODS,
  INITIAL_PASSWORDS,
  OFFERS,
  OTHER_TERMS,
  PASSWORDS,
  REPLACEMENT_VERBS,
  STALE_PHRASES,
  TRAVEL_TERMS,
} from './vocabulary/negative-keywords.ts'

const findKeywords = createKeywordFinder({
  oneTime: ONE_TIME_TERMS,
  code: CODE_NOUNS,
  number: NUMBER_NOUNS,
  purpose: PURPOSES,
  entry: ENTRY_VERBS,
  expiry: EXPIRY_PHRASES,
  warning: WARNINGS,
  other: OTHER_TERMS,
  goods: GOODS,
  password: PASSWORDS,
  offer: OFFERS,
  initialPassword: INITIAL_PASSWORDS,
  travel: TRAVEL_TERMS,
  stale: STALE_PHRASES,
  replacement: REPLACEMENT_VERBS,
  example: EXAMPLE_PHRASES,
  counted: COUNTED_NOUNS,
})

export type KeywordKind = ReturnType<typeof findKeywords>[number]['kind']

/** What a label says that a number is: a one-time code, a code, just a number, or something else. */
export type LabelKind = 'oneTime' | 'code' | 'number' | 'other'

export interface Label {
  kind: LabelKind
  start: number
  end: number
}

/** The subject or a body, with its candidates. */
export interface CandidateText {
  /** With masked addresses: their words and digits say nothing about a code. */
  text: string
  candidates: readonly CodeCandidate[]
  strong: readonly TextRange[]
  isSubject: boolean
}

/** The subject or a body, with everything that scoring needs. */
export interface CodeText extends CandidateText {
  /** `text` in lower case and without accents, with the same offsets. */
  folded: string
  keywords: KeywordIndex<KeywordKind>
  labels: Label[]
}

/** @param same  another one with the same text, if there is one */
export function withCandidates(
  { text: shown, strong }: VisibleText,
  isSubject: boolean,
  same?: CandidateText,
): CandidateText {
  if (same !== undefined) return { text: same.text, candidates: same.candidates, strong, isSubject }
  const text = withoutAddresses(shown)
  return { text, candidates: findCandidates(text), strong, isSubject }
}

/** @param same  another one with the same text, if there is one */
export function withLabels(source: CandidateText, same?: CodeText): CodeText {
  // Not `...`: V8 takes longer to copy properties than to find the labels.
  const { text, candidates, strong, isSubject } = source
  if (same !== undefined) {
    const { folded, keywords, labels } = same
    return { text, candidates, strong, isSubject, folded, keywords, labels }
  }
  const folded = fold(text)
  const matches = findKeywords(folded).filter((match) => !isPartOfProperName(text, match))
  const keywords = new KeywordIndex(matches)
  const labels = findLabels(folded, matches, keywords)
  return { text, candidates, strong, isSubject, folded, keywords, labels }
}

/** The country "USA" is not the Spanish verb "usa", and "acme.example" does not announce an example. */
function isPartOfProperName(text: string, { start, end }: TextRange): boolean {
  return text[start - 1] === '.' || (end - start === 3 && text.startsWith('USA', start))
}

/** The words between the parts of one term: "code de vérification", "code for pick-up", "verification-code". */
const LINKING_WORDS =
  /^[ '’"“”«»_-]*(?:(?:de|del|della|dei|di|do|da|du|des|d|l|la|le|el|of|for|to|your|the|fur|zur|zum|der|die|den|van|voor|til|for|pa|na|do|dla|pro|k|для|на|к|по|o|a|di|ya|για|του|της|τη|την|ال|ל|של|के लिए|untuk|của|的|の|用|용)[\s'’]+){0,2}$/

/**
 * Returns the labels in order. "Tracking code" and "code de réduction" label something else. "Password" labels a code
 * only in a text that mentions one-time use, secrecy or an expiry. "Code" beside a word for its purpose ("code to sign
 * in") labels a one-time code, like "verification code".
 */
function findLabels(
  folded: string,
  matches: readonly KeywordMatch<KeywordKind>[],
  keywords: KeywordIndex<KeywordKind>,
): Label[] {
  const others = matches.filter((match) => match.kind === 'other' || match.kind === 'goods')
  const purposes = keywords.all('purpose')
  const oneTimes = keywords.all('oneTime')
  const mayBeOneTime = [oneTimes, keywords.all('warning'), keywords.all('expiry')].some(({ length }) => length > 0)
  const labels: Label[] = []
  for (const match of matches) {
    const { kind, start, end } = match
    if (kind === 'oneTime' || kind === 'number') labels.push({ kind, start, end })
    if (kind === 'other' || kind === 'goods') {
      if (!oneTimes.some((each) => each.start <= start && each.end >= end)) labels.push({ kind: 'other', start, end })
    }
    if (kind === 'password' && mayBeOneTime) labels.push({ kind: 'code', start, end })
    if (kind === 'code') labels.push({ kind: kindOfNoun(folded, match, others, purposes), start, end })
  }
  return labels
}

function kindOfNoun(
  folded: string,
  noun: TextRange,
  others: readonly TextRange[],
  purposes: readonly TextRange[],
): 'oneTime' | 'code' | 'other' {
  const purpose = nearestModifier(folded, noun, purposes)
  const other = nearestModifier(folded, noun, others)
  if (other !== undefined && (purpose === undefined || other.gap <= purpose.gap)) return 'other'
  if (other?.isBefore && purpose?.isBefore) return 'other' // "booking confirmation code"
  return purpose !== undefined ? 'oneTime' : 'code'
}

const MODIFIER_GAP_MAX = 24

/** Finds the nearest of the keywords `modifiers` that forms one term with `noun`. */
function nearestModifier(folded: string, noun: TextRange, modifiers: readonly TextRange[]) {
  let best: { gap: number; isBefore: boolean } | undefined
  for (let index = firstFrom(modifiers, noun.start - 60); index < modifiers.length; index++) {
    const modifier = modifiers[index]!
    if (modifier.start > noun.end + MODIFIER_GAP_MAX) break
    const isBefore = modifier.start < noun.start
    const between = isBefore ? folded.slice(modifier.end, noun.start) : folded.slice(noun.end, modifier.start)
    const rest = isBefore ? withoutWordEnding(between) : between.replace(/^[\p{L}\p{M}]+/u, '')
    if (rest.length > MODIFIER_GAP_MAX || !LINKING_WORDS.test(rest)) continue
    const gap = rest.length
    if (best === undefined || gap < best.gap) best = { gap, isBefore }
  }
  return best
}

/** Removes the rest of the word of which a keyword is the stem: "bestätig|ungs|code". */
function withoutWordEnding(between: string): string {
  return between.replace(/^[\p{L}\p{M}]{1,12}/u, '')
}
