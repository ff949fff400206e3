/** Determines how much a message as a whole is about a one-time code, from the keywords near its beginning. */
import type { CodeText, KeywordKind } from './code-text.ts'

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

export const PERCENT = /[0-9] ?%|% ?[0-9]/

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
