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

export function positionOf({ text, strong }: CandidateText, { start, end }: CodeCandidate): CodePosition {
  const lineStart = text.lastIndexOf('\n', start - 1) + 1
  const lineEnd = endOf(text.indexOf('\n', end), text.length)
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
    lineStart,
    lineEnd,
    sentenceStart: sentenceStartOf(text, lineStart, start),
    sentenceEnd: sentenceEndOf(text, end, lineEnd),
    isAlone,
    isCell: !isAlone && fills(cellStart, cellEnd),
    isStrong: isStrongAt(strong, start, end) || (/[*_`]\s?$/.test(before) && /^\s?[*_`]/.test(after)),
    isQuoted: /["“„«「『【'‘]\s?$/.test(before) && /^\s?["”“»」』】'’]/.test(after),
    isAfterColon:
      /[:：=→➡>]\s?["“„«*_`「【]{0,2}\s?$/.test(before) || (cellStart > lineStart && cellStart >= start - 1),
  }
}

/**
 * Whether a candidate is certainly not set apart: it follows a word and a space, and is in no strong text. A quick test
 * for `isAlone`, `isCell`, `isStrong`, `isQuoted` and `isAfterColon`, which are then all false.
 */
export function isInSentence({ text, strong }: CandidateText, start: number, end: number): boolean {
  return (
    text[start - 1] === ' ' && isAlphabetic(text[start - 2]) && (strong.length === 0 || !isStrongAt(strong, start, end))
  )
}

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
  let length = 0 // of the sentences before
  for (const match of before.matchAll(FULL_STOP))
    if (endsSentence(before, match, text[from + match.index + match[0].length])) length = match.index + match[0].length
  return from + length
}

function sentenceEndOf(text: string, end: number, lineEnd: number): number {
  const after = text.slice(end, Math.min(lineEnd, end + SENTENCE_CHARS))
  for (const match of `${after} `.matchAll(FULL_STOP))
    if (endsSentence(after, match, text[end + match.index + match[0].length])) return end + match.index
  return end + after.length
}

/** Whether a full stop ends a sentence. It does not after an abbreviation: "No. 5", "ul. Długa", "Tel. 0421". */
function endsSentence(text: string, match: RegExpMatchArray, next = ''): boolean {
  if (!match[0].startsWith('.')) return true
  const word = /[\p{L}\p{M}.]*$/u.exec(text.slice(Math.max(0, match.index! - 12), match.index!))![0]
  if (word === '') return true
  return (
    !(word.length <= 4 && (/[0-9]/.test(next) || word.includes('.'))) || /^(?:it|in|an|is|me|do|us|up|on)$/i.test(word)
  )
}
