/** Finds the URLs of a body, in its text and in the links of its HTML, with their labels. */

import { oneLine } from './keyword-text.ts'
import { namesToken, tokenScore } from './link-tokens.ts'
import { ADDRESS_MASK, addressesIn, withoutAddresses } from './text-addresses.ts'
import type { VisibleText } from './visible-text.ts'

/** One URL in one body. */
export interface LinkOccurrence {
  readonly url: string
  /** Whether the URL contains a code that was found in the message. */
  readonly containsCode: boolean
  /** The text of the link, or the words before the URL. */
  readonly linkText: string
  readonly body: VisibleText
  readonly start: number
  readonly end: number
}

/** Links per body, and as many URLs in its text. A message with a verification link has few. */
const URLS_MAX = 50
const URL_CHARS_MAX = 4000

/** Finds the URLs that contain a token or one of the codes, or a parameter that is named as a token. */
export function linksIn(body: VisibleText, codes: readonly string[]): LinkOccurrence[] {
  const { text, links } = body
  const found: LinkOccurrence[] = []
  const add = (url: string, start: number, end: number, linkText: () => string) => {
    const containsCode = codes.some((code) => code.length >= 4 && url.includes(code))
    if (!containsCode && tokenScore(url) === 0 && !namesToken(url)) return
    found.push({ url, containsCode, linkText: linkText(), body, start, end })
  }
  for (const { url, linkText, start, end } of links) {
    if (found.length >= URLS_MAX) break
    if (!/^[a-z][a-z0-9+.-]{1,20}:\/\//i.test(url)) continue
    const isBare = /^\S*:\/\/\S*$/.test(linkText)
    add(url, start, end, () => (isBare ? linkTextBefore(text, start, 0) : linkText))
  }
  let previousEnd = 0
  for (const { start, end, hasScheme } of addressesIn(text)) {
    if (found.length >= URLS_MAX * 2) break
    if (!hasScheme || end - start > URL_CHARS_MAX) continue
    const url = withoutPunctuation(text.slice(start, end), text[start - 1])
    const labelStart = previousEnd
    previousEnd = start + url.length
    add(url, start, previousEnd, () => linkTextBefore(text, start, labelStart))
  }
  return found
}

/** Removes punctuation and brackets from the end of a URL: they belong to the sentence around it. */
function withoutPunctuation(url: string, before: string | undefined): string {
  let end = url.length
  for (; end > 0; end--) {
    const last = url[end - 1]!
    if (/[.,;:!?*_~|]/.test(last)) continue
    if (last === ')' && (before === '(' || !url.slice(0, end).includes('('))) continue
    if (last === ']' && (before === '[' || !url.slice(0, end).includes('['))) continue
    break
  }
  return url.slice(0, end)
}

const LABEL_CHARS = 90

/** Returns the words between the previous URL of the line and this one. Without any, returns the line above. */
function linkTextBefore(text: string, start: number, previousEnd: number): string {
  const lineStart = text.lastIndexOf('\n', start - 1) + 1
  const before = text.slice(Math.max(lineStart, previousEnd, start - 300), start)
  const linkText = lastSentence(before)
  if (/[\p{L}]/u.test(linkText) || lineStart === 0) return linkText
  const above = text.slice(Math.max(text.lastIndexOf('\n', lineStart - 2) + 1, lineStart - 301), lineStart - 1)
  return /:\/\//.test(above) ? '' : lastSentence(above)
}

function lastSentence(text: string): string {
  const trimmed = text.replace(/[\s<([{:：→».。!！]+$/, '')
  const previousEnd = Math.max(
    trimmed.lastIndexOf('. '),
    trimmed.lastIndexOf('? '),
    trimmed.lastIndexOf('! '),
    trimmed.lastIndexOf('。'),
    trimmed.lastIndexOf('\t'),
  )
  return trimmed
    .slice(previousEnd + 1)
    .slice(-LABEL_CHARS)
    .trim()
}

/** Returns the label and the words around it, on one line. */
export function contextOf({ body: { text }, start, end }: LinkOccurrence, charsMax: number): string {
  const { first, last } = linesAround(text, start, end)
  const near = Math.max(first, start - Math.floor(charsMax / 2))
  return oneLine(withoutAddresses(text.slice(near, last), 'urls').replaceAll(ADDRESS_MASK, ' '), charsMax)
}

/** Returns the range of a link's line and the line above, cut where they are long. */
export function linesAround(text: string, start: number, end: number): { first: number; last: number } {
  const lineStart = Math.max(text.lastIndexOf('\n', start - 1) + 1, start - 300)
  const first = Math.max(text.lastIndexOf('\n', lineStart - 2) + 1, lineStart - 300, 0)
  return { first, last: Math.min(lineEndOf(text, end), end + 200) }
}

function lineEndOf(text: string, from: number): number {
  const newline = text.indexOf('\n', from)
  return newline === -1 ? text.length : newline
}
