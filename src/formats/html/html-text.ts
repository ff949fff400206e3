/**
 * Extracts the text of an HTML body for full-text search: the words that a person reads, in order, without layout,
 * links and styles.
 *
 * The length of the result and of the source that is read are limited, so a larger hostile body costs no more.
 */
import { createHtmlReader } from './html-reader.ts'
import { HtmlVisibility } from './html-visibility.ts'

/** Elements that do not separate words. */
const INLINE_TAGS = new Set([
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
/** Much larger than `charsMax`, because most of the source can be markup. */
const SOURCE_CHARS_MAX = 1_000_000

/** @returns at most `charsMax` UTF-16 units, with white space collapsed */
export function textOfHtml(html: string, charsMax: number): string {
  const pieces: string[] = []
  let length = 0
  const source = html.slice(0, SOURCE_CHARS_MAX)
  const visibility = new HtmlVisibility(source)
  const reader = createHtmlReader({
    onopentag(name, attributes) {
      visibility.open(name, attributes)
      if (!INLINE_TAGS.has(name)) pieces.push(' ')
    },
    onclosetag(name) {
      visibility.close()
      if (!INLINE_TAGS.has(name)) pieces.push(' ')
    },
    ontext(text) {
      if (!visibility.isShown) return
      pieces.push(text)
      length += text.length
    },
  })
  reader.read(source, () => length >= charsMax)
  return pieces.join('').replace(/\s+/g, ' ').trim().slice(0, charsMax)
}
