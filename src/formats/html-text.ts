/**
 * The words of an HTML body, for search: no layout, no links, no styles. What a person reads, in order.
 *
 * Bounded by what it returns: parsing stops once the limit is reached, so a hostile body costs no more than its prefix.
 */
import { Parser } from 'htmlparser2'

/** Elements whose text nobody sees. */
const SILENT = new Set(['script', 'style', 'head', 'title', 'template', 'noscript'])
/** Elements inside a line: what they hold belongs to the word around them. */
const INLINE = new Set([
  'a',
  'abbr',
  'b',
  'bdi',
  'code',
  'em',
  'font',
  'i',
  'mark',
  'q',
  's',
  'small',
  'span',
  'strong',
  'sub',
  'sup',
  'u',
])
/** Text is looked at in slices, so that parsing can stop between two. */
const SLICE_CHARS = 16_384

/** @returns at most `charsMax` characters, white space collapsed */
export function textOfHtml(html: string, charsMax: number): string {
  const words: string[] = []
  let length = 0
  let silentDepth = 0
  const parser = new Parser({
    onopentagname(name) {
      if (SILENT.has(name)) silentDepth += 1
      else if (!INLINE.has(name)) words.push(' ')
    },
    onclosetag(name) {
      if (SILENT.has(name)) silentDepth -= 1
      else if (!INLINE.has(name)) words.push(' ')
    },
    ontext(text) {
      if (silentDepth > 0) return
      words.push(text)
      length += text.length
    },
  })
  for (let start = 0; start < html.length && length < charsMax; start += SLICE_CHARS) {
    parser.write(html.slice(start, start + SLICE_CHARS))
  }
  return words.join('').replace(/\s+/g, ' ').trim().slice(0, charsMax)
}
