/**
 * The words of an HTML body, for search: no layout, no links, no styles. What a person reads, in order.
 *
 * Bounded by what it returns and by the source that it looks at: what a hostile body costs does not grow with its size.
 */
import { createHtmlReader } from './html-reader.ts'

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
/** Of the source; what a person reads is at the beginning, and little of it may be text. */
const SOURCE_CHARS_MAX = 1_000_000

/** @returns at most `charsMax` characters, white space collapsed */
export function textOfHtml(html: string, charsMax: number): string {
  const words: string[] = []
  let length = 0
  let silentDepth = 0
  const reader = createHtmlReader({
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
  reader.read(html.slice(0, SOURCE_CHARS_MAX), () => length >= charsMax)
  return words.join('').replace(/\s+/g, ' ').trim().slice(0, charsMax)
}
