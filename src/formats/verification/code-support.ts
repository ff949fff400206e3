/** What the mail as a whole is about, as far as it makes a one-time code likely or not. */
import type { CueKind, Reading } from './code-text.ts'

export interface Support {
  /** Whether anything in it names, proves or enters something: numbers of other mails are not worth a look. */
  isOfCodes: boolean
  /** How much the mail as a whole is about a one-time code: 0 to about 3. */
  weight: number
  subject: 'oneTime' | 'code' | undefined
  isSubjectProof: boolean
  /** Whether it says to enter something, or that something expires. */
  isTimed: boolean
  /** Whether there is little else in it. */
  isShort: boolean
  /** Whether it says anything of proving, entering, a time limit or secrecy. */
  hasPurpose: boolean
  /** Whether its subject offers a discount. */
  isOffer: boolean
}

const SPEAKING: ReadonlySet<CueKind> = new Set(['oneTime', 'code', 'number', 'proof', 'enter'])

const SHORT_CHARS = 120

export const PERCENT = /[0-9] ?%|% ?[0-9]/

/** Mails say what they are for near their beginning. */
const SUPPORT_CHARS = 4000

export function supportOf(readings: readonly Reading[]): Support {
  const kinds = new Set<CueKind | 'name:oneTime' | 'name:code'>()
  for (const { hits, names } of readings) {
    for (const hit of hits) if (hit.start < SUPPORT_CHARS) kinds.add(hit.kind)
    for (const each of names)
      if (each.start < SUPPORT_CHARS && (each.name === 'oneTime' || each.name === 'code'))
        kinds.add(`name:${each.name}`)
  }
  const has = (kind: CueKind | 'name:oneTime' | 'name:code') => (kinds.has(kind) ? 1 : 0)
  const named = has('name:oneTime') * 1.2 || has('name:code') * 0.6
  const weight = named + has('proof') * 0.4 + has('enter') * 0.4 + has('expiry') * 0.4 + has('warning') * 0.4
  const subjectNames = readings[0]!.names.map((each) => each.name)
  const hasPurpose = weight > named
  const isOffer =
    PERCENT.test(readings[0]!.text) || readings[0]!.hits.some((hit) => hit.kind === 'offer' || hit.kind === 'goods')
  const isSubjectProof = readings[0]!.hits.some((hit) => hit.kind === 'proof')
  const isShort = readings.every(({ text, isSubject }) => isSubject || text.length < SHORT_CHARS)
  const isOfCodes = readings.some(({ hits }) => hits.some(({ kind }) => SPEAKING.has(kind)))
  return {
    isOfCodes,
    weight,
    hasPurpose,
    isOffer,
    isSubjectProof,
    isShort,
    isTimed: kinds.has('enter') || kinds.has('expiry'),
    subject: subjectNames.includes('oneTime') ? 'oneTime' : subjectNames.includes('code') ? 'code' : undefined,
  }
}
