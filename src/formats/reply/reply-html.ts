/**
 * Removes quoted history from HTML. The rest stays unchanged, byte for byte.
 *
 * quoted-html.ts turns the HTML into the lines that it shows, with the elements that mail programs create for quotes.
 * These lines are classified like plain text (quoting.ts). The result is the source without the ranges of the quotes. It
 * is not sanitised; a client that displays it must do that.
 */
import { HtmlReader } from '../html/html-reader.ts'
import { isDeviceSignature, isRule } from './quote-signals.ts'
import type { Range, ScannedElement, ScannedHtml, VisibleLine } from './quoted-html.ts'
import { classifyLines, type LineKind } from './quoting.ts'
import type { ReplyContext } from './reply-context.ts'

/**
 * @param scanned  of this HTML; undefined if elements are nested too deep
 * @returns the HTML without quotes; all of it if the quotes are part of the content; undefined if nothing is left, or
 *          if elements are nested deeper than in any real message
 */
export function extractReplyHtml(
  html: string,
  context: ReplyContext,
  scanned: ScannedHtml | undefined,
): string | undefined {
  if (scanned === undefined) return undefined
  const { lines, elements, signatures, isForward } = scanned
  const quoting = isForward ? undefined : classifyLines(lines, context)
  if (quoting === undefined) return html.trim() === '' ? undefined : html

  const { kinds, trailingQuoteStart } = quoting
  const own = [...lines.keys()].filter((index) => kinds[index] === 'own' && isContent(lines[index]!))
  if (own.length === 0) return undefined

  while (own.length > 1 && isDeviceSignature(lines[own.at(-1)!]!.text)) kinds[own.pop()!] = 'quoted'
  const removedLines = lines.filter((_, index) => kinds[index] === 'quoted')
  const ranges = [
    ...signatures,
    ...quotedElements(elements, lines, kinds),
    ...removedLines.flatMap((line) => line.pieces),
  ]
  const end = startOfTrailingQuote(ranges, lines[trailingQuoteStart]?.pieces[0]?.start ?? html.length)
  const kept = withoutRanges(html, ranges, end)
  return end < html.length ? kept + closingTags(html.slice(0, end)) : kept
}

/** Returns where the HTML ends without the quote that extends to its end: before the elements that only it is in. */
function startOfTrailingQuote(ranges: readonly Range[], firstPiece: number): number {
  return ranges.reduce((end, range) => (range.start < end && range.end > firstPiece ? range.start : end), firstPiece)
}

/** Whether a line is more than white space and ruled lines. */
function isContent({ text }: VisibleLine): boolean {
  return text.trim() !== '' && !isRule(text)
}

/** Returns the elements in which nothing is own. They are removed with their tags. */
function quotedElements(
  elements: readonly ScannedElement[],
  lines: readonly VisibleLine[],
  kinds: readonly LineKind[],
): Range[] {
  if (!kinds.includes('quoted')) return []
  // ownBefore[i]: own lines with text above line i
  const ownBefore = [0]
  const quotedBefore = [0]
  for (const [index, line] of lines.entries()) {
    const isOwn = kinds[index] === 'own' && isContent(line)
    ownBefore.push(ownBefore[index]! + (isOwn ? 1 : 0))
    quotedBefore.push(quotedBefore[index]! + (kinds[index] === 'quoted' ? 1 : 0))
  }
  return elements.filter(({ firstLine, endLine }) => {
    const last = Math.min(endLine, lines.length)
    return ownBefore[firstLine] === ownBefore[last] && quotedBefore[firstLine] !== quotedBefore[last]
  })
}

/** Returns the source up to `end` without the ranges, which may overlap. */
function withoutRanges(source: string, ranges: Range[], end: number): string {
  const kept: string[] = []
  let from = 0
  for (const range of ranges.sort((a, b) => a.start - b.start)) {
    if (range.start > from) kept.push(source.slice(from, Math.min(range.start, end)))
    from = Math.max(from, range.end)
    if (from >= end) return kept.join('')
  }
  return kept.join('') + source.slice(from, end)
}

/** Returns the tags that close the elements which are open at the end of the HTML, so that it is complete. */
function closingTags(html: string): string {
  let tags = ''
  const reader = new HtmlReader({
    onclosetag(name) {
      if (reader.isAtEnd) tags += `</${name}>`
    },
  })
  reader.read(html)
  return tags
}
