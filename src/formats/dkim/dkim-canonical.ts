/**
 * DKIM's relaxed canonical forms (RFC 6376 §3.4.2 and §3.4.4): the same for two copies of a mail whose white space a
 * relay has changed. Signing needs them; the fingerprint of a mail uses the body's.
 */

const LF = 0x0a
const CR = 0x0d
const SPACE = 0x20
const TAB = 0x09

/**
 * §3.4.4: white space at line ends goes, within lines it becomes one space, empty lines at the end go; lines end in
 * CRLF, also where the input has LF alone. One pass; lines without white space, which attachments consist of, are copied
 * whole.
 */
export function relaxedBody(body: Buffer): Buffer {
  const out = Buffer.allocUnsafe(body.length + loneLineFeeds(body) + 2)
  let length = 0
  let written = 0 // length without the empty lines at the end
  let nextSpace = -1 // the first white space at or behind the line being read

  for (let start = 0; start < body.length; ) {
    const lineFeed = body.indexOf(LF, start)
    const next = lineFeed < 0 ? body.length : lineFeed + 1
    const end = lineFeed > start && body[lineFeed - 1] === CR ? lineFeed - 1 : lineFeed < 0 ? next : lineFeed

    if (nextSpace < start) nextSpace = indexOfWhiteSpace(body, start)
    const lineLength =
      nextSpace >= end ? body.copy(out, length, start, end) : copyRelaxed(body, start, end, out, length)
    length += lineLength
    if (lineLength > 0) written = length
    out[length++] = CR
    out[length++] = LF
    start = next
  }
  return written === 0 ? Buffer.alloc(0) : out.subarray(0, written + 2)
}

/** Copies one line with its white space relaxed; returns the number of bytes written. */
function copyRelaxed(body: Buffer, start: number, end: number, out: Buffer, at: number): number {
  let length = at
  let space = false
  for (let i = start; i < end; i++) {
    const byte = body[i]!
    if (byte === SPACE || byte === TAB) {
      space = true
      continue
    }
    if (space) out[length++] = SPACE
    space = false
    out[length++] = byte
  }
  return length - at
}

function indexOfWhiteSpace(body: Buffer, from: number): number {
  let at = from
  while (at < body.length && body[at] !== SPACE && body[at] !== TAB) at++
  return at
}

/** Each becomes two bytes. */
function loneLineFeeds(body: Buffer): number {
  let count = 0
  for (let at = body.indexOf(LF); at >= 0; at = body.indexOf(LF, at + 1)) if (body[at - 1] !== CR) count++
  return count
}

/** §3.4.2: lower-case name, unfolded value, white space runs as one space, none around the colon. Without line end. */
export function relaxedHeader(name: string, value: string): string {
  return `${name.toLowerCase().trim()}:${value
    .replace(/\r?\n/g, '')
    .replace(/[ \t]+/g, ' ')
    .trim()}`
}
