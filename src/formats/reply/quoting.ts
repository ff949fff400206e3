/**
 * Which lines of a mail are its writer's own, and which repeat an earlier mail. Text and HTML share this: HTML comes as
 * the lines that it shows, with a mark on those inside quoting elements.
 */
import {
  attributionLines,
  isForwardMarker,
  isHeaderBlock,
  isOriginalSeparator,
  isReportOpening,
  isRule,
} from './quote-signals.ts'

/** `quoted` lines, attributions included, may be left out. */
export type LineKind = 'own' | 'quoted'

export interface Quoting {
  kinds: LineKind[]
  /** From this line on everything is quoted, up to the end of the mail; the number of lines where no such quote is. */
  endlessFrom: number
}

export interface QuotingMarks {
  /** This line is marked as a quote: ">" in text, a quoting element in HTML. */
  isMarked: (index: number) => boolean
  /** Marked lines that a run needs to be a quote without an attribution: "> 5 years" alone is prose. */
  runMin: number
  /** Own text right below a quote may be the rest of a line that a relay wrapped, and is no answer by itself. */
  mayBeWrapped: boolean
}

/**
 * Sorts lines into own and quoted.
 *
 * @returns undefined where the quotes are part of what the mail says and all of it should be kept: a forward, a bounce,
 *          answers written between the lines of a quote
 */
export function classifyLines(lines: readonly string[], marks: QuotingMarks): Quoting | undefined {
  const { isMarked, runMin, mayBeWrapped } = marks
  const firstLine = lines.find((line) => line.trim() !== '')
  if (firstLine === undefined || isReportOpening(firstLine)) return undefined

  const kinds: LineKind[] = lines.map(() => 'own')
  const endless = (from: number): Quoting => ({ kinds: kinds.fill('quoted', from), endlessFrom: from })
  let isAttributed = false
  let isAnswered: boolean | undefined // since the last quote; undefined before the first

  for (let at = 0; at < lines.length; ) {
    if (isAnswered === undefined && isForwardMarker(lines[isMarked(at) ? nextWritten(lines, at) : at] ?? ''))
      return undefined

    if (isMarked(at)) {
      const run = markedRun(lines, at, isMarked)
      if (run.marked >= runMin || isAttributed) {
        if (isAnswered === true) return undefined // quote, answer, quote
        kinds.fill('quoted', at, run.end)
        isAnswered = false
      }
      isAttributed = false
      at = run.end
      continue
    }

    if (isOriginalSeparator(lines[at]!) || isHeaderBlock(lines, at)) return endless(ruleAbove(lines, at))

    const attribution = attributionLines(lines, at, isMarked)
    if (attribution > 0) {
      kinds.fill('quoted', at, at + attribution)
      const next = nextWritten(lines, at + attribution)
      if (next < lines.length && !isMarked(next)) return endless(at) // quoted without marks
      isAttributed = true
      at += attribution
      continue
    }

    if (lines[at]!.trim() !== '') {
      isAttributed = false
      if (isAnswered === false) isAnswered = !mayBeWrapped || standsApart(lines, at)
    }
    at++
  }
  return { kinds, endlessFrom: lines.length }
}

/** Marked lines from `at` on, with the blank ones among them. */
function markedRun(lines: readonly string[], at: number, isMarked: (index: number) => boolean) {
  let end = at
  let marked = 0
  for (let i = at; i < lines.length; i++) {
    if (isMarked(i)) {
      marked++
      end = i + 1
    } else if (lines[i]!.trim() !== '') break
  }
  return { end, marked }
}

function standsApart(lines: readonly string[], at: number): boolean {
  return (lines[at - 1] ?? '').trim() === '' || (lines[at + 1] ?? '').trim() === ''
}

function nextWritten(lines: readonly string[], from: number): number {
  let at = from
  while (at < lines.length && lines[at]!.trim() === '') at++
  return at
}

/** Where a quote begins whose header block stands at `at`: the line drawn above belongs to it. */
function ruleAbove(lines: readonly string[], at: number): number {
  let above = at - 1
  while (above >= 0 && lines[above]!.trim() === '') above--
  return above >= 0 && isRule(lines[above]!) ? above : at
}
