/** The lines of a message as quoting.ts examines them: which ones are marked as quoted, and where the next text is. */
import { beginsWithWord } from './quote-line.ts'

export interface QuotableLine {
  text: string
  /**
   * The element around it. `quote`: one that mail programs create for quotes. `blockquote`: another one, which is a
   * quote only below an attribution.
   */
  element?: 'quote' | 'blockquote'
  /** In an element that a mail program creates for the attribution. */
  isPrefix?: boolean
  /** The element around it that a mail program creates for attribution and quote together. */
  container?: QuoteContainer
}

export interface QuoteContainer {
  /** Index of the line below the element. */
  endLine: number
}

/** Consecutive quoted lines. */
export interface MarkedRun {
  /** Index of the line below the last one. */
  readonly end: number
  /** The number of quoted lines, without blank ones between them. */
  readonly count: number
  /** Whether all lines are prompts of Python: ">>> import this". */
  readonly isPrompt: boolean
}

export class QuotableLines {
  readonly all: readonly QuotableLine[]
  /** Whether each line is marked as quoted, by its element or by ">". */
  readonly marked: readonly boolean[]

  constructor(lines: readonly QuotableLine[]) {
    this.all = lines
    this.marked = lines.map((line) => line.element === 'quote' || isMarkedText(line.text))
  }

  get length(): number {
    return this.all.length
  }

  /** @param index of an existing line */
  at(index: number): QuotableLine {
    return this.all[index]!
  }

  /** Whether a line is marked as quoted, or would be below an attribution. */
  isInQuote(index: number): boolean {
    return this.marked[index] === true || this.at(index).element !== undefined
  }

  /** Finds the consecutive quoted lines from `start` on; there may be blank lines between them. */
  markedRun(start: number): MarkedRun {
    let end = start
    let count = 0
    let isPrompt = true
    const isBlockquote = this.at(start).element === 'blockquote'
    for (let index = start; index < this.length; index++) {
      const { text, element } = this.at(index)
      if (this.marked[index] || (isBlockquote && element === 'blockquote')) {
        count++
        end = index + 1
        isPrompt &&= /^\s*>>>(?: |$)/.test(text.slice(0, 10))
      } else if (!this.isBlank(index)) break
    }
    return { end, count, isPrompt }
  }

  /** Whether a line has no text, also beyond the first and the last one. */
  isBlank(index: number): boolean {
    return (this.all[index]?.text ?? '').trim() === ''
  }

  /** Returns the first line with text from this index on; the number of lines if there is none. */
  nextNonBlank(from: number): number {
    let index = from
    while (index < this.length && this.isBlank(index)) index++
    return index
  }

  /** Returns the last line with text above this index; -1 if there is none. */
  previousNonBlank(from: number): number {
    let index = from - 1
    while (index >= 0 && this.isBlank(index)) index--
    return index
  }
}

/** Whether a line begins with ">". Mailbox files write "From " at the start of a line as ">From ". */
function isMarkedText(text: string): boolean {
  if (beginsWithWord(text)) return false
  const mark = /^[\ufeff\u200b-\u200f\u202a-\u202e\u2060-\u2069]*[ \u00a0]{0,3}>/.exec(text.slice(0, 10))
  return mark !== null && !/^>(?:From |[:：])/.test(text.slice(0, 6)) // ">:" is the end of a wrapped attribution
}
