/**
 * Marks what a search found in a text: short fragments with `**` around each match.
 *
 * Stars of the text itself are written as ∗ (U+2217), so `**` is always a mark: a sender cannot forge or break one. White
 * space is folded as in the comparison (search-signature.ts). Everything else is shown as it is: a fragment is plain text,
 * not HTML.
 */
import { collapseSpace, foldCase } from './search-signature.ts'

export interface FragmentBounds {
  readonly fragmentsMax: number
  /** Characters of one fragment, without the marks. */
  readonly fragmentCharsMax: number
}

/** [start, end) in UTF-16 units. */
type Range = readonly [start: number, end: number]

/** Characters shown before a match in the middle of a text. */
const CONTEXT_CHARS = 40
/** Matches of one word that are marked: a text may consist of them. */
const MATCHES_MAX = 50

/**
 * @param needles folded as in search-signature.ts, none of them empty
 * @returns the first fragments with a match, in the order of the text; none if nothing matches
 */
export function highlight(text: string, needles: readonly string[], bounds: FragmentBounds): string[] {
  const shown = collapseSpace(text)
  return fragmentsOf(shown, rangesOf(shown, needles), bounds)
}

/** The same for an address, shown as "Name <address>" with marks in both parts. A match may begin in one and end in the other. */
export function highlightAddress(
  { name, address }: { readonly name: string | null; readonly address: string },
  needles: readonly string[],
  bounds: FragmentBounds,
): string[] {
  const shownName = collapseSpace(name ?? '')
  const shown = `${shownName} ${address}`
  const ranges = rangesOf(shown, needles)
  if (ranges.length === 0 || shown.length > bounds.fragmentCharsMax) return fragmentsOf(shown, ranges, bounds)
  const marked = (range: Range) => mark(shown, range, ranges)
  const shownAddress = marked([shownName.length + 1, shown.length])
  return [shownName === '' ? shownAddress : `${marked([0, shownName.length])} <${shownAddress}>`]
}

/** Finds the matches, in the order of the text. Those that touch are joined. */
function rangesOf(shown: string, needles: readonly string[]): Range[] {
  // İ is the only character that has another length in lower case.
  const folded = foldCase(shown.replaceAll('İ', 'i'))
  const found: Range[] = []
  for (const needle of new Set(needles.map((each) => each.replaceAll('i\u0307', 'i')))) {
    let at = folded.indexOf(needle)
    for (let count = 0; at >= 0 && count < MATCHES_MAX; count += 1) {
      found.push([at, at + needle.length])
      at = folded.indexOf(needle, at + needle.length)
    }
  }
  found.sort(([one], [other]) => one - other)
  const joined: Range[] = []
  for (const [start, end] of found) {
    const last = joined.at(-1)
    if (last && start <= last[1]) joined[joined.length - 1] = [last[0], Math.max(last[1], end)]
    else joined.push([start, end])
  }
  return joined
}

function fragmentsOf(shown: string, ranges: readonly Range[], bounds: FragmentBounds): string[] {
  const fragments: string[] = []
  let shownTo = 0
  for (const [start] of ranges) {
    if (fragments.length === bounds.fragmentsMax) break
    if (start < shownTo && fragments.length > 0) continue // it is in the fragment before
    const fragment = fragmentAt(shown, start, shownTo, bounds.fragmentCharsMax)
    fragments.push(mark(shown, fragment, ranges))
    shownTo = fragment[1]
  }
  return fragments
}

/** Chooses the part of the text to show around a match. It begins and ends between words, if one ends near enough. */
function fragmentAt(shown: string, matchStart: number, from: number, charsMax: number): Range {
  let start = shown.length <= charsMax ? 0 : Math.max(from, matchStart - CONTEXT_CHARS)
  if (start > from) {
    const space = shown.indexOf(' ', start - 1)
    start = space >= 0 && space < matchStart ? space + 1 : start
  }
  if (isLowSurrogate(shown, start)) start += start < matchStart ? 1 : 0
  let end = Math.min(shown.length, start + charsMax)
  if (end < shown.length) {
    const space = shown.lastIndexOf(' ', end)
    if (space > end - CONTEXT_CHARS && space > matchStart) end = space
  }
  if (isLowSurrogate(shown, end)) end -= 1
  return [start, end]
}

function isLowSurrogate(text: string, at: number): boolean {
  return at < text.length && /[\udc00-\udfff]/.test(text[at]!)
}

/** Returns a part of the text with marks around the ranges in it. */
function mark(shown: string, [start, end]: Range, ranges: readonly Range[]): string {
  const inside = ranges
    .map(([from, to]): Range => [Math.max(from, start), Math.min(to, end)])
    .filter(([from, to]) => from < to)
  let marked = ''
  let at = start
  for (const [from, to] of inside) {
    marked += `${plain(shown, at, from)}**${plain(shown, from, to)}**`
    at = to
  }
  return marked + plain(shown, at, end)
}

function plain(shown: string, from: number, to: number): string {
  return shown.slice(from, to).replaceAll('*', '∗')
}
