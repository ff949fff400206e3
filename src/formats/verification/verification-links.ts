/**
 * Finds the link of a message that verifies something when it is opened: it confirms an address, signs in, resets a
 * password, accepts or approves.
 *
 * Every URL gets a score for the words of its text, the words in the URL itself, the words around it and the subject.
 * A URL without a token verifies nothing. A short token, such as in /verify?token=abc, counts if both the URL and its text say that
 * it verifies. The URL of a click tracker contains no words, so the words around it decide.
 * URLs are returned as written.
 */

import { createKeywordFinder, type KeywordMatch } from './keyword-finder.ts'
import { within } from './keyword-ranges.ts'
import { fold, plainText } from './keyword-text.ts'
import { contextOf, type LinkOccurrence, linesAround, linksIn } from './link-occurrences.ts'
import { tokenScore } from './link-tokens.ts'
import { withoutAddresses } from './text-addresses.ts'
import type { VisibleText } from './visible-text.ts'
import {
  LINK_ACTIONS,
  LINK_NOUNS,
  LINK_OTHERS,
  LINK_REFUSALS,
  LINK_TOPICS,
  URL_ACTIONS,
  URL_OTHERS,
} from './vocabulary/link-keywords.ts'

export interface FoundLink {
  /** As in the message, with the character references of HTML decoded. */
  readonly url: string
  /** The label and the words around it, on one line. */
  readonly context: string
  /** 0.5 to 1, as for codes. */
  readonly confidence: number
}

const findKeywords = createKeywordFinder({
  action: LINK_ACTIONS,
  refusal: LINK_REFUSALS,
  other: LINK_OTHERS,
  noun: LINK_NOUNS,
  topic: LINK_TOPICS,
})
const findInUrl = createKeywordFinder({ action: URL_ACTIONS, other: URL_OTHERS })

type Matches = ReturnType<typeof findKeywords>
type Kind = Exclude<Matches[number]['kind'], 'topic'>

interface ScoredLink {
  occurrence: LinkOccurrence
  score: number
  /** Whether nothing in its text or URL says that it does something else. */
  isPossible: boolean
  isRefusal: boolean
  /** False for a URL whose token is too short to be recognised, and about which nothing else says that it verifies. */
  mayHaveToken: boolean
}

/**
 * @param bodies  the alternatives of the body
 * @param codes   the codes found in the same message: a link that contains one does the same as the code
 * @returns the best first
 */
export function findLinks(
  subject: string,
  bodies: readonly VisibleText[],
  codes: readonly string[],
  contextCharsMax: number,
): FoundLink[] {
  const occurrences = bodies.flatMap((body) => linksIn(body, codes))
  if (occurrences.length === 0) return []
  const subjectMatches = findKeywords(fold(subject))
  const subjectKinds = kindsOf(subjectMatches)
  const isOtherTopic = hasTopic(subjectMatches)
  const subjectScore =
    (subjectKinds.has('action') ? (subjectKinds.has('noun') ? 2 : 1.2) : 0) -
    (isOtherTopic ? 4 : subjectKinds.has('other') && !subjectKinds.has('action') ? 1.5 : 0)

  const matches = new Map(bodies.map((body) => [body, matchesIn(body)]))
  const scored = occurrences.map((occurrence) => scoreLink(occurrence, matches.get(occurrence.body)!))
  const all = mergeSame(scored.filter((each) => each.mayHaveToken))
  for (const each of all) each.score += subjectScore
  if (!isOtherTopic) favourCounterparts(all)
  const possible = all.filter(({ isPossible }) => isPossible)
  if (possible.length === 1) possible[0]!.score += 1.2 // the message can mean no other link
  const links = all.filter(({ score }) => score >= SCORE_MIN).sort((a, b) => b.score - a.score)
  const best = links[0]
  return links
    .filter((link) => link === best || link.score >= SCORE_MIN + SECOND_MARGIN)
    .map(({ occurrence, score }) => ({
      url: occurrence.url,
      context: contextOf(occurrence, contextCharsMax),
      confidence: confidenceOf(score),
    }))
}

/** Merges the occurrences of one URL: the alternatives of a body contain the same links. */
function mergeSame(scored: readonly ScoredLink[]): ScoredLink[] {
  const byUrl = new Map<string, ScoredLink>()
  for (const each of scored) {
    const known = byUrl.get(each.occurrence.url)
    const isPossible = each.isPossible && (known?.isPossible ?? true)
    if (known === undefined || each.score > known.score) byUrl.set(each.occurrence.url, { ...each, isPossible })
    else known.isPossible = isPossible
  }
  return [...byUrl.values()]
}

/** Raises the score of a link whose URL differs from that of a refusal by one word, such as /allow beside /deny. */
function favourCounterparts(all: readonly ScoredLink[]): void {
  const refused = new Set(all.filter(({ isRefusal }) => isRefusal).map(({ occurrence }) => urlShape(occurrence.url)))
  for (const each of all) if (each.isPossible && refused.has(urlShape(each.occurrence.url))) each.score += 3
}

/** Replaces each word of the path and query with `*`. */
function urlShape(url: string): string {
  return url.replace(/(?<=[/=])[a-z-]+(?=[/?#&]|$)/gi, '*')
}

/** The weights and these bounds were tuned on test/formats/verification (docs/adr/0017). */
const SCORE_MIN = 5
/** A second link needs a score that is higher by this. */
const SECOND_MARGIN = 4

function confidenceOf(score: number): number {
  return Math.round(100 * Math.min(0.99, 1 / (1 + Math.exp((SCORE_MIN - score) * 0.7)))) / 100
}

/** Returns the keywords of a body, without those in addresses, which say nothing about the text around them. */
function matchesIn({ text }: VisibleText): Matches {
  return findKeywords(fold(withoutAddresses(text)).replace(/[\n\t]/g, ' '))
}

function hasTopic(matches: Matches): boolean {
  return matches.some(({ kind }) => kind === 'topic')
}

function kindsIn(text: string): Set<Kind> {
  return kindsOf(findKeywords(fold(text)))
}

/** Ignores a keyword inside a longer one: "no fui yo" refuses, although "fui yo" approves. */
function kindsOf<Each extends string>(matches: readonly KeywordMatch<Each>[]): Set<Exclude<Each, 'topic'>> {
  const kinds = new Set<Exclude<Each, 'topic'>>()
  let end = 0
  for (const match of matches) {
    if (match.kind === 'topic' || match.end <= end) continue
    kinds.add(match.kind as Exclude<Each, 'topic'>)
    end = match.end
  }
  return kinds
}

function scoreLink(occurrence: LinkOccurrence, matches: Matches): ScoredLink {
  const { url, linkText, containsCode, start, end } = occurrence
  const { text } = occurrence.body
  const { first, last } = linesAround(text, start, end)
  const around = [...within(matches, first, start), ...within(matches, end, last)]
  const inLinkText = kindsIn(linkText)
  const near = kindsOf(around)
  const inUrl = urlKinds(url)
  let score = containsCode ? 4 : tokenScore(url)
  const mayHaveToken = score > 0 || (inUrl.has('action') && inLinkText.has('action'))
  if (inLinkText.has('refusal')) score -= 8
  else if (inLinkText.has('other')) score += inLinkText.has('action') || containsCode ? 0.5 : -3
  else if (inLinkText.has('action')) score += 4
  if (inUrl.has('other')) score -= 4
  if (inUrl.has('action')) score += 2.2
  if (near.has('action')) score += 1.5
  if (inLinkText.has('noun')) score += 1
  else if (near.has('noun')) score += 0.5
  if (hasTopic(around)) score -= 2
  if (near.has('refusal')) score -= 2 // "If it wasn't you, reset your password"
  if (near.has('other') && !inLinkText.has('action') && !containsCode) score -= 1
  const isRefusal = inLinkText.has('refusal') || inUrl.has('other')
  return {
    occurrence,
    score,
    isPossible: !isRefusal && (containsCode || !inLinkText.has('other')),
    isRefusal,
    mayHaveToken,
  }
}

function urlKinds(url: string): Set<'action' | 'other'> {
  const afterHost = url.replace(/^[a-z][a-z0-9+.-]{1,20}:\/\/[^/?#]*/i, '')
  const words = fold(plainText(decode(afterHost).slice(0, 1000)))
    .replace(/([a-z])([0-9])/g, '$1 $2')
    .replace(/[_=&?/#.+]/g, ' ')
  return kindsOf(findInUrl(words))
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    return text // a stray "%"
  }
}
