/**
 * Decides which lines of a message were written by its sender and which quote an earlier message. Used for text and for
 * HTML: HTML is passed as the lines that it shows, with the elements around them.
 *
 * A line is own until there is evidence for a quote. The evidence, strongest first: a quoting element or ">" marks; an
 * attribution or a copied header above unmarked text (attributions.ts, header-blocks.ts). The header of the message
 * proves nothing alone: it makes weaker evidence sufficient.
 */
import { type Attribution, findAttributions } from './attributions.ts'
import { HeaderBlocks } from './header-blocks.ts'
import { type MarkedRun, type QuotableLine, QuotableLines } from './quotable-lines.ts'
import {
  announcesAnswers,
  isDeviceSignature,
  isForwardMarker,
  isOriginalSeparator,
  isReportOpening,
  isRule,
  isTitledRule,
} from './quote-signals.ts'
import type { ReplyContext } from './reply-context.ts'

/** `own`: written by the sender. `quoted`: a quote or its attribution, which can be left out. */
export type LineKind = 'own' | 'quoted'

export interface Quoting {
  kinds: LineKind[]
  /** All lines from this index to the end are quoted. Without such a quote, it is the number of lines. */
  trailingQuoteStart: number
}

/**
 * Sorts lines into own and quoted ones.
 *
 * @returns undefined if the quotes are part of the content and should be kept: in a forward, in a bounce, with answers
 *          between quoted lines, and if own text and an unmarked quote cannot be separated
 */
export function classifyLines(lines: readonly QuotableLine[], context: ReplyContext): Quoting | undefined {
  const first = lines.find((line) => line.text.trim() !== '' && !isRule(line.text))
  if (first === undefined || isReportOpening(first.text) || context.isForward === 'yes') return undefined
  return new Classifier(lines, context).classify()
}

/** Lines above a quote in which the sender can announce answers. */
const ANNOUNCEMENT_LINES = 30

class Classifier {
  readonly #lines: QuotableLines
  readonly #context: ReplyContext
  readonly #kinds: LineKind[]
  readonly #attributions: ReadonlyMap<number, Attribution>
  readonly #blocks: HeaderBlocks
  /** Whether own text follows the last quote; undefined before the first quote. */
  #isAnswered: boolean | undefined
  /** The line that the last attribution introduces. */
  #attributed = -1
  /** A quote without marks was found. */
  #isUnmarked = false
  #trailingQuoteStart: number

  constructor(lines: readonly QuotableLine[], context: ReplyContext) {
    this.#lines = new QuotableLines(lines)
    this.#context = context
    this.#kinds = lines.map(() => 'own')
    const { marked } = this.#lines
    this.#trailingQuoteStart = lines.length
    this.#attributions = findAttributions(lines, marked, context)
    this.#blocks = new HeaderBlocks((index) => (marked[index] === true ? undefined : lines[index]?.text), context)
  }

  classify(): Quoting | undefined {
    for (let index = 0; index < this.#lines.length; ) {
      if (this.#isAnswered === undefined && isForwardMarker(this.#lines.at(index).text)) return undefined
      const next = this.#markedQuote(index) ?? this.#unmarkedQuote(index) ?? this.#attribution(index)
      if (next === 'keep all') return undefined
      if (next === undefined) this.#ownLine(index)
      index = next ?? index + 1
    }
    if (this.#isUnmarked && !this.#hasOwnText()) return undefined
    return { kinds: this.#kinds, trailingQuoteStart: this.#trailingQuoteStart }
  }

  /** Classifies the marked lines that begin here. Returns the index of the line below them. */
  #markedQuote(index: number): number | 'keep all' | undefined {
    const isAttributed = this.#attributed === index
    if (!this.#lines.marked[index] && !(isAttributed && this.#lines.at(index).element !== undefined)) return undefined
    const run = this.#lines.markedRun(index)
    if (isAttributed || this.#isQuote(index, run)) {
      if (this.#isAnswered === true) return 'keep all' // quote, answer, quote
      this.#kinds.fill('quoted', index, run.end)
      this.#isAnswered = false
    }
    return run.end
  }

  /** Classifies a quote that only its first lines mark: it extends to the end of the message or of its element. */
  #unmarkedQuote(index: number): number | 'keep all' | undefined {
    const found = this.#findUnmarkedQuote(index)
    if (found === undefined) return undefined
    if (found === 'forward' || this.#context.isNew || this.#announcesAnswers(index)) return 'keep all'
    const start = this.#withRulesAbove(index)
    const end = this.#lines.at(index).container?.endLine ?? this.#lines.length
    this.#kinds.fill('quoted', start, end)
    this.#isUnmarked = true
    this.#isAnswered = false
    if (end === this.#lines.length) this.#trailingQuoteStart = start
    return end
  }

  #findUnmarkedQuote(index: number): 'quote' | 'forward' | undefined {
    const line = this.#lines.at(index)
    if (this.#lines.isBlank(index)) return undefined
    if (isOriginalSeparator(line.text)) {
      const next = this.#lines.nextNonBlank(index + 1)
      const isWide = this.#context.isReply && /^\s*[^\p{L}\s]{5}/u.test(line.text.slice(0, 50))
      const isIntroduction = this.#attributions.has(next) || this.#blocks.isField(next)
      if (isWide || isIntroduction) return this.#blocks.isForwardedBy(next) ? 'forward' : 'quote'
    }
    const above = this.#lines.previousNonBlank(index)
    const isAnnounced = above >= 0 && isRuleAbove(this.#lines.at(above).text)
    if (this.#blocks.isBlock(index, isAnnounced)) return this.#blocks.isForwardedBy(index) ? 'forward' : 'quote'

    const attribution = this.#attributions.get(index)
    if (attribution?.isStrong !== true) return undefined
    const below = this.#lines.nextNonBlank(attribution.end)
    return below < this.#lines.length && !this.#lines.isInQuote(below) ? 'quote' : undefined
  }

  /** Classifies an attribution above marked lines, or at the end. */
  #attribution(index: number): number | undefined {
    const attribution = this.#attributions.get(index)
    if (attribution === undefined) return undefined
    const below = this.#lines.nextNonBlank(attribution.end)
    const isAboveQuote = below < this.#lines.length && this.#lines.isInQuote(below)
    if (!isAboveQuote && !attribution.isStrong) return undefined
    if (isAboveQuote) this.#attributed = below
    this.#kinds.fill('quoted', index, attribution.end)
    return attribution.end
  }

  #ownLine(index: number): void {
    const { text } = this.#lines.at(index)
    if (text.trim() !== '' && !isRule(text) && this.#isAnswered === false) this.#isAnswered = this.#isAnswer(index)
  }

  /** Whether a run of marked lines without an attribution is a quote. */
  #isQuote(start: number, { end, count, isPrompt }: MarkedRun): boolean {
    if (this.#lines.at(start).element === 'quote') return true
    if (isPrompt) return false
    const above = this.#lines.previousNonBlank(start)
    const isBelowText = above === start - 1 && above >= 0 && this.#kinds[above] === 'own'
    const isIntroduced =
      above >= 0 && this.#kinds[above] === 'own' && /[:：]\s*$/.test(this.#lines.at(above).text.slice(-20))
    // Below a line such as "The steps:", a person can have written the marks. In a reply, a blank line would be between.
    if (isIntroduced && (isBelowText || count === 1 || !this.#context.isReply)) return false
    if (count > 1) return true
    // A single line in the middle can be a list, and "> 5 years" compares.
    const isOutside =
      above < 0 || this.#isAnswered !== undefined || this.#lines.nextNonBlank(end) === this.#lines.length
    return this.#context.isReply && isOutside && !/^\s*>=?\s*[\d$€£¥]/.test(this.#lines.at(start).text.slice(0, 40))
  }

  /** Whether an own line below a quote is an answer, and not the rest of a line that a relay wrapped. */
  #isAnswer(index: number): boolean {
    const isAlone = this.#lines.isBlank(index - 1) || this.#lines.isBlank(index + 1)
    return this.#lines.all[index - 1]?.element === 'quote' || isAlone
  }

  /** Whether the text above says that answers are in the quote: "See my answers below." */
  #announcesAnswers(end: number): boolean {
    const own = this.#lines.all.slice(Math.max(0, end - ANNOUNCEMENT_LINES), end)
    return own.some(({ text }) => announcesAnswers(text))
  }

  /** Whether there is more own text than a salutation ("Hello Ann,") and what the program added. */
  #hasOwnText(): boolean {
    const own = this.#lines.all.filter(({ text }, index) => {
      return this.#kinds[index] === 'own' && text.trim() !== '' && !isRule(text) && !isDeviceSignature(text)
    })
    return own.length > 1 || (own.length === 1 && !/[,，、]$/.test(own[0]!.text.trim()))
  }

  /** Returns the start of a quote that was found at `index`: ruled lines above it belong to the quote. */
  #withRulesAbove(index: number): number {
    let start = index
    for (;;) {
      const above = this.#lines.previousNonBlank(start)
      if (above < 0 || !isRuleAbove(this.#lines.at(above).text) || this.#kinds[above] === 'quoted') return start
      start = above
    }
  }
}

/** Whether a line can be drawn above a copied header. */
function isRuleAbove(text: string): boolean {
  return isRule(text) || isTitledRule(text)
}
