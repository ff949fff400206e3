/**
 * Extracts the part of a message that is new in its thread: the bodies without quoted history, attribution and
 * signature.
 *
 * The libraries for this match patterns with nested repetition over the whole text: a message of 4 KB keeps
 * email-reply-parser busy for 28 seconds. Here every step takes linear time, and larger bodies than a limit are
 * ignored.
 */
import { isDeviceSignature, isSignatureSeparator } from './quote-signals.ts'
import { classifyLines, type LineKind } from './quoting.ts'
import { extractReplyHtml } from './reply-html.ts'

export interface ReplyBodies {
  text?: string
  html?: string
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
 * @param charsMax  limit per body
 */
export function extractReply({ text, html }: ReplyBodies, charsMax = CHARS_MAX): ExtractedReply {
  const extractedText = text === undefined || text.length > charsMax ? undefined : extractReplyText(text)
  const extractedHtml = html === undefined || html.length > charsMax ? undefined : extractReplyHtml(html)
  return {
    ...(extractedText !== undefined && { extractedText }),
    ...(extractedHtml !== undefined && { extractedHtml }),
  }
}

function extractReplyText(text: string): string | undefined {
  const lines = text.split('\n')
  const isMarked = (index: number) => lines[index]!.startsWith('>')
  const quoting = classifyLines(lines, { isMarked, runMin: 2, mayBeWrapped: true })
  if (quoting === undefined) return orUndefined(text.trim())

  const own = withoutQuotes(lines, quoting.kinds)
  dropDeviceSignature(own)
  return orUndefined(own.join('\n').trim())
}

/** Returns the own lines. The lines from a signature separator to the next quote are left out. */
function withoutQuotes(lines: readonly string[], kinds: readonly LineKind[]): string[] {
  const own: string[] = []
  let isSignature = false
  let hasText = false
  // Not computed again from the last line: with 100,000 empty lines below a line of 100,000 spaces, that took 10 s.
  let isAfterBlank = false
  for (const [index, line] of lines.entries()) {
    if (kinds[index] === 'quoted') isSignature = false
    else if (isSignatureSeparator(line) && hasText) isSignature = true
    if (kinds[index] === 'quoted' || isSignature) continue
    const isBlank = line.trim() === ''
    if (isBlank && isAfterBlank) continue // leave no gap in place of a quote
    own.push(line)
    isAfterBlank = isBlank
    hasText ||= !isBlank
  }
  return own
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
