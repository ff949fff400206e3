/**
 * Decides which lines of a message were written by its sender and which quote an earlier message. Used for text and for
 * HTML: HTML is passed as the lines that it shows, and the lines inside quoting elements are marked.
 */
import {
  attributionLines,
  isForwardMarker,
  isHeaderBlock,
  isOriginalSeparator,
  isReportOpening,
  isRule,
} from './quote-signals.ts'

/** `own`: written by the sender. `quoted`: a quote or its attribution, which can be left out. */
export type LineKind = 'own' | 'quoted'

export interface Quoting {
  kinds: LineKind[]
  /** All lines from this index to the end are quoted. Without such a quote, it is the number of lines. */
  trailingQuoteStart: number
}

export interface QuotingMarks {
  /** Whether a line is marked as quoted: by ">" in text, by a quoting element in HTML. */
  isMarked: (index: number) => boolean
  /** Minimum of consecutive marked lines for a quote without an attribution: "> 5 years" alone is not one. */
  runMin: number
  /**
   * Whether an own line directly below a quote can be the rest of a line that a relay wrapped, and so not an answer.
   */
  mayBeWrapped: boolean
}

/**
 * Sorts lines into own and quoted ones.
 *
 * @returns undefined if the quotes are part of the content and should be kept: in a forward, in a bounce, and with
 *          answers between quoted lines
 */
export function classifyLines(lines: readonly string[], marks: QuotingMarks): Quoting | undefined {
  const { isMarked, runMin, mayBeWrapped } = marks
  const firstLine = lines.find((line) => line.trim() !== '')
  if (firstLine === undefined || isReportOpening(firstLine)) return undefined

  const kinds: LineKind[] = lines.map(() => 'own')
  const quotedToEnd = (from: number): Quoting => ({ kinds: kinds.fill('quoted', from), trailingQuoteStart: from })
  let isAttributed = false // whether an attribution precedes this line
  let isAnswered: boolean | undefined // whether own text follows the last quote; undefined before the first quote

  for (let index = 0; index < lines.length; ) {
    if (isAnswered === undefined && isForwardMarker(lines[isMarked(index) ? nextNonBlank(lines, index) : index] ?? ''))
      return undefined

    if (isMarked(index)) {
      const run = markedRun(lines, index, isMarked)
      if (run.marked >= runMin || isAttributed) {
        if (isAnswered === true) return undefined // quote, answer, quote
        kinds.fill('quoted', index, run.end)
        isAnswered = false
      }
      isAttributed = false
      index = run.end
      continue
    }

    if (isOriginalSeparator(lines[index]!) || isHeaderBlock(lines, index))
      return quotedToEnd(withRuleAbove(lines, index))

    const attribution = attributionLines(lines, index, isMarked)
    if (attribution > 0) {
      kinds.fill('quoted', index, index + attribution)
      const next = nextNonBlank(lines, index + attribution)
      if (next < lines.length && !isMarked(next)) return quotedToEnd(index) // the quote is not marked
      isAttributed = true
      index += attribution
      continue
    }

    if (lines[index]!.trim() !== '') {
      isAttributed = false
      if (isAnswered === false) isAnswered = !mayBeWrapped || hasBlankNeighbour(lines, index)
    }
    index++
  }
  return { kinds, trailingQuoteStart: lines.length }
}

/** Counts the consecutive marked lines from `start` on; there may be blank lines between them. */
function markedRun(lines: readonly string[], start: number, isMarked: (index: number) => boolean) {
  let end = start
  let marked = 0
  for (let i = start; i < lines.length; i++) {
    if (isMarked(i)) {
      marked++
      end = i + 1
    } else if (lines[i]!.trim() !== '') break
  }
  return { end, marked }
}

function hasBlankNeighbour(lines: readonly string[], index: number): boolean {
  return (lines[index - 1] ?? '').trim() === '' || (lines[index + 1] ?? '').trim() === ''
}

function nextNonBlank(lines: readonly string[], from: number): number {
  let index = from
  while (index < lines.length && lines[index]!.trim() === '') index++
  return index
}

/** Returns the start of a quote whose header block is at `index`: a ruled line above it belongs to the quote. */
function withRuleAbove(lines: readonly string[], index: number): number {
  let above = index - 1
  while (above >= 0 && lines[above]!.trim() === '') above--
  return above >= 0 && isRule(lines[above]!) ? above : index
}
