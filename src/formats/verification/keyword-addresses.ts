/** Addresses of pages and people inside a text, whose words and digits say nothing about what is around them. */

/** Stands for every character of an address; of the private use area, so that no mail means anything by it. */
export const ADDRESS_MARK = '\ue000'
/** What a scheme is made of stands before "://", which is looked for: no pattern has to be tried at every letter. */
const SCHEME = /[a-z][a-z0-9+.-]{1,20}$/i
const REST = /[!#-&(-;=?-~]+/y
const MAILBOX = /[^\s<>"'()[\]@]{1,64}$/
const DOMAIN = /[a-z0-9.-]{1,255}/iy

/** The same text with a mark in place of every character of an address, or of a page's only. */
export function withoutAddresses(text: string, kind: 'all' | 'pages' = 'all'): string {
  let blanked = ''
  let from = 0
  for (const { start, end, hasScheme } of addressesIn(text)) {
    if (kind === 'pages' && !hasScheme) continue
    blanked += text.slice(from, start) + ADDRESS_MARK.repeat(end - start)
    from = end
  }
  return from === 0 ? text : blanked + text.slice(from)
}

/** In order, none inside another. */
export function* addressesIn(text: string): Generator<{ start: number; end: number; hasScheme: boolean }> {
  let previousEnd = 0
  for (const { index, 0: found } of text.matchAll(/:\/\/|www\.|@/gi)) {
    if (index < previousEnd) continue
    const before = text.slice(Math.max(previousEnd, index - 64), index)
    const head = found === '@' ? MAILBOX.exec(before) : found === '://' ? SCHEME.exec(before) : { 0: '' }
    if (head === null) continue
    const start = index - head[0].length
    const end = endOf(found === '@' ? DOMAIN : REST, text, index + found.length)
    if (end === undefined) continue
    yield { start, end, hasScheme: found === '://' }
    previousEnd = end
  }
}

function endOf(pattern: RegExp, text: string, from: number): number | undefined {
  pattern.lastIndex = from
  return pattern.test(text) ? pattern.lastIndex : undefined
}
