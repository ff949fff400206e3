/**
 * The inside of DATA: finds its end, undoes dot-stuffing, and makes every line end CRLF. Pure; fed chunk by chunk.
 *
 * One rule keeps smuggled mails out (SEC Consult, December 2023): only CRLF "." CRLF ends the mail (RFC 5321 §4.1.1.4).
 * Every other spelling (LF.LF, LF.CRLF, CR.CR, CRLF.LF …) is content, wherever the chunks are cut.
 *
 * Two passes over the same bytes, told apart because their line ends differ:
 *   1. transparency (RFC 5321 §4.5.2): a "." after CRLF is removed, once. A "." after a bare LF is not at a line start that
 *      SMTP knows and stays.
 *   2. a bare LF becomes CRLF, as Postfix 3.9 does (`smtpd_forbid_bare_newline = normalize`), whose release notes say
 *      that many legitimate clients mix line ends. Refusing (chasquid, mox) would lose their mail; passing bare LF on
 *      would make us the sending half of the attack.
 * A bare CR stays: it ends no line for us, and CR CR LF is common enough that turning each into CRLF would tear headers.
 */

const LF = 0x0a
const CR = 0x0d
const DOT = 0x2e
const CRLF = Buffer.from('\r\n')
const LONE_CR = Buffer.from('\r')
const EMPTY = Buffer.alloc(0)

export interface Decoded {
  /** Bytes of the mail; may be empty. */
  readonly content: Buffer
  /** Set once the end was found: what follows it, which is commands again (RFC 2920). */
  readonly rest?: Buffer
}

export class DataDecoder {
  /** `dot` and `dotCr`: a "." at a line start, and a CR after it, are held back until the next byte says what they are. */
  #state: 'lineStart' | 'dot' | 'dotCr' | 'text' = 'lineStart'
  /** Last byte of the chunk before, to tell CRLF from a bare LF where the cut falls between the two. */
  #previous = LF

  /** @param chunk bytes as received, cut anywhere */
  decode(chunk: Buffer): Decoded {
    const parts: Buffer[] = []
    let runStart = 0 // content from here on is not in `parts` yet: most chunks go out as they came in
    let position = 0
    const keepUntil = (end: number, next: number) => {
      if (end > runStart) parts.push(chunk.subarray(runStart, end))
      runStart = next
    }

    while (position < chunk.length) {
      const byte = chunk[position]
      if (this.#state === 'text') {
        const newline = chunk.indexOf(LF, position)
        if (newline === -1) break
        if (this.#byteBefore(chunk, newline) === CR) {
          this.#state = 'lineStart'
        } else {
          keepUntil(newline, newline + 1)
          parts.push(CRLF)
        }
        position = newline + 1
      } else if (this.#state === 'lineStart') {
        this.#state = byte === DOT ? 'dot' : 'text'
        if (byte === DOT) keepUntil(position, ++position)
      } else if (this.#state === 'dot') {
        this.#state = byte === CR ? 'dotCr' : 'text'
        if (byte === CR) keepUntil(position, ++position)
      } else {
        if (byte === LF) return { content: join(parts), rest: chunk.subarray(position + 1) }
        parts.push(LONE_CR) // the dot before it was stuffing
        this.#state = 'text'
      }
    }

    keepUntil(chunk.length, chunk.length)
    this.#previous = chunk[chunk.length - 1] ?? this.#previous
    return { content: join(parts) }
  }

  #byteBefore(chunk: Buffer, position: number): number | undefined {
    return position === 0 ? this.#previous : chunk[position - 1]
  }
}

function join(parts: readonly Buffer[]): Buffer {
  if (parts.length === 0) return EMPTY
  return parts.length === 1 ? parts[0]! : Buffer.concat(parts)
}
