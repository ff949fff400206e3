/**
 * Removes quoted history from HTML, and leaves everything else byte for byte as the sender wrote it.
 *
 * The HTML is tokenised once and never built into a tree: quoting elements become ranges to leave out, the visible text
 * becomes lines that are judged like plain text (quoting.ts), and the answer is the source without the ranges.
 * It is not sanitised; a client that displays it must do that.
 */
import { createHtmlReader } from '../html/html-reader.ts'
import { isDeviceSignature } from './quote-signals.ts'
import { classifyLines } from './quoting.ts'

/** Half-open, in UTF-16 units of the source. */
interface Range {
  start: number
  end: number
}

/** A line as it would be shown: its beginning for judging, and where all of its text lies. */
interface VisibleLine {
  text: string
  pieces: Range[]
  /** Inside a quoting element. */
  isQuoted: boolean
}

interface ScannedHtml {
  lines: VisibleLine[]
  /** Quoting elements and signature blocks, outermost only. */
  elements: Range[]
  /** Where an element says that all below is quoted; the end where none does. */
  restStart: number
}

/** `rest`: this element and all that follows is quoted. */
type ElementKind = 'quote' | 'rest' | 'signature'

/** As much of a line as the quote signals look at. */
const LINE_CHARS_MAX = 1000

/** Tags that begin and end a visible line. */
const BLOCK_TAGS = names(
  'address article blockquote body br center dd div dl dt footer h1 h2 h3 h4 h5 h6 header hr li main ol p pre',
  'section table tbody td th tr ul',
)
const INVISIBLE_TAGS = names('head script style template title')

const QUOTE_CLASSES = names(
  'gmail_quote gmail_quote_container moz-cite-prefix protonmail_quote tutanota_quote yahoo_quoted zmail_extra',
)
/** Outlook on the web and on phones puts these above the quote; all that follows belongs to it. */
const REST_IDS = names('appendonsend divRplyFwdMsg mail-editor-reference-message-container x_divRplyFwdMsg')
const SIGNATURE_CLASSES = names(
  'gmail_signature gmail_signature_prefix moz-signature protonmail_signature_block yahoo_signature',
)
const SIGNATURE_IDS = names('Signature ms-outlook-mobile-signature')

function names(...rows: string[]): ReadonlySet<string> {
  return new Set(rows.flatMap((row) => row.split(' ')))
}

/**
 * @returns the HTML without quotes; the whole where quotes are part of what it says; undefined where nothing is left or
 *          the nesting is deeper than any mailer's
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

  const { kinds, endlessFrom } = quoting
  const own = lines.filter((line, index) => kinds[index] === 'own' && line.text.trim() !== '')
  const deviceSignature = own.length > 1 && isDeviceSignature(own.at(-1)!.text.trim()) ? own.at(-1)! : undefined
  if (own.length === 0) return undefined

  const cut = Math.min(scanned.restStart, lines[endlessFrom]?.pieces[0]?.start ?? html.length)
  const attributions = lines.filter((line, index) => kinds[index] === 'quoted' && !line.isQuoted)
  const removedLines = deviceSignature === undefined ? attributions : [...attributions, deviceSignature]
  const kept = without(html, [...elements, ...removedLines.flatMap((line) => line.pieces)], cut)
  return cut < html.length ? kept + closingTags(html.slice(0, cut)) : kept
}

function scanHtml(html: string): ScannedHtml | undefined {
  const lines: VisibleLine[] = []
  const elements: Range[] = []
  let line: VisibleLine = { text: '', pieces: [], isQuoted: false }
  let depth = 0
  let invisible = 0
  let open: { kind: ElementKind; depth: number; start: number } | undefined

  const endLine = () => {
    if (line.pieces.length > 0 && open?.kind !== 'signature') lines.push(line)
    line = { text: '', pieces: [], isQuoted: open?.kind === 'quote' || open?.kind === 'rest' }
  }

  const reader = createHtmlReader({
    onopentag(name, attributes) {
      depth++
      if (INVISIBLE_TAGS.has(name)) invisible++
      const kind = open === undefined ? kindOf(name, attributes) : undefined
      if (kind === undefined && !BLOCK_TAGS.has(name)) return
      endLine()
      if (kind === undefined) return
      open = { kind, depth, start: reader.startIndex }
      line.isQuoted = kind !== 'signature'
    },
    ontext(text) {
      if (invisible > 0) return
      line.text += text.slice(0, Math.max(0, LINE_CHARS_MAX - line.text.length)).replace(/\s+/g, ' ')
      line.pieces.push({ start: reader.startIndex, end: reader.endIndex + 1 })
    },
    onclosetag(name, isImplied) {
      if (INVISIBLE_TAGS.has(name)) invisible--
      const isEnd = open !== undefined && open.kind !== 'rest' && open.depth === depth
      depth--
      if (!isEnd && !BLOCK_TAGS.has(name)) return
      endLine()
      if (!isEnd) return
      // A closing tag that is not there ends its element before the tag that implies it.
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

/** The source up to `end` without the ranges, which may overlap. */
function without(source: string, ranges: Range[], end: number): string {
  const kept: string[] = []
  let from = 0
  for (const range of ranges.sort((a, b) => a.start - b.start)) {
    if (range.start > from) kept.push(source.slice(from, Math.min(range.start, end)))
    from = Math.max(from, range.end)
    if (from >= end) return kept.join('')
  }
  return kept.join('') + source.slice(from, end)
}

/** What closes the elements that are open at the end of a cut piece, so that it can stand alone. */
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
