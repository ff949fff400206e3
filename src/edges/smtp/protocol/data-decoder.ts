/**
 * Decodes the data after DATA: finds its end, undoes dot-stuffing, and makes every line end CRLF. No I/O: it gets
 * one chunk at a time.
 *
 * One rule prevents SMTP smuggling (SEC Consult, December 2023): only CRLF "." CRLF ends the message
 * (RFC 5321 §4.1.1.4). Every other form (LF.LF, LF.CRLF, CR.CR, CRLF.LF …) is content, wherever the chunks are split.
 *
 * It makes two separate changes, because each defines the end of a line differently:
 *   1. transparency (RFC 5321 §4.5.2): one "." after CRLF is removed. A "." after a bare LF is kept, because it is not
 *      at the start of a line as SMTP defines it.
 *   2. a bare LF becomes CRLF, as Postfix 3.9 does (`smtpd_forbid_bare_newline = normalize`), whose release notes say
 *      that many legitimate clients mix line ends. Refusing bare LF (chasquid, mox) would lose their mail; passing it
 *      on would make us the sending side of the attack.
 * A bare CR is kept: it does not end a line for us. CR CR LF is so common that a CRLF for each CR would split headers.
 */

const LF = 0x0a
const CR = 0x0d
const DOT = 0x2e

export interface Decoded {
  /** Bytes of the message; may be empty. */
  readonly data: Buffer
  /** Set once the end was found: the bytes after it, which are commands again (RFC 2920). */
  readonly rest?: Buffer
}

export class DataDecoder {
  /** `dot` and `dotCr`: a "." at a line start, and a CR after it, are not passed on until the next byte decides. */
  #state: 'lineStart' | 'dot' | 'dotCr' | 'text' = 'lineStart'
  /** Last byte of the previous chunk: distinguishes CRLF from a bare LF if the chunks are split between the two. */
  #previous = LF

  /** @param chunk bytes as received, split anywhere */
  decode(chunk: Buffer): Decoded {
    const data = new DecodedChunk(chunk)
    let runStart = 0 // from here the chunk is content, up to the next byte that is not
    let position = 0
    const skip = (byteAt: number) => {
      data.append(runStart, byteAt)
      runStart = byteAt + 1
    }

    while (position < chunk.length) {
      const byte = chunk[position]
      if (this.#state === 'text') {
        const newline = chunk.indexOf(LF, position)
        if (newline === -1) break
        if (this.#byteBefore(chunk, newline) === CR) {
          this.#state = 'lineStart'
        } else {
          skip(newline)
          data.write(CR)
          data.write(LF)
        }
        position = newline + 1
      } else if (this.#state === 'lineStart') {
        this.#state = byte === DOT ? 'dot' : 'text'
        if (byte === DOT) skip(position++)
      } else if (this.#state === 'dot') {
        this.#state = byte === CR ? 'dotCr' : 'text'
        if (byte === CR) skip(position++)
      } else {
        if (byte === LF) return { data: data.bytes, rest: chunk.subarray(position + 1) }
        data.write(CR) // the dot before it was dot-stuffing
        this.#state = 'text'
      }
    }

    data.append(runStart, chunk.length)
    this.#previous = chunk[chunk.length - 1] ?? this.#previous
    return { data: data.bytes }
  }

  #byteBefore(chunk: Buffer, position: number): number | undefined {
    return position === 0 ? this.#previous : chunk[position - 1]
  }
}

/**
 * The content of one chunk: the chunk's own memory while nothing inside it changes, as in most chunks, otherwise one
 * new buffer. One buffer per line would use a hundred times the size of a chunk like "a", bare LF, "a", bare LF, …
 */
class DecodedChunk {
  readonly #chunk: Buffer
  #written: Buffer | undefined
  #length = 0

  constructor(chunk: Buffer) {
    this.#chunk = chunk
  }

  get bytes(): Buffer {
    return (this.#written ?? this.#chunk).subarray(0, this.#length)
  }

  /** Appends bytes [start, end) of the chunk. */
  append(start: number, end: number): void {
    if (end <= start) return
    const isInPlace = this.#written === undefined && start === this.#length
    if (!isInPlace) this.#chunk.copy(this.#own(), this.#length, start, end)
    this.#length += end - start
  }

  write(byte: number): void {
    this.#own()[this.#length++] = byte
  }

  #own(): Buffer {
    if (this.#written) return this.#written
    // Each bare LF becomes two bytes; a CR at the end of the previous chunk adds one.
    this.#written = Buffer.allocUnsafe(2 * this.#chunk.length + 1)
    this.#chunk.copy(this.#written, 0, 0, this.#length)
    return this.#written
  }
}
