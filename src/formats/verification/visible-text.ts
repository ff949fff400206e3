/**
 * Converts a message body to the lines that a person sees, so that the words beside, above and below a code or link can
 * be found. Text and HTML bodies give the same form.
 *
 * Tabs separate the cells of a table row. A code that has one character per cell or per line is joined. HTML is
 * tokenised and never built into a tree. Hidden text is left out, except for the preheader: mail programs show the
 * beginning of the HTML in their lists even if it is hidden, so it becomes separate lines at the end.
 */
import { BLOCK_TAGS, CELL_TAGS, styleOf } from '../html/html-elements.ts'
import { type HtmlAttributes, HtmlPass, type HtmlScan } from '../html/html-pass.ts'
import { plainText } from './keyword-text.ts'
import { joinSplitCodes, LineWriter } from './line-writer.ts'

/** A half-open range in `VisibleText.text`, in UTF-16 units. */
export interface TextRange {
  readonly start: number
  readonly end: number
}

export interface VisibleLink extends TextRange {
  /** As in the HTML, with character references decoded. */
  readonly url: string
  /** The link's text, or what screen readers read for it. */
  readonly linkText: string
}

export interface VisibleText {
  /** Lines, without blank ones, normalised by `plainText`. */
  readonly text: string
  /** Bold text, large text and headings. */
  readonly strong: readonly TextRange[]
  readonly links: readonly VisibleLink[]
}

const STRONG_TAGS = new Set(['b', 'strong', 'h1', 'h2', 'h3', 'h4', 'code', 'kbd', 'mark', 'big', 'tt'])
const STRONG_STYLE =
  /font-weight\s*:\s*(?:bold|[6-9]00)|letter-spacing\s*:\s*0*[1-9.]|font-size\s*:\s*(?:2[2-9]|[3-9]\d)(?:px|pt)/i

const LINKS_MAX = 500
const URL_CHARS_MAX = 4000
/** Mail programs show about this much in a list of messages. */
const PREHEADER_CHARS_MAX = 200

interface OpenLink extends TextRange {
  url: string
  end: number
  linkText: string
  hasShownContent: boolean
  hasHiddenContent: boolean
}

/** @param charsMax  of shown text; at most `visibleSourceCharsMax` of the source is read */
export function visibleTextOfHtml(html: string, charsMax: number): VisibleText {
  const pass = new HtmlPass(html)
  const scan = pass.add(new VisibleTextScan(pass, charsMax))
  pass.read(html.slice(0, visibleSourceCharsMax(charsMax)))
  return scan.visibleText()
}

/** Returns how much of the HTML is read: four times as much as may be shown, or 200,000 characters if that is more. */
export function visibleSourceCharsMax(charsMax: number): number {
  return Math.max(charsMax * 4, 200_000)
}

/** Collects what `visibleTextOfHtml` returns. */
export class VisibleTextScan implements HtmlScan {
  readonly #pass: HtmlPass
  readonly #charsMax: number
  readonly #shown = new LineWriter()
  readonly #preheader = new LineWriter()
  readonly #strong: TextRange[] = []
  readonly #links: OpenLink[] = []
  /** Where the text of each open element begins, if the element is strong. */
  readonly #strongStarts: (number | undefined)[] = []
  #preDepth = 0
  #link: OpenLink | undefined

  constructor(pass: HtmlPass, charsMax: number) {
    this.#pass = pass
    this.#charsMax = charsMax
  }

  beforeOpen(name: string): void {
    this.#breakBefore(name)
  }

  open(name: string, attributes: HtmlAttributes): void {
    const { visibility } = this.#pass
    const shown = this.#shown
    if (name === 'img') this.#addToLink(` ${(attributes.alt ?? '').slice(0, 200)}`, visibility.isBoxShown)
    if (name === 'input' && attributes.type !== 'hidden' && visibility.isShown)
      shown.write(` ${(attributes.value ?? '').slice(0, 100)} `)
    const isStrong = STRONG_TAGS.has(name) || isStrongStyle(attributes) || Number(attributes.size) >= 5
    this.#strongStarts.push(isStrong ? shown.length : undefined)
    if (name === 'pre') this.#preDepth += 1
    if (name === 'a') this.#openLink(attributes.href, attributes.title ?? attributes['aria-label'])
  }

  close(name: string): void {
    this.#breakBefore(name)
    if (name === 'a') this.#closeLink()
    if (name === 'pre') this.#preDepth -= 1
    const start = this.#strongStarts.pop()
    if (start !== undefined && start < this.#shown.length) this.#strong.push({ start, end: this.#shown.length })
  }

  text(text: string): void {
    const { visibility } = this.#pass
    if (visibility.current === 'ignored') return
    const plain = plainText(text)
    const { isShown } = visibility
    if (this.#link !== undefined && text.trim() !== '') this.#addToLink(plain, isShown)
    if (isShown) this.#write(this.#shown, plain)
    else if (this.#shown.length === 0 && this.#preheader.length < PREHEADER_CHARS_MAX)
      this.#write(this.#preheader, plain)
  }

  isEnough(): boolean {
    return this.#shown.length >= this.#charsMax
  }

  /** Call it once, when the HTML is read. */
  visibleText(): VisibleText {
    this.#closeLink()
    this.#shown.endLine()
    const text = this.#shown.text + this.#preheader.text.slice(0, PREHEADER_CHARS_MAX)
    return { text: joinSplitCodes(text), strong: this.#strong, links: this.#links }
  }

  #breakBefore(tagName: string): void {
    if (CELL_TAGS.has(tagName)) {
      if (this.#pass.visibility.isShown) this.#shown.endCell()
      this.#preheader.endCell()
    } else if (BLOCK_TAGS.has(tagName)) {
      if (this.#pass.visibility.isShown) this.#shown.endLine()
      this.#preheader.endLine()
    }
  }

  #write(out: LineWriter, text: string): void {
    if (this.#preDepth > 0) for (const [index, line] of text.split('\n').entries()) out.write(line, index > 0)
    else out.write(text)
  }

  #openLink(href: string | undefined, title: string | undefined): void {
    this.#closeLink()
    if (href === undefined || href.length > URL_CHARS_MAX || this.#links.length >= LINKS_MAX) return
    this.#link = {
      url: href.replace(/[\t\n\r]/g, '').trim(), // as browsers do
      start: this.#shown.length,
      end: this.#shown.length,
      linkText: title === undefined ? '' : `${title.slice(0, 200)} `,
      hasShownContent: false,
      hasHiddenContent: !this.#pass.visibility.isBoxShown,
    }
  }

  #addToLink(text: string, isShown: boolean): void {
    const link = this.#link
    if (link === undefined) return
    if (isShown) link.linkText += text
    link.hasShownContent ||= isShown
    link.hasHiddenContent ||= !isShown
  }

  #closeLink(): void {
    const link = this.#link
    if (link === undefined) return
    link.end = this.#shown.length
    link.linkText = plainText(link.linkText).replace(/\s+/g, ' ').trim().slice(0, 300)
    // No one can click on a link whose content is hidden.
    if (link.hasShownContent || !link.hasHiddenContent) this.#links.push(link)
    this.#link = undefined
  }
}

function isStrongStyle(attributes: HtmlAttributes): boolean {
  return attributes.style !== undefined && STRONG_STYLE.test(styleOf(attributes))
}

/** A line of this length may have been wrapped by the sender's mail program. */
const WRAPPED_CHARS_MIN = 50

/** What `visibleTextOfPlain` replaces within a line. */
const COLUMNS_OR_SPACE = /[^\S ]| {2}| \| /

/** Returns the lines of a text/plain body: wrapped lines are joined, and columns become cells. */
export function visibleTextOfPlain(body: string, charsMax: number): VisibleText {
  const lines = plainText(body.slice(0, charsMax)).split(/\r\n|[\n\r\u2028\u2029]/)
  let text = ''
  let previous = ''
  for (const line of lines) {
    const shown = line.trim()
    const trimmed = COLUMNS_OR_SPACE.test(shown)
      ? shown.replace(/ {3,}|\t+| \| /g, '\t').replace(/[^\S\t]+/g, ' ')
      : shown
    if (trimmed !== '') text += text === '' ? trimmed : (isContinuation(previous, line) ? ' ' : '\n') + trimmed
    previous = line.trimEnd()
  }
  return { text: joinSplitCodes(`${text}\n`), strong: [], links: [] }
}

/** Whether `line` looks like the rest of the line before it, which was wrapped. */
function isContinuation(previous: string, line: string): boolean {
  if (previous.length < WRAPPED_CHARS_MIN || /[:：]$/.test(previous) || /^[\s>*•·–—-]/.test(line)) return false
  const trimmed = line.trim()
  return (
    trimmed.includes(' ') || (!/[.!?。]$/.test(previous) && (/[.,;!?]$/.test(trimmed) || /^\p{Ll}+$/u.test(trimmed)))
  )
}
