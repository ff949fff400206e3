/**
 * Converts the HTML of a message without a text part to text, in the lines and paragraphs that a person sees. Addresses
 * of links and hidden text are left out. HTML is tokenised and never built into a tree.
 */
import { BLOCK_TAGS, CELL_TAGS } from './html-elements.ts'
import { HtmlPass, type HtmlScan } from './html-pass.ts'
import { resultOf } from './html-reader.ts'

/** Elements with an empty line above and below. */
const PARAGRAPH_TAGS: ReadonlySet<string> = new Set(
  'p blockquote h1 h2 h3 h4 h5 h6 ul ol dl pre table figure'.split(' '),
)
/** White space that is not a single space. */
const UNUSUAL_SPACE = /[^\S ]| {2}/
/** Most of the source can be markup, but a hostile one is not read as a whole. */
const SOURCE_CHARS_MIN = 1_000_000

/**
 * @param charsMax of the result, in UTF-16 units
 * @param message  the HTML that `html` is a part of: its styles apply
 * @returns lines without white space at their ends, at most one empty line in a row; `''` if nothing is shown
 */
export function linesOfHtml(html: string, charsMax: number, message = html): string {
  return resultOf(linesInSlices(html, charsMax, message))
}

/** The same, in slices that take a few milliseconds each, for code on the event loop. The first one reads the styles. */
export function* linesInSlices(html: string, charsMax: number, message = html): Generator<void, string> {
  const pass = new HtmlPass(message)
  const scan = pass.add(new LinesScan(pass, charsMax))
  yield* pass.readInSlices(html.slice(0, linesSourceCharsMax(charsMax)))
  return scan.lines()
}

/** Returns how much of the HTML is read. */
export function linesSourceCharsMax(charsMax: number): number {
  return Math.max(charsMax * 4, SOURCE_CHARS_MIN)
}

/** Collects the lines of `linesOfHtml`. */
export class LinesScan implements HtmlScan {
  readonly #pass: HtmlPass
  readonly #charsMax: number
  readonly #out = new Lines()
  #preDepth = 0

  constructor(pass: HtmlPass, charsMax: number) {
    this.#pass = pass
    this.#charsMax = charsMax
  }

  beforeOpen(name: string): void {
    this.#breakAt(name)
    if (name === 'br' && this.#isShown) this.#out.lineBreak()
  }

  open(name: string): void {
    if (name === 'pre') this.#preDepth += 1
    if (name === 'li' && this.#isShown) this.#out.write('- ')
  }

  close(name: string): void {
    this.#breakAt(name)
    if (name === 'pre') this.#preDepth -= 1
  }

  text(text: string): void {
    if (!this.#isShown) return
    if (this.#preDepth === 0) this.#out.write(text)
    else this.#out.writeLines(text)
  }

  isEnough(): boolean {
    return this.#out.length >= this.#charsMax
  }

  /** Call it when the HTML is read. */
  lines(): string {
    return this.#out.text
      .slice(0, this.#charsMax)
      .replace(/[\ud800-\udbff]$/, '')
      .trimEnd()
  }

  get #isShown(): boolean {
    return this.#pass.visibility.isShown
  }

  #breakAt(name: string): void {
    if (!this.#isShown || name === 'br') return
    if (PARAGRAPH_TAGS.has(name)) this.#out.paragraph()
    else if (BLOCK_TAGS.has(name)) this.#out.line()
    else if (CELL_TAGS.has(name)) this.#out.space()
  }
}

/** Collects text; breaks and spaces are written only before text. */
class Lines {
  length = 0
  readonly #pieces: string[] = []
  #breaks = 0
  #hasSpace = false

  get text(): string {
    return this.#pieces.join('')
  }

  /** Collapses white space; a no-break space is kept as a space. */
  write(text: string): void {
    const words = UNUSUAL_SPACE.test(text) ? text.replace(/\s+/g, ' ') : text
    if (words.startsWith(' ')) this.space()
    const trimmed = words.trim()
    if (trimmed === '') return
    this.#add(trimmed)
    this.#hasSpace = words.endsWith(' ')
  }

  writeLines(text: string): void {
    for (const [index, line] of text.split(/\r\n|\r|\n/).entries()) {
      if (index > 0) this.lineBreak()
      if (line.trim() !== '') this.#add(line.trimEnd())
    }
  }

  space(): void {
    this.#hasSpace = true
  }

  line(): void {
    this.#breaks = Math.max(this.#breaks, 1)
  }

  paragraph(): void {
    this.#breaks = 2
  }

  /** Two in a row make an empty line. */
  lineBreak(): void {
    this.#breaks = Math.min(this.#breaks + 1, 2)
  }

  #add(text: string): void {
    const isFirst = this.length === 0
    const separator = this.#breaks > 0 ? '\n'.repeat(this.#breaks) : this.#hasSpace ? ' ' : ''
    const piece = isFirst ? text : `${separator}${text}`
    this.#pieces.push(piece)
    this.length += piece.length
    this.#breaks = 0
    this.#hasSpace = false
  }
}
