/**
 * The link of a mail that proves something when it is opened: confirms an address, signs in, resets, accepts, approves.
 *
 * Every address is weighed by the words on its button or before it, the words in the address itself, what is said around it
 * and in the subject; one that carries no token proves nothing. The address of a click tracker has no words of its own and
 * needs those around it. It is given as it was written.
 */

import type { VisibleText } from '../html/visible-text.ts'
import { type CueHit, cueFinder, within } from './aho-corasick.ts'
import { withoutAddresses } from './keyword-addresses.ts'
import { fold, plainText } from './keyword-text.ts'
import { contextOf, linesAround, type Occurrence, occurrencesIn } from './link-occurrences.ts'
import { tokenOf } from './link-tokens.ts'
import {
  ADDRESS_ACTIONS,
  ADDRESS_OTHERS,
  LINK_ACTIONS,
  LINK_NOUNS,
  LINK_OTHERS,
  LINK_REFUSALS,
  LINK_TOPICS,
} from './vocabulary/link-keywords.ts'

export interface FoundLink {
  /** As the mail has it, entities of HTML decoded. */
  readonly url: string
  /** What it is called and the words around it, on one line. */
  readonly context: string
  /** 0.5 to 1, as for codes. */
  readonly confidence: number
}

const find = cueFinder({
  action: LINK_ACTIONS,
  refusal: LINK_REFUSALS,
  other: LINK_OTHERS,
  noun: LINK_NOUNS,
  topic: LINK_TOPICS,
})
const findInAddress = cueFinder({ action: ADDRESS_ACTIONS, other: ADDRESS_OTHERS })

type Hits = ReturnType<typeof find>
type Kind = Exclude<Hits[number]['kind'], 'topic'>

interface Judged {
  occurrence: Occurrence
  score: number
  /** Nothing says that it is for something else. */
  isOpen: boolean
  isRefusal: boolean
}

/**
 * @param bodies  the alternatives of the body
 * @param codes   what was found in the same mail: the link that carries one does the same
 * @returns the best first
 */
export function findLinks(
  subject: string,
  bodies: readonly VisibleText[],
  codes: readonly string[],
  contextCharsMax: number,
): FoundLink[] {
  const occurrences = bodies.flatMap((body) => occurrencesIn(body, codes))
  if (occurrences.length === 0) return []
  const inSubject = find(fold(subject))
  const subjectHits = kindsOf(inSubject)
  const isOfTopic = hasTopic(inSubject)
  const mail =
    (subjectHits.has('action') ? (subjectHits.has('noun') ? 2 : 1.2) : 0) -
    (isOfTopic ? 4 : subjectHits.has('other') && !subjectHits.has('action') ? 1.5 : 0)

  const hits = new Map(bodies.map((body) => [body, hitsIn(body)]))
  const all = mergeSame(occurrences.map((occurrence) => judge(occurrence, hits.get(occurrence.body)!)))
  for (const each of all) each.score += mail
  if (!isOfTopic) favourTwinsOfRefusals(all)
  const open = all.filter(({ isOpen }) => isOpen)
  if (open.length === 1) open[0]!.score += 1.2 // no other link to mean
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

/** The alternatives of a body have the same links. */
function mergeSame(judged: readonly Judged[]): Judged[] {
  const byUrl = new Map<string, Judged>()
  for (const each of judged) {
    const known = byUrl.get(each.occurrence.url)
    const isOpen = each.isOpen && (known?.isOpen ?? true)
    if (known === undefined || each.score > known.score) byUrl.set(each.occurrence.url, { ...each, isOpen })
    else known.isOpen = isOpen
  }
  return [...byUrl.values()]
}

/** "allow" beside "deny": the same address but for a word. */
function favourTwinsOfRefusals(all: readonly Judged[]): void {
  const refused = new Set(
    all.filter(({ isRefusal }) => isRefusal).map(({ occurrence }) => withoutWords(occurrence.url)),
  )
  for (const each of all) if (each.isOpen && refused.has(withoutWords(each.occurrence.url))) each.score += 3
}

function withoutWords(url: string): string {
  return url.replace(/(?<=[/=])[a-z-]+(?=[/?#&]|$)/gi, '*')
}

const SCORE_MIN = 5
const SECOND_MARGIN = 4

function confidenceOf(score: number): number {
  return Math.round(100 * Math.min(0.99, 1 / (1 + Math.exp((SCORE_MIN - score) * 0.7)))) / 100
}

/** Words of a body where they stand; those of addresses say nothing of what is around them. */
function hitsIn({ text }: VisibleText): Hits {
  return find(fold(withoutAddresses(text)).replace(/[\n\t]/g, ' '))
}

function hasTopic(hits: Hits): boolean {
  return hits.some(({ kind }) => kind === 'topic')
}

function kindsIn(text: string): Set<Kind> {
  return kindsOf(find(fold(text)))
}

/** A longer word hides a shorter one inside it: "unsubscribe me", "sign-in settings". */
function kindsOf<Each extends string>(hits: readonly CueHit<Each>[]): Set<Exclude<Each, 'topic'>> {
  const kinds = new Set<Exclude<Each, 'topic'>>()
  let end = 0
  for (const hit of hits) {
    if (hit.kind === 'topic' || hit.end <= end) continue
    kinds.add(hit.kind as Exclude<Each, 'topic'>)
    end = hit.end
  }
  return kinds
}

function judge(occurrence: Occurrence, hits: Hits): Judged {
  const { url, label, carriesCode, start, end } = occurrence
  const { text } = occurrence.body
  const { first, last } = linesAround(text, start, end)
  const around = [...within(hits, first, start), ...within(hits, end, last)]
  const called = kindsIn(label)
  const near = kindsOf(around)
  const address = addressKinds(url)
  let score = carriesCode ? 4 : tokenOf(url)
  if (called.has('refusal')) score -= 8
  else if (called.has('other')) score += called.has('action') || carriesCode ? 0.5 : -3
  else if (called.has('action')) score += 4
  if (address.has('other')) score -= 4
  if (address.has('action')) score += 2.2
  if (near.has('action')) score += 1.5
  if (called.has('noun')) score += 1
  else if (near.has('noun')) score += 0.5
  if (hasTopic(around)) score -= 2
  if (near.has('refusal')) score -= 2 // "If it wasn't you, reset your password"
  if (near.has('other') && !called.has('action') && !carriesCode) score -= 1
  const isRefusal = called.has('refusal') || address.has('other')
  return { occurrence, score, isOpen: !isRefusal && (carriesCode || !called.has('other')), isRefusal }
}

function addressKinds(url: string): Set<'action' | 'other'> {
  const afterHost = url.replace(/^[a-z][a-z0-9+.-]{1,20}:\/\/[^/?#]*/i, '')
  const words = fold(plainText(decode(afterHost).slice(0, 1000)))
    .replace(/([a-z])([0-9])/g, '$1 $2')
    .replace(/[_=&?/#.+]/g, ' ')
  return kindsOf(findInAddress(words))
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    return text // a stray "%"
  }
}
