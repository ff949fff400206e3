/**
 * Finds URLs and email addresses in a text, and masks them: their words and digits say nothing about the text around
 * them.
 *
 * Both are called addresses here.
 */

/** Replaces every character of an address. A private-use character, so it has no meaning in any message. */
export const ADDRESS_MASK = '\ue000'
/** Finds the scheme before "://". URLs are found by "://", so that no pattern has to be tried at every letter. */
const SCHEME = /[a-z][a-z0-9+.-]{1,20}$/i
const REST_OF_URL = /[!#-&(-;=?-~]+/y
const LOCAL_PART = /[^\s<>"'()[\]@]{1,64}$/
const DOMAIN = /[a-z0-9.-]{1,255}/iy

/**
 * Returns the text with every character of an address replaced by a mask, so that all offsets stay the same.
 *
 * @param kind  `urls`: only those that have a scheme
 */
export function withoutAddresses(text: string, kind: 'all' | 'urls' = 'all'): string {
  let masked = ''
  let from = 0
  for (const { start, end, hasScheme } of addressesIn(text)) {
    if (kind === 'urls' && !hasScheme) continue
    masked += text.slice(from, start) + ADDRESS_MASK.repeat(end - start)
    from = end
  }
  return from === 0 ? text : masked + text.slice(from)
}

/** Finds addresses in order; they do not overlap. */
export function* addressesIn(text: string): Generator<{ start: number; end: number; hasScheme: boolean }> {
  let previousEnd = 0
  for (const { index, 0: marker } of text.matchAll(/:\/\/|www\.|@/gi)) {
    if (index < previousEnd) continue
    const before = text.slice(Math.max(previousEnd, index - 64), index)
    const head = marker === '@' ? LOCAL_PART.exec(before) : marker === '://' ? SCHEME.exec(before) : { 0: '' }
    if (head === null) continue
    const start = index - head[0].length
    const end = matchEnd(marker === '@' ? DOMAIN : REST_OF_URL, text, index + marker.length)
    if (end === undefined) continue
    yield { start, end, hasScheme: marker === '://' }
    previousEnd = end
  }
}

/** Returns the end of the match that starts at `from`. */
function matchEnd(stickyPattern: RegExp, text: string, from: number): number | undefined {
  stickyPattern.lastIndex = from
  return stickyPattern.test(text) ? stickyPattern.lastIndex : undefined
}
