/**
 * A mail's body as lines that a person sees, for looking up what stands beside, above and below: text and HTML come out alike.
 *
 * Cells of a table row are divided by tabs, and one character a cell (or a line) is put together again. HTML is tokenised
 * and never built into a tree; what is hidden (a preheader) makes lines of its own, at the end.
 */
import { plainText } from '../verification/keyword-text.ts'
import { createHtmlReader } from './html-reader.ts'

/** Half-open, in UTF-16 units of `VisibleText.text`. */
export interface TextRange {
  readonly start: number
  readonly end: number
}

export interface VisibleLink extends TextRange {
  /** As the HTML has it, entities decoded. */
  readonly url: string
  /** What it shows or says to screen readers. */
  readonly label: string
}

export interface VisibleText {
  /** Lines without blank ones; see keyword-text.ts for its characters. */
  readonly text: string
  /** Bold or large text and headings. */
  readonly strong: readonly TextRange[]
  readonly links: readonly VisibleLink[]
}

const SILENT = new Set(['head', 'script', 'style', 'title', 'template', 'noscript', 'select', 'svg', 'math'])
const BLOCKS = new Set(
  (
    'address article aside blockquote body br center dd div dl dt fieldset figure footer form h1 h2 h3 h4 h5 h6 header hr html ' +
    'li main nav ol p pre section table tbody tfoot thead tr ul'
  ).split(' '),
)
const CELLS = new Set(['td', 'th'])
const STRONG = new Set(['b', 'strong', 'h1', 'h2', 'h3', 'h4', 'code', 'kbd', 'mark', 'big', 'tt'])
const VOID = new Set(['br', 'hr', 'img', 'input', 'meta', 'link', 'col', 'area', 'base', 'wbr', 'source'])

const HIDING_STYLE =
  /display\s*:\s*none|visibility\s*:\s*hidden|font-size\s*:\s*[01](?:px|pt|em)?\s*(?:[;!]|$)|max-height\s*:\s*0|opacity\s*:\s*0(?:\.0*)?\s*(?:[;!]|$)|mso-hide\s*:\s*all/i
const STRONG_STYLE =
  /font-weight\s*:\s*(?:bold|[6-9]00)|letter-spacing\s*:\s*0*[1-9.]|font-size\s*:\s*(?:2[2-9]|[3-9]\d)(?:px|pt)/i

const LINKS_MAX = 500
const URL_CHARS_MAX = 4000
const STYLE_CHARS_MAX = 500

interface OpenElement {
  name: string
  isSilent: boolean
  isHidden: boolean
  strongStart: number | undefined
}

/** @param charsMax  of text that is shown; of the source four times as much is looked at, and at least 200,000 */
export function visibleTextOfHtml(html: string, charsMax: number): VisibleText {
  const shown = new LineWriter()
  const hidden = new LineWriter()
  const strong: TextRange[] = []
  const links: { url: string; start: number; end: number; label: string }[] = []
  const open: OpenElement[] = []
  let silentDepth = 0
  let hiddenDepth = 0
  let preDepth = 0
  let link: (typeof links)[number] | undefined

  const reader = createHtmlReader(
    {
      onopentag(name, attributes) {
        const style = (attributes.style ?? '').slice(0, STYLE_CHARS_MAX)
        const isSilent = SILENT.has(name)
        const isHidden = HIDING_STYLE.test(style) || 'hidden' in attributes
        const out = hiddenDepth > 0 ? hidden : shown
        breakAt(out, name)
        if (name === 'img' && link !== undefined) link.label += ` ${(attributes.alt ?? '').slice(0, 200)}`
        if (name === 'input' && attributes.type !== 'hidden') out.write(` ${(attributes.value ?? '').slice(0, 100)} `)
        if (VOID.has(name)) return
        const isStrong = STRONG.has(name) || STRONG_STYLE.test(style) || Number(attributes.size) >= 5
        open.push({ name, isSilent, isHidden, strongStart: isStrong ? shown.length : undefined })
        if (isSilent) silentDepth += 1
        if (isHidden) {
          hidden.line()
          hiddenDepth += 1
        }
        if (name === 'pre') preDepth += 1
        if (name === 'a') openLink(attributes.href, attributes.title ?? attributes['aria-label'])
      },
      onclosetag(name) {
        if (VOID.has(name)) return
        breakAt(hiddenDepth > 0 ? hidden : shown, name)
        if (name === 'a') closeLink()
        let at = open.length - 1
        while (at >= 0 && open[at]!.name !== name) at -= 1
        if (at < 0) return
        for (const element of open.splice(at)) {
          if (element.isSilent) silentDepth -= 1
          if (element.isHidden) hiddenDepth -= 1
          if (element.name === 'pre') preDepth -= 1
          if (element.strongStart !== undefined && element.strongStart < shown.length)
            strong.push({ start: element.strongStart, end: shown.length })
        }
      },
      ontext(text) {
        if (silentDepth > 0) return
        const out = hiddenDepth > 0 ? hidden : shown
        const plain = plainText(text)
        if (preDepth > 0) for (const [index, line] of plain.split('\n').entries()) out.write(line, index > 0)
        else out.write(plain)
        if (link !== undefined && hiddenDepth === 0) link.label += plain
      },
    },
    { decodeEntities: true, lowerCaseTags: true },
  )

  function openLink(href: string | undefined, title: string | undefined): void {
    closeLink()
    if (href === undefined || href.length > URL_CHARS_MAX || links.length >= LINKS_MAX) return
    link = {
      url: href.replace(/[\t\n\r]/g, '').trim(), // as browsers do
      start: shown.length,
      end: shown.length,
      label: title === undefined ? '' : `${title.slice(0, 200)} `,
    }
  }

  function closeLink(): void {
    if (link === undefined) return
    link.end = shown.length
    link.label = plainText(link.label).replace(/\s+/g, ' ').trim().slice(0, 300)
    links.push(link)
    link = undefined
  }

  const sourceMax = Math.max(charsMax * 4, 200_000)
  reader.read(html.slice(0, sourceMax), () => shown.length >= charsMax)
  closeLink()
  shown.line()
  const text = shown.text + hidden.text.slice(0, charsMax)
  return { text: joinSplitCodes(text), strong, links }
}

function breakAt(out: LineWriter, name: string): void {
  if (CELLS.has(name)) out.cell()
  else if (BLOCKS.has(name)) out.line()
}

/** Collects text with white space collapsed; a line or cell that is empty leaves no trace. */
class LineWriter {
  length = 0
  readonly #pieces: string[] = []
  #gap = ''
  #isAtStart = true

  get text(): string {
    return this.#pieces.join('')
  }

  /** @param startsLine  whether a line begins before the text */
  write(text: string, startsLine = false): void {
    if (startsLine) this.line()
    const collapsed = text.replace(/\s+/g, ' ')
    if (collapsed.startsWith(' ') && this.#gap === '') this.#gap = ' '
    const words = collapsed.trim()
    if (words === '') return
    this.#add((this.#isAtStart ? '' : this.#gap) + words)
    this.#isAtStart = false
    this.#gap = collapsed.endsWith(' ') ? ' ' : ''
  }

  cell(): void {
    if (this.#gap !== '\n') this.#gap = '\t'
  }

  line(): void {
    if (!this.#isAtStart) this.#add('\n')
    this.#isAtStart = true
    this.#gap = ''
  }

  #add(piece: string): void {
    this.#pieces.push(piece)
    this.length += piece.length
  }
}

/** Lines as long as this may have been wrapped by the sender's program. */
const WRAPPED_CHARS_MIN = 50

/** The lines of a text/plain body: wrapped ones are joined, columns are cells. */
export function visibleTextOfPlain(body: string, charsMax: number): VisibleText {
  const lines = plainText(body.slice(0, charsMax)).split(/\r\n|[\n\r\u2028\u2029]/)
  let text = ''
  let previous = ''
  for (const line of lines) {
    const words = line
      .trim()
      .replace(/ {3,}|\t+| \| /g, '\t')
      .replace(/[^\S\t]+/g, ' ')
    if (words !== '') text += text === '' ? words : (continues(previous, line) ? ' ' : '\n') + words
    previous = line.trimEnd()
  }
  return { text: joinSplitCodes(`${text}\n`), strong: [], links: [] }
}

function continues(previous: string, line: string): boolean {
  if (previous.length < WRAPPED_CHARS_MIN || /[:：]$/.test(previous) || /^[\s>*•·–—-]/.test(line)) return false
  const words = line.trim()
  return words.includes(' ') || (!/[.!?。]$/.test(previous) && (/[.,;!?]$/.test(words) || /^\p{Ll}+$/u.test(words)))
}

/** Characters, or groups of the same size, a line. */
const STACKED =
  /(?<![^\n])(?:(?:[0-9A-Z]\n){4,12}(?![0-9A-Z]\n)|(?:[0-9]{3}\n){2,3}(?![0-9]{3}\n)|(?:[0-9]{2}\n){3,4}(?![0-9]{2}\n))/g

/**
 * Joins what was laid out a character (or a group) a cell or line: "4\t8\t2\t9" and "4\n8\n2\n9" become "4 8 2 9". Nothing
 * moves: only the dividers change.
 */
function joinSplitCodes(text: string): string {
  const joined = (line: string) => (isSplitCode(line) ? line.replaceAll('\t', ' ') : line)
  const cells = text.includes('\t') ? text.replace(/(?<![^\n])[^\n]{3,60}(?=\n)/g, joined) : text
  return cells.replace(STACKED, (run) => `${run.slice(0, -1).replaceAll('\n', ' ')}\n`)
}

function isSplitCode(line: string): boolean {
  if (!line.includes('\t')) return false
  const cells = line.split('\t').map((cell) => cell.trim())
  const groups = cells.filter((cell) => !/^[-–—·•]?$/.test(cell))
  const size = groups[0]?.length ?? 0
  const total = size * groups.length
  if (groups.length < 2 || total < 4 || total > 12 || size > 4) return false
  return groups.every((group) => group.length === size && /^[0-9A-Za-z]+$/.test(group)) && /[0-9]/.test(line)
}
