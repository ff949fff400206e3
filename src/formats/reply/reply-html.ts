/**
 * Removes quoted history from HTML. The rest stays unchanged, byte for byte.
 *
 * The HTML is tokenised once and never built into a tree. Quoting elements become ranges to remove, and the visible
 * text becomes lines that are classified like plain text (quoting.ts). The result is the source without the ranges. It
 * is not sanitised; a client that displays it must do that.
 */
import { createHtmlReader } from '../html/html-reader.ts'
import { isDeviceSignature } from './quote-signals.ts'
import { classifyLines } from './quoting.ts'

/** A half-open range of the source, in UTF-16 units. */
interface Range {
  start: number
  end: number
}

/** A line as a mail program shows it. */
interface VisibleLine {
  /** Its beginning, for classification. */
  text: string
  /** The ranges of all of its text. */
  pieces: Range[]
  /** Inside a quoting element. */
  isQuoted: boolean
}

interface ScannedHtml {
  lines: VisibleLine[]
  /** Quoting elements and signature blocks, without nested ones. */
  elements: Range[]
  /** Start of an element of kind `rest`. Without one, the end of the source. */
  restStart: number
}

/** `rest`: this element and everything after it is quoted. */
type ElementKind = 'quote' | 'rest' | 'signature'

/** The quote signals do not need more of a line. */
const LINE_CHARS_MAX = 1000

/** Elements that start and end a line. */
const BLOCK_TAGS = names(
  'address article blockquote body br center dd div dl dt footer h1 h2 h3 h4 h5 h6 header hr li main ol p pre',
  'section table tbody td th tr ul',
)
const INVISIBLE_TAGS = names('head script style template title')

const QUOTE_CLASSES = names(
  'gmail_quote gmail_quote_container moz-cite-prefix protonmail_quote tutanota_quote yahoo_quoted zmail_extra',
)
/** Outlook on the web and on phones writes these elements above a quote. Everything after them belongs to the quote. */
const REST_IDS = names('appendonsend divRplyFwdMsg mail-editor-reference-message-container x_divRplyFwdMsg')
const SIGNATURE_CLASSES = names(
  'gmail_signature gmail_signature_prefix moz-signature protonmail_signature_block yahoo_signature',
)
const SIGNATURE_IDS = names('Signature ms-outlook-mobile-signature')

function names(...rows: string[]): ReadonlySet<string> {
  return new Set(rows.flatMap((row) => row.split(' ')))
}

/**
 * @returns the HTML without quotes; all of it if the quotes are part of the content; undefined if nothing is left, or
 *          if elements are nested deeper than in any real message
 */
export function extractReplyHtml(html: string): string | undefined {
  const scanned = scanHtml(html)
  if (scanned === undefined) return undefined
  const { lines, elements } = scanned
  const isMarked = (index: number) => lines[index]!.isQuoted
  const quoting = classifyLines(
    lines.map((line) => line.text),
    { isMarked, runMin: 1, mayBeWrapped: false },
  )
  if (quoting === undefined) return html.trim() === '' ? undefined : html

  const { kinds, trailingQuoteStart } = quoting
  const own = lines.filter((line, index) => kinds[index] === 'own' && line.text.trim() !== '')
  const deviceSignature = own.length > 1 && isDeviceSignature(own.at(-1)!.text.trim()) ? own.at(-1)! : undefined
  if (own.length === 0) return undefined

  const end = Math.min(scanned.restStart, lines[trailingQuoteStart]?.pieces[0]?.start ?? html.length)
  const attributions = lines.filter((line, index) => kinds[index] === 'quoted' && !line.isQuoted)
  const removedLines = deviceSignature === undefined ? attributions : [...attributions, deviceSignature]
  const kept = withoutRanges(html, [...elements, ...removedLines.flatMap((line) => line.pieces)], end)
  return end < html.length ? kept + closingTags(html.slice(0, end)) : kept
}

function scanHtml(html: string): ScannedHtml | undefined {
  const lines: VisibleLine[] = []
  const elements: Range[] = []
  let line: VisibleLine = { text: '', pieces: [], isQuoted: false }
  let depth = 0
  let invisibleDepth = 0
  let open: { kind: ElementKind; depth: number; start: number } | undefined

  const endLine = () => {
    if (line.pieces.length > 0 && open?.kind !== 'signature') lines.push(line)
    line = { text: '', pieces: [], isQuoted: open?.kind === 'quote' || open?.kind === 'rest' }
  }

  const reader = createHtmlReader({
    onopentag(name, attributes) {
      depth++
      if (INVISIBLE_TAGS.has(name)) invisibleDepth++
      const kind = open === undefined ? kindOf(name, attributes) : undefined
      if (kind === undefined && !BLOCK_TAGS.has(name)) return
      endLine()
      if (kind === undefined) return
      open = { kind, depth, start: reader.startIndex }
      line.isQuoted = kind !== 'signature'
    },
    ontext(text) {
      if (invisibleDepth > 0) return
      line.text += text.slice(0, Math.max(0, LINE_CHARS_MAX - line.text.length)).replace(/\s+/g, ' ')
      line.pieces.push({ start: reader.startIndex, end: reader.endIndex + 1 })
    },
    onclosetag(name, isImplied) {
      if (INVISIBLE_TAGS.has(name)) invisibleDepth--
      const isEnd = open !== undefined && open.kind !== 'rest' && open.depth === depth
      depth--
      if (!isEnd && !BLOCK_TAGS.has(name)) return
      endLine()
      if (!isEnd) return
      // If the closing tag is missing, the element ends before the tag that implies it.
      elements.push({ start: open!.start, end: isImplied ? reader.startIndex : reader.endIndex + 1 })
      open = undefined
      line.isQuoted = false
    },
  })

  if (reader.read(html) === 'too_deep') return undefined
  endLine()
  return { lines, elements, restStart: open?.kind === 'rest' ? open.start : html.length }
}

function kindOf(name: string, attributes: Readonly<Record<string, string>>): ElementKind | undefined {
  const { id = '', type = '' } = attributes
  const classes = (attributes.class ?? '').split(/\s+/)
  if (REST_IDS.has(id)) return 'rest'
  if (name === 'blockquote' && type.toLowerCase() === 'cite') return 'quote'
  if (classes.some((each) => QUOTE_CLASSES.has(each))) return 'quote'
  return SIGNATURE_IDS.has(id) || classes.some((each) => SIGNATURE_CLASSES.has(each)) ? 'signature' : undefined
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
  const reader = createHtmlReader({
    onclosetag(name) {
      if (reader.isAtEnd) tags += `</${name}>`
    },
  })
  reader.read(html)
  return tags
}
