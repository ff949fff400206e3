/** Where a candidate stands: alone on its line, in a cell, in bold, in which sentence. */

import type { TextRange } from '../html/visible-text.ts'
import type { Candidate } from './code-candidates.ts'
import type { Reading } from './code-text.ts'

export const SENTENCE_CHARS = 240

export interface Place {
  lineStart: number
  lineEnd: number
  sentenceStart: number
  sentenceEnd: number
  isAlone: boolean
  isCell: boolean
  isStrong: boolean
  isQuoted: boolean
  isAfterColon: boolean
}

const DECORATION = '[\\s*_>`~"\'“”„«»‹›【】「」『』《》\\[\\](){}=|#.:：;,·•✱★☆→➡←—–-]*'

const DECORATED_BEFORE = new RegExp(`^${DECORATION}$`)

export function placeOf({ text, strong }: Reading, { start, end }: Candidate): Place {
  const lineStart = text.lastIndexOf('\n', start - 1) + 1
  const lineEnd = endOf(text.indexOf('\n', end), text.length)
  const cellStart = Math.max(lineStart, text.lastIndexOf('\t', start - 1) + 1)
  const cellEnd = Math.min(lineEnd, endOf(text.indexOf('\t', end), text.length))
  const stands = (from: number, to: number) =>
    start - from <= 20 &&
    to - end <= 20 &&
    DECORATED_BEFORE.test(text.slice(from, start)) &&
    DECORATED_BEFORE.test(text.slice(end, to))
  const isAlone = stands(lineStart, lineEnd)
  const before = text.slice(Math.max(lineStart, start - 4), start)
  const after = text.slice(end, Math.min(lineEnd, end + 2))
  return {
    lineStart,
    lineEnd,
    sentenceStart: sentenceStartOf(text, lineStart, start),
    sentenceEnd: sentenceEndOf(text, end, lineEnd),
    isAlone,
    isCell: !isAlone && stands(cellStart, cellEnd),
    isStrong: isStrongAt(strong, start, end) || (/[*_`]\s?$/.test(before) && /^\s?[*_`]/.test(after)),
    isQuoted: /["“„«「『【'‘]\s?$/.test(before) && /^\s?["”“»」』】'’]/.test(after),
    isAfterColon:
      /[:：=→➡>]\s?["“„«*_`「【]{0,2}\s?$/.test(before) || (cellStart > lineStart && cellStart >= start - 1),
  }
}

export function endOf(index: number, length: number): number {
  return index === -1 ? length : index
}

/** Whether a bold or large piece of text is the candidate and little else. */
function isStrongAt(strong: readonly TextRange[], start: number, end: number): boolean {
  return strong.some((range) => range.start <= start && range.end >= end && range.end - range.start <= end - start + 6)
}

const FULL_STOP = /[.!?…]["”»)]?\s|[。！？।؟]/g

function sentenceStartOf(text: string, lineStart: number, start: number): number {
  const from = Math.max(lineStart, start - SENTENCE_CHARS)
  const before = text.slice(from, start)
  let stop = 0
  for (const match of before.matchAll(FULL_STOP))
    if (endsSentence(before, match, text[from + match.index + match[0].length])) stop = match.index + match[0].length
  return from + stop
}

function sentenceEndOf(text: string, end: number, lineEnd: number): number {
  const after = text.slice(end, Math.min(lineEnd, end + SENTENCE_CHARS))
  for (const match of `${after} `.matchAll(FULL_STOP))
    if (endsSentence(after, match, text[end + match.index + match[0].length])) return end + match.index
  return end + after.length
}

/** "No. 5", "ul. Długa", "Tel. 0421" are not ends. */
function endsSentence(text: string, match: RegExpMatchArray, next = ''): boolean {
  if (!match[0].startsWith('.')) return true
  const word = /[\p{L}\p{M}.]*$/u.exec(text.slice(Math.max(0, match.index! - 12), match.index!))![0]
  if (word === '') return true
  return (
    !(word.length <= 4 && (/[0-9]/.test(next) || word.includes('.'))) || /^(?:it|in|an|is|me|do|us|up|on)$/i.test(word)
  )
}
