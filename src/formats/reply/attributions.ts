/**
 * Finds the lines that mail programs write above a quote: "On 12 March 2026 at 14:05, Ann <ann@example.com> wrote:".
 *
 * Evidence decides, not the words alone: an address, a date, a time, a verb, and that the line begins as such lines do.
 * "On page 3 you wrote:" has a verb only and was written by a person. Each line is examined with at most three lines
 * above it, in pieces of limited length.
 */
import { type DateEvidence, findDate } from './quote-dates.ts'
import { hasAddress, normaliseCase, normaliseLine, wordPattern } from './quote-line.ts'
import { ATTRIBUTION_OPENERS, HEADER_LABELS, PERSONAL, PERSONAL_PHRASES, QUOTING, WROTE } from './quote-vocabulary.ts'
import type { ReplyContext } from './reply-context.ts'

export interface Attribution {
  /** Index of its first line. */
  start: number
  /** Index of the line below it. */
  end: number
  /**
   * The evidence is enough for a quote that nothing else marks. Otherwise, ">" or a quoting element must follow
   * directly.
   */
  isStrong: boolean
}

/** A line of a message, as the search for attributions needs it. */
export interface AttributionLine {
  text: string
  /** The quoting element around it. */
  element?: string
  /** In an element that a mail program creates for the attribution. */
  isPrefix?: boolean
  /** The element around it that a mail program creates for attribution and quote together. */
  container?: object
}

/** An attribution can be wrapped over this many lines. */
const LINES_MAX = 4
/** Enough for a date, a display name of 200 characters, and an address. */
const CHARS_MAX = 600
/** Words of a display name in an attribution that has nothing else: "Ann Lee wrote:". */
const NAME_WORDS_MAX = 5

const VERB = wordPattern(WROTE)
/** The address of an attribution. A line break can be inside of the brackets. */
const BRACKETED = /[<([] ?(?:mailto:)?[^\s<>()[\]@]{1,100}@[^\s<>()[\]@]{1,255} ?[>)\]]/
const ENDS_WITH_ADDRESS = /[^\s@]@[^\s<>()[\]@:]{1,255} ?[>)\]]{0,2} ?:$/
/** Names before an address. They can be words such as "Du" and "Lei". */
const NAME_AND_ADDRESS = /(?:[^\s<>()[\]]{1,100} ){0,3}[<([] ?(?:mailto:)?[^\s<>()[\]@]{1,100}@/g

/**
 * Returns the attributions of a message by the index of their first line.
 *
 * @param marked  whether each line is marked as quoted; an attribution has no such line
 */
export function findAttributions(
  lines: readonly AttributionLine[],
  marked: readonly boolean[],
  context: ReplyContext,
): ReadonlyMap<number, Attribution> {
  const found = new Map<number, Attribution>()
  let free = 0 // the first line that belongs to no earlier attribution
  const ends = lines.map(({ text }, index) => !marked[index] && endsAttribution(text.trimEnd()))
  for (const [index, line] of lines.entries()) {
    if (marked[index]) continue
    const ending = ends[index] ? endingAt(lines, index, free, marked, ends, context) : undefined
    const attribution = ending ?? withQuoteBehind(line.text, index)
    if (attribution === undefined) continue
    found.set(attribution.start, attribution)
    free = attribution.end
  }
  return found
}

/** Finds the attribution that ends with this line. */
function endingAt(
  lines: readonly AttributionLine[],
  last: number,
  free: number,
  marked: readonly boolean[],
  ends: readonly boolean[],
  context: ReplyContext,
): Attribution | undefined {
  let joined = ''
  let best: (Judged & { start: number }) | undefined
  for (let start = last; start >= free && start > last - LINES_MAX; start--) {
    const text = lines[start]!.text.trim()
    if (text === '' || joined.length + text.length > CHARS_MAX || marked[start]) break
    if (start < last && (endsSentence(text) || ends[start] || !isSameElement(lines[start]!, lines[last]!))) break
    joined = joined === '' ? text : `${text} ${joined}`
    const judged = judge(joined, lines[last]!, context)
    if (judged === undefined) continue
    if (best === undefined || completes(judged, best, text)) best = { start, ...judged }
    if (best.isComplete && !isCutInAddress(lines[start - 1]?.text)) break
  }
  if (best === undefined) return undefined
  const start = startsWithOpenerAbove(lines, best.start, free, marked) ? best.start - 1 : best.start
  return { start, end: last + 1, isStrong: best.isStrong }
}

/** Whether the line above a possible attribution belongs to it: it adds the date, and is not the end of other text. */
function completes(judged: Judged, below: Judged, line: string): boolean {
  if (isCutInAddress(line)) return true
  if (!judged.isComplete) return false
  return (judged.hasAddress && !below.hasAddress) || canBegin(line)
}

/** Gmail wraps lines behind the bracket before an address. */
function isCutInAddress(text = ''): boolean {
  return /[<(]\s*$/.test(text.slice(-20))
}

function isSameElement(a: AttributionLine, b: AttributionLine): boolean {
  return a.element === b.element && a.container === b.container && a.isPrefix === b.isPrefix
}

/** Whether the line above is the beginning of the attribution: "On Thursday,". */
function startsWithOpenerAbove(
  lines: readonly AttributionLine[],
  start: number,
  free: number,
  marked: readonly boolean[],
): boolean {
  if (start <= free || marked[start - 1]) return false
  const above = normaliseLine(lines[start - 1]!.text, 60)
  return (
    above.length < 50 &&
    above.endsWith(',') &&
    hasOpener(above) &&
    !hasOpener(withoutRule(normaliseLine(lines[start]!.text, 60)))
  )
}

/** Yahoo Mail on phones writes the quote behind the attribution, on the same line. */
function withQuoteBehind(text: string, index: number): Attribution | undefined {
  if (!text.includes('@')) return undefined
  const line = normaliseLine(text, CHARS_MAX)
  if (!opensAttribution(line)) return undefined
  for (
    let colon = line.indexOf(': '), tries = 0;
    colon !== -1 && tries < 5;
    colon = line.indexOf(': ', colon + 1), tries++
  ) {
    const head = line.slice(0, colon)
    const verb = VERB.exec(head.slice(-20))
    if ((verb === null && !(head.endsWith('>') && VERB.test(head))) || !BRACKETED.test(head)) continue
    const date = findDate(head)
    if (date.isComplete && date.hasTime) return { start: index, end: index + 1, isStrong: true }
  }
  return undefined
}

interface Judged {
  isStrong: boolean
  hasAddress: boolean
  /** The line above cannot add evidence. */
  isComplete: boolean
}

/** Weighs the evidence in a possible attribution. */
function judge(joined: string, last: AttributionLine, context: ReplyContext): Judged | undefined {
  const line = withoutRule(normaliseLine(joined))
  const verb = VERB.exec(line)
  if (verb === null && last.isPrefix !== true && !/@|\d\D+\d+\D+\d/.test(line)) return undefined
  const bracketed = BRACKETED.exec(line)
  const isBracketed = bracketed !== null
  const date = findDate(line)
  const isPersonal = isPersonalLine(line)
  // A name at the beginning, with the address or the verb behind it.
  const nameEnd = bracketed?.index ?? (verb !== null && verb.index < date.at ? verb.index : Number.POSITIVE_INFINITY)
  const opens =
    opensAttribution(line) || wordsBefore(line, date.at) <= 3 || wordsBefore(line, nameEnd) <= NAME_WORDS_MAX
  if (!opens && last.container === undefined && last.isPrefix !== true) return undefined
  const judged = (isStrong: boolean): Judged => ({
    isStrong: isStrong && opens,
    hasAddress: isBracketed,
    isComplete: date.isComplete || (isBracketed && date.hasDay),
  })
  const endsWithColon = line.endsWith(':')

  if (verb !== null) {
    if (isBracketed && isPersonal) return undefined
    if (date.isComplete && (isBracketed || (date.hasTime && (hasAddress(line) || !isPersonal)))) return judged(true)
    if (isBracketed && date.hasAny) return judged(context.isReply)
    if (last.container !== undefined && (isBracketed || date.hasAny)) return judged(true)
    if (isBracketed || (date.isComplete && date.hasTime)) return judged(false)
    if ((date.hasAny || hasAddress(line)) && !isPersonal) return judged(false)
    if (context.isReply && !isPersonal && isNameAndVerb(joined, verb)) return judged(false)
  } else if (endsWithColon && date.hasAny && ENDS_WITH_ADDRESS.test(line)) {
    return judged(last.container !== undefined)
  } else if (endsWithColon && context.isReply && !isPersonal && isDateAndName(line, date)) {
    return judged(false)
  } else if (endsWithColon && hasAddress(line) && QUOTING.some((opener) => line.startsWith(opener)))
    return judged(false)
  return last.isPrefix === true && endsWithColon ? judged(false) : undefined
}

/** Counts the words of a line that are before an index. */
function wordsBefore(line: string, index: number): number {
  return index > line.length ? Number.POSITIVE_INFINITY : line.slice(0, index).split(' ').length - 1
}

function withoutRule(line: string): string {
  return line.replace(/^[-‐*_ ]+|[-‐*_ ]+$/g, '')
}

function isPersonalLine(line: string): boolean {
  const words = line.replace(NAME_AND_ADDRESS, ' ').match(/[\p{L}\p{M}]+/gu) ?? []
  return words.some((word) => PERSONAL.has(word)) || PERSONAL_PHRASES.some((word) => line.includes(word))
}

/** "Ann Lee wrote:": a name of a few capitalised words, and the verb at the end. */
function isNameAndVerb(joined: string, verb: RegExpExecArray): boolean {
  const text = normaliseCase(joined)
  const name = text.slice(0, verb.index).trim()
  const words = name.split(' ')
  if (name === '' || words.length > NAME_WORDS_MAX || words.some((word) => !/^["'(]?\p{Lu}/u.test(word))) return false
  return /^(?:\([\p{L}/]{1,4}\))? ?:$/u.test(text.slice(verb.index + verb[0].length))
}

/** Whether a line ends with a colon, or with the dashes of Zoho: "wrote ----". */
function endsAttribution(text: string): boolean {
  if (text.length > CHARS_MAX || !/[:：‐-]/.test(text.slice(-6))) return false
  const end = normaliseLine(text.slice(-40)).replace(/[*_ ]+$/, '')
  if (HEADER_LABELS.has(end.slice(0, -1).trim())) return false // "From:", with its value on the next line
  return /:[\s)]*$/.test(end) || (/[-‐]{2,}$/.test(end) && VERB.test(end) && /[\p{L})] ?[-‐]+$/u.test(end))
}

function opensAttribution(line: string): boolean {
  return /^\d/.test(line) || hasOpener(line)
}

/** "12.03.2026, 14:05, Ann Lee:": a date and a time at the beginning, and a name. */
function isDateAndName(line: string, date: DateEvidence): boolean {
  const words = line.match(/[\p{L}\p{M}]+/gu) ?? []
  return date.isComplete && date.hasTime && date.at === 0 && words.length <= NAME_WORDS_MAX
}

function hasOpener(line: string): boolean {
  const start = line.slice(0, 30).toLowerCase()
  return ATTRIBUTION_OPENERS.some((opener) => start.startsWith(opener))
}

/** Whether a line can be the first one of an attribution that would be complete without it. */
function canBegin(text: string): boolean {
  const line = normaliseLine(text, 200)
  return opensAttribution(line) || findDate(line).at < 10
}

/** Whether a line is the end of a sentence, and so not the first line of an attribution. "2:05 p.m." is none. */
function endsSentence(line: string): boolean {
  return /(?:[!?。！？]|[\p{L}\p{M}]{3}[.]|\d[:.]\d\d[.])$/u.test(line.slice(-10))
}
