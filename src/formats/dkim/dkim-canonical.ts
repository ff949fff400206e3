/**
 * The canonicalizations of DKIM (RFC 6376 §3.4). With the relaxed ones (§3.4.2, §3.4.4), two copies of a message whose
 * white space a relay has changed have the same canonical form; signing and the fingerprint of a message use them. The
 * simple ones (§3.4.1, §3.4.3) occur in signatures of others.
 */

const LF = 0x0a
const CR = 0x0d
const SPACE = 0x20
const TAB = 0x09

/**
 * §3.4.4: removes white space at line ends and empty lines at the end, and reduces white space within a line to one
 * space. Lines end in CRLF, even if the input has only LF. One pass. Lines that stay as they are, are copied together, because
 * encoded attachments consist of them.
 */
export function relaxedBody(body: Buffer): Buffer {
  const out = Buffer.allocUnsafe(body.length + loneLineFeeds(body) + 2)
  let length = 0
  let lengthWithText = 0 // length up to the last line that is not empty
  let copyFrom = 0 // start of the lines that are not copied yet
  // offsets of the first space and tab at or after the current line
  let nextSpace = -1
  let nextTab = -1

  for (let start = 0; start < body.length; ) {
    const lineFeed = body.indexOf(LF, start)
    const next = lineFeed < 0 ? body.length : lineFeed + 1
    const hasCr = lineFeed > start && body[lineFeed - 1] === CR
    const end = hasCr ? lineFeed - 1 : lineFeed < 0 ? next : lineFeed

    if (nextSpace < start) nextSpace = indexOrEnd(body, SPACE, start)
    if (nextTab < start) nextTab = indexOrEnd(body, TAB, start)
    if (hasCr && nextSpace >= end && nextTab >= end) {
      if (end > start) lengthWithText = length + end - copyFrom
    } else {
      length += body.copy(out, length, copyFrom, start)
      const lineLength = copyRelaxed(body, start, end, out, length)
      length += lineLength
      if (lineLength > 0) lengthWithText = length
      out[length++] = CR
      out[length++] = LF
      copyFrom = next
    }
    start = next
  }
  body.copy(out, length, copyFrom)
  if (lengthWithText === 0) return Buffer.alloc(0)
  out[lengthWithText] = CR
  out[lengthWithText + 1] = LF
  return out.subarray(0, lengthWithText + 2)
}

/** Canonicalizes a body as `relaxedBody` does, from chunks that are split anywhere; it keeps no text in memory. */
export interface RelaxedBodyStream {
  /** @returns canonical bytes; often fewer than the chunk has */
  write(chunk: Uint8Array): Buffer
  /** @returns the last bytes */
  end(): Buffer
}

export function createRelaxedBodyStream(): RelaxedBodyStream {
  /** Empty lines that are part of the body only if text follows. */
  let emptyLines = 0
  let hasText = false // of the current line
  let hasSpace = false
  let hasCr = false

  return {
    write(chunk) {
      // Each byte writes at most two: a CR that was not the end of a line, or a space, before it. Empty lines come on top.
      const out = Buffer.allocUnsafe(2 * chunk.length + 2 * (emptyLines + chunk.length) + 2)
      let length = 0
      const text = (byte: number) => {
        for (; emptyLines > 0; emptyLines--) {
          out[length++] = CR
          out[length++] = LF
        }
        if (hasSpace) out[length++] = SPACE
        hasSpace = false
        hasText = true
        out[length++] = byte
      }
      for (const byte of chunk) {
        if (byte === LF) {
          hasCr = false
          hasSpace = false
          if (hasText) {
            out[length++] = CR
            out[length++] = LF
          } else emptyLines++
          hasText = false
          continue
        }
        if (hasCr) text(CR)
        hasCr = byte === CR
        if (byte === SPACE || byte === TAB) hasSpace = true
        else if (byte !== CR) text(byte)
      }
      return out.subarray(0, length)
    },

    end() {
      const last = hasCr ? this.write(Buffer.from([SPACE])) : Buffer.alloc(0) // a CR that ends no line is text
      return hasText ? Buffer.concat([last, Buffer.from([CR, LF])]) : last
    },
  }
}

/** Copies one line with its white space reduced. Returns the number of bytes written. */
function copyRelaxed(body: Buffer, start: number, end: number, out: Buffer, outStart: number): number {
  let outEnd = outStart
  let hasSpace = false
  for (let i = start; i < end; i++) {
    const byte = body[i]!
    if (byte === SPACE || byte === TAB) {
      hasSpace = true
      continue
    }
    if (hasSpace) out[outEnd++] = SPACE
    hasSpace = false
    out[outEnd++] = byte
  }
  return outEnd - outStart
}

function indexOrEnd(body: Buffer, byte: number, from: number): number {
  const index = body.indexOf(byte, from)
  return index < 0 ? body.length : index
}

/** Counts the LFs without a CR before them: each becomes two bytes. */
function loneLineFeeds(body: Buffer): number {
  let count = 0
  for (let index = body.indexOf(LF); index >= 0; index = body.indexOf(LF, index + 1))
    if (body[index - 1] !== CR) count++
  return count
}

/** §3.4.3: removes empty lines at the end. An empty body becomes one CRLF. Lines end in CRLF. */
export function simpleBody(body: Buffer): Buffer {
  let end = body.length
  while (end >= 2 && body[end - 1] === LF && body[end - 2] === CR) end -= 2
  const ended = end < body.length ? body.subarray(0, end + 2) : undefined
  return ended ?? Buffer.concat([body, Buffer.from([CR, LF])])
}

/**
 * §3.4.2: returns the name in lower case and the value unfolded, with white space reduced, without a line end.
 *
 * @param value its bytes as latin1, or ASCII
 */
export function relaxedHeader(name: string, value: string): string {
  // Not `String.trim` for the value: it would remove 0xA0, which is a part of UTF-8 characters.
  return `${name.toLowerCase().trim()}:${value
    .replace(/\r?\n/g, '')
    .replace(/[ \t]+/g, ' ')
    .replace(/^ | $/g, '')}`
}
