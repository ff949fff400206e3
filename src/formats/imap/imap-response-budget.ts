/**
 * Limits the length of ENVELOPE and BODYSTRUCTURE. A header may have 256 KiB for each of a thousand parts, and a character of it may be written as
 * twelve: without a limit, these texts were longer than the message, and each FETCH had them in memory.
 *
 * What no longer fits is left out: a string becomes NIL, a list ends earlier. Clients can still read the header itself. The types, encodings and sizes
 * of parts are not counted: they have limits of their own, and there are 1,000 parts at most.
 */

/** The longest ENVELOPE, and the longest BODYSTRUCTURE. Most messages need a thousandth of it; 5,000 recipients need 300,000. */
export const RESPONSE_CHARS_MAX = 512 * 1024

export class ImapResponseBudget {
  #charsLeft: number

  constructor(charsMax = RESPONSE_CHARS_MAX) {
    this.#charsLeft = charsMax
  }

  get isUsedUp(): boolean {
    return this.#charsLeft <= 0
  }

  /** @param make is not called when nothing more fits @returns what `make` returns, or `otherwise` if that is too long */
  take(make: () => string, otherwise = 'NIL'): string {
    if (this.isUsedUp) return otherwise
    const text = make()
    this.#charsLeft -= text.length
    if (this.#charsLeft >= 0) return text
    this.#charsLeft = 0
    return otherwise
  }
}
