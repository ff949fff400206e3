/**
 * What the words around a candidate say that it is: the nearest name before it, after it, above or below it; and whether
 * the mail says to enter it.
 */

import { within } from './aho-corasick.ts'
import type { Candidate } from './code-candidates.ts'
import { endOf, type Place, SENTENCE_CHARS } from './code-position.ts'
import type { Name, NameHit, Reading } from './code-text.ts'

/** What stands this near to the beginning of a sentence may be what the one before is about. */
const OPENING_CHARS = 16

/** A label stands closer to its number than this. */
const LABEL_CHARS = 28

const NAME_WEIGHT: Readonly<Record<Exclude<Name, 'other'>, number>> = { oneTime: 4.5, code: 3.2, number: 1.4 }

export interface Naming {
  name: Name | undefined
  weight: number
  /** On its own line, so that a second code of a mail may be believed. */
  isDirect: boolean
}

const UNNAMED: Naming = { name: undefined, weight: 0, isDirect: false }

/** What the words around say that it is, the nearest place first. */
export function nameOf(reading: Reading, candidate: Candidate, place: Place, all: readonly Candidate[]): Naming {
  const before = nameBefore(reading, candidate, place)
  if (before !== undefined && before.name === 'other') return before
  const own = strongest(before, nameAfter(reading, candidate, place), enteringBeside(reading, candidate, place))
  if (own.weight >= 3) return own
  const above = nameAbove(reading, candidate, place, all)
  const below = nameBelow(reading, place)
  if (own.weight < 2) {
    if (above?.name === 'other') return above
    if (below?.name === 'other' && !above?.isDirect) return below
  }
  return strongest(own, above, below)
}

function strongest(...each: (Naming | undefined)[]): Naming {
  return each.reduce<Naming>(
    (best, naming) => (naming !== undefined && naming.weight > best.weight ? naming : best),
    UNNAMED,
  )
}

function otherName(weight: number): Naming {
  return { name: 'other', weight, isDirect: true }
}

/** The line that browsers read, "@example.com #123456": it says whose the code is. */
export const ORIGIN_BOUND = /@[a-z0-9.-]+ #$/

/** The nearest name before it in its sentence or row that no other number has taken. */
function nameBefore(reading: Reading, { start }: Candidate, place: Place): Naming | undefined {
  const { folded, names } = reading
  if (ORIGIN_BOUND.test(folded.slice(Math.max(place.lineStart, start - 80), start)))
    return { name: 'oneTime', weight: NAME_WEIGHT.oneTime, isDirect: true }
  const found = within(names, place.sentenceStart, start).filter((each) => each.end <= start)
  const isToEnter = within(reading.hits, place.sentenceStart, start).some((hit) => hit.kind === 'enter')
  let weak: Naming | undefined
  let other: Naming | undefined
  for (const each of found.reverse()) {
    const gap = folded.slice(each.end, start)
    const hasNumber = /[0-9]{3}/.test(gap)
    if (each.name === 'other') {
      if (hasNumber || gap.length > LABEL_CHARS || other !== undefined) continue
      // "to sign in to your account: 123456": after a colon the sentence as a whole names it.
      if (isToEnter && /[:：]\s*$/.test(gap)) continue
      other = otherName(-5)
      if (!/[:：\t]/.test(gap) && !/\bis\b|\best\b|\bes\b|\bist\b|\be\b/.test(gap)) return other
      continue
    }
    if (each.name === 'number') {
      weak ??= { name: 'number', weight: numberWeight(gap, isToEnter, place), isDirect: false }
      continue
    }
    const near = gap.length <= 3 && each.name === 'code' ? 0.8 : gap.length <= 40 ? 0 : gap.length <= 100 ? -0.4 : -0.8
    return { name: each.name, weight: NAME_WEIGHT[each.name] + near - (hasNumber ? 0.8 : 0), isDirect: true }
  }
  if (other !== undefined || (weak?.weight ?? 0) > 1 || start - place.sentenceStart > OPENING_CHARS)
    return other ?? weak
  return namedBySentenceBefore(reading, place) ?? weak
}

/** "You will be asked for a pairing code. It is ABC-123." */
function namedBySentenceBefore({ folded, names }: Reading, place: Place): Naming | undefined {
  const from = Math.max(place.lineStart, place.sentenceStart - SENTENCE_CHARS)
  const named = within(names, from, place.sentenceStart).filter(
    (each) => each.name === 'oneTime' || each.name === 'code',
  )
  const last = named.at(-1)
  if (last === undefined || last.name === 'other' || /[0-9]{4}/.test(folded.slice(last.end, place.sentenceStart)))
    return undefined
  return { name: last.name, weight: NAME_WEIGHT[last.name] - 1, isDirect: false }
}

/** "Show the number 4829": a noun that says little, beside what is to be done with it. */
function numberWeight(gap: string, isToEnter: boolean, place: Place): number {
  if (/[0-9]{3}/.test(gap)) return 0
  if (isToEnter) return gap.length <= 3 ? 3.2 : NAME_WEIGHT.number
  return place.isAlone ? NAME_WEIGHT.number : 0.4
}

/** "123456 is your login code". */
function nameAfter({ folded, names }: Reading, { start, end }: Candidate, place: Place): Naming | undefined {
  for (const each of within(names, end, place.sentenceEnd)) {
    const gap = folded.slice(end, each.start)
    if (/[0-9]{4}/.test(gap) || gap.length > 90) return undefined
    if (each.name === 'other') {
      if (gap.length <= 22 && !/[,;]/.test(gap)) return otherName(-3)
      continue
    }
    if (each.name === 'number') continue
    const isOpening = start - place.lineStart <= 12 && gap.length <= 24
    return {
      name: each.name,
      weight: NAME_WEIGHT[each.name] + (isOpening ? 0.6 : gap.length > 40 ? -0.8 : -0.2),
      isDirect: true,
    }
  }
  return undefined
}

/** "Type 4821 into the app", "4821 eingeben": no noun at all. */
function enteringBeside({ folded, hits }: Reading, { start, end }: Candidate, place: Place): Naming | undefined {
  const enterings = within(hits, place.sentenceStart, place.sentenceEnd).filter((hit) => hit.kind === 'enter')
  let weight = 0
  for (const hit of enterings) {
    const gap = hit.end <= start ? folded.slice(hit.end, start) : folded.slice(end, hit.start)
    if (/[0-9]{3}/.test(gap)) continue
    const isAfter = hit.start >= end
    weight = Math.max(
      weight,
      gap.length <= 3 ? 3.6 : isAfter && gap.length <= 30 ? 2.4 : gap.length <= 14 ? 2.8 : gap.length <= 50 ? 1.8 : 1,
    )
  }
  // "It opens with 4829. Enter it on the screen."
  const next = within(hits, place.sentenceEnd, Math.min(place.lineEnd, place.sentenceEnd + 24)).find(
    (hit) => hit.kind === 'enter',
  )
  if (next !== undefined && next.start - place.sentenceEnd <= 4) weight = Math.max(weight, 2.2)
  const isForProof = within(hits, place.sentenceStart, place.sentenceEnd).some((hit) => hit.kind === 'proof')
  if (weight >= 2 && isForProof) weight += 0.8
  return weight === 0 ? undefined : { name: 'number', weight, isDirect: false }
}

const ABOVE_CHARS = 400

/** The line above, or a little higher where that one says nothing. */
function nameAbove(
  reading: Reading,
  { start }: Candidate,
  place: Place,
  all: readonly Candidate[],
): Naming | undefined {
  const { text, folded, names, hits } = reading
  const isLabelled = within(names, place.sentenceStart, place.lineEnd).some((each) => each.name === 'other')
  if (!place.isAlone && !place.isStrong && (isLabelled || !place.isCell)) return undefined
  if (!place.isAlone && place.isAfterColon && /[\p{L}]/u.test(text.slice(place.lineStart, start))) return undefined // it has a label
  if (place.isCell) {
    const heading = nameOfColumn(reading, start, place)
    if (heading !== undefined) return heading
  }
  let lineEnd = place.lineStart - 1
  for (let higher = 0; higher < 3 && lineEnd > 0; higher++) {
    const lineStart = Math.max(text.lastIndexOf('\n', lineEnd - 1) + 1, lineEnd - ABOVE_CHARS)
    const line = folded.slice(lineStart, lineEnd)
    const here = within(names, lineStart, lineEnd)
    const lastNumber = all.findLast((each) => each.start >= lineStart && each.end <= lineEnd && each.shape === 'digits')
    const reduction = higher * 0.7 + (place.isAlone ? 0 : 0.6)
    const positive = here.filter((each) => each.name !== 'other').sort((a, b) => rank(b) - rank(a))[0]
    const free = here.filter((each) => each.name === 'other' && !/[0-9]{3}/.test(folded.slice(each.end, lineEnd)))
    if (higher === 0 && (positive === undefined || positive.name === 'number') && free.length > 0) {
      const last = free.at(-1)!
      if (line.length <= 40 || lineEnd - last.end <= 10) return otherName(-4)
    }
    const entering = within(hits, lineStart, lineEnd).some((hit) => hit.kind === 'enter')
    if (positive !== undefined && positive.name !== 'other') {
      const isTaken = lastNumber !== undefined && lastNumber.start > positive.end && place.isAlone === false
      const weight =
        NAME_WEIGHT[positive.name] -
        0.3 -
        reduction -
        (isTaken ? 2 : 0) +
        (positive.name === 'number' && entering ? (/[:：]\s*$/.test(line) ? 1.6 : 0.8) : 0)
      return { name: positive.name, weight, isDirect: higher === 0 }
    }
    const isLeadIn = higher === 0 && /[:：]\s*$/.test(line)
    if (entering && place.isAlone)
      return { name: 'number', weight: (isLeadIn ? 2.8 : 1.6) - reduction, isDirect: false }
    lineEnd = lineStart - 1
  }
  return undefined
}

/** The cell above in a row of as many cells, where no cell to the left is a label. */
function nameOfColumn({ text, names }: Reading, start: number, place: Place): Naming | undefined {
  const before = text.slice(place.lineStart, start)
  const left = before.endsWith('\t') ? before.slice(before.lastIndexOf('\t', before.length - 2) + 1) : ''
  if (/\p{L}/u.test(left)) return undefined
  const column = before.split('\t').length - 1
  const aboveStart = text.lastIndexOf('\n', place.lineStart - 2) + 1
  const cells = text.slice(aboveStart, Math.max(aboveStart, place.lineStart - 1)).split('\t')
  if (place.lineStart === 0 || cells.length !== text.slice(place.lineStart, place.lineEnd).split('\t').length)
    return undefined
  const cellStart = aboveStart + cells.slice(0, column).reduce((length, cell) => length + cell.length + 1, 0)
  const best = within(names, cellStart, cellStart + cells[column]!.length).sort((a, b) => rank(b) - rank(a))[0]
  if (best === undefined) return undefined
  return best.name === 'other' ? otherName(-5) : { name: best.name, weight: NAME_WEIGHT[best.name], isDirect: true }
}

function rank({ name }: NameHit): number {
  return name === 'oneTime' ? 3 : name === 'code' ? 2 : name === 'number' ? 1 : 0
}

/** "Enter the code above", or the label of a large number below it. */
function nameBelow(reading: Reading, place: Place): Naming | undefined {
  const { text, folded, names, hits } = reading
  if (!place.isAlone) return undefined
  const lineStart = place.lineEnd + 1
  const lineEnd = Math.min(endOf(text.indexOf('\n', lineStart), text.length), lineStart + ABOVE_CHARS)
  const here = within(names, lineStart, lineEnd)
  const line = folded.slice(lineStart, lineEnd)
  const positive = here.filter((each) => each.name !== 'other').sort((a, b) => rank(b) - rank(a))[0]
  const entering = within(hits, lineStart, lineEnd).some((hit) => hit.kind === 'enter')
  const isOther = here.some((each) => each.name === 'other') && (positive === undefined || positive.name === 'number')
  if (isOther && line.length <= 24 && !/[0-9]/.test(line) && !entering) return otherName(-3)
  if (positive !== undefined && positive.name !== 'other') {
    const weight =
      NAME_WEIGHT[positive.name] - 0.9 + (entering ? 0.5 : 0) - (positive.name === 'number' && !entering ? 1 : 0)
    return { name: positive.name, weight, isDirect: false }
  }
  return entering ? { name: 'number', weight: 1.8, isDirect: false } : undefined
}
