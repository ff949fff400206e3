/** Says how mail programs show HTML elements: which ones begin a line, and which ones are not shown. */

/** Elements whose content is not shown as text. */
export const IGNORED_TAGS: ReadonlySet<string> = new Set(
  'head script style title template noscript select svg math'.split(' '),
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

/** Elements without content and end tag. */
export const VOID_TAGS: ReadonlySet<string> = new Set('br hr img input meta link col area base wbr source'.split(' '))

const STYLE_CHARS_MAX = 500

/** Zero in any unit, or with a font size of one pixel: a size of 1em is the normal one. */
const HIDDEN_STYLE =
  /display\s*:\s*none|visibility\s*:\s*hidden|font-size\s*:\s*(?:0(?:\.0*)?(?:[a-z]+|%)?|1p[xt])\s*(?:[;!]|$)|max-height\s*:\s*0(?:\.0*)?(?:[a-z]+|%)?\s*(?:[;!]|$)|opacity\s*:\s*0(?:\.0*)?\s*(?:[;!]|$)|mso-hide\s*:\s*all/i

/** Returns the part of a style attribute that is read: hostile ones are as long as the message. */
export function styleOf(attributes: Readonly<Record<string, string>>): string {
  return (attributes.style ?? '').slice(0, STYLE_CHARS_MAX)
}

/** Whether the element is hidden, as the preheaders of newsletters are. */
export function isHiddenElement(attributes: Readonly<Record<string, string>>): boolean {
  return HIDDEN_STYLE.test(styleOf(attributes)) || 'hidden' in attributes
}
