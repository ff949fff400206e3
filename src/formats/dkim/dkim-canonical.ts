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
 * space. Lines end in CRLF, even if the input has only LF. One pass.
 *
 * @returns memory of the body itself if only its end changes, as in most mail: all lines that stay as they are, are copied
 *          together or not at all
 */
export function relaxedBody(body: Buffer): Buffer {
  let changed = changedLine(body, 0)
  if (!changed) return withoutEmptyLines(body)
  const out = Buffer.allocUnsafe(body.length + loneLineFeeds(body) + 2)
  let length = 0
  let copied = 0 // the lines before this offset are in `out`
  for (; changed; changed = changedLine(body, copied)) {
    length += body.copy(out, length, copied, changed.start)
    length += copyRelaxed(body, changed.start, changed.end, out, length)
    out[length++] = CR
    out[length++] = LF
    copied = changed.next
  }
  length += body.copy(out, length, copied)
  return withoutEmptyLines(out.subarray(0, length))
}

interface Line {
  readonly start: number
  /** Before its line break. */
  readonly end: number
  readonly next: number
}

/**
 * Returns the next line that has another canonical form: one with a tab, with a space that no text follows, or that does not end
 * in CRLF.
 *
 * @param from the start of a line
 */
function changedLine(body: Buffer, from: number): Line | undefined {
  const last = body.length - 1
  if (from > last) return undefined
  let start = from
  let byte = body[from]!
  for (let at = from; at < last; at++) {
    const next = body[at + 1]!
    // Hardly ever true but at line ends. Asking first whether this is a space, as each sixth byte is, takes twice as long.
    if (byte < CR || byte + next <= 2 * SPACE) {
      if (byte === TAB || (byte === SPACE && next <= SPACE)) return lineAt(body, start, at)
      if (byte === LF) {
        if (!endsInCr(body, start, at)) return lineAt(body, start, at)
        start = at + 1
      }
    }
    byte = next
  }
  return byte === LF && endsInCr(body, start, last) ? undefined : lineAt(body, start, last)
}

function lineAt(body: Buffer, start: number, inside: number): Line {
  const lineFeed = body.indexOf(LF, inside)
  if (lineFeed < 0) return { start, end: body.length, next: body.length }
  return { start, end: endsInCr(body, start, lineFeed) ? lineFeed - 1 : lineFeed, next: lineFeed + 1 }
}

function endsInCr(body: Buffer, start: number, end: number): boolean {
  return end > start && body[end - 1] === CR
}

/** @param body its lines end in CRLF */
function withoutEmptyLines(body: Buffer): Buffer {
  let end = body.length
  while (end > 2 && body[end - 3] === LF) end -= 2
  return body.subarray(0, end === 2 ? 0 : end)
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
