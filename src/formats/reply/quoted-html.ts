/**
 * Reads HTML as the lines that a mail program shows, and finds the elements that mail programs create for quotes,
 * attributions and signatures. The HTML is tokenised once and never built into a tree.
 *
 * An element proves little: people write below and inside of it. So the lines only record in which elements they are,
 * and quoting.ts decides.
 */
import { BLOCK_TAGS, CELL_TAGS } from '../html/html-elements.ts'
import { createHtmlReader } from '../html/html-reader.ts'
import { HtmlVisibility } from '../html/html-visibility.ts'
import type { QuotableLine, QuoteContainer } from './quotable-lines.ts'
import { signatureLines } from './quote-signals.ts'

/** A half-open range of the source, in UTF-16 units. */
export interface Range {
  start: number
  end: number
}

/** A line as a mail program shows it; `text` is its beginning. */
export interface VisibleLine extends QuotableLine {
  /** The ranges of all of its text. */
  pieces: Range[]
}

/** A block or a link, with the lines in it. */
export interface ScannedElement extends Range {
  firstLine: number
  /** The line below it. */
  endLine: number
}

export interface ScannedHtml {
  lines: VisibleLine[]
  elements: ScannedElement[]
  /** Signatures. Their lines are not in `lines`. */
  signatures: Range[]
  /** An element exists that a mail program creates only for forwards. */
  isForward: boolean
}

type ElementKind = 'quote' | 'blockquote' | 'container' | 'prefix' | 'signature'

interface OpenElement {
  depth: number
  start: number
  firstLine: number
}

interface OpenQuoteElement extends OpenElement {
  kind: ElementKind
  container: QuoteContainer
}

/** The quote signals do not need more of a line. */
const LINE_CHARS_MAX = 1000
/** The text of a line that stands for an image, and of one that stands for a ruled line. */
const IMAGE = '\ufffc'
const RULE = '________'

/** Elements that begin and end a line: a quote can be in one cell of a table, and QQ Mail encloses one in `includetail`. */
const LINE_TAGS: ReadonlySet<string> = new Set([...BLOCK_TAGS, ...CELL_TAGS, 'includetail'])

/** Containers of attribution and quote. The blockquotes in them, or with these classes, are quotes. */
const CONTAINER_CLASSES = names(
  'gmail_quote gmail_quote_container protonmail_quote tutanota_quote yahoo_quoted zmail_extra',
  'ms-outlook-mobile-reference-message replyforwardcontainer wisestamp_quote front-blockquote',
)
const CONTAINER_IDS = names('mail-editor-reference-message-container isReplyContent original-content')
const QUOTE_IDS = names('isReplyContent blockquote_zmail ntes-flashmail-quote ntes-pcmail-quote')
const QUOTE_CLASSES = names('gmail_quote protonmail_quote tutanota_quote front-blockquote moz-email-quote')
/** Outlook on the web and on phones writes these elements above a quote. */
const RULE_IDS = names('appendonsend divRplyFwdMsg x_divRplyFwdMsg mail-editor-reference-message-container')
const PREFIX_CLASSES = names('moz-cite-prefix gmail_attr')
const FORWARD_CLASSES = names('moz-forward-container')
const SIGNATURE_CLASSES = names(
  'gmail_signature gmail_signature_prefix moz-signature protonmail_signature_block yahoo_signature',
)
const SIGNATURE_IDS = names('Signature ms-outlook-mobile-signature')

function names(...rows: string[]): ReadonlySet<string> {
  return new Set(rows.flatMap((row) => row.split(' ')))
}

type Attributes = Readonly<Record<string, string>>

/** @returns undefined if elements are nested deeper than in any real message */
export function scanQuotedHtml(html: string): ScannedHtml | undefined {
  const lines: VisibleLine[] = []
  const elements: ScannedElement[] = []
  const signatures: Range[] = []
  /** Open elements of quotes, without those inside of a quote or a signature. */
  const open: OpenQuoteElement[] = []
  const openBlocks: OpenElement[] = []
  let isForward = false
  let depth = 0
  let preDepth = 0
  let linkAddress: string | undefined
  let line: VisibleLine = { text: '', pieces: [] }

  const endLine = () => {
    if (line.pieces.length > 0) lines.push(line)
    line = newLine(open)
  }
  const addText = (text: string, start: number, end: number) => {
    line.text += text.slice(0, Math.max(0, LINE_CHARS_MAX - line.text.length)).replace(/\s+/g, ' ')
    line.pieces.push({ start, end })
  }
  const addRule = (start: number, end: number) => {
    endLine()
    addText(RULE, start, end)
    endLine()
  }

  const visibility = new HtmlVisibility(html)
  const reader = createHtmlReader({
    onopentag(name, attributes) {
      depth++
      visibility.open(name, attributes)
      if (name === 'pre') preDepth++
      if (name === 'a') linkAddress = addressOf(attributes)
      if (name === 'img' && visibility.isBoxShown && !isTiny(attributes))
        addText(IMAGE, reader.startIndex, reader.endIndex + 1)
      if (classesOf(attributes).some((each) => FORWARD_CLASSES.has(each)) && open.length === 0) isForward = true
      if (name === 'hr') addRule(reader.startIndex, reader.endIndex + 1)
      else if (isRuled(name, attributes)) addRule(reader.startIndex, reader.startIndex)
      const kind = kindOf(name, attributes, open)
      const isBlock = kind !== undefined || LINE_TAGS.has(name)
      if (isBlock) endLine()
      if (!isBlock && name !== 'a') return
      const element = { depth, start: reader.startIndex, firstLine: lines.length }
      if (name !== 'br' && name !== 'hr') openBlocks.push(element)
      if (kind === undefined) return
      open.push({ ...element, kind, container: { endLine: Number.POSITIVE_INFINITY } })
      line = newLine(open)
    },
    ontext(text) {
      if (!visibility.isShown) return // words that no one sees must not make a quote of what is below them
      const { startIndex: start } = reader
      const end = reader.endIndex + 1
      if (preDepth === 0 || text.length !== end - start) return addText(text, start, end)
      let from = 0
      for (const row of text.split('\n')) {
        if (from > 0) endLine()
        const to = Math.min(from + row.length + 1, text.length)
        if (to > from) addText(row, start + from, start + to)
        from = to
      }
    },
    onclosetag(name, isImplied) {
      visibility.close()
      if (name === 'pre') preDepth--
      if (name === 'a' && linkAddress !== undefined) {
        if (!line.text.includes('@') && line.pieces.length > 0) line.text += ` <${linkAddress}>`
        linkAddress = undefined
      }
      const isEnd = open.at(-1)?.depth === depth
      const block = openBlocks.at(-1)?.depth === depth ? openBlocks.pop() : undefined
      depth--
      if (isEnd || LINE_TAGS.has(name)) endLine()
      // If the closing tag is missing, the element ends before the tag that implies it.
      const end = isImplied ? reader.startIndex : reader.endIndex + 1
      if (block !== undefined) elements.push({ ...block, end, endLine: lines.length + (name === 'a' ? 1 : 0) })
      if (!isEnd) return
      const { kind, start, firstLine, container } = open.pop()!
      container.endLine = lines.length
      if (kind === 'signature' && isSignature(lines.slice(firstLine))) {
        lines.length = firstLine
        signatures.push({ start, end })
      }
      line = newLine(open)
    },
  })

  if (reader.read(html) === 'too_deep') return undefined
  endLine()
  return { lines, elements, signatures, isForward }
}

/** Begins a line inside of the open elements. */
function newLine(open: readonly OpenQuoteElement[]): VisibleLine {
  const line: VisibleLine = { text: '', pieces: [] }
  for (const { kind, container } of open) {
    if (kind === 'quote') line.element = 'quote'
    else if (kind === 'blockquote') line.element ??= 'blockquote'
    else if (kind === 'prefix') line.isPrefix = true
    else if (kind === 'container') line.container ??= container
  }
  return line
}

function kindOf(name: string, attributes: Attributes, open: readonly OpenQuoteElement[]): ElementKind | undefined {
  if (open.length >= OPEN_MAX) return undefined
  const inner = open.at(-1)?.kind
  if (inner === 'quote' || inner === 'signature') return undefined
  const { id = '', type = '', style = '' } = attributes
  const classes = classesOf(attributes)
  const isInContainer = open.some(({ kind }) => kind === 'container')
  if (name === 'blockquote') {
    if (type.toLowerCase() === 'cite' || QUOTE_IDS.has(id)) return 'quote'
    // The button "indent more" of Gmail creates a blockquote as well.
    if (
      /border(?:-left)?:\s*(?:none|0)/i.test(style.slice(0, 200)) &&
      !/border-left:\s*[^n0\s]/i.test(style.slice(0, 200))
    )
      return undefined
    if (!classes.some((each) => QUOTE_CLASSES.has(each))) return 'blockquote'
    return isInContainer || !classes.includes('gmail_quote') ? 'quote' : 'blockquote'
  }
  if (attributes.name === 'quote' && name === 'div') return 'container' // GMX
  if (CONTAINER_IDS.has(id) || classes.some((each) => CONTAINER_CLASSES.has(each) || each.endsWith('yahoo_quoted')))
    return isInContainer ? undefined : 'container'
  if (classes.some((each) => PREFIX_CLASSES.has(each))) return 'prefix'
  return SIGNATURE_IDS.has(id) || classes.some((each) => SIGNATURE_CLASSES.has(each)) ? 'signature' : undefined
}

/** Elements of quotes in each other that are distinguished. */
const OPEN_MAX = 20

function classesOf(attributes: Attributes): string[] {
  return (attributes.class ?? '').split(/\s+/)
}

/** Whether lines in a signature element are a signature, and no sentence that was written below it. */
function isSignature(lines: readonly VisibleLine[]): boolean {
  if (lines.some((line) => line.element !== undefined)) return false
  return signatureLines(lines.map(({ text }) => text)) === lines.length
}

/** Whether a line is drawn above the element: Outlook draws one above a copied header. */
function isRuled(name: string, attributes: Attributes): boolean {
  if (RULE_IDS.has(attributes.id ?? '')) return true
  const style = (attributes.style ?? '').slice(0, 300)
  return name === 'div' && /border-top:\s*(?:solid|[\d.]+\w{2} solid)|border-style:\s*solid none none/i.test(style)
}

/** The address of a link whose text is a name. */
function addressOf({ href = '' }: Attributes): string | undefined {
  const address = /^mailto:([^\s?<>@]{1,100}@[^\s?<>@]{1,255})/i.exec(href.slice(0, 400))
  return address?.[1]
}

/** Whether an image is there to count readers. */
function isTiny({ width, height }: Attributes): boolean {
  return [width, height].some((size) => size === '0' || size === '1')
}
