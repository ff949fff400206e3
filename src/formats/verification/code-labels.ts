/**
 * Finds the label of a candidate: the nearest keyword before, after, above or below it that says what the number is. An
 * instruction to enter the number counts as a label too. These labels have nothing to do with the labels of messages.
 */

import type { CodeCandidate } from './code-candidates.ts'
import { type CodePosition, endOf, SENTENCE_CHARS } from './code-position.ts'
import type { CodeText, Label, LabelKind } from './code-text.ts'
import { firstFrom, within } from './keyword-ranges.ts'

/** A number this close to the start of its sentence may be labelled by the sentence before. */
const OPENING_CHARS = 16

/** A label for something else is closer to its number than this. */
const LABEL_GAP_MAX = 28

/** What a label after a number adds if the number begins its line. */
const OPENING_WEIGHT = 0.6
const LABEL_WEIGHT: Readonly<Record<Exclude<LabelKind, 'other'>, number>> = { oneTime: 4.5, code: 3.2, number: 1.4 }

/** The most that a label adds: one for a one-time code directly after the number (labelAfter). */
const LABEL_WEIGHT_MAX = LABEL_WEIGHT.oneTime + OPENING_WEIGHT

export interface WeightedLabel {
  kind: LabelKind | undefined
  weight: number
  /** Close enough to its candidate that a second code of the message can be trusted. */
  isDirect: boolean
}

const NO_LABEL: WeightedLabel = { kind: undefined, weight: 0, isDirect: false }

/**
 * Returns the strongest label. The candidate's own sentence is searched first, then the lines above and below. A label for
 * something else has precedence if it is close to the candidate.
 */
export function labelOf(
  source: CodeText,
  candidate: CodeCandidate,
  position: CodePosition,
  all: readonly CodeCandidate[],
): WeightedLabel {
  const before = labelBefore(source, candidate, position)
  if (before !== undefined && before.kind === 'other') return before
  const beside = strongest(
    before,
    labelAfter(source, candidate, position),
    entryVerbBeside(source, candidate, position),
  )
  if (beside.weight >= 3) return beside
  const above = labelAbove(source, candidate, position, all)
  const below = labelBelow(source, position)
  if (beside.weight < 2) {
    if (above?.kind === 'other') return above
    if (below?.kind === 'other' && !above?.isDirect) return below
  }
  return strongest(beside, above, below)
}

/**
 * Returns a weight that the label of a candidate within a sentence (isInSentence) does not exceed. Only keywords in that
 * sentence, the one before, and the beginning of the next can label it.
 */
export function highestLabelWeight({ labels, keywords }: CodeText, { start, end }: CodeCandidate): number {
  const from = start - 2 * SENTENCE_CHARS
  const to = end + SENTENCE_CHARS + NEXT_VERB_CHARS
  if (keywords.has('entry', from, to)) return LABEL_WEIGHT_MAX
  for (let index = firstFrom(labels, from); index < labels.length && labels[index]!.start < to; index++)
    if (labels[index]!.kind !== 'other') return LABEL_WEIGHT_MAX
  return 0
}

function strongest(...labels: (WeightedLabel | undefined)[]): WeightedLabel {
  return labels.reduce<WeightedLabel>(
    (best, label) => (label !== undefined && label.weight > best.weight ? label : best),
    NO_LABEL,
  )
}

function otherLabel(weight: number): WeightedLabel {
  return { kind: 'other', weight, isDirect: true }
}

/** An origin-bound one-time code (WICG), "@example.com #123456": the last line of a message, for browsers. */
export const ORIGIN_BOUND_CODE = /@[a-z0-9.-]+ #$/

/** Finds the nearest label before the candidate, in its sentence or row, that does not belong to another number. */
function labelBefore(source: CodeText, { start }: CodeCandidate, position: CodePosition): WeightedLabel | undefined {
  const { folded, labels, keywords } = source
  if (ORIGIN_BOUND_CODE.test(folded.slice(Math.max(position.lineStart, start - 80), start)))
    return { kind: 'oneTime', weight: LABEL_WEIGHT.oneTime, isDirect: true }
  const found = within(labels, position.sentenceStart, start)
  const hasEntryVerb = keywords.has('entry', position.sentenceStart, start)
  let weak: WeightedLabel | undefined
  let other: WeightedLabel | undefined
  for (const label of found.reverse()) {
    const gap = folded.slice(label.end, start)
    const hasNumber = /[0-9]{3}/.test(gap)
    if (label.kind === 'other') {
      if (hasNumber || gap.length > LABEL_GAP_MAX || other !== undefined) continue
      // "to sign in to your account: 123456": before a colon, the whole sentence is the label, not its last noun.
      if (hasEntryVerb && /[:：]\s*$/.test(gap)) continue
      other = otherLabel(-5)
      if (!/[:：\t]/.test(gap) && !/\bis\b|\best\b|\bes\b|\bist\b|\be\b/.test(gap)) return other
      continue
    }
    if (label.kind === 'number') {
      weak ??= { kind: 'number', weight: numberWeight(gap, hasEntryVerb, position), isDirect: false }
      continue
    }
    const near = gap.length <= 3 && label.kind === 'code' ? 0.8 : gap.length <= 40 ? 0 : gap.length <= 100 ? -0.4 : -0.8
    return { kind: label.kind, weight: LABEL_WEIGHT[label.kind] + near - (hasNumber ? 0.8 : 0), isDirect: true }
  }
  if (other !== undefined || (weak?.weight ?? 0) > 1 || start - position.sentenceStart > OPENING_CHARS)
    return other ?? weak
  return labelInSentenceBefore(source, position) ?? weak
}

/** Finds a label such as "You will be asked for a pairing code. It is ABC-123." */
function labelInSentenceBefore({ folded, labels }: CodeText, position: CodePosition): WeightedLabel | undefined {
  const from = Math.max(position.lineStart, position.sentenceStart - SENTENCE_CHARS)
  const found = within(labels, from, position.sentenceStart).filter(
    (label) => label.kind === 'oneTime' || label.kind === 'code',
  )
  const last = found.at(-1)
  if (last === undefined || last.kind === 'other' || /[0-9]{4}/.test(folded.slice(last.end, position.sentenceStart)))
    return undefined
  return { kind: last.kind, weight: LABEL_WEIGHT[last.kind] - 1, isDirect: false }
}

/** Returns the weight of a noun for any number. It means more after a verb for entering: "Show the number 4829". */
function numberWeight(gap: string, hasEntryVerb: boolean, position: CodePosition): number {
  if (/[0-9]{3}/.test(gap)) return 0
  if (hasEntryVerb) return gap.length <= 3 ? 3.2 : LABEL_WEIGHT.number
  return position.isAlone ? LABEL_WEIGHT.number : 0.4
}

/** Finds a label such as "123456 is your login code". */
function labelAfter(
  { folded, labels }: CodeText,
  { start, end }: CodeCandidate,
  position: CodePosition,
): WeightedLabel | undefined {
  for (const label of within(labels, end, position.sentenceEnd)) {
    const gap = folded.slice(end, label.start)
    if (/[0-9]{4}/.test(gap) || gap.length > 90) return undefined
    if (label.kind === 'other') {
      if (gap.length <= 22 && !/[,;]/.test(gap)) return otherLabel(-3)
      continue
    }
    if (label.kind === 'number') continue
    const isOpening = start - position.lineStart <= 12 && gap.length <= 24
    return {
      kind: label.kind,
      weight: LABEL_WEIGHT[label.kind] + (isOpening ? OPENING_WEIGHT : gap.length > 40 ? -0.8 : -0.2),
      isDirect: true,
    }
  }
  return undefined
}

/** A verb at the beginning of the next sentence ends before this. */
const NEXT_VERB_CHARS = 24

/** Finds a verb for entering without a noun: "Type 4821 into the app", "4821 eingeben". */
function entryVerbBeside(
  { folded, keywords }: CodeText,
  { start, end }: CodeCandidate,
  position: CodePosition,
): WeightedLabel | undefined {
  const verbs = keywords.within('entry', position.sentenceStart, position.sentenceEnd)
  let weight = 0
  for (const verb of verbs) {
    const gap = verb.end <= start ? folded.slice(verb.end, start) : folded.slice(end, verb.start)
    if (/[0-9]{3}/.test(gap)) continue
    const isAfter = verb.start >= end
    weight = Math.max(
      weight,
      gap.length <= 3 ? 3.6 : isAfter && gap.length <= 30 ? 2.4 : gap.length <= 14 ? 2.8 : gap.length <= 50 ? 1.8 : 1,
    )
  }
  // "It opens with 4829. Enter it on the screen."
  const nextEnd = Math.min(position.lineEnd, position.sentenceEnd + NEXT_VERB_CHARS)
  const [next] = keywords.within('entry', position.sentenceEnd, nextEnd)
  if (next !== undefined && next.start - position.sentenceEnd <= 4) weight = Math.max(weight, 2.2)
  if (weight >= 2 && keywords.has('purpose', position.sentenceStart, position.sentenceEnd)) weight += 0.8
  return weight === 0 ? undefined : { kind: 'number', weight, isDirect: false }
}

const LINE_CHARS_MAX = 400

/** Finds a label in the line above, or in the next two above it when the first has none. */
function labelAbove(
  source: CodeText,
  { start }: CodeCandidate,
  position: CodePosition,
  all: readonly CodeCandidate[],
): WeightedLabel | undefined {
  const { text, folded, labels, keywords } = source
  const isOther = within(labels, position.sentenceStart, position.lineEnd).some((label) => label.kind === 'other')
  if (!position.isAlone && !position.isStrong && (isOther || !position.isCell)) return undefined
  const hasLabelText = position.isAfterColon && /[\p{L}]/u.test(text.slice(position.lineStart, start))
  if (!position.isAlone && hasLabelText) return undefined
  if (position.isCell) {
    const heading = columnHeading(source, start, position)
    if (heading !== undefined) return heading
  }
  let lineEnd = position.lineStart - 1
  for (let distance = 0; distance < 3 && lineEnd > 0; distance++) {
    const lineStart = Math.max(text.lastIndexOf('\n', lineEnd - 1) + 1, lineEnd - LINE_CHARS_MAX)
    const line = folded.slice(lineStart, lineEnd)
    const lineLabels = within(labels, lineStart, lineEnd)
    const lastNumber = all.findLast((each) => each.start >= lineStart && each.end <= lineEnd && each.shape === 'digits')
    const reduction = distance * 0.7 + (position.isAlone ? 0 : 0.6)
    const positive = strongestPositive(lineLabels)
    const free = lineLabels.filter(
      (label) => label.kind === 'other' && !/[0-9]{3}/.test(folded.slice(label.end, lineEnd)),
    )
    if (distance === 0 && (positive === undefined || positive.kind === 'number') && free.length > 0) {
      const last = free.at(-1)!
      if (line.length <= 40 || lineEnd - last.end <= 10) return otherLabel(-4)
    }
    const hasEntryVerb = keywords.has('entry', lineStart, lineEnd)
    if (positive !== undefined && positive.kind !== 'other') {
      const isOfOtherNumber = lastNumber !== undefined && lastNumber.start > positive.end && position.isAlone === false
      const weight =
        LABEL_WEIGHT[positive.kind] -
        0.3 -
        reduction -
        (isOfOtherNumber ? 2 : 0) +
        (positive.kind === 'number' && hasEntryVerb ? (/[:：]\s*$/.test(line) ? 1.6 : 0.8) : 0)
      return { kind: positive.kind, weight, isDirect: distance === 0 }
    }
    const isLeadIn = distance === 0 && /[:：]\s*$/.test(line)
    if (hasEntryVerb && position.isAlone)
      return { kind: 'number', weight: (isLeadIn ? 2.8 : 1.6) - reduction, isDirect: false }
    lineEnd = lineStart - 1
  }
  return undefined
}

/** Finds the label in the cell above, if its row has as many cells and the cell to the left is not a label. */
function columnHeading({ text, labels }: CodeText, start: number, position: CodePosition): WeightedLabel | undefined {
  const before = text.slice(position.lineStart, start)
  const left = before.endsWith('\t') ? before.slice(before.lastIndexOf('\t', before.length - 2) + 1) : ''
  if (/\p{L}/u.test(left)) return undefined
  const column = before.split('\t').length - 1
  const aboveStart = text.lastIndexOf('\n', position.lineStart - 2) + 1
  const cells = text.slice(aboveStart, Math.max(aboveStart, position.lineStart - 1)).split('\t')
  if (position.lineStart === 0 || cells.length !== text.slice(position.lineStart, position.lineEnd).split('\t').length)
    return undefined
  const cellStart = aboveStart + cells.slice(0, column).reduce((length, cell) => length + cell.length + 1, 0)
  const best = within(labels, cellStart, cellStart + cells[column]!.length).sort((a, b) => rank(b) - rank(a))[0]
  if (best === undefined) return undefined
  return best.kind === 'other' ? otherLabel(-5) : { kind: best.kind, weight: LABEL_WEIGHT[best.kind], isDirect: true }
}

function strongestPositive(labels: readonly Label[]): Label | undefined {
  return labels.filter((label) => label.kind !== 'other').sort((a, b) => rank(b) - rank(a))[0]
}

function rank({ kind }: Label): number {
  return kind === 'oneTime' ? 3 : kind === 'code' ? 2 : kind === 'number' ? 1 : 0
}

/** Finds "Enter the code above", or a label below a number in large type. */
function labelBelow(source: CodeText, position: CodePosition): WeightedLabel | undefined {
  const { text, folded, labels, keywords } = source
  if (!position.isAlone) return undefined
  const lineStart = position.lineEnd + 1
  const lineEnd = Math.min(endOf(text.indexOf('\n', lineStart), text.length), lineStart + LINE_CHARS_MAX)
  const lineLabels = within(labels, lineStart, lineEnd)
  const line = folded.slice(lineStart, lineEnd)
  const positive = strongestPositive(lineLabels)
  const hasEntryVerb = keywords.has('entry', lineStart, lineEnd)
  const isOther =
    lineLabels.some((label) => label.kind === 'other') && (positive === undefined || positive.kind === 'number')
  if (isOther && line.length <= 24 && !/[0-9]/.test(line) && !hasEntryVerb) return otherLabel(-3)
  if (positive !== undefined && positive.kind !== 'other') {
    const weight =
      LABEL_WEIGHT[positive.kind] -
      0.9 +
      (hasEntryVerb ? 0.5 : 0) -
      (positive.kind === 'number' && !hasEntryVerb ? 1 : 0)
    return { kind: positive.kind, weight, isDirect: false }
  }
  return hasEntryVerb ? { kind: 'number', weight: 1.8, isDirect: false } : undefined
}
