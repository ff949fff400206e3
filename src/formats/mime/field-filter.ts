/** Leaves out all fields of one name, for a header that is too large to be read as fields (header-fields.ts). Pure. */

const LF = 0x0a
const SPACE = 0x20
const TAB = 0x09
const COLON = 0x3a
const NONE = Buffer.alloc(0)

/** Reads the message in chunks of any size, and keeps no more of it than a name. */
export class FieldFilter {
  readonly #lowerName: string
  /** Bytes of the header that have not been decided. */
  #leftBytes: number
  /** The beginning of a line that is too short to be decided. */
  #held = NONE
  #isLineStart = true
  #isLeftOut = false

  /** @param headerBytes where the header ends, by readHeaderBlock: every line before is a field, or continues one */
  constructor(lowerName: string, headerBytes: number) {
    this.#lowerName = lowerName
    this.#leftBytes = headerBytes
  }

  /** @returns what can be sent on */
  write(chunk: Uint8Array): Buffer {
    const bytes = this.#held.length > 0 ? Buffer.concat([this.#held, chunk]) : asBuffer(chunk)
    this.#held = NONE
    if (this.#leftBytes === 0) return bytes
    const kept: Buffer[] = []
    const end = Math.min(bytes.length, this.#leftBytes)
    let from = 0 // of the bytes that are kept or left out together
    let at = 0
    while (at < end) {
      if (this.#isLineStart) {
        const isShort = bytes.length - at <= this.#lowerName.length
        if (isShort && bytes.length < this.#leftBytes) break
        const isLeftOut = this.#isOfName(bytes, at)
        if (isLeftOut !== this.#isLeftOut) {
          if (isLeftOut) kept.push(bytes.subarray(from, at))
          from = at
        }
        this.#isLeftOut = isLeftOut
      }
      const lineFeed = bytes.indexOf(LF, at)
      this.#isLineStart = lineFeed >= 0 && lineFeed < end
      at = this.#isLineStart ? lineFeed + 1 : end
    }
    if (!this.#isLeftOut) kept.push(bytes.subarray(from, at))
    this.#leftBytes -= at
    if (this.#leftBytes === 0) kept.push(bytes.subarray(at))
    else this.#held = Buffer.from(bytes.subarray(at)) // a copy: the chunk may be used again
    return kept.length === 1 ? kept[0]! : Buffer.concat(kept)
  }

  /** @returns the rest of a message that is shorter than its header was said to be */
  end(): Buffer {
    return this.#held
  }

  /** Whether the line belongs to a field of this name. White space before the colon is obsolete syntax (RFC 5322 §4.5.8). */
  #isOfName(bytes: Buffer, at: number): boolean {
    const first = bytes[at]!
    if (first === SPACE || first === TAB) return this.#isLeftOut
    const name = this.#lowerName
    if ((first | SPACE) !== name.charCodeAt(0)) return false // the usual case, without a string
    const next = bytes[at + name.length]
    if (next !== COLON && next !== SPACE && next !== TAB) return false
    return bytes.toString('latin1', at, at + name.length).toLowerCase() === name
  }
}

function asBuffer(chunk: Uint8Array): Buffer {
  return Buffer.isBuffer(chunk) ? chunk : Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength)
}
