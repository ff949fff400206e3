/**
 * The marks that mailers leave where somebody else's words begin: "On … wrote:", "-----Original Message-----", a copied
 * header block. The words themselves, in many languages, are in quote-vocabulary.ts.
 *
 * Tables and plain searches on bounded pieces of text instead of patterns over the whole mail: these run on every mail a
 * stranger sends.
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

/** An attribution may be wrapped over this many lines. */
const ATTRIBUTION_LINES_MAX = 3
/** Longer ones do not exist: a date, a display name of 200 characters, an address. */
const ATTRIBUTION_CHARS_MAX = 600
/** How far below "From:" the other fields of a copied header are looked for. */
const HEADER_BLOCK_LINES = 5

/** A year or a time of day. */
const DATE = /(?:19|20)\d\d|\d{1,2}[:.h]\d\d/
const TIME = /\d{1,2}[:.h]\d\d/

/**
 * How many lines from `at` on are one attribution ("On Monday, Ann wrote:"); 0 when none begins there.
 *
 * @param isMarked  lines inside a quote, which no attribution runs into
 * @param linesMax  lines looked at; also what ends the recursion
 */
export function attributionLines(
  lines: readonly string[],
  at: number,
  isMarked: (index: number) => boolean,
  linesMax = ATTRIBUTION_LINES_MAX,
): number {
  let joined = ''
  for (let count = 1; count <= linesMax; count++) {
    const line = (lines[at + count - 1] ?? '').trim()
    if (line === '' || joined.length + line.length > ATTRIBUTION_CHARS_MAX || isMarked(at + count - 1)) return 0
    // A line that opens an attribution of its own is not the second line of one: the first is the writer's last.
    const linesLeft = linesMax - count + 1
    if (count > 1 && opensAttribution(line) && attributionLines(lines, at + count - 1, isMarked, linesLeft) > 0)
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

/** A line that ends in a colon names a writer: by the verb, and by a date or an address that prose would not have. */
function isAttribution(line: string): boolean {
  const hasVerb = WROTE.some((verb) => line.includes(verb))
  const hasAddress = line.includes('@')
  if (hasVerb && opensAttribution(line)) return /\d/.test(line) || hasAddress
  if (hasVerb) return DATE.test(line) && (hasAddress || TIME.test(line))
  return DATE.test(line) && /<[^<>@\s]+@[^<>@\s]+>\s?[:：]$/.test(line.slice(-260)) // 2024年1月1日 10:00 Ann <ann@example.com>:
}

/** "-----Original Message-----", alone or with the header block on the same line. */
export function isOriginalSeparator(line: string): boolean {
  return line.trimStart().startsWith('--') && startsWithAny(stripRule(line), ORIGINAL_MESSAGE)
}

/** "---------- Forwarded message ----------" or "Begin forwarded message:". */
export function isForwardMarker(line: string): boolean {
  const text = stripRule(line)
  return (line.trimStart().startsWith('--') && startsWithAny(text, FORWARDED)) || startsWithAny(text, BEGIN_FORWARDED)
}

/** A copied header: a From line and at least two of its companions right below (Outlook's way to quote). */
export function isHeaderBlock(lines: readonly string[], at: number): boolean {
  if (!FROM_LABELS.has(labelOf(lines[at]))) return false
  let companions = 0
  for (let i = at + 1; i <= at + HEADER_BLOCK_LINES; i++) if (OTHER_LABELS.has(labelOf(lines[i]))) companions++
  return companions >= 2
}

/** A line of dashes or underscores, as Outlook draws above a header block. */
export function isRule(line: string): boolean {
  return /^[_-]{5,200}$/.test(line.trim())
}

/** "Sent from my phone": written by a device, not by the sender. */
export function isDeviceSignature(line: string): boolean {
  return line.length < 200 && startsWithAny(line.trim().toLowerCase(), DEVICE_SIGNATURES)
}

/** RFC 3676 §4.3: "-- " alone on a line begins the signature; mailers lose the space. */
export function isSignatureSeparator(line: string): boolean {
  return line === '-- ' || line === '--'
}

/** The first line of a bounce that came as plain text. */
export function isReportOpening(line: string): boolean {
  return startsWithAny(line.slice(0, 200).trim().toLowerCase(), REPORT_OPENINGS)
}

function startsWithAny(text: string, openings: readonly string[]): boolean {
  return openings.some((opening) => text.startsWith(opening))
}

/** The text between the dashes, lower-case; a prefix is enough for every table. */
function stripRule(line: string): string {
  return line
    .slice(0, 200)
    .replace(/^[\s-]+/, '')
    .toLowerCase()
}

/** "From" of "*From:* Ann", lower-case; '' where the line does not begin with a label. */
function labelOf(line = ''): string {
  const [label, ...rest] = line.slice(0, 40).split(/[:：]/, 2)
  return rest.length === 0 ? '' : label!.replaceAll('*', '').trim().toLowerCase()
}
