/**
 * Reads HTML with htmlparser2 in time linear in its length, whatever it holds: the one way for every reader of a mail's HTML.
 *
 * The parser keeps open elements in a list. It shifts the whole list for each opening tag and searches it for each closing
 * one, so its time grows with length × depth: a megabyte of nested tags took 5 to 25 seconds. Here the depth is bounded.
 */
import { type Handler, Parser, type ParserOptions } from 'htmlparser2'

/** No mail program nests deeper; what is below is not read. */
const DEPTH_MAX = 500
/** Between two of these a reader can say that it has enough. */
const SLICE_CHARS = 16_384

export interface HtmlReader {
  /** Of the token that is being reported, in UTF-16 units; the end is inclusive. */
  readonly startIndex: number
  readonly endIndex: number
  /** Nothing more is read: what is reported now closes the elements that are still open. */
  readonly isAtEnd: boolean
  /**
   * Reports what the HTML holds, once.
   *
   * @param isEnough asked before each slice; what is open then is closed, as at the end
   * @returns too_deep: what comes after an element at the greatest depth was not reported, nor its end
   */
  read(html: string, isEnough?: () => boolean): 'done' | 'too_deep'
}

export function createHtmlReader(handler: Partial<Handler>, options: ParserOptions = {}): HtmlReader {
  let depth = 0
  let isAtEnd = false
  const parser = new Parser(
    {
      ...handler,
      onopentagname(name) {
        depth += 1
        handler.onopentagname?.(name)
        if (depth > DEPTH_MAX) parser.pause() // ends after this token
      },
      onclosetag(name, isImplied) {
        depth -= 1
        handler.onclosetag?.(name, isImplied)
      },
    },
    options,
  )
  return {
    get startIndex() {
      return parser.startIndex
    },
    get endIndex() {
      return parser.endIndex
    },
    get isAtEnd() {
      return isAtEnd
    },
    read(html, isEnough) {
      for (let start = 0; start < html.length; start += SLICE_CHARS) {
        if (isEnough?.()) break
        parser.write(html.slice(start, start + SLICE_CHARS))
        if (depth > DEPTH_MAX) return 'too_deep'
      }
      isAtEnd = true
      parser.end()
      return 'done'
    },
  }
}
