/** Says how mail programs show HTML elements: which ones begin a line, and which ones are not shown. */

/** Elements whose content is not shown as text. */
export const IGNORED_TAGS: ReadonlySet<string> = new Set(
  'head script style title template noscript select svg math iframe noembed noframes datalist'.split(' '),
)

/** Elements that begin and end a line. */
export const BLOCK_TAGS: ReadonlySet<string> = new Set(
  (
    'address article aside blockquote body br center dd div dl dt fieldset figure footer form h1 h2 h3 h4 h5 h6 header hr html ' +
    'li main nav ol p pre section table tbody tfoot thead tr ul'
  ).split(' '),
)

/** Elements whose content is beside that of the next one. */
export const CELL_TAGS: ReadonlySet<string> = new Set(['td', 'th'])

/** Characters of an attribute that are searched for words: hostile ones are as long as the message. */
const STYLE_CHARS_MAX = 500

/** Returns the part of a style attribute that is read. */
export function styleOf(attributes: Readonly<Record<string, string>>): string {
  return (attributes.style ?? '').slice(0, STYLE_CHARS_MAX)
}
