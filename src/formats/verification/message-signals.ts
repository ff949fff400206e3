/** Determines how much a message as a whole is about a one-time code, from the keywords near its beginning. */
import type { CodeText, KeywordKind, LabelKind } from './code-text.ts'

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

const CODE_KEYWORDS: readonly KeywordKind[] = ['oneTime', 'code', 'number', 'purpose', 'entry']

const SHORT_CHARS = 120

export const PERCENT = /[0-9] ?%|% ?[0-9]/

/** Messages say what they are for near their beginning. */
const SIGNAL_CHARS = 4000

/** @param sources  the subject, then the bodies */
export function signalsOf(sources: readonly CodeText[]): MessageSignals {
  const hasEarly = (kind: KeywordKind) =>
    sources.some(({ keywords }) => (keywords.all(kind)[0]?.start ?? SIGNAL_CHARS) < SIGNAL_CHARS)
  const hasEarlyLabel = (kind: LabelKind) =>
    sources.some(({ labels }) => labels.some((label) => label.kind === kind && label.start < SIGNAL_CHARS))
  const labelWeight = hasEarlyLabel('oneTime') ? 1.2 : hasEarlyLabel('code') ? 0.6 : 0
  const [hasEntry, hasExpiry] = [hasEarly('entry'), hasEarly('expiry')]
  const uses = [hasEarly('purpose'), hasEntry, hasExpiry, hasEarly('warning')]
  const weight = uses.reduce((sum, isFound) => sum + (isFound ? 0.4 : 0), labelWeight)
  const subject = sources[0]!
  const subjectLabels = subject.labels.map((label) => label.kind)
  return {
    mayHaveCodes: CODE_KEYWORDS.some((kind) => sources.some(({ keywords }) => keywords.all(kind).length > 0)),
    weight,
    subjectLabel: subjectLabels.includes('oneTime') ? 'oneTime' : subjectLabels.includes('code') ? 'code' : undefined,
    subjectHasPurpose: subject.keywords.all('purpose').length > 0,
    isTimed: hasEntry || hasExpiry,
    isShort: sources.every(({ text, isSubject }) => isSubject || text.length < SHORT_CHARS),
    mentionsUse: weight > labelWeight,
    isOffer:
      PERCENT.test(subject.text) ||
      subject.keywords.all('offer').length > 0 ||
      subject.keywords.all('goods').length > 0,
  }
}
