/**
 * Extracts the part of a message that is new in its thread: the bodies without quoted history, attribution and
 * signature.
 *
 * Text of the sender must not get lost: without strong evidence for a quote, the text stays (quoting.ts). Every step
 * takes linear time, and bodies above a limit are ignored.
 */
import { isDeviceSignature, isSignatureSeparator, listFooterStart, signatureLines } from './quote-signals.ts'
import { type ScannedHtml, scanQuotedHtml } from './quoted-html.ts'
import { classifyLines, type LineKind } from './quoting.ts'
import { type ReplyHeader, replyContext } from './reply-context.ts'
import { extractReplyHtml } from './reply-html.ts'

export interface ReplyBodies {
  text?: string
  html?: string
  /** Returns the scan of the HTML, if the caller has made it. */
  scannedHtml?: () => ScannedHtml | undefined
}

export interface ExtractedReply {
  extractedText?: string
  extractedHtml?: string
}

/** A longer body is a document, not a reply. */
const CHARS_MAX = 1_000_000

/**
 * Extracts the new content of a received or sent message.
 *
 * A forward, a bounce, and a message with answers between quoted lines are returned as a whole. A field is absent if
 * the body is missing, longer than `charsMax`, or consists only of quotes.
 *
 * @param bodies    decoded, with LF line ends
 * @param header    fields of the same message that say whether it is a reply or a forward
 * @param charsMax  limit per body
 */
export function extractReply(
  { text, html, scannedHtml = () => scanQuotedHtml(html!) }: ReplyBodies,
  header: ReplyHeader = {},
  charsMax = CHARS_MAX,
): ExtractedReply {
  const context = replyContext(header)
  const extractedText = text === undefined || text.length > charsMax ? undefined : extractReplyText(text, context)
  const extractedHtml =
    html === undefined || html.length > charsMax ? undefined : extractReplyHtml(html, context, scannedHtml())
  const extracted: ExtractedReply = {}
  if (extractedText !== undefined) extracted.extractedText = extractedText
  if (extractedHtml !== undefined) extracted.extractedHtml = extractedHtml
  return extracted
}

function extractReplyText(text: string, context: ReturnType<typeof replyContext>): string | undefined {
  const all = text.split('\n')
  const lines = all.slice(0, listFooterStart(all))
  const quoting = classifyLines(
    lines.map((line) => ({ text: line })),
    context,
  )
  if (quoting === undefined) return orUndefined(text.trim())

  const own = withoutQuotes(lines, quoting.kinds)
  dropDeviceSignature(own)
  return orUndefined(own.join('\n').trim())
}

/** Returns the own lines. The signature between a signature separator and the next quote is left out. */
function withoutQuotes(lines: readonly string[], kinds: readonly LineKind[]): string[] {
  const own: string[] = []
  let signatureEnd = -1
  let hasText = false
  // Not computed again from the last line: with 100,000 empty lines below a line of 100,000 spaces, that took 10 s.
  let isAfterBlank = false
  for (const [index, line] of lines.entries()) {
    if (kinds[index] === 'quoted' || index < signatureEnd) continue
    if (hasText && isSignatureSeparator(line)) {
      signatureEnd = endOfSignature(lines, kinds, index)
      if (signatureEnd > index) continue
    }
    const isBlank = line.trim() === ''
    if (isBlank && isAfterBlank) continue // leave no gap in place of a quote
    own.push(line)
    isAfterBlank = isBlank
    hasText ||= !isBlank
  }
  return own
}

/** A signature is searched in this many lines. */
const SIGNATURE_SEARCH_MAX = 40

/** Returns the line below the signature; the separator itself if a person wrote the lines below it. */
function endOfSignature(lines: readonly string[], kinds: readonly LineKind[], separator: number): number {
  const below: string[] = []
  for (let index = separator + 1; index < lines.length && kinds[index] === 'own'; index++) {
    if (isSignatureSeparator(lines[index]!)) break
    below.push(lines[index]!)
    if (below.length > SIGNATURE_SEARCH_MAX) return separator
  }
  const count = signatureLines(below)
  return count === 0 && below.some((line) => line.trim() !== '') ? separator : separator + 1 + count
}

/** Removes "Sent from my phone" at the end. Changes the array. */
function dropDeviceSignature(own: string[]): void {
  for (;;) {
    while (own.at(-1)?.trim() === '') own.pop()
    if (own.length < 2 || !isDeviceSignature(own.at(-1)!)) return
    own.pop()
  }
}

function orUndefined(text: string): string | undefined {
  return text === '' ? undefined : text
}
