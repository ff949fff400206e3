/**
 * Recognises the lines that mail programs write before quoted text: "On … wrote:", "-----Original Message-----", a
 * copied header block. The words of these lines, in many languages, are in quote-vocabulary.ts.
 *
 * Uses tables and plain searches in pieces of limited length, not regular expressions over the whole text: anyone can
 * send a message that makes those slow.
 */

import {
  ATTRIBUTION_OPENERS,
  BEGIN_FORWARDED,
  DEVICE_SIGNATURES,
  FORWARDED,
  FROM_LABELS,
  ORIGINAL_MESSAGE,
  OTHER_LABELS,
  REPORT_OPENINGS,
  WROTE,
} from './quote-vocabulary.ts'

/** An attribution can be wrapped over this many lines. */
const ATTRIBUTION_LINES_MAX = 3
/** Enough for a date, a display name of 200 characters, and an address. */
const ATTRIBUTION_CHARS_MAX = 600
/** The other fields of a copied header are searched in this many lines below "From:". */
const HEADER_BLOCK_LINES = 5

/** A year or a time of day. */
const DATE = /(?:19|20)\d\d|\d{1,2}[:.h]\d\d/
const TIME = /\d{1,2}[:.h]\d\d/

/**
 * Returns the number of lines of the attribution that begins at `start` ("On Monday, Ann wrote:"); 0 if none begins
 * there.
 *
 * @param isMarked  whether a line is marked as quoted; an attribution ends before such a line
 * @param linesMax  the lines that are examined; also limits the recursion
 */
export function attributionLines(
  lines: readonly string[],
  start: number,
  isMarked: (index: number) => boolean,
  linesMax = ATTRIBUTION_LINES_MAX,
): number {
  let joined = ''
  for (let count = 1; count <= linesMax; count++) {
    const line = (lines[start + count - 1] ?? '').trim()
    if (line === '' || joined.length + line.length > ATTRIBUTION_CHARS_MAX || isMarked(start + count - 1)) return 0
    // If an attribution begins on a later line, the lines before it were written by the sender.
    const linesLeft = linesMax - count + 1
    if (count > 1 && opensAttribution(line) && attributionLines(lines, start + count - 1, isMarked, linesLeft) > 0)
      return 0
    joined += count === 1 ? line : ` ${line}`
    if (/[:：]\s*-*$/.test(line.slice(-12))) return isAttribution(joined.toLowerCase()) ? count : 0
    if (count === 1 && !opensAttribution(line) && !DATE.test(line)) return 0
  }
  return 0
}

function opensAttribution(line: string): boolean {
  return startsWithAny(line.slice(0, 20).toLowerCase(), ATTRIBUTION_OPENERS)
}

/**
 * Whether a line that ends in a colon is an attribution: it has a verb such as "wrote" and a date or an address, or it
 * has a date and ends in an address. Normal text rarely does.
 */
function isAttribution(line: string): boolean {
  const hasVerb = WROTE.some((verb) => line.includes(verb))
  const hasAddress = line.includes('@')
  if (hasVerb && opensAttribution(line)) return /\d/.test(line) || hasAddress
  if (hasVerb) return DATE.test(line) && (hasAddress || TIME.test(line))
  return DATE.test(line) && /<[^<>@\s]+@[^<>@\s]+>\s?[:：]$/.test(line.slice(-260)) // 2024年1月1日 10:00 Ann <ann@example.com>:
}

/** Whether this is "-----Original Message-----", alone or with the header block on the same line. */
export function isOriginalSeparator(line: string): boolean {
  return line.trimStart().startsWith('--') && startsWithAny(stripRule(line), ORIGINAL_MESSAGE)
}

/** Whether this is "---------- Forwarded message ----------" or "Begin forwarded message:". */
export function isForwardMarker(line: string): boolean {
  const text = stripRule(line)
  return (line.trimStart().startsWith('--') && startsWithAny(text, FORWARDED)) || startsWithAny(text, BEGIN_FORWARDED)
}

/** Whether a copied header begins here, as Outlook writes it: a From line and at least two other fields below it. */
export function isHeaderBlock(lines: readonly string[], start: number): boolean {
  if (!FROM_LABELS.has(labelOf(lines[start]))) return false
  let otherFields = 0
  for (let i = start + 1; i <= start + HEADER_BLOCK_LINES; i++) if (OTHER_LABELS.has(labelOf(lines[i]))) otherFields++
  return otherFields >= 2
}

/** Whether this is a line of dashes or underscores, as Outlook writes above a header block. */
export function isRule(line: string): boolean {
  return /^[_-]{5,200}$/.test(line.trim())
}

/** Whether this is a line such as "Sent from my phone", which the mail program added. */
export function isDeviceSignature(line: string): boolean {
  return line.length < 200 && startsWithAny(line.trim().toLowerCase(), DEVICE_SIGNATURES)
}

/** RFC 3676 §4.3: the line "-- " begins the signature. Some mail programs remove its space. */
export function isSignatureSeparator(line: string): boolean {
  return line === '-- ' || line === '--'
}

/** Whether this is the first line of a bounce in plain text. */
export function isReportOpening(line: string): boolean {
  return startsWithAny(line.slice(0, 200).trim().toLowerCase(), REPORT_OPENINGS)
}

function startsWithAny(text: string, openings: readonly string[]): boolean {
  return openings.some((opening) => text.startsWith(opening))
}

/** Returns the text after the dashes, in lower case. The tables contain only prefixes. */
function stripRule(line: string): string {
  return line
    .slice(0, 200)
    .replace(/^[\s-]+/, '')
    .toLowerCase()
}

/** Returns the field name in lower case: "from" for "*From:* Ann". Returns '' if the line begins with none. */
function labelOf(line = ''): string {
  const [label, ...rest] = line.slice(0, 40).split(/[:：]/, 2)
  return rest.length === 0 ? '' : label!.replaceAll('*', '').trim().toLowerCase()
}
