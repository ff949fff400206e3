/**
 * A part of a mail made ready for judging its numbers: which words of the cue tables it has, and what they name.
 */

import type { TextRange, VisibleText } from '../html/visible-text.ts'
import { type CueHit, cueFinder, firstFrom } from './aho-corasick.ts'
import { type Candidate, codeCandidates } from './code-candidates.ts'
import { withoutAddresses } from './keyword-addresses.ts'
import { fold } from './keyword-text.ts'
import {
  CODE_NOUNS,
  ENTERINGS,
  EXPIRIES,
  NUMBER_NOUNS,
  ONE_TIME_NAMES,
  PROOFS,
  WARNINGS,
} from './vocabulary/code-keywords.ts'
import {
  COUNTED,
  EXAMPLES,
  GOODS,
  OFFERS,
  OTHER_NAMES,
  PASSWORDS,
  REPLACEMENTS,
  STALENESS,
  STARTING,
  TRAVELS,
} from './vocabulary/negative-keywords.ts'

const find = cueFinder({
  oneTime: ONE_TIME_NAMES,
  code: CODE_NOUNS,
  number: NUMBER_NOUNS,
  proof: PROOFS,
  enter: ENTERINGS,
  expiry: EXPIRIES,
  warning: WARNINGS,
  other: OTHER_NAMES,
  goods: GOODS,
  password: PASSWORDS,
  offer: OFFERS,
  starting: STARTING,
  travel: TRAVELS,
  stale: STALENESS,
  replaces: REPLACEMENTS,
  example: EXAMPLES,
  counted: COUNTED,
})

export type CueKind = ReturnType<typeof find>[number]['kind']

/** What names something: a one-time code, a code, a number, something else. */
export type Name = 'oneTime' | 'code' | 'number' | 'other'

export interface NameHit {
  name: Name
  start: number
  end: number
}

/** A part of the mail (subject, text, HTML), and what in it may be a code. */
export interface Part {
  /** Without addresses, whose words and digits say nothing here. */
  text: string
  candidates: readonly Candidate[]
  strong: readonly TextRange[]
  isSubject: boolean
}

/** A part made ready for looking up what is said around its candidates. */
export interface Reading extends Part {
  folded: string
  hits: CueHit<CueKind>[]
  names: NameHit[]
}

export function partOf(visible: VisibleText, isSubject: boolean): Part {
  const text = withoutAddresses(visible.text)
  return { text, candidates: codeCandidates(text), strong: visible.strong, isSubject }
}

export function read(part: Part): Reading {
  const folded = fold(part.text)
  const hits = find(folded).filter((hit) => !isPartOfName(part.text, hit))
  return { ...part, folded, hits, names: namesIn(folded, hits) }
}

/** The country "USA" is not the Spanish verb, and "acme.example" gives no example. */
function isPartOfName(text: string, { start, end }: TextRange): boolean {
  return text[start - 1] === '.' || text.slice(start, end) === 'USA'
}

/** Between the words of one name: "code de vérification", "code for pick-up", "verification-code". */
const JOINING =
  /^[ '’"“”«»_-]*(?:(?:de|del|della|dei|di|do|da|du|des|d|l|la|le|el|of|for|to|your|the|fur|zur|zum|der|die|den|van|voor|til|for|pa|na|do|dla|pro|k|для|на|к|по|o|a|di|ya|για|του|της|τη|την|ال|ל|של|के लिए|untuk|của|的|の|用|용)[\s'’]+){0,2}$/

/**
 * Names in order. "Tracking code" and "code de réduction" name something else, "password" only where it
 * is one-time or short-lived; and
 * "code" beside what it proves is as good as "verification code".
 */
function namesIn(folded: string, hits: readonly CueHit<CueKind>[]): NameHit[] {
  const others = hits.filter((hit) => hit.kind === 'other' || hit.kind === 'goods')
  const proofs = hits.filter((hit) => hit.kind === 'proof')
  const oneTimes = hits.filter((hit) => hit.kind === 'oneTime')
  const mayBeOneTime = hits.some(({ kind }) => kind === 'oneTime' || kind === 'warning' || kind === 'expiry')
  const names: NameHit[] = []
  for (const hit of hits) {
    const { kind, start, end } = hit
    if (kind === 'oneTime' || kind === 'number') names.push({ name: kind, start, end })
    if (kind === 'other' || kind === 'goods') {
      if (!oneTimes.some((each) => each.start <= start && each.end >= end)) names.push({ name: 'other', start, end })
    }
    if (kind === 'password' && mayBeOneTime) names.push({ name: 'code', start, end })
    if (kind !== 'code') continue
    const name = nameOfNoun(folded, hit, others, proofs)
    names.push({ name, start, end })
  }
  return names
}

function nameOfNoun(
  folded: string,
  noun: TextRange,
  others: readonly TextRange[],
  proofs: readonly TextRange[],
): 'oneTime' | 'code' | 'other' {
  const proof = nearestPartner(folded, noun, proofs)
  const other = nearestPartner(folded, noun, others)
  if (other !== undefined && (proof === undefined || other.gap <= proof.gap)) return 'other'
  if (other?.isBefore && proof?.isBefore) return 'other' // "booking confirmation code"
  return proof !== undefined ? 'oneTime' : 'code'
}

const PARTNER_CHARS_MAX = 24

/** The word of `partners` that makes one name with `noun`. */
function nearestPartner(folded: string, noun: TextRange, partners: readonly TextRange[]) {
  let best: { gap: number; isBefore: boolean } | undefined
  for (let at = firstFrom(partners, noun.start - 60); at < partners.length; at++) {
    const partner = partners[at]!
    if (partner.start > noun.end + PARTNER_CHARS_MAX) break
    const isBefore = partner.start < noun.start
    const between = isBefore ? folded.slice(partner.end, noun.start) : folded.slice(noun.end, partner.start)
    const rest = isBefore ? trimWordEnd(between) : between.replace(/^[\p{L}\p{M}]+/u, '')
    if (rest.length > PARTNER_CHARS_MAX || !JOINING.test(rest)) continue
    const gap = rest.length
    if (best === undefined || gap < best.gap) best = { gap, isBefore }
  }
  return best
}

/** Endings of the word that a stem began: "bestätig|ungs|code". */
function trimWordEnd(between: string): string {
  return between.replace(/^[\p{L}\p{M}]{1,12}/u, '')
}
