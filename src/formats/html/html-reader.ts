/**
 * Reads HTML with htmlparser2 in time linear in its length, whatever it contains. All code that reads the HTML of a
 * message uses this.
 *
 * The parser keeps open elements in a list. It shifts the whole list at each opening tag and searches it at each
 * closing tag, so its time grows with length × depth: a megabyte of nested tags took 5 to 25 seconds. Here the depth is
 * limited.
 */
import { type Handler, Parser, type ParserOptions } from 'htmlparser2'

/** No mail program nests elements deeper. Reading stops there. */
const DEPTH_MAX = 500
/** `isEnough` is called before each slice of this length. */
const SLICE_CHARS = 16_384

/**
 * Calls a handler for each token of one HTML text.
 *
 * Not an object literal: V8 creates a hidden class of its own for each one with getters, in the old generation, and this
 * refers to the getters. With it, each scavenge kept what belonged to the messages since the last full garbage
 * collection.
 */
export class HtmlReader {
  readonly #parser: Parser
  #depth = 0
  #isAtEnd = false

  constructor(handler: Partial<Handler>, options: ParserOptions = {}) {
    this.#parser = new Parser(
      {
        ...handler,
        onopentagname: (name) => {
          this.#depth += 1
          handler.onopentagname?.(name)
          if (this.#depth > DEPTH_MAX) this.#parser.pause() // stops after this token
        },
        onclosetag: (name, isImplied) => {
          this.#depth -= 1
          handler.onclosetag?.(name, isImplied)
        },
      },
      options,
    )
  }

  /** Start of the current token in the HTML, in UTF-16 units. */
  get startIndex(): number {
    return this.#parser.startIndex
  }

  /** End of the current token, inclusive. */
  get endIndex(): number {
    return this.#parser.endIndex
  }

  /** The input has ended: the current calls of the handler only close elements that are still open. */
  get isAtEnd(): boolean {
    return this.#isAtEnd
  }

  /**
   * Calls the handler for each token. A reader can read one HTML text only.
   *
   * @param isEnough  called before each slice; when it returns true, reading ends and open elements are closed
   * @returns too_deep: an element was nested too deep; nothing after it was read, and open elements were not closed
   */
  read(html: string, isEnough?: () => boolean): 'done' | 'too_deep' {
    return resultOf(this.readInSlices(html, isEnough))
  }

  /** The same, in slices that take a few milliseconds each. */
  *readInSlices(html: string, isEnough?: () => boolean): Generator<void, 'done' | 'too_deep'> {
    for (let start = 0; start < html.length; start += SLICE_CHARS) {
      if (isEnough?.()) break
      this.#parser.write(html.slice(start, start + SLICE_CHARS))
      if (this.#depth > DEPTH_MAX) return 'too_deep'
      yield
    }
    this.#isAtEnd = true
    this.#parser.end()
    return 'done'
  }
}

/** Runs work that is divided into slices without a pause. */
export function resultOf<Result>(slices: Generator<void, Result>): Result {
  for (;;) {
    const { done, value } = slices.next()
    if (done) return value
  }
}
