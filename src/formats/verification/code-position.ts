/**
 * Describes the position of a candidate in its text: its line and sentence, and how it is set apart from other text.
 */

import type { CodeCandidate } from './code-candidates.ts'
import type { CandidateText } from './code-text.ts'
import { isAlphabetic } from './keyword-text.ts'
import type { TextRange } from './visible-text.ts'

/** A sentence is searched for keywords this far before and after a candidate. */
export const SENTENCE_CHARS = 240

export interface CodePosition {
  lineStart: number
  lineEnd: number
  sentenceStart: number
  sentenceEnd: number
  /** Nothing else is on its line, except for decoration. */
  isAlone: boolean
  /** Nothing else is in its cell of the line. */
  isCell: boolean
  /** In bold or large letters, or between "*". */
  isStrong: boolean
  isQuoted: boolean
  /** After a colon, an arrow or the like, or first in a cell that is not the first. */
  isAfterColon: boolean
}

const DECORATION = '[\\s*_>`~"\'“”„«»‹›【】「」『』《》\\[\\](){}=|#.:：;,·•✱★☆→➡←—–-]*'

const DECORATION_ONLY = new RegExp(`^${DECORATION}$`)

export function positionOf(source: CandidateText, { start, end }: CodeCandidate): CodePosition {
  const { text } = source
  const lineStart = text.lastIndexOf('\n', start - 1) + 1
  const lineEnd = endOf(text.indexOf('\n', end), text.length)
  const sentenceStart = sentenceStartOf(text, lineStart, start)
  const sentenceEnd = sentenceEndOf(text, end, lineEnd)
  const { isAlone, isCell, isStrong, isQuoted, isAfterColon } = isInSentence(source, start, end)
    ? WITHIN_SENTENCE
    : settingOf(source, start, end, lineStart, lineEnd)
  // Not `...`: V8 takes longer to copy properties than everything else here takes.
  return { lineStart, lineEnd, sentenceStart, sentenceEnd, isAlone, isCell, isStrong, isQuoted, isAfterColon }
}

/** How a candidate is set apart from the text around it. */
type Setting = Pick<CodePosition, 'isAlone' | 'isCell' | 'isStrong' | 'isQuoted' | 'isAfterColon'>

const WITHIN_SENTENCE: Setting = {
  isAlone: false,
  isCell: false,
  isStrong: false,
  isQuoted: false,
  isAfterColon: false,
}

function settingOf(
  { text, strong }: CandidateText,
  start: number,
  end: number,
  lineStart: number,
  lineEnd: number,
): Setting {
  const cellStart = Math.max(lineStart, text.lastIndexOf('\t', start - 1) + 1)
  const cellEnd = Math.min(lineEnd, endOf(text.indexOf('\t', end), text.length))
  const fills = (from: number, to: number) =>
    start - from <= 20 &&
    to - end <= 20 &&
    DECORATION_ONLY.test(text.slice(from, start)) &&
    DECORATION_ONLY.test(text.slice(end, to))
  const isAlone = fills(lineStart, lineEnd)
  const before = text.slice(Math.max(lineStart, start - 4), start)
  const after = text.slice(end, Math.min(lineEnd, end + 2))
  return {
    isAlone,
    isCell: !isAlone && fills(cellStart, cellEnd),
    isStrong: isStrongAt(strong, start, end) || (/[*_`]\s?$/.test(before) && /^\s?[*_`]/.test(after)),
    isQuoted: /["“„«「『【'‘]\s?$/.test(before) && /^\s?["”“»」』】'’]/.test(after),
    isAfterColon:
      /[:：=→➡>]\s?["“„«*_`「【]{0,2}\s?$/.test(before) || (cellStart > lineStart && cellStart >= start - 1),
  }
}

/**
 * Whether a candidate is certainly not set apart: a word is directly before or after it, and it is in no strong text. A quick
 * test for `isAlone`, `isCell`, `isStrong`, `isQuoted` and `isAfterColon`, which are then all false. It also has no label of an
 * origin-bound code.
 */
export function isInSentence({ text, strong }: CandidateText, start: number, end: number): boolean {
  return (
    (followsWord(text, start) ||
      (precedesWord(text, end) && !MAY_LABEL.test(text.slice(Math.max(0, start - 4), start)))) &&
    (strong.length === 0 || !isStrongAt(strong, start, end))
  )
}

function followsWord(text: string, start: number): boolean {
  return text[start - 1] === ' ' && isAlphabetic(text[start - 2])
}

function precedesWord(text: string, end: number): boolean {
  return text[end] === ' ' && isAlphabetic(text[end + 1])
}

/** What is close before a candidate that is after a colon or the like, first in its cell, or bound to an origin. */
const MAY_LABEL = /[:：=→➡>\t#]/

/** Converts a result of `indexOf`: where nothing was found, the text goes on to its end. */
export function endOf(index: number, length: number): number {
  return index === -1 ? length : index
}

/** Whether a piece of bold or large text contains the candidate and little else. */
function isStrongAt(strong: readonly TextRange[], start: number, end: number): boolean {
  return strong.some((range) => range.start <= start && range.end >= end && range.end - range.start <= end - start + 6)
}

const FULL_STOP = /[.!?…]["”»)]?\s|[。！？।؟]/g

function sentenceStartOf(text: string, lineStart: number, start: number): number {
  const from = Math.max(lineStart, start - SENTENCE_CHARS)
  const before = text.slice(from, start)
  const last = fullStopsIn(before).findLast((stop) => endsSentence(before, stop, text[from + stop.end]))
  return from + (last?.end ?? 0)
}

function sentenceEndOf(text: string, end: number, lineEnd: number): number {
  const after = text.slice(end, Math.min(lineEnd, end + SENTENCE_CHARS))
  const first = fullStopsIn(`${after} `).find((stop) => endsSentence(after, stop, text[end + stop.end]))
  return end + (first?.start ?? after.length)
}

/** Returns the full stops in a text, each with the quote and space after it. */
function fullStopsIn(text: string): TextRange[] {
  const found: TextRange[] = []
  for (let match = FULL_STOP.exec(text); match !== null; match = FULL_STOP.exec(text))
    found.push({ start: match.index, end: FULL_STOP.lastIndex })
  return found // and FULL_STOP begins at 0 again
}

/** Whether a full stop ends a sentence. It does not after an abbreviation: "No. 5", "ul. Długa", "Tel. 0421". */
function endsSentence(text: string, { start }: TextRange, next = ''): boolean {
  if (text[start] !== '.') return true
  const word = /[\p{L}\p{M}.]*$/u.exec(text.slice(Math.max(0, start - 12), start))![0]
  if (word === '') return true
  return (
    !(word.length <= 4 && (/[0-9]/.test(next) || word.includes('.'))) || /^(?:it|in|an|is|me|do|us|up|on)$/i.test(word)
  )
}
