/**
 * Reads HTML as the lines that a mail program shows, and finds the elements that mail programs create for quotes,
 * attributions and signatures. The HTML is tokenised once and never built into a tree.
 *
 * An element proves little: people write below and inside of it. So the lines only record in which elements they are,
 * and quoting.ts decides.
 */
import { BLOCK_TAGS, CELL_TAGS } from '../html/html-elements.ts'
import { type HtmlAttributes, HtmlPass, type HtmlScan } from '../html/html-pass.ts'
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

/** @returns undefined if elements are nested deeper than in any real message */
export function scanQuotedHtml(html: string): ScannedHtml | undefined {
  const pass = new HtmlPass(html)
  const scan = pass.add(new QuotedHtmlScan(pass))
  return pass.read(html) === 'too_deep' ? undefined : scan.scanned()
}

/** Collects what `scanQuotedHtml` returns. */
export class QuotedHtmlScan implements HtmlScan {
  readonly #pass: HtmlPass
  readonly #lines: VisibleLine[] = []
  readonly #elements: ScannedElement[] = []
  readonly #signatures: Range[] = []
  /** Open elements of quotes, without those inside of a quote or a signature. */
  readonly #open: OpenQuoteElement[] = []
  readonly #openBlocks: OpenElement[] = []
  #isForward = false
  #depth = 0
  #preDepth = 0
  #linkAddress: string | undefined
  #line: VisibleLine = { text: '', pieces: [] }

  constructor(pass: HtmlPass) {
    this.#pass = pass
  }

  /** Call it once, when the HTML is read. */
  scanned(): ScannedHtml {
    this.#endLine()
    return {
      lines: this.#lines,
      elements: this.#elements,
      signatures: this.#signatures,
      isForward: this.#isForward,
    }
  }

  open(name: string, attributes: HtmlAttributes): void {
    const { visibility, startIndex, endIndex } = this.#pass
    this.#depth++
    if (name === 'pre') this.#preDepth++
    if (name === 'a') this.#linkAddress = addressOf(attributes)
    if (name === 'img' && visibility.isBoxShown && !isTiny(attributes)) this.#addText(IMAGE, startIndex, endIndex)
    const classes = classesOf(attributes)
    if (this.#open.length === 0 && classes.some((each) => FORWARD_CLASSES.has(each))) this.#isForward = true
    if (name === 'hr') this.#addRule(startIndex, endIndex)
    else if (isRuled(name, attributes)) this.#addRule(startIndex, startIndex)
    const kind = kindOf(name, attributes, classes, this.#open)
    const isBlock = kind !== undefined || LINE_TAGS.has(name)
    if (isBlock) this.#endLine()
    if (!isBlock && name !== 'a') return
    const element = { depth: this.#depth, start: startIndex, firstLine: this.#lines.length }
    if (name !== 'br' && name !== 'hr') this.#openBlocks.push(element)
    if (kind === undefined) return
    this.#open.push({ kind, container: { endLine: Number.POSITIVE_INFINITY }, ...element })
    this.#line = newLine(this.#open)
  }

  text(text: string): void {
    const { visibility, startIndex: start, endIndex: end } = this.#pass
    if (!visibility.isShown) return // words that no one sees must not make a quote of what is below them
    if (this.#preDepth === 0 || text.length !== end - start) this.#addText(text, start, end)
    else this.#addPreformatted(text, start)
  }

  /** @param text  as in the source, so that each of its characters has a position */
  #addPreformatted(text: string, start: number): void {
    let from = 0
    for (const row of text.split('\n')) {
      if (from > 0) this.#endLine()
      const to = Math.min(from + row.length + 1, text.length)
      if (to > from) this.#addText(row, start + from, start + to)
      from = to
    }
  }

  close(name: string, isImplied: boolean): void {
    const { startIndex, endIndex } = this.#pass
    if (name === 'pre') this.#preDepth--
    if (name === 'a' && this.#linkAddress !== undefined) {
      const line = this.#line
      if (!line.text.includes('@') && line.pieces.length > 0) line.text += ` <${this.#linkAddress}>`
      this.#linkAddress = undefined
    }
    const isEnd = this.#open.at(-1)?.depth === this.#depth
    const block = this.#openBlocks.at(-1)?.depth === this.#depth ? this.#openBlocks.pop() : undefined
    this.#depth--
    if (isEnd || LINE_TAGS.has(name)) this.#endLine()
    // If the closing tag is missing, the element ends before the tag that implies it.
    const end = isImplied ? startIndex : endIndex
    if (block !== undefined) {
      const { start, firstLine } = block
      this.#elements.push({ start, end, firstLine, endLine: this.#lines.length + (name === 'a' ? 1 : 0) })
    }
    if (!isEnd) return
    const { kind, start, firstLine, container } = this.#open.pop()!
    container.endLine = this.#lines.length
    if (kind === 'signature' && isSignature(this.#lines.slice(firstLine))) {
      this.#lines.length = firstLine
      this.#signatures.push({ start, end })
    }
    this.#line = newLine(this.#open)
  }

  #endLine(): void {
    if (this.#line.pieces.length === 0) return
    this.#lines.push(this.#line)
    this.#line = newLine(this.#open)
  }

  #addText(text: string, start: number, end: number): void {
    const line = this.#line
    const room = LINE_CHARS_MAX - line.text.length
    if (room > 0) line.text += collapsed(text.length > room ? text.slice(0, room) : text)
    line.pieces.push({ start, end })
  }

  #addRule(start: number, end: number): void {
    this.#endLine()
    this.#addText(RULE, start, end)
    this.#endLine()
  }
}

function collapsed(text: string): string {
  return /[^\S ]| {2}/.test(text) ? text.replace(/\s+/g, ' ') : text
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

function kindOf(
  name: string,
  attributes: HtmlAttributes,
  classes: readonly string[],
  open: readonly OpenQuoteElement[],
): ElementKind | undefined {
  if (open.length >= OPEN_MAX) return undefined
  const inner = open.at(-1)?.kind
  if (inner === 'quote' || inner === 'signature') return undefined
  const { id = '', type = '', style = '' } = attributes
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

const NO_CLASSES: readonly string[] = []

function classesOf(attributes: HtmlAttributes): readonly string[] {
  return attributes.class === undefined ? NO_CLASSES : attributes.class.split(/\s+/)
}

/** Whether lines in a signature element are a signature, and no sentence that was written below it. */
function isSignature(lines: readonly VisibleLine[]): boolean {
  if (lines.some((line) => line.element !== undefined)) return false
  return signatureLines(lines.map(({ text }) => text)) === lines.length
}

/** Whether a line is drawn above the element: Outlook draws one above a copied header. */
function isRuled(name: string, attributes: HtmlAttributes): boolean {
  if (RULE_IDS.has(attributes.id ?? '')) return true
  const style = (attributes.style ?? '').slice(0, 300)
  return name === 'div' && /border-top:\s*(?:solid|[\d.]+\w{2} solid)|border-style:\s*solid none none/i.test(style)
}

/** The address of a link whose text is a name. */
function addressOf({ href = '' }: HtmlAttributes): string | undefined {
  const address = /^mailto:([^\s?<>@]{1,100}@[^\s?<>@]{1,255})/i.exec(href.slice(0, 400))
  return address?.[1]
}

/** Whether an image is there to count readers. */
function isTiny({ width, height }: HtmlAttributes): boolean {
  return [width, height].some((size) => size === '0' || size === '1')
}
