/**
 * Cuts a body to the size that it has in JSON. Every response and event that shows a body contains it as JSON, in which
 * a control character takes six bytes: a limit in characters would not bound what readers cost.
 */

/** JSON bytes of one UTF-16 code unit at most: `\u0001`. */
const UNIT_BYTES_MAX = 6

/**
 * Returns the text, or its longest beginning whose JSON string, without quotation marks, has at most `bytesMax` bytes
 * of UTF-8. Never ends between the halves of a surrogate pair. The time is linear.
 */
export function cutToJsonBytes(text: string, bytesMax: number): string {
  if (text.length * UNIT_BYTES_MAX <= bytesMax) return text // almost all mail
  let bytes = 0
  for (let at = 0; at < text.length; at++) {
    const isPair = isSurrogatePair(text, at)
    bytes += isPair ? 4 : unitBytes(text.charCodeAt(at))
    if (bytes > bytesMax) return text.slice(0, at)
    if (isPair) at++
  }
  return text
}

function isSurrogatePair(text: string, at: number): boolean {
  return isBetween(text.charCodeAt(at), 0xd800, 0xdbff) && isBetween(text.charCodeAt(at + 1), 0xdc00, 0xdfff)
}

/** As JSON.stringify writes it: a short escape, an escape, or UTF-8. */
function unitBytes(unit: number): number {
  if (unit < 0x20) return unit >= 0x08 && unit <= 0x0d && unit !== 0x0b ? 2 : UNIT_BYTES_MAX
  if (unit < 0x80) return unit === 0x22 || unit === 0x5c ? 2 : 1
  if (unit < 0x800) return 2
  return isBetween(unit, 0xd800, 0xdfff) ? UNIT_BYTES_MAX : 3 // half of a pair is escaped
}

function isBetween(unit: number, first: number, last: number): boolean {
  return unit >= first && unit <= last
}
