/** Where the addresses of a mail are, in its text and behind its buttons, and what they are called there. */

import type { VisibleText } from '../html/visible-text.ts'
import { ADDRESS_MARK, addressesIn, withoutAddresses } from './keyword-addresses.ts'
import { oneLine } from './keyword-text.ts'
import { tokenOf } from './link-tokens.ts'

/** One address in one body. */
export interface Occurrence {
  readonly url: string
  /** It holds a code that the mail tells as well. */
  readonly carriesCode: boolean
  /** What its button says, or what is written before it. */
  readonly label: string
  readonly body: VisibleText
  readonly start: number
  readonly end: number
}

/** Of a body; a mail that proves something has few. */
const ADDRESSES_MAX = 50
const URL_CHARS_MAX = 4000

/** Those that carry something which others do not know. */
export function occurrencesIn(body: VisibleText, codes: readonly string[]): Occurrence[] {
  const { text, links } = body
  const found: Occurrence[] = []
  const add = (url: string, start: number, end: number, label: () => string) => {
    const carriesCode = codes.some((code) => code.length >= 4 && url.includes(code))
    if (!carriesCode && tokenOf(url) === 0) return
    found.push({ url, carriesCode, label: label(), body, start, end })
  }
  for (const { url, label, start, end } of links) {
    if (found.length >= ADDRESSES_MAX) break
    if (!/^[a-z][a-z0-9+.-]{1,20}:\/\//i.test(url)) continue
    const isBare = /^\S*:\/\/\S*$/.test(label)
    add(url, start, end, () => (isBare ? labelBefore(text, start, 0) : label))
  }
  let previousEnd = 0
  for (const { start, end, hasScheme } of addressesIn(text)) {
    if (found.length >= ADDRESSES_MAX * 2 || end - start > URL_CHARS_MAX) break
    if (!hasScheme) continue
    const url = trimEnd(text.slice(start, end), text[start - 1])
    const after = previousEnd
    previousEnd = start + url.length
    add(url, start, previousEnd, () => labelBefore(text, start, after))
  }
  return found
}

/** Full stops and brackets after an address belong to the sentence. */
function trimEnd(url: string, before: string | undefined): string {
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

/** What is written before an address: on its line after the address before it, or on the line above where it begins a line. */
function labelBefore(text: string, start: number, previousEnd: number): string {
  const lineStart = text.lastIndexOf('\n', start - 1) + 1
  const before = text.slice(Math.max(lineStart, previousEnd, start - 300), start)
  const own = lastSentence(before)
  if (/[\p{L}]/u.test(own) || lineStart === 0) return own
  const above = text.slice(Math.max(text.lastIndexOf('\n', lineStart - 2) + 1, lineStart - 301), lineStart - 1)
  return /:\/\//.test(above) ? '' : lastSentence(above)
}

function lastSentence(text: string): string {
  const words = text.replace(/[\s<([{:：→».。!！]+$/, '')
  const cut = Math.max(
    words.lastIndexOf('. '),
    words.lastIndexOf('? '),
    words.lastIndexOf('! '),
    words.lastIndexOf('。'),
    words.lastIndexOf('\t'),
  )
  return words
    .slice(cut + 1)
    .slice(-LABEL_CHARS)
    .trim()
}

/** What it is called and the words around it, on one line. */
export function contextOf({ body: { text }, start, end }: Occurrence, charsMax: number): string {
  const { first, last } = linesAround(text, start, end)
  const near = Math.max(first, start - Math.floor(charsMax / 2))
  return oneLine(withoutAddresses(text.slice(near, last), 'pages').replaceAll(ADDRESS_MARK, ' '), charsMax)
}

/** Its line, with the one above. */
export function linesAround(text: string, start: number, end: number): { first: number; last: number } {
  const lineStart = Math.max(text.lastIndexOf('\n', start - 1) + 1, start - 300)
  const first = Math.max(text.lastIndexOf('\n', lineStart - 2) + 1, lineStart - 300, 0)
  return { first, last: Math.min(lineEndOf(text, end), end + 200) }
}

function lineEndOf(text: string, from: number): number {
  const newline = text.indexOf('\n', from)
  return newline === -1 ? text.length : newline
}
