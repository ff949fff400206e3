/**
 * What a mail says that its thread has not heard yet: bodies without quoted history, attribution and signature.
 *
 * Ours, because the libraries for it match patterns with nested repetition over the whole text: a mail of 4 KB keeps
 * email-reply-parser busy for 28 seconds. Here every step is linear, and input beyond a limit is not looked at.
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

/** Longer bodies are documents, not replies. */
const CHARS_MAX = 1_000_000

/**
 * Extracts the new content of a received or sent mail.
 *
 * A forward, a bounce and answers between quoted lines come back whole. A field is absent where nothing could be
 * extracted: no such body, over `charsMax`, or a body that is quote from end to end.
 *
 * @param bodies    decoded, LF line ends
 * @param charsMax  per body
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

/** Own lines; from a signature separator to the next quote nothing is own. */
function withoutQuotes(lines: readonly string[], kinds: readonly LineKind[]): string[] {
  const own: string[] = []
  let isSignature = false
  let isWritten = false
  let isAfterBlank = false // remembered: a blank line of 100,000 spaces above 100,000 empty ones took 10 s to look at again
  for (const [index, line] of lines.entries()) {
    if (kinds[index] === 'quoted') isSignature = false
    else if (isSignatureSeparator(line) && isWritten) isSignature = true
    if (kinds[index] === 'quoted' || isSignature) continue
    const isBlank = line.trim() === ''
    if (isBlank && isAfterBlank) continue // no gap where a quote was
    own.push(line)
    isAfterBlank = isBlank
    isWritten ||= !isBlank
  }
  return own
}

/** Removes "Sent from my phone" at the end, in place. */
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
