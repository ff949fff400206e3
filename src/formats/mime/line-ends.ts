/**
 * Finds what no mail may contain and servers treat in different ways: a CR that no LF follows, and NUL (RFC 5321 §2.3.8, RFC 5322 §2.3).
 * A server that reads such a CR as the end of a line finds fields and commands in a message that others do not find
 * (SMTP smuggling, SEC Consult, December 2023). No I/O.
 */
const CR = 0x0d
const LF = 0x0a

export class LineEndCheck {
  /** The last byte of the previous chunk is a CR. */
  #endsInCr = false

  /** @returns whether the bytes so far contain no NUL and no CR before another byte than LF */
  accepts(chunk: Uint8Array): boolean {
    if (chunk.length === 0) return true
    if (this.#endsInCr && chunk[0] !== LF) return false
    const last = chunk.length - 1
    for (let at = chunk.indexOf(CR); at >= 0 && at < last; at = chunk.indexOf(CR, at + 1)) {
      if (chunk[at + 1] !== LF) return false
    }
    this.#endsInCr = chunk[last] === CR
    return !chunk.includes(0)
  }
}
