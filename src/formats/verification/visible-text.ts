/**
 * Converts a message body to the lines that a person sees, so that the words beside, above and below a code or link can
 * be found. Text and HTML bodies give the same form.
 *
 * Tabs separate the cells of a table row. A code that has one character per cell or per line is joined. HTML is
 * tokenised and never built into a tree. Hidden text (a preheader) becomes separate lines at the end.
 */
import { BLOCK_TAGS, CELL_TAGS, IGNORED_TAGS, isHiddenElement, styleOf, VOID_TAGS } from '../html/html-elements.ts'
import { createHtmlReader } from '../html/html-reader.ts'
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

interface OpenElement {
  name: string
  isIgnored: boolean
  isHidden: boolean
  strongStart: number | undefined
}

/** @param charsMax  of shown text; at most four times as much of the source is read, or 200,000 if that is more */
export function visibleTextOfHtml(html: string, charsMax: number): VisibleText {
  const shown = new LineWriter()
  const hidden = new LineWriter()
  const strong: TextRange[] = []
  const links: { url: string; start: number; end: number; linkText: string }[] = []
  const open: OpenElement[] = []
  let ignoredDepth = 0
  let hiddenDepth = 0
  let preDepth = 0
  let link: (typeof links)[number] | undefined

  const reader = createHtmlReader(
    {
      onopentag(name, attributes) {
        const isIgnored = IGNORED_TAGS.has(name)
        const isHidden = isHiddenElement(attributes)
        const out = hiddenDepth > 0 ? hidden : shown
        breakBefore(out, name)
        if (name === 'img' && link !== undefined) link.linkText += ` ${(attributes.alt ?? '').slice(0, 200)}`
        if (name === 'input' && attributes.type !== 'hidden') out.write(` ${(attributes.value ?? '').slice(0, 100)} `)
        if (VOID_TAGS.has(name)) return
        const isStrong = STRONG_TAGS.has(name) || STRONG_STYLE.test(styleOf(attributes)) || Number(attributes.size) >= 5
        open.push({ name, isIgnored, isHidden, strongStart: isStrong ? shown.length : undefined })
        if (isIgnored) ignoredDepth += 1
        if (isHidden) {
          hidden.endLine()
          hiddenDepth += 1
        }
        if (name === 'pre') preDepth += 1
        if (name === 'a') openLink(attributes.href, attributes.title ?? attributes['aria-label'])
      },
      onclosetag(name) {
        if (VOID_TAGS.has(name)) return
        breakBefore(hiddenDepth > 0 ? hidden : shown, name)
        if (name === 'a') closeLink()
        let index = open.length - 1
        while (index >= 0 && open[index]!.name !== name) index -= 1
        if (index < 0) return
        for (const element of open.splice(index)) {
          if (element.isIgnored) ignoredDepth -= 1
          if (element.isHidden) hiddenDepth -= 1
          if (element.name === 'pre') preDepth -= 1
          if (element.strongStart !== undefined && element.strongStart < shown.length)
            strong.push({ start: element.strongStart, end: shown.length })
        }
      },
      ontext(text) {
        if (ignoredDepth > 0) return
        const out = hiddenDepth > 0 ? hidden : shown
        const plain = plainText(text)
        if (preDepth > 0) for (const [index, line] of plain.split('\n').entries()) out.write(line, index > 0)
        else out.write(plain)
        if (link !== undefined && hiddenDepth === 0) link.linkText += plain
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
      linkText: title === undefined ? '' : `${title.slice(0, 200)} `,
    }
  }

  function closeLink(): void {
    if (link === undefined) return
    link.end = shown.length
    link.linkText = plainText(link.linkText).replace(/\s+/g, ' ').trim().slice(0, 300)
    links.push(link)
    link = undefined
  }

  const sourceCharsMax = Math.max(charsMax * 4, 200_000)
  reader.read(html.slice(0, sourceCharsMax), () => shown.length >= charsMax)
  closeLink()
  shown.endLine()
  const text = shown.text + hidden.text.slice(0, charsMax)
  return { text: joinSplitCodes(text), strong, links }
}

function breakBefore(out: LineWriter, tagName: string): void {
  if (CELL_TAGS.has(tagName)) out.endCell()
  else if (BLOCK_TAGS.has(tagName)) out.endLine()
}

/** A line of this length may have been wrapped by the sender's mail program. */
const WRAPPED_CHARS_MIN = 50

/** Returns the lines of a text/plain body: wrapped lines are joined, and columns become cells. */
export function visibleTextOfPlain(body: string, charsMax: number): VisibleText {
  const lines = plainText(body.slice(0, charsMax)).split(/\r\n|[\n\r\u2028\u2029]/)
  let text = ''
  let previous = ''
  for (const line of lines) {
    const trimmed = line
      .trim()
      .replace(/ {3,}|\t+| \| /g, '\t')
      .replace(/[^\S\t]+/g, ' ')
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
